"""Take 10,000 images of natural size through `chaffinch clean`, beside fastdup and cleanvision.

    .venv/bin/python benchmarks/whole_run.py                      # half an hour
    .venv/bin/python benchmarks/whole_run.py --images 1000

The images are the crops of benchmarks/leak_path.py, in class folders (a class for each of the 400
photographs), four fifths for training and one fifth for testing. Each program runs once over the same files,
as a process, from images to findings: `clean` with the model that comes along at its two sizes, and without
vectors; stage by stage as it logs them. The peers do their own default analysis, which
is less; what each does stands beside its figure.
"""

from __future__ import annotations

import argparse
from pathlib import Path

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
DOES = (
    "duplicates, leaks, quality; with vectors mislabels, outliers, semantic copies, clusters; policy, lists"
)
TEST_EVERY = 5


def build(root: Path, n_images: int) -> float:
    """Write the images in class folders; returns their mean size in KB."""
    n_classes, size = len(photographs()), 0
    for number, crop in enumerate(crops(n_images)):
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    n_images = parser.parse_args().images
    facts, programs, stages = machine(), [], {}
    with scratch_folder() as scratch:
        images = scratch / "images"
        mean_kb = build(images, n_images)
        # Compiled kernels are kept: what compiling them costs once is no part of a run.
        build(scratch / "warm", 40)
        run([CHAFFINCH, "clean", scratch / "warm", "-w", scratch / "warm-ws"])
        for number, (program, embedder) in enumerate(EMBEDDERS.items()):
            command = [CHAFFINCH, "clean", images, "-w", scratch / f"ws{number}", "--log-json"]
            cost = run([*command, "--embedder", embedder])
            programs.append(row(program, cost, n_images=n_images, does=DOES))
            stages[program] = stage_seconds(cost)
        for peer in PEERS:
            if peer.name in ("fastdup", "cleanvision"):
                script = scratch / f"run_{peer.name}.py"
                script.write_text(peer.script)
                cost = run([peer.python(), script, images])
                programs.append(row(peer.name, cost, n_images=n_images, does=peer.does))
    names = list(dict.fromkeys(stage for seconds in stages.values() for stage in seconds))
    ms = {
        program: {n: s / n_images * 1000 for n, s in seconds.items()} for program, seconds in stages.items()
    }
    result = {
        "n_images": n_images,
        "data": "distinct crops of 400 photographs, enlarged to their size, a class for each photograph",
        "mean_kb": mean_kb,
        "machine": facts,
        "versions": versions("chaffinch", "simplejpeg", "onnxruntime", "numba", "numpy", "pyarrow"),
        "programs": programs,
        "cpu_ms_per_image_by_stage": [
            {"stage": name, **{program: round(ms[program].get(name, 0.0), 3) for program in ms}}
            for name in names
        ],
    }
    write_result("whole_run", result)


if __name__ == "__main__":
    main()
