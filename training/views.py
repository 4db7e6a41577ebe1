"""The two views that training makes of a crop: one as it is, one as a copy of it might look.

Views begin and end as (S, S, 3) uint8 arrays. They are drawn apart from the planted copies that measure the
network (`training.copies`): kinds, ranges and order differ.
"""

from __future__ import annotations

import io
import string
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Random = np.random.Generator
Change = Callable[[Image.Image, Random], Image.Image]

MIRRORED_SHARE = 0.5
"""Share of strong views that are mirrored, which leaves the meaning."""
TURNED_SHARE = 0.05
"""Share that lies on its side or its head: rare, since it costs meaning."""
MAX_CHANGES = 3
"""Changes of a strong view; at least one."""
TINY_SIDES = (24, 64)
"""Sides of tiny pictures, pixels: what collections of icons, faces or CIFAR hold."""


def _colour(random: Random) -> tuple[int, int, int]:
    if random.random() < 0.5:  # most frames and letters are black, white or gray
        gray = int(random.choice((0, 0, 255, 255, 128)))
        return gray, gray, gray
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue


def crop(picture: Image.Image, random: Random) -> Image.Image:
    """Keep a part of at least .4 of the area, of any aspect ratio that allows."""
    width, height = picture.size
    kept_x, kept_y = random.uniform(0.63, 1.0, 2)
    left, top = random.uniform(0, 1 - kept_x) * width, random.uniform(0, 1 - kept_y) * height
    box = (left, top, left + kept_x * width, top + kept_y * height)
    return picture.resize(picture.size, Image.Resampling.BILINEAR, box=box)


def border(picture: Image.Image, random: Random) -> Image.Image:
    """Shrink the picture onto a plain ground: equal bars around it, or bars on two sides."""
    width, height = picture.size
    share_x, share_y = random.uniform(0.02, 0.16, 2)
    kind = random.integers(3)
    share_x = 0.0 if kind == 0 else share_x
    share_y = 0.0 if kind == 1 else share_y
    inner = (max(8, round(width * (1 - 2 * share_x))), max(8, round(height * (1 - 2 * share_y))))
    ground = Image.new("RGB", picture.size, _colour(random))
    ground.paste(
        picture.resize(inner, Image.Resampling.BILINEAR), ((width - inner[0]) // 2, (height - inner[1]) // 2)
    )
    return ground


def text(picture: Image.Image, random: Random) -> Image.Image:
    """Write one to four lines on it, some on a bar."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    letters = np.array(list(string.ascii_letters + string.digits + "   ,.!?"))
    colour, size = _colour(random), float(random.uniform(0.05, 0.22) * height)
    top = float(random.uniform(0, 0.9) * height)
    n_lines = int(random.integers(1, 5))
    if random.random() < 0.3:
        draw.rectangle((0, top, width, top + n_lines * size * 1.15), fill=_colour(random))
    for line in range(n_lines):
        words = "".join(random.choice(letters, int(random.integers(4, 24))))
        place = (float(random.uniform(0, 0.4)) * width, top + line * size * 1.15)
        draw.text(place, words, fill=colour, font_size=size)
    return picture


def overlay(picture: Image.Image, random: Random) -> Image.Image:
    """Put one to three discs or boxes on it, some see-through."""
    cover = picture.copy()
    draw = ImageDraw.Draw(cover)
    width, height = picture.size
    for _ in range(int(random.integers(1, 4))):
        w, h = random.uniform(0.08, 0.35, 2) * (width, height)
        left, top = random.uniform(-0.1, 0.9) * width, random.uniform(-0.1, 0.9) * height
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((left, top, left + w, top + h), fill=_colour(random))
    return Image.blend(picture, cover, float(random.uniform(0.4, 1.0)))


def colours(picture: Image.Image, random: Random) -> Image.Image:
    """Change brightness, contrast and saturation; some come out gray."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhancer(picture).enhance(float(random.uniform(0.5, 1.6)))
    is_gray = random.random() < 0.25
    return picture.convert("L").convert("RGB") if is_gray else picture


def tint(picture: Image.Image, random: Random) -> Image.Image:
    """Scale each channel by itself."""
    scaled = np.asarray(picture, dtype=np.float32) * random.uniform(0.7, 1.3, 3)
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))


def recompress(picture: Image.Image, random: Random) -> Image.Image:
    """Save it as a poor JPEG."""
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=int(random.integers(6, 60)))
    return Image.open(encoded).convert("RGB")


def coarsen(picture: Image.Image, random: Random) -> Image.Image:
    """Lose detail by shrinking it, down to 32 pixels."""
    side = int(random.integers(32, 112))
    small = picture.resize((side, side), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BILINEAR)


def blur(picture: Image.Image, random: Random) -> Image.Image:
    """Blur it."""
    return picture.filter(ImageFilter.GaussianBlur(float(random.uniform(0.5, 3.0))))


def noise(picture: Image.Image, random: Random) -> Image.Image:
    """Add noise to each pixel."""
    pixels = np.asarray(picture, dtype=np.float32)
    spread = float(random.uniform(4, 25))
    grains = random.standard_normal(pixels.shape, dtype=np.float32) * spread
    return Image.fromarray((pixels + grains).clip(0, 255).astype(np.uint8))


def tilt(picture: Image.Image, random: Random) -> Image.Image:
    """Turn it by up to 12 degrees; corners get a plain colour."""
    angle = float(random.uniform(-12, 12))
    return picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=_colour(random))


CHANGES: Sequence[tuple[Change, float]] = (
    (crop, 3),
    (border, 3),
    (text, 3),
    (overlay, 2),
    (colours, 2),
    (tint, 1),
    (recompress, 1),
    (coarsen, 1),
    (blur, 1),
    (noise, 1),
    (tilt, 1),
)
"""Changes with how often each is drawn; borders and texts more, for the pilot was weak there."""
_RATES = np.array([rate for _, rate in CHANGES]) / sum(rate for _, rate in CHANGES)


def turned(picture: Image.Image, random: Random) -> Image.Image:
    """Mirror half of the pictures and lay a few on another side."""
    if random.random() < MIRRORED_SHARE:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if random.random() < TURNED_SHARE:
        turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        picture = picture.transpose(turns[int(random.integers(3))])
    return picture


def plain_view(pixels: np.ndarray, *, size: int, detail: int | None = None) -> np.ndarray:
    """Return the crop at the size that the network takes, nothing else changed.

    Args:
        pixels: The crop.
        size: Height and width of the view.
        detail: The view shows no more than a picture of this side, enlarged; None for all there is.
    """
    return _at_size(Image.fromarray(pixels), size=size, detail=detail)


def strong_view(pixels: np.ndarray, *, size: int, random: Random, detail: int | None = None) -> np.ndarray:
    """Return the crop as a copy of it might look, at the size that the network takes."""
    picture = turned(Image.fromarray(pixels), random)
    n_changes = int(random.integers(1, MAX_CHANGES + 1))
    for index in random.choice(len(CHANGES), n_changes, replace=False, p=_RATES):
        picture = CHANGES[index][0](picture, random)
    return _at_size(picture, size=size, detail=detail)


def drawn_detail(random: Random, *, tiny_share: float) -> int | None:
    """Draw the detail of a crop's views: the share of them is that of pictures of 24 to 64 pixels."""
    low, high = TINY_SIDES
    return int(random.integers(low, high + 1)) if random.random() < tiny_share else None


def _at_size(picture: Image.Image, *, size: int, detail: int | None) -> np.ndarray:
    if detail is None or detail >= size:
        return np.asarray(picture.resize((size, size), Image.Resampling.BOX))
    small = picture.resize((detail, detail), Image.Resampling.BOX)
    return np.asarray(small.resize((size, size), Image.Resampling.BILINEAR))
