"""Measure how well the pair methods find copies of photographs, on a tuning and on a holdout half.

    .venv/bin/python benchmarks/quality/verified_pairs.py

Truth: (1) planted copies of photographs, some twenty kinds, of imagenet-photos and photos-256; halves by
photograph. (2) Strangers: distinct photographs, and several crops of each, against one another; a pair of
pictures of one photograph is left out. (3) cifair_pairs.csv: pairs of CIFAR-10 images that people judged
to be near-duplicates; nobody judged the other pairs, so precision there is a lower bound.

Limits in `chaffinch.detect.comparison` and `verified` were fit on the tuning half; `--features FILE` writes
what they were fit on. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from chaffinch.compute.measure import measure
from chaffinch.compute.thumbnail import decode_thumbnail
from chaffinch.detect import comparison, verified
from chaffinch.detect.codes import digest_words
from chaffinch.detect.pair_sets import SampleColumns, exact_pairs, perceptual_pairs
from chaffinch.detect.patches import Patch, detail
from chaffinch.settings import MeasureSettings
from chaffinch.storage.pairs import PairSet, expand_pairs

DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", "../shared/data"))
CROPS_PER_PHOTO = 6
COSTS = {"cpu_s": 0.0, "n_candidates": 0}
"""What `verified_pairs` cost over all data sets: the join, the patches and the comparisons."""
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def scaled(image: Image.Image, x: float, y: float) -> Image.Image:
    return image.resize((max(8, round(image.width * x)), max(8, round(image.height * y))))


def cropped(image: Image.Image, rng: np.random.Generator, share: float) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    left, top = rng.integers(0, image.width - width + 1), rng.integers(0, image.height - height + 1)
    return image.crop((left, top, left + width, top + height))


def framed(image: Image.Image, share: float, colour: str) -> Image.Image:
    return ImageOps.expand(image, round(share * max(image.size)), colour)


def noisy(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image) + rng.normal(0, 14, (image.height, image.width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def with_text(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image = image.copy()
    place = (image.width * 0.1, image.height * float(rng.uniform(0.1, 0.8)))
    ImageDraw.Draw(image).text(place, "sample image", fill="white", font_size=image.width / 9)
    return image


def laid(image: Image.Image, how: Image.Transpose) -> Image.Image:
    return image.transpose(how)


T = Image.Transpose
KINDS: dict[str, Change] = {
    "same pixels, other container": lambda i, r: i,
    "jpeg quality 30": lambda i, r: jpeg(i, 30),
    "jpeg quality 10": lambda i, r: jpeg(i, 10),
    "half size": lambda i, r: scaled(i, 0.5, 0.5),
    "64 pixels": lambda i, r: scaled(i, 64 / i.width, 64 / i.height),
    "squashed to 3:4 of the width": lambda i, r: scaled(i, 0.75, 1),
    "blur of 2 pixels": lambda i, r: i.filter(ImageFilter.GaussianBlur(2)),
    "noise": noisy,
    "brightness 1.4": lambda i, r: ImageEnhance.Brightness(i).enhance(1.4),
    "contrast 0.6": lambda i, r: ImageEnhance.Contrast(i).enhance(0.6),
    "saturation 1.8": lambda i, r: ImageEnhance.Color(i).enhance(1.8),
    "gray": lambda i, r: i.convert("L").convert("RGB"),
    "text": with_text,
    "crop to 95 %": lambda i, r: cropped(i, r, 0.95),
    "crop to 90 %": lambda i, r: cropped(i, r, 0.9),
    "crop to 80 %": lambda i, r: cropped(i, r, 0.8),
    "crop to 65 %": lambda i, r: cropped(i, r, 0.65),
    "black border of 4 %": lambda i, r: framed(i, 0.04, "black"),
    "white border of 8 %": lambda i, r: framed(i, 0.08, "white"),
    "flip left to right": lambda i, r: laid(i, T.FLIP_LEFT_RIGHT),
    "flip top to bottom": lambda i, r: laid(i, T.FLIP_TOP_BOTTOM),
    "rotation by 90": lambda i, r: laid(i, T.ROTATE_90),
    "rotation by 180, jpeg 40": lambda i, r: jpeg(laid(i, T.ROTATE_180), 40),
    "flip and crop to 92 %": lambda i, r: cropped(laid(i, T.FLIP_LEFT_RIGHT), r, 0.92),
}


class Pictures:
    """Pictures measured as a scan would, with their thumbnails."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.subject: list[str] = []
        self.thumbs: list[np.ndarray] = []
        self._codes: list[np.ndarray] = []
        self._digests: list[tuple[str | None, str | None]] = []

    def add(self, image: Image.Image, *, name: str, subject: str, data: bytes = b"") -> None:
        if not data:
            buffer = io.BytesIO()
            image.save(buffer, "PNG", compress_level=1)
            data = buffer.getvalue()
        measured = measure(data, MeasureSettings())
        assert measured.phash_d4 is not None and measured.thumbnail is not None, name
        self.names.append(name)
        self.subject.append(subject)
        self.thumbs.append(decode_thumbnail(measured.thumbnail))
        self._codes.append(measured.phash_d4)
        self._digests.append((measured.bytes_digest, measured.pixels_digest))

    def columns(self) -> SampleColumns:
        codes = np.array(self._codes)
        return SampleColumns(
            sample_id=np.arange(len(codes)),
            is_ok=np.ones(len(codes), dtype=bool),
            bytes_digest=digest_words(d[0] for d in self._digests),
            pixels_digest=digest_words(d[1] for d in self._digests),
            phash=codes[:, 0].copy(),
            phash_d4=codes,
        )


Found = dict[str, set[tuple[int, int]]]


def find_all(pictures: Pictures, side: np.ndarray | None = None) -> Found:
    columns = pictures.columns()
    sets = {
        "exact": exact_pairs(columns, side=side),
        "perceptual <= 5": perceptual_pairs(columns, radius=5, side=side),
        "perceptual <= 10": perceptual_pairs(columns, radius=10, side=side),
    }
    start = time.process_time()
    sets["verified"] = verified.verified_pairs(
        columns, thumbs=lambda ids: [pictures.thumbs[i] for i in ids], side=side
    )
    COSTS["cpu_s"] += time.process_time() - start
    COSTS["n_candidates"] += len(verified.find_candidates(columns, side=side).pairs)
    return {name: pair_rows(pairs, side) for name, pairs in sets.items()}


def pair_rows(pairs: PairSet, side: np.ndarray | None) -> set[tuple[int, int]]:
    return {
        pair
        for edge in expand_pairs(pairs, side)
        for pair in zip(edge.sample_a.tolist(), edge.sample_b.tolist(), strict=True)
    }


def wilson(hits: int, n: int) -> dict[str, object]:
    if not n:
        return {"hits": 0, "n": 0, "rate": None, "interval": None}
    z, rate = 1.96, hits / n
    middle, half = rate + z * z / (2 * n), z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    interval = [round((middle - half) / scale, 4), round((middle + half) / scale, 4)]
    return {"hits": hits, "n": n, "rate": round(rate, 4), "interval": interval}


def photographs(half: int) -> list[Path]:
    paths = sorted([*DATA.glob("imagenet-photos/*.JPEG"), *DATA.glob("photos-256/*.jpg")])
    return [p for p in paths if hashlib.blake2b(p.name.encode()).digest()[0] % 2 == half]


def planted(
    half: int, per_kind: int, make: Callable[[], Pictures] = Pictures
) -> tuple[Pictures, np.ndarray, list[str]]:
    """Return originals and copies, which side each is on, and the kind of each copy."""
    rng = np.random.default_rng(half)
    paths, pictures, kinds = photographs(half), make(), []
    for path in paths:
        pictures.add(
            Image.open(path).convert("RGB"), name=path.name, subject=path.name, data=path.read_bytes()
        )
    for kind, change in KINDS.items():
        for number in rng.choice(len(paths), per_kind, replace=False).tolist():
            copy = change(Image.open(paths[number]).convert("RGB"), rng)
            pictures.add(copy, name=f"{paths[number].name}, {kind}", subject=paths[number].name)
            kinds.append(kind)
    side = np.array([0] * len(paths) + [1] * len(kinds), dtype=np.int8)
    return pictures, side, kinds


def strangers(half: int, n_crops: int = CROPS_PER_PHOTO, make: Callable[[], Pictures] = Pictures) -> Pictures:
    rng = np.random.default_rng(half)
    pictures = make()
    for path in photographs(half):
        image = Image.open(path).convert("RGB")
        pictures.add(image, name=path.name, subject=path.name)
        for number in range(n_crops):
            crop = cropped(image, rng, float(rng.uniform(0.3, 0.6)))
            pictures.add(crop, name=f"{path.name}, crop {number}", subject=path.name)
    return pictures


def on_photographs(half: int, per_kind: int) -> dict[str, object]:
    pictures, side, kinds = planted(half, per_kind)
    n_originals = int((side == 0).sum())
    found = find_all(pictures, side)
    copies = np.arange(n_originals, len(side))
    others = strangers(half)
    wrong = {name: stranger_pairs(others, pairs) for name, pairs in find_all(others).items()}
    result: dict[str, object] = {"n_photographs": n_originals, "n_stranger_pictures": len(others.names)}
    for name, pairs in found.items():
        originals = {copy: pictures.names.index(pictures.subject[copy]) for copy in copies.tolist()}
        is_hit = np.array([(originals[copy], copy) in pairs for copy in copies.tolist()])
        by_kind = {k: float(is_hit[[kind == k for kind in kinds]].mean()) for k in KINDS}
        result[name] = {
            "recall": wilson(int(is_hit.sum()), len(is_hit)),
            "recall_by_kind": {k: round(v, 3) for k, v in by_kind.items()},
            "wrong_pairs_with_copies": len(stranger_pairs(pictures, pairs)),
            "wrong_pairs_among_strangers": len(wrong[name]),
            "wrong_pairs": wrong[name][:20] if name == "verified" else [],
        }
    return result


def stranger_pairs(pictures: Pictures, pairs: set[tuple[int, int]]) -> list[list[str]]:
    rows = sorted(pairs)
    return [
        [pictures.names[a], pictures.names[b]] for a, b in rows if pictures.subject[a] != pictures.subject[b]
    ]


def cifar_half(
    half: int, make: Callable[[], Pictures] = Pictures
) -> tuple[Pictures, list[tuple[int, int, int]]]:
    """Return the images of one half and the judged pairs in it: rows and judgement."""
    root = DATA / "cifar10-slice"
    with (root / "cifair_pairs.csv").open() as file:
        judged = [(r["image_a"], r["image_b"], int(r["judgment"])) for r in csv.DictReader(file)]
    owner: dict[str, int] = {}
    for number, (a, b, _) in enumerate(judged):
        chosen = owner.get(a, owner.get(b, number % 2))
        owner.setdefault(a, chosen)
        owner.setdefault(b, chosen)
    pictures, rows = make(), {}
    for path in sorted(root.glob("**/*.png")):
        name = str(path.relative_to(root))
        if owner.get(name, hashlib.blake2b(name.encode()).digest()[0] % 2) == half:
            rows[name] = len(pictures.names)
            pictures.add(Image.open(path).convert("RGB"), name=name, subject=name, data=path.read_bytes())
    return pictures, [(rows[a], rows[b], j) for a, b, j in judged if a in rows and b in rows]


def on_cifar(half: int) -> dict[str, object]:
    pictures, judged = cifar_half(half)
    truth = {(min(a, b), max(a, b)) for a, b, _ in judged}
    result: dict[str, object] = {"n_images": len(pictures.names), "n_judged_pairs": len(truth)}
    for name, pairs in find_all(pictures).items():
        hits = len(pairs & truth)
        result[name] = {
            "recall": wilson(hits, len(truth)),
            "precision_lower_bound": wilson(hits, len(pairs)),
        }
    return result


def candidate_features(pictures: Pictures, side: np.ndarray | None, radius: int) -> list[dict[str, object]]:
    """Return one row for each candidate: what a limit could look at."""
    candidates = verified.find_candidates(pictures.columns(), side=side, radius=radius)
    first = candidates.units.first_row
    patches: dict[int, Patch] = {}
    rows = []
    for (a, b), distance, turn in zip(
        candidates.pairs.tolist(), candidates.distance.tolist(), candidates.orientation.tolist(), strict=True
    ):
        for unit in (a, b):
            if unit not in patches:
                patches[unit] = Patch.from_thumb(pictures.thumbs[first[unit]])
        match = comparison.compare(patches[a], patches[b], turn)
        if match is None:
            continue
        least_detail = min(detail(patches[unit].grid) for unit in (a, b))
        row = {name: getattr(match, name) for name in ("luma", "colour", "orientation", "share", "transform")}
        rows.append(
            {"a": int(first[a]), "b": int(first[b]), "distance": distance, "detail": least_detail, **row}
        )
    return rows


def write_features(path: Path, per_kind: int) -> None:
    """Write the candidates of the tuning half, for fitting limits."""
    pictures, side, _ = planted(0, per_kind)
    copies = candidate_features(pictures, side, 10)
    for row in copies:
        row["truth"] = pictures.subject[row["a"]] == pictures.subject[row["b"]]
        row["names"] = [pictures.names[row["a"]], pictures.names[row["b"]]]
    others = strangers(0)
    wrong = candidate_features(others, None, 10)
    wrong = [r for r in wrong if others.subject[r["a"]] != others.subject[r["b"]]]
    for row in wrong:
        row["truth"], row["names"] = False, [others.names[row["a"]], others.names[row["b"]]]
    small, judged = cifar_half(0)
    truth = {(min(a, b), max(a, b)) for a, b, _ in judged}
    cifar = candidate_features(small, None, 10)
    for row in cifar:
        row["truth"] = (row["a"], row["b"]) in truth
        row["names"] = [small.names[row["a"]], small.names[row["b"]]]
    path.write_text(json.dumps({"copies": copies, "strangers": wrong, "cifar": cifar}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-kind", type=int, default=50, help="planted copies of each kind in each half")
    parser.add_argument("--features", type=Path, help="write the tuning half's candidates here and stop")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/verified_pairs.json"))
    args = parser.parse_args()
    if args.features:
        write_features(args.features, args.per_kind)
        return
    halves = {}
    for half, name in enumerate(("tuning", "holdout")):
        halves[name] = {"photographs": on_photographs(half, args.per_kind), "cifar10": on_cifar(half)}
    limits = {
        n: getattr(part, n)
        for part in (comparison, verified)
        for n in dir(part)
        if n.startswith(("MIN_", "CANDIDATE"))
    }
    costs = {**COSTS, "cpu_ms_per_candidate": 1e3 * COSTS["cpu_s"] / COSTS["n_candidates"]}
    document = {
        "costs": costs,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "limits": limits,
        **halves,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
