"""Quality numbers of one image: brightness, contrast, colour, information and sharpness.

All but saturation are taken from the luma plane. Images with transparency count as they look when the alpha
channel is dropped, which is what ``convert("RGB")`` in a training script sees.

Sharpness is measured twice. The variance of the Laplacian over the whole image (the field's usual number)
calls a sharp bird before a soft sky blurry. `Quality.sharpness_tile` therefore looks at tiles, divides each
tile's Laplacian variance by its contrast squared, so that a faint but crisp texture counts as sharp and a
strong but smooth shading does not, and takes a high percentile: one crisp region is enough.

Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study",
ICPR 2000, for the variance of the Laplacian; tiles and the division follow our own measurements
(docs: quality).
"""

from __future__ import annotations

import numpy as np

from chaffinch.compute.jit import kernel
from chaffinch.records import Quality

_MAX_TILES = 8
"""Tiles along each side at most."""

_MIN_TILE_PX = 16
"""Tiles are not smaller than this where the image allows it."""

_MAX_TILE_PX = 1024
"""Tiles are not larger than this: sums down a tile's column stay within 32 bits (1024 x 1020**2 < 2**31)."""

_TILE_PERCENTILE = 90.0
"""A tenth of the tiles being crisp makes an image sharp."""

_CONTRAST_FLOOR = 4.0
"""Added to a tile's luma variance (0..255 scale): keeps noise in flat tiles from counting as detail."""


def quality_numbers(luma: np.ndarray, colour: np.ndarray | None) -> Quality:
    """Compute the quality numbers of one image.

    Args:
        luma: Shape (H, W), uint8, C-contiguous.
        colour: Shape (H, W, 3), uint8, C-contiguous; None for a gray image, whose saturation is 0.

    Returns:
        All fields finite. Sharpness is 0 for images below 3 pixels on a side.

    Cost: about 0.15 of the JPEG decode.
    """
    counts = np.zeros(256, np.int64)
    _count_values(luma.reshape(-1), counts)
    n_pixels = luma.size
    levels = np.arange(256) / 255.0
    mean = float(counts @ levels) / n_pixels
    variance = float(counts @ (levels - mean) ** 2) / n_pixels
    present = counts[counts > 0] / n_pixels
    p5, p50, p95 = np.searchsorted(np.cumsum(counts), np.array([0.05, 0.5, 0.95]) * n_pixels) / 255.0
    spread = 0 if colour is None else int(_sum_spread(colour.reshape(luma.shape[0], -1)))
    sharpness, sharpness_tile = _sharpness(luma)
    return Quality(
        brightness_mean=mean,
        brightness_p5=float(p5),
        brightness_p50=float(p50),
        brightness_p95=float(p95),
        contrast=variance**0.5,
        saturation=spread / (255.0 * n_pixels),
        entropy_bits=max(0.0, float(-(present @ np.log2(present)))),
        sharpness=sharpness,
        sharpness_tile=sharpness_tile,
    )


def _sharpness(luma: np.ndarray) -> tuple[float, float]:
    height, width = luma.shape
    if height < 3 or width < 3:
        return 0.0, 0.0
    sums = np.zeros((_n_tiles(height - 2), _n_tiles(width - 2), 5))
    _sum_tiles(luma, sums)
    total = sums.reshape(-1, 5).sum(axis=0)
    sharpness = total[1] / total[4] - (total[0] / total[4]) ** 2
    laplacian_sum, laplacian_squares, luma_sum, luma_squares, count = np.moveaxis(sums, -1, 0)
    laplacian_variance = laplacian_squares / count - (laplacian_sum / count) ** 2
    luma_variance = luma_squares / count - (luma_sum / count) ** 2
    ratio = laplacian_variance / (luma_variance + _CONTRAST_FLOOR)
    rank = int(ratio.size * _TILE_PERCENTILE / 100.0)
    return max(0.0, float(sharpness)), max(0.0, float(np.sort(ratio, axis=None)[rank]))


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
