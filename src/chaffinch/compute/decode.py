"""Encoded bytes to pixels, once: what every measurement of an image is taken from.

JPEG goes through simplejpeg in its strict mode, which gives the same pixels as Pillow in less time and
without the GIL. Whatever simplejpeg objects to, and every other format, goes to Pillow, which decides whether
the image is sound. Of an animation the first frame counts. EXIF rotation is not applied (a TIFF's is, by
Pillow itself).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import simplejpeg
from blake3 import blake3
from PIL import Image

from chaffinch.compute.containers import (
    JpegHeader,
    has_png_end,
    is_png,
    jpeg_header,
    jpeg_quality,
    undecodable_format,
)
from chaffinch.compute.pillow import DECODER_ERRORS, NotAnImageError, open_image
from chaffinch.compute.quiet import no_warnings
from chaffinch.compute.resample import luma_plane
from chaffinch.records import Outcome

MAX_SIDE = 1 << 20
"""Images with a longer side, pixels, are skipped: a resize filter takes 24 bytes a pixel of side."""

_BAND_PIXELS = 1 << 20
"""Larger images are copied out of Pillow this many pixels at a time."""

DIGEST_BYTES = 16
"""128 bits of BLAKE3 name an image: a chance collision among 10**12 images has odds of 10**-15."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Pixels of one image, and what its container says."""

    format: str
    """Pillow's name of the container."""
    mode: str
    """Pillow's mode."""
    pixels_digest: str
    """BLAKE3 of mode, size and pixels."""
    luma: np.ndarray
    """Shape (H, W), uint8: Pillow's ``convert("L")``, which is what imagehash hashes."""
    shown: np.ndarray
    """Shape (H, W, 3) in colour, (H, W) where the image is gray; uint8: the picture as people see it."""
    jpeg_quality: int | None
    """1..100; None for other containers."""


class UndecodedError(Exception):
    """The bytes give no pixels; carries the outcome and a text for people."""

    def __init__(self, outcome: Outcome, error: str) -> None:
        super().__init__(error)
        self.outcome = outcome
        self.error = error


def decode(data: bytes, *, max_pixels: int, suffix: str = "") -> Decoded:
    """Decode an image.

    Args:
        data: The encoded image.
        max_pixels: Larger images are not decoded; the header tells.
        suffix: Ending of the file's name, lower case with the dot; matters to formats without signature.

    Raises:
        UndecodedError: With outcome `broken` or `skipped`.
        MemoryError: If the pixels do not fit into memory.
    """
    if not data:
        raise UndecodedError("broken", "empty file (0 bytes)")
    header = jpeg_header(data)
    if header is not None:
        _check_size(header.width, header.height, max_pixels=max_pixels)
        decoded = _decode_jpeg(data, header)
        if decoded is not None:
            return decoded
    with no_warnings():
        return _decode_with_pillow(data, header, max_pixels=max_pixels, suffix=suffix)


def _check_size(width: int, height: int, *, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise UndecodedError("skipped", f"{width} x {height} pixels are over the limit of {max_pixels}")
    if max(width, height) > MAX_SIDE:
        raise UndecodedError("skipped", f"{width} x {height}: sides above {MAX_SIDE} pixels are not measured")


def _decode_jpeg(data: bytes, header: JpegHeader) -> Decoded | None:
    """Decode a plain JPEG; None where Pillow has to decide."""
    if not header.is_plain or header.n_components not in (1, 3) or not header.width or not header.height:
        return None
    is_gray = header.n_components == 1
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, "GRAY" if is_gray else "RGB", strict=True)
    except ValueError:
        return None
    shape = pixels.shape[:2]
    if shape != (header.height, header.width):
        return None
    luma = pixels.reshape(shape) if is_gray else _luma_of(pixels)
    shown = luma if is_gray else pixels
    mode = "L" if is_gray else "RGB"
    return Decoded("JPEG", mode, _digest_pixels(mode, pixels), luma, shown, _quality_of(header))


def _luma_of(rgb: np.ndarray) -> np.ndarray:
    luma = np.empty(rgb.shape[:2], np.uint8)
    luma_plane(rgb.reshape(len(rgb), -1), luma)
    return luma


def _quality_of(header: JpegHeader | None) -> int | None:
    return jpeg_quality(header.luma_table) if header is not None and header.luma_table is not None else None


def _digest_pixels(mode: str, pixels: np.ndarray) -> str:
    hasher = blake3(f"{mode} {pixels.shape[1]}x{pixels.shape[0]}\n".encode())
    hasher.update(np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data)
    return str(hasher.hexdigest(length=DIGEST_BYTES))


def _decode_with_pillow(data: bytes, header: JpegHeader | None, *, max_pixels: int, suffix: str) -> Decoded:
    try:
        image = open_image(data, suffix=suffix)
    except NotAnImageError as error:
        raise _unrecognised(data, str(error)) from error
    except NotImplementedError as error:
        raise UndecodedError("skipped", f"no decoder for this kind of image: {error}") from error
    except DECODER_ERRORS as error:
        raise UndecodedError("broken", f"header is damaged or cut off: {error}") from error
    name = image.format or "an image"
    if 0 in image.size:
        raise UndecodedError("broken", f"the {name} has no pixels ({image.width} x {image.height})")
    _check_size(*image.size, max_pixels=max_pixels)
    try:
        image.load()
        if is_png(data) and not has_png_end(data):
            raise UndecodedError("broken", "cut off: the PNG ends before its IEND chunk")
        return _from_pillow(image, name, _quality_of(header))
    except Image.DecompressionBombError as error:
        raise UndecodedError("skipped", f"a part of it is over Pillow's own pixel limit: {error}") from error
    except NotImplementedError as error:
        raise UndecodedError("skipped", f"no decoder for this kind of {name}: {error}") from error
    except DECODER_ERRORS as error:
        raise UndecodedError("broken", f"cannot be decoded as {name}: {error}") from error


def _unrecognised(data: bytes, complaint: str) -> UndecodedError:
    unsupported = undecodable_format(data)
    if unsupported is not None:
        return UndecodedError("skipped", f"no decoder for {unsupported}")
    if complaint:
        return UndecodedError("broken", f"damaged image: {complaint}")
    return UndecodedError("broken", f"not an image: begins with {data[:8]!r}, which no image format does")


def _from_pillow(image: Image.Image, name: str, quality: int | None) -> Decoded:
    mode = image.mode
    # Palettes that show the same colours are the same picture, however their entries are numbered.
    pixels = _pixels(image, "RGBA" if mode in ("P", "PA") else mode)
    digest = _digest_pixels(mode, pixels)
    if mode == "RGB":
        image.close()  # Of a huge image there is no room for Pillow's copy and both of ours.
        return Decoded(name, mode, digest, _luma_of(pixels), pixels, quality)
    luma = pixels if mode == "L" else _pixels(image, "L")
    if mode == "L":
        shown = pixels
    elif mode in ("P", "PA") or Image.getmodebase(mode) == "RGB":
        del pixels
        shown = _pixels(image, "RGB")
    else:
        shown = luma if pixels.dtype.itemsize == 1 else _eight_bits(pixels)
    return Decoded(name, mode, digest, luma, shown, quality)


def _pixels(image: Image.Image, mode: str) -> np.ndarray:
    """Return the pixels in a mode; large ones copied in bands, since numpy alone would hold them thrice."""
    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        return np.array(_converted(image, mode))
    pixels = np.empty(0)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        band = np.asarray(_converted(image.crop(box), mode))
        if not top:
            pixels = np.empty((image.height, *band.shape[1:]), band.dtype)
        pixels[top : box[3]] = band
    return pixels


def _converted(image: Image.Image, mode: str) -> Image.Image:
    # Pillow has no way from LAB to gray but through RGB, so there imagehash has no hash to be equal to.
    if image.mode == "LAB" and mode == "L":
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Bring 16-bit, 32-bit and float gray values to 0..255 to look at; ``convert("L")`` would clip them."""
    if values.dtype.itemsize == 2:
        return (values >> 8).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(wide.min()), float(wide.max())
    if low >= 0.0 and high <= 255.0:
        return wide.astype(np.uint8)
    return ((wide - low) * (255.0 / max(high - low, 1.0))).astype(np.uint8)
