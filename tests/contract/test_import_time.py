"""What a start loads: the command line answers at once; heavy packages are imported where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = frozenset(
    "torch torchvision pandas polars ray fastapi uvicorn faiss onnxruntime matplotlib numba llvmlite scipy"
    " pyarrow duckdb PIL simplejpeg skimage sqlalchemy httpx huggingface_hub datasets pptx fsspec s3fs gcsfs"
    " yaml imagehash".split()
)
"""Packages that cost tens of milliseconds or more to import."""

PROBE = """
import sys
{code}
print(*sorted({{name.partition('.')[0] for name in sys.modules}}))
"""

HELP = """
from chaffinch.cli.main import app
try:
    app({arguments})
except SystemExit:
    pass
"""


def loaded(code: str) -> set[str]:
    """Run `code` in a fresh interpreter; return the packages that are loaded afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import chaffinch",
        "import chaffinch.errors, chaffinch.records, chaffinch.settings",
        "import chaffinch.cli.main",
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["leaks", "--help"]),
        HELP.format(arguments=["--version"]),
    ],
)
def test_import__loads_nothing_heavy(code: str) -> None:
    assert sorted(loaded(code) & HEAVY) == []


def test_import__the_probe_sees_what_is_loaded() -> None:
    assert "pyarrow" in loaded("import pyarrow")
