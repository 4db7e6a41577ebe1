"""Measure the cost of `measure` per image against a bare decode and against a plain Pillow + imagehash loop.

    .venv/bin/python benchmarks/measure.py                     # 400 photographs, about half a minute
    .venv/bin/python benchmarks/measure.py --files 'DIR/*.jpg' --rounds 3

Everything runs in one thread; times are CPU time of that thread. The contenders take turns, image lists are
the same, files are read before the clock starts, and the least of the rounds counts, because other work on
the machine only ever adds time. Stages are timed on the same images, each alone, with its inputs prepared
outside the clock and mostly out of the processor's caches, so that they add up to more than the whole.
Quality beside the speed: the hashes of the loop and of `measure` are compared image by image.
"""

from __future__ import annotations

import argparse
import glob
import io
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import simplejpeg
from blake3 import blake3
from PIL import Image

from chaffinch.compute.area import area_average
from chaffinch.compute.measure import measure, warm_up
from chaffinch.compute.phash import phash_d4
from chaffinch.compute.quality import quality_numbers
from chaffinch.compute.resample import luma_plane
from chaffinch.settings import MeasureSettings

DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", "../shared/data"))
PACKAGES = ("chaffinch", "simplejpeg", "pillow", "ImageHash", "numba", "numpy", "blake3")
FULL, HASHES = MeasureSettings(level="full"), MeasureSettings(level="hashes")


def bare_decode(data: bytes) -> object:
    """The least that any full-size measurement has to do."""
    return simplejpeg.decode_jpeg(data)


def plain_loop(data: bytes) -> object:
    """What a user would write: Pillow decodes, imagehash hashes, nothing else."""
    return imagehash.phash(Image.open(io.BytesIO(data)))


CONTENDERS: dict[str, Callable[[bytes], object]] = {
    "bare_decode": bare_decode,
    "measure_hashes": lambda data: measure(data, HASHES),
    "measure_full": lambda data: measure(data, FULL),
    "pillow_imagehash_loop": plain_loop,
}


def cpu_ms(work: Callable[[Any], object], items: Sequence[Any], *, rounds: int) -> float:
    """Least CPU milliseconds per item over some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.thread_time()
        for item in items:
            work(item)
        best = min(best, time.thread_time() - start)
    return best / len(items) * 1000


def stage_ms(encoded: Sequence[bytes], *, rounds: int) -> dict[str, float]:
    """CPU milliseconds per image of each stage; images are taken in small batches to save memory."""
    totals: dict[str, float] = {}
    for first in range(0, len(encoded), 40):
        batch = encoded[first : first + 40]
        pixels = [simplejpeg.decode_jpeg(data, "RGB") for data in batch]
        lumas = [np.empty(rgb.shape[:2], np.uint8) for rgb in pixels]
        pairs = list(zip(pixels, lumas, strict=True))
        scales = [160 / max(rgb.shape) for rgb in pixels]
        sizes = [
            (round(rgb.shape[0] * s), round(rgb.shape[1] * s)) for rgb, s in zip(pixels, scales, strict=True)
        ]
        stages: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
            "decode": (bare_decode, batch),
            "digest_bytes": (lambda data: blake3(data).digest(), batch),
            "digest_pixels": (lambda rgb: blake3(rgb.data).digest(), pixels),
            "luma": (lambda pair: luma_plane(pair[0].reshape(len(pair[0]), -1), pair[1]), pairs),
            "phash_d4": (phash_d4, lumas),
            "micro": (lambda rgb: area_average(rgb, height=16, width=16), pixels),
            "quality": (lambda pair: quality_numbers(pair[1], pair[0]), pairs),
            "thumbnail_resize": (
                lambda one: area_average(one[0], height=one[1][0], width=one[1][1]),
                list(zip(pixels, sizes, strict=True)),
            ),
        }
        for name, (work, items) in stages.items():
            totals[name] = totals.get(name, 0.0) + cpu_ms(work, items, rounds=rounds) * len(batch) / len(
                encoded
            )
    return totals


def count_unequal_hashes(encoded: Sequence[bytes]) -> int:
    """Count images whose pHash differs from that of imagehash."""
    return sum(int(str(plain_loop(data)), 16) != measure(data, HASHES).phash for data in encoded)


def run(encoded: Sequence[bytes], *, rounds: int) -> dict[str, object]:
    """Time everything and return the record that is printed."""
    warm_up()
    best = dict.fromkeys(CONTENDERS, float("inf"))
    for _ in range(rounds):
        for name, work in CONTENDERS.items():
            best[name] = min(best[name], cpu_ms(work, encoded, rounds=1))
    thumbnails = [len(measure(data, FULL).thumbnail or b"") for data in encoded]
    return {
        "n_images": len(encoded),
        "mean_kb": round(sum(map(len, encoded)) / len(encoded) / 1000, 1),
        "rounds": rounds,
        "cpu_ms_per_image": {name: round(value, 3) for name, value in best.items()},
        "stage_cpu_ms_per_image": {
            name: round(ms, 3) for name, ms in stage_ms(encoded, rounds=rounds).items()
        },
        "hashes_to_bare_decode": round(best["measure_hashes"] / best["bare_decode"], 3),
        "full_to_bare_decode": round(best["measure_full"] / best["bare_decode"], 3),
        "full_to_pillow_imagehash_loop": round(best["measure_full"] / best["pillow_imagehash_loop"], 3),
        "n_hashes_unequal_to_imagehash": count_unequal_hashes(encoded),
        "mean_thumbnail_bytes": round(sum(thumbnails) / len(thumbnails)),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--files", default=str(DATA / "imagenet-photos" / "*.JPEG"), help="JPEG files, a pattern"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/measure.json"))
    options = parser.parse_args()
    paths = sorted(glob.glob(options.files))  # noqa: PTH207 - the pattern may be absolute
    if not paths:
        parser.error(f"no file matches {options.files}; set CHAFFINCH_TEST_DATA or --files")
    text = (
        json.dumps(run([Path(path).read_bytes() for path in paths], rounds=options.rounds), indent=2) + "\n"
    )
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
