"""The copies that the demo dataset plants: encoded bytes in, encoded bytes out."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping

from PIL import Image, ImageDraw, ImageFont, ImageOps

from chaffinch.demo.truth import LABEL_CONFLICT


def encoded(image: Image.Image, format_: str, **options: int) -> bytes:
    """Encode an image as a file of Pillow's `format_`."""
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode an image as JPEG."""
    return encoded(image, "JPEG", quality=quality)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _same(data: bytes, rng: random.Random) -> bytes:
    return data


def _repacked(data: bytes, rng: random.Random) -> bytes:
    return encoded(_opened(data), "PNG", compress_level=1)


def _recompressed(data: bytes, rng: random.Random) -> bytes:
    return jpeg(_opened(data), rng.randint(40, 70))


def _resized(data: bytes, rng: random.Random) -> bytes:
    image, scale = _opened(data), rng.uniform(0.5, 0.7)
    size = (round(image.width * scale), round(image.height * scale))
    return jpeg(image.resize(size, Image.Resampling.BICUBIC), rng.randint(85, 92))


def _cropped(data: bytes, rng: random.Random) -> bytes:
    # From a trim that hashes survive to a cut that only an aligned comparison sees.
    image, kept = _opened(data), rng.choice((0.96, 0.92, 0.86, 0.78))
    width, height = (round(side * (kept + rng.uniform(-0.02, 0.02))) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return jpeg(image.crop((left, top, left + width, top + height)), rng.randint(85, 92))


def _mirrored(data: bytes, rng: random.Random) -> bytes:
    return jpeg(_opened(data).transpose(Image.Transpose.FLIP_LEFT_RIGHT), rng.randint(85, 92))


def _rotated(data: bytes, rng: random.Random) -> bytes:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return jpeg(_opened(data).transpose(rng.choice(turns)), rng.randint(85, 92))


def _framed(data: bytes, rng: random.Random) -> bytes:
    image, share = _opened(data), rng.uniform(0.08, 0.14)
    shade = rng.choice((0, 128, 255))
    border = round(share * min(image.size))
    framed = ImageOps.expand(image.convert("RGB"), border, (shade, shade, shade))
    return jpeg(framed, rng.randint(85, 92))


def _overlaid(data: bytes, rng: random.Random) -> bytes:
    image = _opened(data).convert("RGB")
    banner = round(image.height * rng.uniform(0.12, 0.2))
    top = rng.choice((0, image.height - banner))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, top, image.width, top + banner), fill=(20, 20, 30))
    font = ImageFont.load_default(banner * 0.6)
    draw.text((image.width * 0.05, top + banner * 0.15), "breaking news", fill=(250, 250, 250), font=font)
    return jpeg(image, rng.randint(85, 92))


COPIES: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "exact": _same,
    "repacked": _repacked,
    "recompressed": _recompressed,
    "resized": _resized,
    "cropped": _cropped,
    "mirrored": _mirrored,
    "rotated": _rotated,
    "framed": _framed,
    "overlaid": _overlaid,
    "duplicate_exact": _same,
    "duplicate_near": _recompressed,
    LABEL_CONFLICT: _same,
}
"""Kind of plant to what makes it from the original's bytes."""
