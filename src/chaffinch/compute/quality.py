"""Quality numbers of one image: brightness, contrast, colour, information and sharpness.

All but saturation are taken from the luma plane. Images with transparency count as they look when the alpha
channel is dropped, which is what ``convert("RGB")`` in a training script sees.

Sharpness is measured twice. The variance of the Laplacian over the whole image (the field's usual number)
calls a sharp bird before a soft sky blurry. `Quality.sharpness_tile` therefore looks at tiles, divides each
tile's Laplacian variance by its contrast squared, so that a faint but crisp texture counts as sharp and a
strong but smooth shading does not, and takes a high percentile: one crisp region is enough.

Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study",
ICPR 2000, for the variance of the Laplacian; tiles and division were chosen as the constants below say.
"""

from __future__ import annotations

import math

import numpy as np

from chaffinch.jit import kernel
from chaffinch.records import Quality

_MAX_TILES = 8
"""Tiles along each side at most."""

_MIN_TILE_PX = 16
"""Tiles are not smaller than this where the image allows it."""

_MAX_TILE_PX = 1024
"""Tiles are not larger than this: sums down a tile's column stay within 32 bits (1024 x 1020**2 < 2**31)."""

_TILE_SHARE = 0.95
"""The tile at this rank counts: a twentieth of the tiles being crisp makes an image sharp."""

_CONTRAST_FLOOR = 16.0
"""Added to a tile's luma variance (0..255 scale): keeps noise in flat tiles from counting as detail. This and
the rank were chosen on 134 ImageNet photographs against their blurred copies: area under the curve .991 at a
Gaussian sigma of 1 pixel and 1.000 at 1.5; the variance over the whole image reaches .974 and .999."""


def quality_numbers(luma: np.ndarray, colour: np.ndarray | None) -> Quality:
    """Compute the quality numbers of one image.

    Args:
        luma: Shape (H, W), uint8, C-contiguous.
        colour: Shape (H, W, 3), uint8, C-contiguous; None for a gray image, whose saturation is 0.

    Returns:
        All fields finite. Sharpness is 0 for images below 3 pixels on a side.

    Cost: about 0.15 of the JPEG decode.
    """
    height, width = luma.shape
    n_rows, n_columns = _n_tiles(height - 2), _n_tiles(width - 2)
    spread = 0.0
    if colour is not None:
        spread = float(_sum_spread(colour.reshape(height, -1))) / (255.0 * luma.size)
    mean, p5, p50, p95, contrast, entropy = _luma_numbers(luma.reshape(-1))
    sharpness, sharpness_tile = _sharpness(luma, n_rows, n_columns)
    return Quality(
        brightness_mean=mean,
        brightness_p5=p5,
        brightness_p50=p50,
        brightness_p95=p95,
        contrast=contrast,
        saturation=spread,
        entropy_bits=entropy,
        sharpness=sharpness,
        sharpness_tile=sharpness_tile,
    )


def _n_tiles(side: int) -> int:
    wanted = min(_MAX_TILES, max(1, side // _MIN_TILE_PX))
    return max(wanted, -(-side // _MAX_TILE_PX))


@kernel
def _count_values(values: np.ndarray, counts: np.ndarray) -> None:
    # Four tables, because neighbours are often equal and a counter cannot be raised twice in one cycle.
    tables = np.zeros((4, 256), np.uint32)
    whole = values.shape[0] // 4 * 4
    for i in range(0, whole, 4):
        tables[0, values[i]] += np.uint32(1)
        tables[1, values[i + 1]] += np.uint32(1)
        tables[2, values[i + 2]] += np.uint32(1)
        tables[3, values[i + 3]] += np.uint32(1)
    for i in range(whole, values.shape[0]):
        tables[0, values[i]] += np.uint32(1)
    for i in range(256):
        counts[i] = np.int64(tables[0, i]) + tables[1, i] + tables[2, i] + tables[3, i]


@kernel
def _level_at(counts: np.ndarray, share: float, n_pixels: int) -> float:
    """Return the lowest level, 0..1, that at least this share of the pixels does not exceed."""
    below = 0
    for level in range(256):
        below += counts[level]
        if below >= share * n_pixels:
            return level / 255.0
    return 1.0


@kernel
def _luma_numbers(values: np.ndarray) -> tuple[float, float, float, float, float, float]:
    """Return mean, 5th, 50th and 95th percentile, standard deviation (all 0..1) and entropy in bits."""
    counts = np.zeros(256, np.int64)
    _count_values(values, counts)
    n = values.shape[0]
    mean = 0.0
    for level in range(256):
        mean += counts[level] / n * level
    variance = 0.0
    entropy = 0.0
    for level in range(256):
        share = counts[level] / n
        variance += share * (level - mean) ** 2
        if share > 0.0:
            entropy -= share * math.log2(share)
    low, middle, high = _level_at(counts, 0.05, n), _level_at(counts, 0.5, n), _level_at(counts, 0.95, n)
    return mean / 255.0, low, middle, high, math.sqrt(variance) / 255.0, max(0.0, entropy)


@kernel
def _sum_spread(rgb: np.ndarray) -> np.int64:
    """Sum max - min of the channels over all pixels of `rgb`, shape (H, 3 W)."""
    total = np.int64(0)
    for y in range(rgb.shape[0]):
        row = rgb[y]
        line = np.uint32(0)
        for x in range(row.shape[0] // 3):
            red, green, blue = row[3 * x], row[3 * x + 1], row[3 * x + 2]
            high = max(max(red, green), blue)
            low = min(min(red, green), blue)
            line = np.uint32(line + np.uint32(np.uint8(high - low)))
        total += np.int64(line)
    return total


@kernel
def _add_row(above: np.ndarray, here: np.ndarray, below: np.ndarray, sums: np.ndarray) -> None:
    """Add the inner pixels of one row to the four sums of their columns."""
    laplacian_sums, laplacian_squares, luma_sums, luma_squares = sums[0], sums[1], sums[2], sums[3]
    for x in range(sums.shape[1]):
        value = np.int32(here[x + 1])
        around = np.int32(np.int32(above[x + 1]) + np.int32(below[x + 1]))
        around = np.int32(around + np.int32(np.int32(here[x]) + np.int32(here[x + 2])))
        laplacian = np.int32(around - np.int32(4 * value))
        laplacian_sums[x] = np.int32(laplacian_sums[x] + laplacian)
        laplacian_squares[x] = np.int32(laplacian_squares[x] + np.int32(laplacian * laplacian))
        luma_sums[x] = np.int32(luma_sums[x] + value)
        luma_squares[x] = np.int32(luma_squares[x] + np.int32(value * value))


@kernel
def _sum_tiles(luma: np.ndarray, sums: np.ndarray) -> None:
    """Fill `sums`, shape (tile rows, tile columns, 5): Laplacian, its squares, luma, its squares, pixels."""
    height = luma.shape[0] - 2
    width = luma.shape[1] - 2
    n_rows, n_columns = sums.shape[0], sums.shape[1]
    column_sums = np.empty((4, width), np.int32)
    for i in range(n_rows):
        column_sums[:] = 0
        top = i * height // n_rows
        bottom = (i + 1) * height // n_rows
        for y in range(top, bottom):
            _add_row(luma[y], luma[y + 1], luma[y + 2], column_sums)
        for j in range(n_columns):
            left = j * width // n_columns
            right = (j + 1) * width // n_columns
            for k in range(4):
                for x in range(left, right):
                    sums[i, j, k] += column_sums[k, x]
            sums[i, j, 4] = (bottom - top) * (right - left)


@kernel
def _sharpness(luma: np.ndarray, n_rows: int, n_columns: int) -> tuple[float, float]:
    """Return the Laplacian variance of the image, and the high percentile of that of tiles over contrast."""
    if luma.shape[0] < 3 or luma.shape[1] < 3:
        return 0.0, 0.0
    sums = np.zeros((n_rows, n_columns, 5))
    _sum_tiles(luma, sums)
    tiles = sums.reshape((n_rows * n_columns, 5))
    ratios = np.empty(tiles.shape[0])
    total = 0.0
    squares = 0.0
    for i in range(tiles.shape[0]):
        n = tiles[i, 4]
        laplacian_variance = tiles[i, 1] / n - (tiles[i, 0] / n) ** 2
        luma_variance = tiles[i, 3] / n - (tiles[i, 2] / n) ** 2
        ratios[i] = laplacian_variance / (luma_variance + _CONTRAST_FLOOR)
        total += tiles[i, 0]
        squares += tiles[i, 1]
    n_pixels = (luma.shape[0] - 2) * (luma.shape[1] - 2)
    variance = squares / n_pixels - (total / n_pixels) ** 2
    rank = int(ratios.shape[0] * _TILE_SHARE)
    return max(0.0, variance), max(0.0, np.sort(ratios)[rank])
