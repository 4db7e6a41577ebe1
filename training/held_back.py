"""The pictures that measure a model: none of them, and no copy of them, served training.

Boxes and photographs of the training share appear as neighbours to be found, never as what is asked about.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.quality.verified_pairs import KINDS, framed, with_text
from PIL import Image, ImageDraw

from chaffinch.compute.embedding import squash
from training.photographs import is_held_back, photographs, read_rgb

SMALLEST_BOX = 24
"""Boxes with a shorter side are left out, pixels."""

Pictures = Mapping[int, np.ndarray]
"""Side to the same pictures squashed to it, (N, side, side, 3), uint8."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Pictures with labels. N pictures."""

    pictures: Pictures
    labels: np.ndarray
    """Shape (N,), int."""
    groups: np.ndarray
    """Shape (N,), int: pictures of one group are no neighbours of each other."""
    is_asked: np.ndarray
    """Shape (N,), bool: whether accuracy counts this picture."""


@dataclass(frozen=True, slots=True)
class CopySet:
    """Originals and copies of them. O originals, C copies."""

    originals: Pictures
    copies: Pictures
    original_of: np.ndarray
    """Shape (C,), int: row of each copy's original."""
    kinds: np.ndarray
    """Shape (C,), text: how each copy was made."""


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """CIFAR-10 images of two splits and the pairs of them that people judged. N images, P pairs."""

    pictures: Pictures
    is_test: np.ndarray
    """Shape (N,), bool."""
    pairs: np.ndarray
    """Shape (P, 2), int: rows of pairs judged near-duplicates."""


def squashed_to(pictures: Iterator[Image.Image], sides: Sequence[int]) -> dict[int, np.ndarray]:
    """Squash pictures to squares of each side, as the program does."""
    rows: dict[int, list[np.ndarray]] = {side: [] for side in sides}
    for picture in pictures:
        pixels = np.asarray(picture.convert("RGB"))
        for side in sides:
            rows[side].append(squash(pixels, side))
    return {side: np.stack(squares) for side, squares in rows.items()}


def _numbers(names: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(names), return_inverse=True)[1]


def cifar_labels(data: Path, sides: Sequence[int]) -> LabelSet:
    """The CIFAR-10 slice, each image asked about against all others."""
    paths = sorted((data / "cifar10-slice").glob("*/*/*.png"))
    return LabelSet(
        squashed_to((Image.open(path) for path in paths), sides),
        labels=_numbers([path.parent.name for path in paths]),
        groups=np.arange(len(paths)),
        is_asked=np.ones(len(paths), bool),
    )


def photograph_labels(data: Path, sides: Sequence[int]) -> LabelSet:
    """`photos-256`: the held-back tenth against all others; 4 of 999 share the label."""
    paths = sorted((data / "photos-256").glob("*.jpg"))
    return LabelSet(
        squashed_to((read_rgb(path) for path in paths), sides),
        labels=_numbers([path.name.split("_")[0] for path in paths]),
        groups=np.arange(len(paths)),
        is_asked=np.array([is_held_back(path) for path in paths]),
    )


def box_labels(data: Path, sides: Sequence[int]) -> LabelSet:
    """COCO's boxes: those of held-back photographs against those of all others."""
    folder = data / "coco-open-licence"
    instances = json.loads((folder / "instances.json").read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in instances["images"]}
    boxes = [b for b in instances["annotations"] if min(b["bbox"][2:]) >= SMALLEST_BOX and not b["iscrowd"]]
    boxes.sort(key=lambda box: (box["image_id"], box["id"]))

    def cut() -> Iterator[Image.Image]:
        for box in boxes:
            left, top, width, height = box["bbox"]
            picture = read_rgb(folder / "images" / names[box["image_id"]])
            yield picture.crop((round(left), round(top), round(left + width), round(top + height)))

    paths = [folder / "images" / names[box["image_id"]] for box in boxes]
    return LabelSet(
        squashed_to(cut(), sides),
        labels=np.array([box["category_id"] for box in boxes]),
        groups=np.array([box["image_id"] for box in boxes]),
        is_asked=np.array([is_held_back(path) for path in paths]),
    )


def _with_logo(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    picture = picture.copy()
    width, height = picture.size
    left, top = random.uniform(0.05, 0.6, 2) * (width, height)
    shape = (left, top, left + 0.3 * width, top + 0.3 * height)
    draw = ImageDraw.Draw(picture)
    draw.ellipse(shape, fill="orange", outline="black", width=4)
    draw.text((left + 0.04 * width, top + 0.1 * height), "LOGO", fill="black", font_size=width / 12)
    return picture


def _with_caption(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    picture = picture.copy()
    width, height = picture.size
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0.8 * height, width, height), fill="black")
    draw.text((0.05 * width, 0.83 * height), "a caption below", fill="white", font_size=height / 10)
    return with_text(picture, random)


MORE_KINDS = {
    "logo": _with_logo,
    "text and caption bar": _with_caption,
    "white border of 20 %": lambda picture, random: framed(picture, 0.2, "white"),
}
"""Copies beside those of the pair methods' benchmark: what the pilot was weak at."""


def planted_copies(data: Path, sides: Sequence[int], *, seed: int) -> CopySet:
    """Every held-back photograph in every kind of copy."""
    paths = photographs(data, held_back=True)
    random = np.random.default_rng(seed)
    kinds = {**KINDS, **MORE_KINDS}

    def changed() -> Iterator[Image.Image]:
        for path in paths:
            picture = read_rgb(path)
            yield from (change(picture, random) for change in kinds.values())

    return CopySet(
        squashed_to((read_rgb(path) for path in paths), sides),
        squashed_to(changed(), sides),
        original_of=np.repeat(np.arange(len(paths)), len(kinds)),
        kinds=np.array(list(kinds) * len(paths)),
    )


def judged_pairs(data: Path, sides: Sequence[int]) -> JudgedPairs:
    """The pairs across CIFAR-10's splits that people judged near-duplicates (judgement 1)."""
    folder = data / "cifar10-slice"
    paths = sorted(folder.glob("*/*/*.png"))
    rows = {path.relative_to(folder).as_posix(): row for row, path in enumerate(paths)}
    with (folder / "cifair_pairs.csv").open(newline="", encoding="utf-8") as file:
        judged = [
            (rows[line["image_a"]], rows[line["image_b"]])
            for line in csv.DictReader(file)
            if line["judgment"] == "1" and line["split_b"] == "train"
        ]
    return JudgedPairs(
        squashed_to((Image.open(path) for path in paths), sides),
        is_test=np.array([path.parts[-3] == "test" for path in paths]),
        pairs=np.array(judged),
    )
