"""Measure whole scans against bare decoding, against a plain loop, and against other programs; same files.

    .venv/bin/python benchmarks/scan.py                      # some minutes; installs other programs first
    .venv/bin/python benchmarks/scan.py --rounds 1 --repeats 1 --without-peers

Every contender is a process of its own, started anew for each round, and is charged for all it does: start,
imports, reading, decoding, writing results. The photographs are copied under several names. All but one are
the training side of the leak scan and that one is its test side, so no leak costs time. Contenders take
turns; the least of the rounds counts, since other work on the machine only ever adds. Kernels are compiled in
a run before the first round.

Starting a program with numba and pyarrow takes more CPU time than some hundred images, and at a million
images none. Each contender therefore runs over a few images too: the difference of both runs, divided by the
difference in images, is what one more image costs. The ratios with targets are those of this figure; the
whole, start included, stands beside it.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from peers import PEERS, Peer
from runs import (
    CHAFFINCH,
    PYTHON,
    ROOT,
    Cost,
    RunFailedError,
    machine,
    photographs,
    run,
    scratch_folder,
    versions,
    write_result,
)

GUIDE_SCRIPT = ROOT / "train_test_leak_detection.py"
DECODE, LOOP = "bare simplejpeg decode", "Pillow + imagehash loop"
LEAK_SCAN, FULL_SCAN = "chaffinch leak scan", "chaffinch full scan"
N_FEW = 40
"""Images of the runs that tell what the start takes."""
MAX_LEAK_SCAN_TO_DECODE = 1.45
"""Ratio of CPU time to reach."""
MAX_FULL_SCAN_TO_LOOP = 0.95
"""Ratio of CPU time to reach."""

BARE_DECODE = """
import sys
from pathlib import Path
import simplejpeg
for folder in sys.argv[1:]:
    for path in Path(folder).iterdir():
        simplejpeg.decode_jpeg(path.read_bytes())
"""
PLAIN_LOOP = """
import sys
from pathlib import Path
import imagehash
from PIL import Image
for folder in sys.argv[1:]:
    for path in Path(folder).iterdir():
        imagehash.phash(Image.open(path))
"""


@dataclass(frozen=True, slots=True)
class Photographs:
    """A folder with a training and a test folder in it."""

    root: Path
    n_images: int

    @property
    def train(self) -> Path:
        """All images but one."""
        return self.root / "train"

    @property
    def test(self) -> Path:
        """One image that is not in the training folder."""
        return self.root / "test"


def copy_photographs(root: Path, *, repeats: int, limit: int | None = None) -> Photographs:
    """Copy all photographs but one, or some of them, under several names, and that one beside."""
    *most, last = photographs()
    for path in (root / "train", root / "test"):
        path.mkdir(parents=True)
    shutil.copy(last, root / "test" / last.name)
    for path in most[:limit]:
        for number in range(repeats):
            shutil.copy(path, root / "train" / f"{number}-{path.name}")
    return Photographs(root, len(most[:limit]) * repeats + 1)


@dataclass(slots=True)
class Contender:
    """Something that goes through the images, and the best it did."""

    name: str
    does: str
    go: Callable[[Photographs], Cost]
    note: str = ""
    best: dict[int, Cost] = field(default_factory=dict)
    """By number of images."""

    def take_turn(self, images: Photographs) -> None:
        """Run once; keep the result if it took less CPU time."""
        cost = self.go(images)
        best = self.best.setdefault(images.n_images, cost)
        if cost.cpu_s < best.cpu_s:
            self.best[images.n_images] = cost

    def cpu_ms_per_more(self) -> float:
        """Return the CPU milliseconds of one more image."""
        few, many = min(self.best), max(self.best)
        return (self.best[many].cpu_s - self.best[few].cpu_s) / (many - few) * 1000

    def row(self) -> dict[str, object]:
        """Return the best runs per image."""
        n_images = max(self.best)
        whole = self.best[n_images]
        return {
            "contender": self.name,
            "computes": self.does,
            "cpu_ms_per_more_image": round(self.cpu_ms_per_more(), 3),
            "cpu_ms_per_image_with_start": round(whole.cpu_s / n_images * 1000, 3),
            "wall_ms_per_image": round(whole.wall_s / n_images * 1000, 3),
            "peak_mb": round(whole.peak_mb),
            "note": self.note,
        }


def own_contenders(scratch: Path) -> list[Contender]:
    """Return the two references and the two kinds of our scan, each once more in one thread."""

    def full(images: Photographs, workers: int) -> Cost:
        command = [CHAFFINCH, "scan", images.root, "-w", mkdtemp(dir=scratch), "--workers", str(workers)]
        # What vectors cost is measured by embed.py and whole_run.py.
        return run([*command, "--embedder", "none"])

    def leak(images: Photographs, workers: int) -> Cost:
        folder = mkdtemp(dir=scratch)
        command = [PYTHON, GUIDE_SCRIPT, "--train_dir", images.train, "--test_dir", images.test]
        command += ["--methods", "exact", "perceptual", "--output", f"{folder}/leaks.csv"]
        return run([*command, "--workers", str(workers)], more_env={"XDG_CACHE_HOME": folder})

    def loop(images: Photographs, code: str) -> Cost:
        return run([PYTHON, "-c", code, images.train, images.test])

    hashes, everything = "digests, 8 pHashes, leak report", "digests, 8 pHashes, quality, thumbnails"
    return [
        Contender(DECODE, "RGB pixels", lambda images: loop(images, BARE_DECODE)),
        Contender(LEAK_SCAN, hashes, lambda images: leak(images, 0)),
        Contender(f"{LEAK_SCAN}, 1 thread", hashes, lambda images: leak(images, 1)),
        Contender(LOOP, "pHash", lambda images: loop(images, PLAIN_LOOP)),
        Contender(FULL_SCAN, everything, lambda images: full(images, 0)),
        Contender(f"{FULL_SCAN}, 1 thread", everything, lambda images: full(images, 1)),
    ]


def peer_contenders() -> tuple[list[Contender], list[dict[str, str]]]:
    """Return the other programs, and those that cannot be installed here, with the reason."""
    contenders: list[Contender] = []
    skipped: list[dict[str, str]] = []
    for peer in PEERS:
        try:
            contenders.append(peer_contender(peer, peer.python()))
        except RunFailedError as error:
            skipped.append({"contender": peer.name, "why": str(error).splitlines()[-1]})
    return contenders, skipped


def peer_contender(peer: Peer, python: Path) -> Contender:
    """Return a contender for an installed program."""

    def go(images: Photographs) -> Cost:
        return run([python, "-c", peer.script, images.train], more_env={"SENTRY_OPT_OUT": "1"})

    return Contender([*peer.bare_requirements, *peer.requirements][0], peer.does, go, peer.note)


def ratios(contenders: Sequence[Contender]) -> list[dict[str, object]]:
    """Hold the ratios of CPU time for one more image against their targets."""
    cpu = {contender.name: contender.cpu_ms_per_more() for contender in contenders}
    return [
        {"ratio": f"{a} / {b}", "reached": round(cpu[a] / cpu[b], 3), "target": limit}
        for a, b, limit in (
            (LEAK_SCAN, DECODE, MAX_LEAK_SCAN_TO_DECODE),
            (f"{LEAK_SCAN}, 1 thread", DECODE, MAX_LEAK_SCAN_TO_DECODE),
            (FULL_SCAN, LOOP, MAX_FULL_SCAN_TO_LOOP),
            (f"{FULL_SCAN}, 1 thread", LOOP, MAX_FULL_SCAN_TO_LOOP),
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--peer-rounds", type=int, default=2, help="rounds that other programs take part in")
    parser.add_argument("--repeats", type=int, default=3, help="copies of each photograph")
    parser.add_argument("--without-peers", action="store_true", help="install and measure no other program")
    options = parser.parse_args()
    facts = machine()
    with scratch_folder() as scratch:
        many = copy_photographs(scratch / "many", repeats=options.repeats)
        few = copy_photographs(scratch / "few", repeats=1, limit=N_FEW)
        sizes = [path.stat().st_size for path in many.train.iterdir()]
        own = own_contenders(scratch)
        first = {c.name: round(c.go(few).cpu_s, 1) for c in own if c.name in (LEAK_SCAN, FULL_SCAN)}
        peers, skipped = ([], []) if options.without_peers else peer_contenders()
        for number in range(options.rounds):
            for images in (few, many):
                for contender in [*own, *(peers if number < options.peer_rounds else [])]:
                    contender.take_turn(images)
    result = {
        "n_images": many.n_images,
        "n_images_for_the_start": few.n_images,
        "mean_kb": round(sum(sizes) / len(sizes) / 1000, 1),
        "rounds": options.rounds,
        "rounds_of_other_programs": min(options.rounds, options.peer_rounds),
        "machine": facts,
        "versions": versions("chaffinch", "simplejpeg", "pillow", "ImageHash", "numba", "numpy", "pyarrow"),
        "first_run_cpu_s": first,
        "targets": ratios(own),
        "contenders": [contender.row() for contender in [*own, *peers]],
    }
    write_result("scan", {**result, "skipped": skipped} if skipped else result)


if __name__ == "__main__":
    main()
