"""Other programs for comparison, each in a virtual environment of its own below .bench-envs.

fastdup's licence forbids commercial use: it is measured here and nothing is taken from it. imagededup's PHash
needs no torch, so stand-ins are imported in its place, which saves it seconds at the start.
"""

from __future__ import annotations

import venv
from dataclasses import dataclass
from pathlib import Path

from runs import ROOT, run

ENVIRONMENTS = ROOT / ".bench-envs"

IMAGEDEDUP = """
import sys
from unittest.mock import MagicMock
for name in ("torch", "torch.nn", "torch.utils", "torch.utils.data", "torchvision", "torchvision.models",
             "torchvision.models.vision_transformer", "torchvision.transforms",
             "torchvision.transforms.transforms"):
    sys.modules[name] = MagicMock(Tensor=type("Tensor", (), {}))
from imagededup.methods import PHash
if __name__ == "__main__":
    assert PHash(verbose=False).encode_images(image_dir=sys.argv[1])
"""
CLEANVISION = """
import sys
from cleanvision import Imagelab
if __name__ == "__main__":
    Imagelab(data_path=sys.argv[1]).find_issues(verbose=False)
"""
FASTDUP = """
import sys
import tempfile
import fastdup
if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        fastdup.create(work_dir=work, input_dir=sys.argv[1]).run(overwrite=True)
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program, and how to install it."""

    name: str
    script: str
    """What it runs; its one argument is the folder of images."""
    does: str
    """What it computes."""
    requirements: tuple[str, ...]
    """For pip."""
    bare_requirements: tuple[str, ...] = ()
    """For pip with --no-deps."""
    note: str = ""
    """What has to stand beside its figure."""

    def python(self) -> Path:
        """Return the Python of its environment; makes it if it is not there.

        Raises:
            RunFailedError: If pip cannot install it.
        """
        folder = ENVIRONMENTS / self.name
        python = folder / "bin" / "python"
        done = folder / "requirements.txt"
        wanted = "\n".join([*self.bare_requirements, *self.requirements]) + "\n"
        if not done.exists() or done.read_text() != wanted:
            venv.create(folder, with_pip=True, clear=True)
            if self.bare_requirements:
                run([python, "-m", "pip", "install", "-q", "--no-deps", *self.bare_requirements])
            run([python, "-m", "pip", "install", "-q", *self.requirements])
            done.write_text(wanted)
        return python


PEERS = (
    Peer(
        "imagededup",
        IMAGEDEDUP,
        "pHash",
        ("pillow==13.0.0", "scikit-learn==1.9.1", "PyWavelets==1.9.0", "matplotlib==3.11.2", "tqdm==4.70.1"),
        ("imagededup==0.3.3.post2",),
        "its PHash alone, without torch",
    ),
    Peer("cleanvision", CLEANVISION, "quality, exact and near duplicates", ("cleanvision==0.3.7",)),
    Peer(
        "fastdup",
        FASTDUP,
        "embeddings, neighbours, quality",
        ("fastdup==2.54",),
        note="its licence forbids commercial use: measured, nothing taken from it",
    ),
)


def python_of(name: str) -> Path:
    """Return the Python of the environment of the peer with this name; makes it if it is not there."""
    return next(peer for peer in PEERS if peer.name == name).python()
