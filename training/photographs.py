"""Which photographs training may see, and the crops that it takes from them.

A tenth of the photographs, by a digest of the file name, is held back for measuring, and so is all of
`cifar10-slice`. Crops are seeded by file name and number: the same crop comes back on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

FOLDERS = ("photos-256", "imagenet-photos", "coco-open-licence/images")
"""Below the data folder; JPEGs of natural scenes."""
HELD_BACK_SHARE = 10
"""One photograph in so many is kept out of training."""
SMALLEST_CROP = 0.35
"""Area of the smallest crop as a share of the picture's, so that a crop still shows the same thing."""
ASPECTS = (3 / 4, 4 / 3)
"""Range of a crop's width by height, relative to the picture's, since pictures are squashed to a square."""
WHOLE_EVERY = 4
"""One crop in so many is the whole picture: that is what the program embeds."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a photograph."""

    photograph: int
    """Row in the list of photographs."""
    box_xywh: tuple[int, int, int, int]
    """Left, top, width, height in pixels."""
    is_mirrored: bool
    """Whether left and right are swapped."""


def is_held_back(path: Path) -> bool:
    """Tell by its name whether a photograph is kept out of training."""
    digest = hashlib.blake2b(path.name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_BACK_SHARE == 0


def photographs(data: Path, *, held_back: bool, folders: Sequence[str] = FOLDERS) -> list[Path]:
    """List the photographs for training, or those held back; sorted within each folder."""
    found = [path for folder in folders for path in sorted((data / folder).iterdir())]
    pictures = [path for path in found if path.suffix.lower() in (".jpg", ".jpeg")]
    return [path for path in pictures if is_held_back(path) == held_back]


def take_crops(
    size: tuple[int, int], *, photograph: int, numbers: Sequence[int], seed: int
) -> Iterator[Crop]:
    """Yield the crops of a photograph with the given numbers.

    Args:
        size: Its width and height in pixels.
        photograph: Its row.
        numbers: Which of its crops; crop k is the same whatever else is asked for.
        seed: Of the whole set.
    """
    width, height = size
    for number in numbers:
        random = np.random.default_rng((seed, photograph, number))
        is_mirrored = bool(random.integers(2))
        if number % WHOLE_EVERY == 0:
            yield Crop(photograph, (0, 0, width, height), is_mirrored)
            continue
        area = random.uniform(SMALLEST_CROP, 1.0)
        stretch = np.exp(random.uniform(*np.log(ASPECTS)) / 2)
        part_width = min(1.0, float(np.sqrt(area) * stretch))
        part_height = min(1.0, float(np.sqrt(area) / stretch))
        box_width, box_height = max(1, round(width * part_width)), max(1, round(height * part_height))
        left = int(random.integers(width - box_width + 1))
        top = int(random.integers(height - box_height + 1))
        yield Crop(photograph, (left, top, box_width, box_height), is_mirrored)


def read_rgb(path: Path) -> Image.Image:
    """Decode a photograph to RGB."""
    with Image.open(path) as picture:
        return picture.convert("RGB")


def squashed(picture: Image.Image, *, size: int) -> np.ndarray:
    """Resize a picture to a square, the aspect ratio given up; averages areas when shrinking.

    Returns:
        Shape (size, size, 3), uint8.
    """
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def cut_out(picture: Image.Image, crop: Crop, *, size: int) -> np.ndarray:
    """Return a crop squashed to a square, shape (size, size, 3), uint8."""
    left, top, width, height = crop.box_xywh
    part = picture.resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height)
    )
    pixels = np.asarray(part)
    return pixels[:, ::-1] if crop.is_mirrored else pixels
