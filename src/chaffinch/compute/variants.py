"""Copies of a picture as they turn up in datasets, for calibrating a model on the user's own pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def _recompressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(20, 60)))
    return Image.open(buffer).convert("RGB")


def _resized(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    scale = rng.uniform(0.4, 0.7)
    return image.resize((max(8, round(image.width * scale)), max(8, round(image.height * scale))))


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(0.75, 0.95)
    width, height = max(1, round(image.width * share)), max(1, round(image.height * share))
    left, top = rng.integers(0, image.width - width + 1), rng.integers(0, image.height - height + 1)
    return image.crop((int(left), int(top), int(left) + width, int(top) + height))


def _recoloured(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    brighter = ImageEnhance.Brightness(image).enhance(float(rng.uniform(0.7, 1.35)))
    return ImageEnhance.Color(brighter).enhance(float(rng.uniform(0.4, 1.6)))


def _mirrored(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(image)


def _framed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    shade = int(rng.choice([0, 128, 255]))
    border = max(1, round(rng.uniform(0.03, 0.08) * max(image.size)))
    return ImageOps.expand(image, border, (shade, shade, shade))


def _overlaid(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image, banner = image.copy(), max(1, round(image.height * rng.uniform(0.08, 0.15)))
    top = int(rng.choice([0, image.height - banner]))
    ImageDraw.Draw(image).rectangle((0, top, image.width, top + banner), fill=(20, 20, 30))
    return image


VARIANTS: Mapping[str, Change] = {
    "recompressed": _recompressed,
    "resized": _resized,
    "cropped": _cropped,
    "recoloured": _recoloured,
    "mirrored": _mirrored,
    "framed": _framed,
    "overlaid": _overlaid,
}
"""Kind of copy to what makes it."""


def variant(shown: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Make a copy of one kind.

    Args:
        shown: Shape (H, W, 3), or (H, W) where the picture is gray, uint8.
        kind: One of `VARIANTS`.
        rng: Says how strong the change is.

    Returns:
        Shape (h, w, 3), uint8.
    """
    return np.asarray(VARIANTS[kind](Image.fromarray(shown).convert("RGB"), rng))
