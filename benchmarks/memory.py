"""Measure the peak memory of a scan as the dataset grows, and of a second scan that finds nothing new.

    .venv/bin/python benchmarks/memory.py                     # 50 k, 100 k and 200 k images, some minutes
    .venv/bin/python benchmarks/memory.py --sizes 5000 10000

The images are tiny generated JPEGs, all different, in class folders of 500: what a scan keeps per image does
not depend on the pixels, and what it needs for the pixels (a few decoded images) does not grow. Each scan is
a process of its own with a workspace of its own. Growth is the slope between the smallest and the largest
dataset; what it comes to at ImageNet's 1.28 million images is worked out from it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg

from runs import CHAFFINCH, Cost, machine, run, scratch_folder, versions, write_result

SIDE_PX = 24
IMAGES_PER_FOLDER = 500
IMAGENET = 1_281_167
MAX_PEAK_MB = 1024


def add_images(root: Path, first: int, stop: int) -> None:
    """Write the images with these numbers, each a smooth random picture of its own."""
    for start in range(first, stop, IMAGES_PER_FOLDER):
        folder = root / f"class{start // IMAGES_PER_FOLDER:05d}"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(start)
        for number in range(start, min(start + IMAGES_PER_FOLDER, stop)):
            corners = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
            pixels = np.ascontiguousarray(
                np.kron(corners, np.ones((SIDE_PX // 3, SIDE_PX // 3, 1), np.uint8))
            )
            (folder / f"image{number:07d}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))


def row(kind: str, n_images: int, cost: Cost) -> dict[str, object]:
    return {
        "scan": kind,
        "n_images": n_images,
        "peak_mb": round(cost.peak_mb, 1),
        "cpu_s": round(cost.cpu_s, 1),
        "cpu_ms_per_image": round(cost.cpu_s / n_images * 1000, 3),
    }


def measured(sizes: list[int], scratch: Path) -> Iterator[dict[str, object]]:
    """Yield a row for each scan and each second scan."""
    root, n_written = scratch / "images", 0
    for size in sizes:
        add_images(root, n_written, size)
        n_written = size
        workspace = scratch / f"ws{size}"
        for kind in ("first", "nothing new"):
            yield row(kind, size, run([CHAFFINCH, "scan", root, "-w", workspace]))


def growth(rows: list[dict[str, object]], kind: str) -> dict[str, object]:
    """Return bytes per image from the smallest to the largest dataset, and the peak at ImageNet's size."""
    points = [(float(str(r["n_images"])), float(str(r["peak_mb"]))) for r in rows if r["scan"] == kind]
    (few, low), (many, high) = points[0], points[-1]
    slope_mb = (high - low) / (many - few)
    return {
        "scan": kind,
        "bytes_per_image": round(slope_mb * 2**20),
        "peak_mb_at_1281167_images": round(high + slope_mb * (IMAGENET - many)),
        "target_peak_mb": MAX_PEAK_MB,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 100_000, 200_000])
    options = parser.parse_args()
    facts = machine()
    with scratch_folder() as scratch:
        rows = list(measured(sorted(options.sizes), scratch))
    result = {
        "data": f"generated JPEGs of {SIDE_PX} x {SIDE_PX} pixels",
        "machine": facts,
        "versions": versions("chaffinch", "numpy", "numba", "pyarrow"),
        "scans": rows,
        "growth": [growth(rows, kind) for kind in ("first", "nothing new")],
    }
    write_result("memory", result)


if __name__ == "__main__":
    main()
