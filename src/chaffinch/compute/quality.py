"""Quality numbers of one image: brightness, contrast, colour, information and sharpness.

All but saturation are taken from the luma plane. Images with transparency count as they look when the alpha
channel is dropped, which is what ``convert("RGB")`` in a training script sees. `sharpness` has the numbers of
sharpness and detail.
"""

from __future__ import annotations

import math

import numpy as np

from chaffinch.compute.sharpness import detail_numbers, laplacian_variance
from chaffinch.jit import kernel
from chaffinch.records import Quality

_CLIPPED, _COLOURED = np.uint8(253), np.uint8(245)
"""A pixel is clipped if its highest channel is at least the first, which JPEG may leave of 255, and its
lowest below the second: on a white ground all channels are at the top, which is no fault of exposure."""


def quality_numbers(luma: np.ndarray, colour: np.ndarray | None) -> Quality:
    """Compute the quality numbers of one image.

    Args:
        luma: Shape (H, W), uint8, C-contiguous.
        colour: Shape (H, W, 3), uint8, C-contiguous; None for a gray image, whose saturation is 0.

    Returns:
        All fields finite. Sharpness is 0 for images below 3 pixels on a side.

    Cost: about a quarter of the JPEG decode.
    """
    spread = n_clipped = np.int64(0)
    if colour is not None:
        spread, n_clipped = _count_colour(colour.reshape(len(colour), -1))
    mean, p5, p50, p95, contrast, entropy = _luma_numbers(luma.reshape(-1))
    tile, half, quarter = detail_numbers(luma)
    return Quality(
        brightness_mean=mean,
        brightness_p5=p5,
        brightness_p50=p50,
        brightness_p95=p95,
        contrast=contrast,
        saturation=float(spread) / (255.0 * luma.size),
        clipped_share=float(n_clipped) / luma.size,
        entropy_bits=entropy,
        sharpness=laplacian_variance(luma),
        sharpness_tile=tile,
        detail_half=half,
        detail_quarter=quarter,
    )


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
def _count_colour(rgb: np.ndarray) -> tuple[np.int64, np.int64]:
    """Sum max - min of the channels over all pixels of `rgb`, shape (H, 3 W), and count the clipped ones."""
    total = n_clipped = np.int64(0)
    for y in range(rgb.shape[0]):
        row = rgb[y]
        line = clipped = np.uint32(0)
        for x in range(row.shape[0] // 3):
            red, green, blue = row[3 * x], row[3 * x + 1], row[3 * x + 2]
            high = max(max(red, green), blue)
            low = min(min(red, green), blue)
            line = np.uint32(line + np.uint32(np.uint8(high - low)))
            clipped = np.uint32(clipped + np.uint32((high >= _CLIPPED) & (low < _COLOURED)))
        total += np.int64(line)
        n_clipped += np.int64(clipped)
    return total, n_clipped
