"""Exact area averages: the 16 x 16 colour signature and the thumbnail.

Every source pixel counts with exactly the area by which it lies in the output pixel (a box filter with
fractional edges), so nothing depends on where a sampling grid happens to fall.
"""

from __future__ import annotations

import numpy as np

from chaffinch.jit import kernel

_CHUNK = 256
"""Rows summed in 16 bits before they are carried over: 256 x 255 still fits."""


def area_average(rgb: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Resize by exact area averages, rounded to nearest.

    Args:
        rgb: Shape (H, W, 3), uint8, C-contiguous.
        height: Rows of the result; more than H repeats pixels.
        width: Columns of the result.

    Returns:
        Shape (height, width, 3), uint8.

    Cost: a tenth of the JPEG decode at most.
    """
    out = np.empty((height, width * 3), np.uint8)
    _average(rgb.reshape(rgb.shape[0], -1), out)
    return out.reshape(height, width, 3)


@kernel
def _add_weighted(row: np.ndarray, weight: int, sums: np.ndarray) -> None:
    factor = np.uint32(weight)
    for x in range(sums.shape[0]):
        sums[x] = np.uint32(sums[x] + np.uint32(np.uint32(row[x]) * factor))


@kernel
def _add_rows(rows: np.ndarray, weight: int, part: np.ndarray, sums: np.ndarray) -> None:
    part[:] = 0
    for y in range(rows.shape[0]):
        row = rows[y]
        for x in range(part.shape[0]):
            part[x] = np.uint16(part[x] + row[x])
    _add_weighted(part, weight, sums)


@kernel
def _weigh_three(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray], weights: tuple[int, int, int], sums: np.ndarray
) -> None:
    first, second, third = rows
    one, two, three = np.uint32(weights[0]), np.uint32(weights[1]), np.uint32(weights[2])
    for x in range(sums.shape[0]):
        both = np.uint32(np.uint32(first[x] * one) + np.uint32(second[x] * two))
        sums[x] = np.uint32(both + np.uint32(third[x] * three))


@kernel
def _sum_rows(rows: np.ndarray, i: int, height: int, part: np.ndarray, sums: np.ndarray) -> None:
    """Sum the rows under output row `i` of `height`; a source row is `height` units tall, an output row H."""
    low = i * rows.shape[0]
    high = low + rows.shape[0]
    first = low // height
    last = (high - 1) // height
    begin = min(high, (first + 1) * height) - low
    end = high - last * height if last > first else 0
    # One whole row comes along with the two borders: where pictures shrink little, that is all there is.
    second = min(first + 1, last)
    inner = height if last - first > 1 else 0
    _weigh_three((rows[first], rows[second], rows[last]), (begin, inner, end), sums)
    for y in range(first + 2, last, _CHUNK):
        _add_rows(rows[y : min(y + _CHUNK, last)], height, part, sums)


@kernel
def _sum_columns(sums: np.ndarray, offsets: np.ndarray, units: np.ndarray, totals: np.ndarray) -> None:
    """Sum one row of column sums; a source pixel is n_out units wide, an output pixel n_in.

    The right border of an output pixel lies `units` into the source column that begins at `offsets`, both of
    shape (n_out,); what is left of that column belongs to the next one.
    """
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    n_out = offsets.shape[0]
    k = np.uint64(0)
    cut_red = cut_green = cut_blue = np.int64(0)
    for j in range(n_out):
        red = green = blue = np.int64(0)
        while k < offsets[j]:
            red += sums[k]
            green += sums[k + one]
            blue += sums[k + two]
            k += three
        rest = units[j]
        next_red = np.int64(sums[k]) * rest
        next_green = np.int64(sums[k + one]) * rest
        next_blue = np.int64(sums[k + two]) * rest
        m = np.uint64(j) * three
        totals[m] = red * n_out + next_red - cut_red
        totals[m + one] = green * n_out + next_green - cut_green
        totals[m + two] = blue * n_out + next_blue - cut_blue
        cut_red, cut_green, cut_blue = next_red, next_green, next_blue


@kernel
def _scale_rounded(totals: np.ndarray, scale: float, out: np.ndarray) -> None:
    # A loop of its own, because only then it runs in vector instructions.
    for x in range(out.shape[0]):
        out[x] = np.uint8(np.int32(totals[x] * scale + 0.5))


@kernel
def _average(rows: np.ndarray, out: np.ndarray) -> None:
    n_in = rows.shape[1] // 3
    n_out = out.shape[1] // 3
    # Unsigned, because numba guards every signed index against being negative.
    offsets = np.empty(n_out, np.uint64)
    units = np.empty(n_out, np.int64)
    for j in range(n_out):
        offsets[j] = (j + 1) * n_in // n_out * 3
        units[j] = (j + 1) * n_in % n_out
    part = np.empty(rows.shape[1], np.uint16)
    # One empty pixel behind the last, because the last border lies there.
    sums = np.zeros(rows.shape[1] + 3, np.uint32)
    totals = np.empty(out.shape[1], np.int64)
    scale = 1.0 / (float(rows.shape[0]) * n_in)
    for i in range(out.shape[0]):
        _sum_rows(rows, i, out.shape[0], part, sums[: rows.shape[1]])
        _sum_columns(sums, offsets, units, totals)
        _scale_rounded(totals, scale, out[i])
