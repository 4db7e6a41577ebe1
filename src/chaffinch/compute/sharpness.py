"""Sharpness of one image: the field's usual number, and three that see blur of any kind and direction.

`Quality.sharpness` is the variance of the Laplacian over the whole image, which calls a sharp bird before a
soft sky blurry, depends on what is shown, and misses motion, which leaves edges along it as crisp as they
were.

The other three take second differences in four directions (across, down, both diagonals), and of the four
numbers the least counts. `Quality.sharpness_tile` looks at tiles, divides by each tile's contrast squared,
so that a faint but crisp texture counts as sharp and a strong but smooth shading does not, and takes a high
percentile: one crisp region is enough. `Quality.detail_half` and `Quality.detail_quarter` compare with the
same picture at half and at a quarter of its size: pictures of the world have about as much detail at one
scale as at the next, and a blur takes the finest first.

Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR
2000, for the variance of the Laplacian; D. J. Field, "Relations between the statistics of natural images and
the response properties of cortical cells", 1987, for equal detail at all scales. What they find together:
docs/performance.md, "Quality issues".
"""

from __future__ import annotations

import numpy as np

from chaffinch.jit import kernel

_MAX_TILES = 8
"""Tiles along each side at most."""

_MIN_TILE_PX = 16
"""Tiles are not smaller than this where the image allows it."""

_CHUNK = 1024
"""Squares of so many second differences are summed in 32 bits: 1024 x 1020**2 < 2**31."""

_TILE_SHARE = 0.95
"""The tile at this rank counts: a twentieth of the tiles being crisp makes an image sharp."""

_TOP_SHARE = 0.25
"""This share of the tiles, those with most detail, is compared between scales."""

_CONTRAST_FLOOR = 16.0
"""Added to a tile's luma variance (0..255 scale): keeps noise in flat tiles from counting as detail. This and
the rank were chosen on 134 ImageNet photographs against their blurred copies."""

_VIEW_SIDE = 384
"""The three numbers are taken after halving the picture while its shorter side stays at least this long: the
softness of single pixels in a photograph of 12 megapixels is none that anybody sees."""

_ROWS_TAKEN = 48
"""About so many rows of a picture are enough for the three; all are taken of one with less than twice as
many."""

MIN_SIDE = 12
"""Below this side, pixels, nothing can be said about detail."""


def laplacian_variance(luma: np.ndarray) -> float:
    """Return `Quality.sharpness` of a luma plane, shape (H, W), uint8; 0 below 3 pixels on a side."""
    return _laplacian_variance(luma) if min(luma.shape) >= 3 else 0.0


def detail_numbers(luma: np.ndarray) -> tuple[float, float, float]:
    """Return `sharpness_tile`, `detail_half` and `detail_quarter` of a luma plane, shape (H, W), uint8.

    Below `MIN_SIDE` they are 0, 1 and 1, as for a picture without any detail.
    """
    while min(luma.shape) >= 2 * _VIEW_SIDE:
        luma = _halved(luma)
    height, width = luma.shape
    if min(height, width) < MIN_SIDE:
        return 0.0, 1.0, 1.0
    tile, half, quarter = _detail(luma, _n_tiles(height - 2), _n_tiles(width - 2))
    return tile, half, quarter


def _n_tiles(side: int) -> int:
    wanted = min(_MAX_TILES, max(1, side // _MIN_TILE_PX))
    return max(wanted, -(-side // _CHUNK))


@kernel
def _add_laplacian(above: np.ndarray, here: np.ndarray, below: np.ndarray, sums: np.ndarray) -> None:
    """Add the Laplacian of one row's inner pixels, and its square, to the sums of their columns."""
    values, squares = sums[0], sums[1]
    for x in range(sums.shape[1]):
        around = np.int32(np.int32(above[x + 1]) + np.int32(below[x + 1]))
        around = np.int32(around + np.int32(np.int32(here[x]) + np.int32(here[x + 2])))
        laplacian = np.int32(around - np.int32(4 * np.int32(here[x + 1])))
        values[x] = np.int32(values[x] + laplacian)
        squares[x] = np.int32(squares[x] + np.int32(laplacian * laplacian))


@kernel
def _laplacian_variance(luma: np.ndarray) -> float:
    height, width = luma.shape[0] - 2, luma.shape[1] - 2
    # Sums of columns, since numba turns them into vector instructions, which it does not for running totals.
    sums = np.empty((2, width), np.int32)
    total = squares = 0.0
    for top in range(0, height, _CHUNK):
        sums[:] = 0
        for y in range(top, min(top + _CHUNK, height)):
            _add_laplacian(luma[y], luma[y + 1], luma[y + 2], sums)
        for x in range(width):
            total += sums[0, x]
            squares += sums[1, x]
    n_pixels = height * width
    variance: float = max(0.0, squares / n_pixels - (total / n_pixels) ** 2)
    return variance


@kernel
def _halved(luma: np.ndarray) -> np.ndarray:
    """Average blocks of 2 x 2, rounded to nearest; a last odd row or column is left out."""
    height, width = luma.shape[0] // 2, luma.shape[1] // 2
    out = np.empty((height, width), np.uint8)
    for y in range(height):
        above, below, row = luma[2 * y], luma[2 * y + 1], out[y]
        for x in range(width):
            top = np.uint16(np.uint16(above[2 * x]) + np.uint16(above[2 * x + 1]))
            bottom = np.uint16(np.uint16(below[2 * x]) + np.uint16(below[2 * x + 1]))
            row[x] = np.uint8((top + bottom + 2) >> 2)
    return out


@kernel
def _add_straight(above: np.ndarray, here: np.ndarray, below: np.ndarray, sums: np.ndarray) -> None:
    """Add the squares of one row's second differences across and down, its luma and its square."""
    across, down, luma_sums, luma_squares = sums[0], sums[1], sums[2], sums[3]
    for x in range(sums.shape[1]):
        value = np.int32(here[x + 1])
        twice = np.int32(2 * value)
        a = np.int32(np.int32(np.int32(here[x]) + np.int32(here[x + 2])) - twice)
        d = np.int32(np.int32(np.int32(above[x + 1]) + np.int32(below[x + 1])) - twice)
        across[x] = np.int32(across[x] + np.int32(a * a))
        down[x] = np.int32(down[x] + np.int32(d * d))
        luma_sums[x] = np.int32(luma_sums[x] + value)
        luma_squares[x] = np.int32(luma_squares[x] + np.int32(value * value))


@kernel
def _add_diagonal(above: np.ndarray, here: np.ndarray, below: np.ndarray, sums: np.ndarray) -> None:
    """Add the squares along both diagonals; apart, since so many sums at once do not run in vectors."""
    falling, rising = sums[0], sums[1]
    for x in range(sums.shape[1]):
        twice = np.int32(2 * np.int32(here[x + 1]))
        f = np.int32(np.int32(np.int32(above[x]) + np.int32(below[x + 2])) - twice)
        r = np.int32(np.int32(np.int32(above[x + 2]) + np.int32(below[x])) - twice)
        falling[x] = np.int32(falling[x] + np.int32(f * f))
        rising[x] = np.int32(rising[x] + np.int32(r * r))


@kernel
def _direction_tiles(luma: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    """Return shape (tiles, 6): mean squares along both diagonals, across and down; luma and its variance."""
    height, width = luma.shape[0] - 2, luma.shape[1] - 2
    step = max(1, height // _ROWS_TAKEN)
    tiles = np.zeros((n_rows * n_columns, 6))
    column_sums = np.empty((6, width), np.int32)
    for i in range(n_rows):
        column_sums[:] = 0
        top = i * height // n_rows
        n_taken = ((i + 1) * height // n_rows - top + step - 1) // step
        for k in range(n_taken):
            y = top + k * step
            _add_diagonal(luma[y], luma[y + 1], luma[y + 2], column_sums[:2])
            _add_straight(luma[y], luma[y + 1], luma[y + 2], column_sums[2:])
        _divide_columns(column_sums, n_taken, tiles[i * n_columns : (i + 1) * n_columns])
    tiles[:, 5] = np.maximum(0.0, tiles[:, 5] - tiles[:, 4] ** 2)
    return tiles


@kernel
def _divide_columns(column_sums: np.ndarray, n_rows: int, tiles: np.ndarray) -> None:
    """Turn the sums of columns, over some rows, into means of the tiles beside each other."""
    width, n_columns = column_sums.shape[1], tiles.shape[0]
    for j in range(n_columns):
        left = j * width // n_columns
        right = (j + 1) * width // n_columns
        for k in range(column_sums.shape[0]):
            total = np.int64(0)
            for x in range(left, right):
                total += column_sums[k, x]
            tiles[j, k] = total / max(1, n_rows * (right - left))


@kernel
def _top_mean(values: np.ndarray) -> float:
    """Return the mean of the top share of some values, plus one, so that nothing against nothing is 1."""
    n_top = max(1, round(values.shape[0] * _TOP_SHARE))
    mean: float = np.sort(values)[-n_top:].mean() + 1.0
    return mean


@kernel
def _detail(luma: np.ndarray, n_rows: int, n_columns: int) -> tuple[float, float, float]:
    smaller = _halved(luma)
    whole = _direction_tiles(luma, n_rows, n_columns)
    half = _direction_tiles(smaller, n_rows, n_columns)
    smallest = _halved(smaller)
    # Of icons a quarter holds no second differences worth the name: half of them has to do.
    has_quarter = min(smallest.shape[0], smallest.shape[1]) >= 6
    quarter = _direction_tiles(smallest, n_rows, n_columns) if has_quarter else half
    rank = int(whole.shape[0] * _TILE_SHARE)
    tile = half_ratio = quarter_ratio = np.inf
    for d in range(4):
        tile = min(tile, np.sort(whole[:, d] / (whole[:, 5] + _CONTRAST_FLOOR))[rank])
        top = _top_mean(whole[:, d])
        half_ratio = min(half_ratio, top / _top_mean(half[:, d]))
        quarter_ratio = min(quarter_ratio, top / _top_mean(quarter[:, d]))
    return tile, half_ratio, quarter_ratio
