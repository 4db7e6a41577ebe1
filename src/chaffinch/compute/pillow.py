"""Opening an image with Pillow: only true decoders, no warnings, no global settings touched.

`PIL.Image.open` checks the size of an image against a module-wide limit and warns or raises; it also offers
the bytes to every plugin, among them some without a signature (which take noise for an image) and some that
start other programs. Here plugins are asked one by one, from a fixed list; the size is the caller's to check.
"""

from __future__ import annotations

import io
import struct
import threading
import zlib

from PIL import Image, ImageFile

from chaffinch.compute.containers import is_png, png_without_texts

_BY_SIGNATURE = (
    "JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "ICO", "CUR", "ICNS",
    "PCX", "DCX", "PSD", "QOI", "SGI", "SUN", "DDS", "XBM", "XPM", "MSP", "FLI",
)  # fmt: skip
"""Pillow's decoders that know their format by its first bytes. Left out: EPS and WMF (they call other
programs), formats without pictures or without a signature."""

_BY_SUFFIX = {".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".vst": "TGA"}
"""Formats without a signature: tried only if the name asks for them."""

DECODER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError, struct.error, zlib.error,
)  # fmt: skip
"""What plugins raise over damaged bytes. They are written for good files and trip over bad ones anywhere, so
next to Pillow's own errors every failed look-up, conversion and calculation is here."""

_loading = threading.Lock()


class NotAnImageError(Exception):
    """No decoder recognises the bytes."""


def load_plugins() -> None:
    """Import Pillow's decoders; safe to call from several threads."""
    with _loading:
        Image.init()


def open_image(data: bytes, *, suffix: str = "") -> ImageFile.ImageFile:
    """Read the header of an image; its pixels are not decoded.

    Args:
        data: The encoded image.
        suffix: Ending of its name in lower case with the dot, for the formats that have no signature.

    Raises:
        NotAnImageError: If no decoder recognises the bytes; says what the last one that tried complained of.
        DECODER_ERRORS: If a decoder recognises them and cannot read the header.
    """
    if "TIFF" not in Image.OPEN:
        load_plugins()
    try:
        return _open_first(data, suffix)
    except ValueError:
        # Pillow does not open a PNG with more than 1 MB of compressed text or profile. The pixels are fine.
        if not is_png(data):
            raise
        return _open_first(png_without_texts(data), suffix)


def _open_first(data: bytes, suffix: str) -> ImageFile.ImageFile:
    formats = (*_BY_SIGNATURE, _BY_SUFFIX[suffix]) if suffix in _BY_SUFFIX else _BY_SIGNATURE
    complaints: list[str] = []
    for name in formats:
        if name not in Image.OPEN:  # a Pillow built without it
            continue
        factory, accept = Image.OPEN[name]
        # Padded, because some look further than a very short file goes.
        answer = accept(data[:16].ljust(16, b"\0")) if accept else True
        if not answer:
            continue
        if isinstance(answer, str):  # the plugin lacks its library, and says so
            complaints.append(answer)
            continue
        try:
            return factory(io.BytesIO(data), "")
        except (SyntaxError, LookupError, TypeError, struct.error) as error:
            complaints.append(f"{name}: {error}")
    raise NotAnImageError("; ".join(complaints))
