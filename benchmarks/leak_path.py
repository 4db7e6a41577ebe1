"""Take 10,000 images of natural size through `chaffinch leaks`, and hold its pairs against brute force.

    .venv/bin/python benchmarks/leak_path.py                      # some minutes
    .venv/bin/python benchmarks/leak_path.py --images 1000

There are 400 photographs to be had, so the images are distinct crops of these, each enlarged to the size of
its photograph and saved as JPEG: 8,000 for training, 2,000 for testing. A fifth of the test images are
planted copies of training images: byte for byte, recompressed, resized, mirrored. Crops of one photograph
may overlap, so there are near pairs that nobody planted.

The program runs once, as a process, from images to report: scan, exact, perceptual at 5, verified. Its exact
and perceptual rows must then be, pair by pair, those of brute force over the raw files: Pillow decodes,
imagehash hashes, all 16 million distances are counted. Verified rows are held against what was planted.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from runs import CHAFFINCH, machine, photographs, run, scratch_folder, stage_seconds, versions, write_result

RADIUS = 5
JPEG_QUALITY = 97
"""Makes the enlarged crops about as large on disk as the photographs."""
RECOMPRESSED_QUALITY = 60
RESIZED_SHARE = 0.6
MIN_CROP, MAX_CROP = 0.5, 0.8
"""Share of the photograph's side that a crop shows."""
PLANTED = ("exact copy", "recompressed", "resized", "mirrored")
SHARE_PLANTED = 0.2

Pair = tuple[str, str]


def crops(n: int) -> Iterator[Image.Image]:
    """Yield distinct crops, photograph by photograph."""
    rng = np.random.default_rng(0)
    paths = photographs()
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            photograph = image.convert("RGB")
        width, height = photograph.size
        for _ in range(n * (number + 1) // len(paths) - n * number // len(paths)):
            share = rng.uniform(MIN_CROP, MAX_CROP)
            left, top = rng.uniform(0, 1 - share, 2) * (width, height)
            box = (left, top, left + share * width, top + share * height)
            yield photograph.resize((width, height), Image.Resampling.BILINEAR, box=box)


def plant(kind: str, source: Path, target: Path) -> None:
    """Write a copy of an image."""
    if kind == "exact copy":
        shutil.copy(source, target)
        return
    with Image.open(source) as image:
        if kind == "recompressed":
            image.save(target, quality=RECOMPRESSED_QUALITY)
        elif kind == "resized":
            size = (round(image.width * RESIZED_SHARE), round(image.height * RESIZED_SHARE))
            image.resize(size, Image.Resampling.LANCZOS).save(target, quality=JPEG_QUALITY)
        else:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(target, quality=JPEG_QUALITY)


def build(root: Path, n_images: int) -> dict[Pair, str]:
    """Write the training and the test images; returns the planted pairs of file names with their kind."""
    n_test = n_images // 5
    n_planted = int(n_test * SHARE_PLANTED)
    n_crops = n_images - n_planted
    is_test = np.zeros(n_crops, dtype=bool)
    rng = np.random.default_rng(1)
    is_test[rng.choice(n_crops, n_test - n_planted, replace=False)] = True
    for side in ("train", "test"):
        (root / side).mkdir()
    for number, crop in enumerate(crops(n_crops)):
        crop.save(
            root / ("test" if is_test[number] else "train") / f"crop{number:05d}.jpg", quality=JPEG_QUALITY
        )
    planted: dict[Pair, str] = {}
    for number, source in enumerate(rng.choice(np.flatnonzero(~is_test), n_planted, replace=False).tolist()):
        kind, names = PLANTED[number % len(PLANTED)], (f"crop{source:05d}.jpg", f"copy{number:05d}.jpg")
        plant(kind, root / "train" / names[0], root / "test" / names[1])
        planted[names] = kind
    return planted


def raw_facts(folder: Path) -> tuple[list[str], np.ndarray, list[tuple[str, str]]]:
    """Return names, pHashes, and digests of bytes and of decoded pixels, straight from the files."""
    names, codes, digests = [], [], []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        with Image.open(path) as image:
            pixels = f"{image.mode} {image.size}".encode() + image.tobytes()
            codes.append(int(str(imagehash.phash(image)), 16))
        names.append(path.name)
        digests.append((hashlib.sha256(data).hexdigest(), hashlib.sha256(pixels).hexdigest()))
    return names, np.array(codes, dtype=np.uint64), digests


def brute_force(root: Path) -> tuple[set[Pair], dict[Pair, int]]:
    """Return the exact pairs, and the perceptual ones with their distance, of all train and test files."""
    train, train_codes, train_digests = raw_facts(root / "train")
    test, test_codes, test_digests = raw_facts(root / "test")
    same: dict[str, set[str]] = defaultdict(set)
    for name, digests in zip(train, train_digests, strict=True):
        for digest in digests:
            same[digest].add(name)
    exact = {
        (a, b)
        for b, digests in zip(test, test_digests, strict=True)
        for d in digests
        for a in same.get(d, ())
    }
    near: dict[Pair, int] = {}
    for name, code in zip(test, test_codes, strict=True):
        distance = np.bitwise_count(train_codes ^ code)
        near |= {(train[i], name): int(distance[i]) for i in np.flatnonzero(distance <= RADIUS).tolist()}
    return exact, near


def read_report(path: Path) -> dict[str, dict[Pair, int | None]]:
    """Return the rows of a report by method: names of both files, and the distance."""
    found: dict[str, dict[Pair, int | None]] = defaultdict(dict)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            pair = (Path(row["train_image"]).name, Path(row["test_image"]).name)
            found[row["method"]][pair] = int(row["hamming_distance"]) if row["hamming_distance"] else None
    return found


def against(name: str, got: object, wanted: object) -> dict[str, object]:
    a, b = set(got), set(wanted)  # type: ignore[call-overload]
    return {"method": name, "rows": len(a), "brute_force": len(b), "missing": len(b - a), "wrong": len(a - b)}


def recall_of_planted(
    found: dict[str, dict[Pair, int | None]], planted: dict[Pair, str]
) -> Iterator[dict[str, object]]:
    """Yield, for each kind of copy, the share that each method found."""
    for kind in PLANTED:
        pairs = [pair for pair, what in planted.items() if what == kind]
        shares = {method: sum(p in rows for p in pairs) / len(pairs) for method, rows in found.items()}
        yield {"planted": kind, "n": len(pairs), **shares}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    facts = machine()
    with scratch_folder() as scratch:
        planted = build(scratch, options.images)
        sizes = [path.stat().st_size for path in (scratch / "train").iterdir()]
        report = scratch / "leaks.csv"
        command = [CHAFFINCH, "leaks", "-w", scratch / "ws", "--train", scratch / "train", "--log-json"]
        command += ["--test", scratch / "test", "--methods", "exact,perceptual,verified"]
        cost = run([*command, "--phash-threshold", str(RADIUS), "--output", report])
        exact, near = brute_force(scratch)
        found = read_report(report)
    result = {
        "n_images": options.images,
        "data": "distinct crops of 400 photographs, enlarged to their size; a fifth of the test side planted",
        "mean_kb": round(sum(sizes) / len(sizes) / 1000, 1),
        "machine": facts,
        "versions": versions("chaffinch", "simplejpeg", "pillow", "ImageHash", "numba", "numpy", "pyarrow"),
        "cpu_s": round(cost.cpu_s, 1),
        "cpu_ms_per_image": round(cost.cpu_s / options.images * 1000, 2),
        "wall_s": round(cost.wall_s, 1),
        "peak_mb": round(cost.peak_mb),
        "stages": [{"stage": name, "cpu_s": seconds} for name, seconds in stage_seconds(cost).items()],
        "pair_by_pair": [
            against("exact", found["exact"], exact),
            against("perceptual, with distance", found["perceptual"].items(), near.items()),
        ],
        "recall_of_planted": list(recall_of_planted(found, planted)),
        "verified_rows": len(found["verified"]),
    }
    write_result("leak_path", result)


if __name__ == "__main__":
    main()
