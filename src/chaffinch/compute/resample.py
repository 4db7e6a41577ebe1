"""Luma and its reduction to 32 x 32, bit for bit as Pillow does both.

`imagehash.phash` calls ``image.convert("L").resize((32, 32), LANCZOS)``. The hash is only equal to that of
the package if every pixel of this small picture is, so the arithmetic is Pillow's: luma in 16-bit fixed
point, then a horizontal and a vertical pass in 22-bit fixed point with rounding to 8 bits between them, and
no pass along a side that is 32 already. Pillow 13 goes vertically first where that is cheaper, Pillow 12
never does; pictures so tall are left to the Pillow that is installed.

Source: Pillow's documentation of `Image.convert` (ITU-R 601-2 luma) and of `Image.resize`; the fixed-point
rules were read off `Convert.c` and `Resample.c` and are held by tests against Pillow itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from chaffinch.jit import kernel

SIDE = 32
"""Side of the picture that is hashed, pixels: imagehash's hash_size 8 times highfreq_factor 4."""

_LANES = 16
"""Filters are padded with zeros to a multiple of this, so that the inner loop fills SIMD registers."""

_CACHED_SIDE = 16384
"""Filters for longer sides, 24 bytes a pixel, are not kept."""


_TALL = 1.9
"""Pillow 13.0.0 goes vertically first where the height loses more than 2 times what the width loses."""


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """The Lanczos filter that brings one side to `SIDE` pixels. K taps, padded."""

    starts: np.ndarray
    """Shape (SIDE,), int64: first source pixel of each output pixel."""
    taps: np.ndarray
    """Shape (SIDE, K), int32: weights, 2**22 = 1."""


def lanczos_filter(side: int) -> Filter:
    """Return the filter for a side of `side` pixels, at least 1.

    Cost: 24 bytes and 0.3 microseconds per source pixel, once per side length.
    """
    return _kept_filter(side) if side <= _CACHED_SIDE else _make_filter(side)


def _make_filter(side: int) -> Filter:
    reach = 3.0 * max(side / SIDE, 1.0)
    n_taps = -(-(2 * math.ceil(reach) + 1) // _LANES) * _LANES
    starts = np.zeros(SIDE, np.int64)
    taps = np.zeros((SIDE, n_taps), np.int32)
    _fill_filter(side, starts, taps)
    return Filter(starts, taps)


_kept_filter = lru_cache(maxsize=512)(_make_filter)


def small_luma(luma: np.ndarray) -> np.ndarray:
    """Reduce a luma plane to `SIDE` x `SIDE` as Pillow's Lanczos resize does; exact.

    Args:
        luma: Shape (H, W), uint8, C-contiguous.

    Returns:
        Shape (32, 32), uint8.

    Cost: about 0.1 of the JPEG decode.
    """
    height, width = luma.shape
    if _may_go_down_first(height, width):
        return np.array(Image.fromarray(luma).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    columns = luma
    if width != SIDE:
        across = lanczos_filter(width)
        columns = np.empty((height, SIDE), np.uint8)
        _shrink_rows(luma, across.starts, across.taps, columns)
    if height == SIDE:
        return columns
    down = lanczos_filter(height)
    out = np.empty((SIDE, SIDE), np.uint8)
    _shrink_columns(columns, down.starts, down.taps, out)
    return out


def _may_go_down_first(height: int, width: int) -> bool:
    """Say whether some Pillow would shrink the height before the width.

    Source: Pillow pull request 9549 (height shrunk much more than width); factor measured with 13.0.0.
    """
    return height > SIDE and height - SIDE >= _TALL * (width - SIDE)


@kernel
def luma_plane(rgb: np.ndarray, out: np.ndarray) -> None:
    """Write the luma of `rgb`, shape (H, 3 W), uint8, to `out`, shape (H, W), uint8, as Pillow rounds it."""
    for y in range(out.shape[0]):
        row = rgb[y]
        line = out[y]
        for x in range(line.shape[0]):
            # Casting each term keeps the arithmetic in 32 bits; numba would widen it to 64 otherwise.
            red = np.uint32(np.uint32(row[3 * x]) * np.uint32(19595))
            green = np.uint32(np.uint32(row[3 * x + 1]) * np.uint32(38470))
            blue = np.uint32(np.uint32(row[3 * x + 2]) * np.uint32(7471))
            line[x] = np.uint8(np.uint32(red + green + blue + np.uint32(0x8000)) >> np.uint32(16))


@kernel
def _sinc(x: float) -> float:
    if x == 0.0:
        return 1.0
    angle: float = x * math.pi
    return math.sin(angle) / angle


@kernel
def _lanczos(x: float) -> float:
    if -3.0 <= x < 3.0:
        return _sinc(x) * _sinc(x / 3.0)
    return 0.0


@kernel
def _fill_filter(side: int, starts: np.ndarray, taps: np.ndarray) -> None:
    scale = side / starts.shape[0]
    stretch = max(scale, 1.0)
    reach = 3.0 * stretch
    narrow = 1.0 / stretch
    weights = np.empty(taps.shape[1], np.float64)
    for i in range(starts.shape[0]):
        center = (i + 0.5) * scale
        first = max(int(center - reach + 0.5), 0)
        n = min(int(center + reach + 0.5), side) - first
        total = 0.0
        for k in range(n):
            weights[k] = _lanczos((k + first - center + 0.5) * narrow)
            total += weights[k]
        starts[i] = first
        for k in range(n):
            weight = weights[k] / total if total != 0.0 else weights[k]
            taps[i, k] = int(weight * 4194304.0 + (0.5 if weight >= 0.0 else -0.5))


@kernel
def _weighted_pixel(pixels: np.ndarray, taps: np.ndarray) -> np.uint8:
    total = np.int32(1 << 21)
    for k in range(taps.shape[0]):
        total = np.int32(total + np.int32(pixels[k] * taps[k]))
    value = total >> 22
    if value < 0:
        return np.uint8(0)
    return np.uint8(255) if value > 255 else np.uint8(value)


@kernel
def _shrink_rows(luma: np.ndarray, starts: np.ndarray, taps: np.ndarray, out: np.ndarray) -> None:
    width = luma.shape[1]
    n_taps = taps.shape[1]
    line = np.zeros(width + n_taps, np.int32)
    for y in range(luma.shape[0]):
        row = luma[y]
        for x in range(width):
            line[x] = row[x]
        for i in range(starts.shape[0]):
            out[y, i] = _weighted_pixel(line[starts[i] : starts[i] + n_taps], taps[i])


@kernel
def _shrink_columns(columns: np.ndarray, starts: np.ndarray, taps: np.ndarray, out: np.ndarray) -> None:
    total = np.empty(columns.shape[1], np.int32)
    for i in range(starts.shape[0]):
        total[:] = 1 << 21
        first = starts[i]
        for k in range(min(taps.shape[1], columns.shape[0] - first)):
            row = columns[first + k]
            tap = taps[i, k]
            for x in range(total.shape[0]):
                total[x] = np.int32(total[x] + np.int32(row[x] * tap))
        for x in range(total.shape[0]):
            out[i, x] = min(max(total[x] >> 22, 0), 255)
