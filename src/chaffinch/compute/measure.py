"""`measure`: the encoded bytes of one image to its row in the sample table.

One decode yields everything. The same bytes give the same `Measurement` in every run and every thread, and no
bytes whatever raise: what cannot be measured has an outcome and a text.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

import numpy as np
import simplejpeg
from blake3 import blake3

from chaffinch.compute.area import area_average
from chaffinch.compute.decode import DIGEST_BYTES, Decoded, UndecodedError, decode
from chaffinch.compute.phash import phash_d4
from chaffinch.compute.pillow import load_plugins
from chaffinch.compute.quality import quality_numbers
from chaffinch.records import Measurement, Outcome, Quality
from chaffinch.settings import MeasureSettings

MICRO_SIDE = 16
"""Side of the colour signature, pixels."""

_THUMBNAIL_QUALITY = 70
"""JPEG quality of thumbnails: 3 to 5 KB each at 160 px."""

_MMAP_THRESHOLD = (-3, 8 << 20)
"""glibc's number of the parameter M_MMAP_THRESHOLD, and bytes: half of a block of Pillow's pixels."""

_warming = threading.Lock()


def measure(
    data: bytes,
    settings: MeasureSettings,
    *,
    suffix: str = "",
    on_shown: Callable[[np.ndarray], None] | None = None,
) -> Measurement:
    """Measure one encoded image; never raises for its bytes.

    Args:
        data: The encoded image.
        settings: What to measure; `level="hashes"` leaves out quality, thumbnail and `micro`.
        suffix: Ending of the file's name, lower case with the dot; only formats without a signature (TGA)
            need it, a wrong one does no harm.
        on_shown: Called with the picture as people see it, `Decoded.shown`, once it is measured.

    Returns:
        Outcome `ok` with all fields; or `broken` (empty, damaged, cut off, no image) or `skipped` (over the
        pixel limit, no decoder, not enough memory) with size, digest of the bytes and a text.

    Cost: about 1.4 times the JPEG decode for hashes, 1.8 for everything (benchmarks/measure.py); one decoded
        image of memory and half as much again. Runs without the GIL but for some 60 microseconds.
    """
    digest = str(blake3(data).hexdigest(length=DIGEST_BYTES))
    try:
        decoded = decode(data, max_pixels=settings.max_pixels, suffix=suffix)
        measurement = _measure_pixels(decoded, settings, size_bytes=len(data), bytes_digest=digest)
        if on_shown is not None:
            on_shown(decoded.shown)
        return measurement
    except UndecodedError as error:
        outcome: Outcome = error.outcome
        text = error.error
    except MemoryError:
        outcome, text = "skipped", "not enough memory to decode it"
    return Measurement(outcome, text, size_bytes=len(data), bytes_digest=digest)


def warm_up() -> None:
    """Compile or load every kernel and decoder, so that threads started next do not wait for each other.

    Cost: 8 s of CPU the first time on a machine, 0.2 s from the cache, 3 ms after that in a process.
    """
    with _warming:
        _return_large_blocks()
        load_plugins()
        # Larger than a thumbnail and without symmetry, so that every kernel runs.
        ramp = np.arange(200 * 210 * 3) % 251
        rgb = np.ascontiguousarray(ramp.reshape(200, 210, 3), dtype=np.uint8)
        measure(simplejpeg.encode_jpeg(rgb), MeasureSettings())


def _return_large_blocks() -> None:
    """Have large blocks go back to the system when freed, where the C library is glibc.

    By itself it raises its threshold up to 32 MB and then takes the blocks of pixels from heaps of threads,
    which one small block on top of them can hold: 500 MB of a huge image once it is measured.
    """
    set_parameter = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_parameter is not None:
        set_parameter(*_MMAP_THRESHOLD)


def _measure_pixels(
    decoded: Decoded, settings: MeasureSettings, *, size_bytes: int, bytes_digest: str
) -> Measurement:
    height, width = decoded.luma.shape
    hashes = phash_d4(decoded.luma)
    is_full = settings.level == "full"
    return Measurement(
        outcome="ok",
        size_bytes=size_bytes,
        width=width,
        height=height,
        format=decoded.format,
        mode=decoded.mode,
        bytes_digest=bytes_digest,
        pixels_digest=decoded.pixels_digest,
        phash=int(hashes[0]),
        phash_d4=hashes,
        micro=_resized(decoded.shown, height=MICRO_SIDE, width=MICRO_SIDE).tobytes() if is_full else None,
        quality=_quality(decoded) if is_full else None,
        jpeg_quality=decoded.jpeg_quality,
        thumbnail=_thumbnail(decoded.shown, settings.thumbnail_px) if is_full else None,
    )


def _quality(decoded: Decoded) -> Quality:
    is_gray = decoded.shown.ndim == 2
    return quality_numbers(decoded.shown, None) if is_gray else quality_numbers(decoded.luma, decoded.shown)


def _resized(shown: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Resize to an RGB picture by exact area averages; gray becomes three equal channels."""
    rgb = np.repeat(shown[:, :, None], 3, axis=2) if shown.ndim == 2 else shown
    return area_average(rgb, height=height, width=width)


def _thumbnail(shown: np.ndarray, longer_side: int) -> bytes:
    """Encode a JPEG whose longer side is `longer_side` pixels, or the image's own size if that is less."""
    height, width = shown.shape[:2]
    scale = longer_side / max(height, width)
    small = shown
    if scale < 1.0:
        small = _resized(shown, height=max(1, round(height * scale)), width=max(1, round(width * scale)))
    if shown.ndim == 2:
        gray = np.ascontiguousarray(small[..., :1] if small.ndim == 3 else small[..., None])
        return bytes(
            simplejpeg.encode_jpeg(gray, _THUMBNAIL_QUALITY, colorspace="GRAY", colorsubsampling="Gray")
        )
    return bytes(simplejpeg.encode_jpeg(small, _THUMBNAIL_QUALITY, colorspace="RGB", colorsubsampling="420"))
