"""Take 10,000 images of natural size through `chaffinch clean`, beside fastdup and cleanvision.

    .venv/bin/python benchmarks/whole_run.py                      # half an hour
    .venv/bin/python benchmarks/whole_run.py --images 1000
    .venv/bin/python benchmarks/whole_run.py --apart

The images are the crops of benchmarks/leak_path.py, in class folders (a class for each of the 400
photographs), four fifths for training and one fifth for testing; those of one photograph overlap, as copies
do. With --apart they are its tiles, which have nothing in common. Each program runs once over the same
files, as a process, from images to findings: `clean` with the model that comes along at its two sizes, and
without vectors; stage by stage as it logs them. The peers do their own default analysis, which is less; what
each does stands beside its figure.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from leak_path import JPEG_QUALITY, crops
from peers import PEERS
from runs import (
    CHAFFINCH,
    Cost,
    machine,
    photographs,
    run,
    scratch_folder,
    stage_seconds,
    versions,
    write_result,
)

EMBEDDERS = {
    "chaffinch clean": "chaffinch-s",
    "chaffinch clean, 128 pixels": "chaffinch-s-128",
    "chaffinch clean, no vectors": "none",
}
DOES = "duplicates, leaks (exact, perceptual, verified), quality, policy, lists"
DOES_WITH_VECTORS = f"{DOES}; mislabels, outliers, clusters, map"
TEST_EVERY = 5
TILES = 16


def tiles(n: int) -> Iterator[Image.Image]:
    """Yield `TILES` tiles of each photograph, enlarged to the whole; no two show the same."""
    side = math.isqrt(TILES)
    for path in photographs()[: n // TILES]:
        with Image.open(path) as image:
            photograph = image.convert("RGB")
        width, height = photograph.size
        for row, column in itertools.product(range(side), range(side)):
            box = (
                column * width / side,
                row * height / side,
                (column + 1) * width / side,
                (row + 1) * height / side,
            )
            yield photograph.resize((width, height), Image.Resampling.BILINEAR, box=box)


def build(root: Path, n_images: int, *, are_apart: bool) -> float:
    """Write the images in class folders; returns their mean size in KB."""
    n_classes, size = len(photographs()), 0
    for number, crop in enumerate(tiles(n_images) if are_apart else crops(n_images)):
        split = "test" if number % TEST_EVERY == 0 else "train"
        path = root / split / f"class{number * n_classes // n_images:03d}" / f"crop{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        crop.save(path, quality=JPEG_QUALITY)
        size += path.stat().st_size
    return round(size / n_images / 1000, 1)


def row(program: str, cost: Cost, *, n_images: int, does: str) -> dict[str, object]:
    """Return the figures of one program."""
    return {
        "program": program,
        "cpu_ms_per_image": round(cost.cpu_s / n_images * 1000, 2),
        "cpu_s": round(cost.cpu_s, 1),
        "wall_s": round(cost.wall_s, 1),
        "peak_mb": round(cost.peak_mb),
        "does": does,
    }


def run_all(
    images: Path, scratch: Path, *, n_images: int
) -> tuple[list[dict[str, object]], dict[str, dict[str, float]]]:
    """Run every program over the images; returns a row for each, and our stages in CPU seconds."""
    programs, stages = [], {}
    for number, (program, embedder) in enumerate(EMBEDDERS.items()):
        command = [CHAFFINCH, "clean", images, "-w", scratch / f"ws{number}", "--log-json"]
        cost = run([*command, "--embedder", embedder])
        does = DOES if embedder == "none" else DOES_WITH_VECTORS
        programs.append(row(program, cost, n_images=n_images, does=does))
        stages[program] = stage_seconds(cost)
    for peer in PEERS:
        if peer.name in ("fastdup", "cleanvision"):
            script = scratch / f"run_{peer.name}.py"
            script.write_text(peer.script)
            cost = run([peer.python(), script, images])
            programs.append(row(peer.name, cost, n_images=n_images, does=peer.does))
    return programs, stages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--apart", action="store_true", help="tiles of each photograph: no copies")
    arguments = parser.parse_args()
    n_images = TILES * len(photographs()) if arguments.apart else arguments.images
    facts, shown = machine(), "tiles" if arguments.apart else "distinct crops"
    with scratch_folder() as scratch:
        images = scratch / "images"
        mean_kb = build(images, n_images, are_apart=arguments.apart)
        # Compiled kernels are kept: what compiling them costs once is no part of a run.
        build(scratch / "warm", 40, are_apart=arguments.apart)
        run([CHAFFINCH, "clean", scratch / "warm", "-w", scratch / "warm-ws"])
        programs, stages = run_all(images, scratch, n_images=n_images)
    names = list(dict.fromkeys(stage for seconds in stages.values() for stage in seconds))
    result = {
        "n_images": n_images,
        "data": f"{shown} of 400 photographs, enlarged to their size, a class for each photograph",
        "mean_kb": mean_kb,
        "machine": facts,
        "versions": versions("chaffinch", "simplejpeg", "onnxruntime", "numba", "numpy", "pyarrow"),
        "programs": programs,
        "cpu_ms_per_image_by_stage": [
            {"stage": name, **{p: round(stages[p].get(name, 0.0) / n_images * 1000, 3) for p in stages}}
            for name in names
        ],
    }
    write_result("whole_run_apart" if arguments.apart else "whole_run", result)


if __name__ == "__main__":
    main()
