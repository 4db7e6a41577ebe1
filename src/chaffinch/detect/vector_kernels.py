"""Kernels over unit vectors: reading stored rows, exact dots, keeping the best of many.

A product of matrices gives all dots of a block at once, but adds them up in an order that depends on the
block's shape, so that equal pictures may differ in the last bits. It therefore only proposes: what is
reported comes from `unit_dot`, one loop that is the same for every pair, and `dot_margin` bounds by how much
the two can differ.
"""

from __future__ import annotations

import numpy as np

from chaffinch.jit import fast_kernel, kernel

ABSENT = np.float32(-2.0)
"""Similarity of an empty place among the best; below every cosine."""

STRIDE = 128
"""Dots that are looked at together."""

_HALF_TO_SINGLE = np.float32(2.0**112)
"""A half float's exponent and fraction, moved into those of a single, make a number smaller by this."""


def dot_margin(dim: int) -> float:
    """Bound how far two float32 dots of the same unit vectors can lie apart.

    Args:
        dim: Length of the vectors.

    Source: N. Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1: each sum of D
    products errs by at most ``D u / (1 - D u)`` of the sum of their sizes, at most 1 here; u = 2^-24.
    """
    error = (dim + 2) * 2.0**-24
    return 2 * error / (1 - error)


@fast_kernel
def _read_unit(bits: np.ndarray, words: np.ndarray, out: np.ndarray) -> None:
    """Turn the bits of one float16 vector into a unit vector; `out` is `words` viewed as float32."""
    for d in range(len(bits)):
        half = np.uint32(bits[d])
        words[d] = ((half & np.uint32(0x8000)) << np.uint32(16)) | (
            (half & np.uint32(0x7FFF)) << np.uint32(13)
        )
    total = np.float32(0.0)
    for d in range(len(bits)):
        out[d] *= _HALF_TO_SINGLE
        total += out[d] * out[d]
    scale = np.float32(1.0) / np.sqrt(total) if total > 0 else np.float32(0.0)
    for d in range(len(bits)):
        out[d] *= scale


@kernel
def unit_block(bits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Read rows of float16 vectors and scale them to norm 1.

    Args:
        bits: Shape (N, D), uint16: the float16 array viewed as integers.
        rows: Shape (B,), int64.

    Returns:
        Shape (B, D), float32; rows of zeros stay zeros.

    Cost: half a nanosecond an element, a tenth of what NumPy takes.
    """
    words = np.empty((len(rows), bits.shape[1]), dtype=np.uint32)
    out = words.view(np.float32)
    for i in range(len(rows)):
        _read_unit(bits[rows[i]], words[i], out[i])
    return out


@fast_kernel
def unit_dot(a: np.ndarray, b: np.ndarray) -> np.float32:
    """Return the float32 dot of two vectors, shape (D,) each, always added up in the same order."""
    total = np.float32(0.0)
    for d in range(len(a)):
        total += a[d] * b[d]
    return total


@kernel
def _insert(near: np.ndarray, similarity: np.ndarray, row: int, value: np.float32) -> None:
    """Put a row at its place among the best, shape (k,): by falling similarity, then rising row."""
    place = len(near) - 1
    if value < similarity[place] or (value == similarity[place] and row > near[place]):
        return
    while place > 0 and (
        value > similarity[place - 1] or (value == similarity[place - 1] and row < near[place - 1])
    ):
        near[place] = near[place - 1]
        similarity[place] = similarity[place - 1]
        place -= 1
    near[place] = row
    similarity[place] = value


@kernel
def _reaches(values: np.ndarray, floors: np.ndarray) -> bool:
    """Tell whether some value is at or above its floor; in vector instructions, since hardly any is."""
    n_reaching = np.int32(0)
    for j in range(len(values)):
        n_reaching += np.int32(values[j] >= floors[j])
    return bool(n_reaching)


@kernel
def offer_rows(
    tile: np.ndarray,
    units: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    best: tuple[np.ndarray, np.ndarray],
    places: np.ndarray,
    margin: float,
) -> None:
    """Offer B base rows to Q queries, each of which keeps its k best.

    Args:
        tile: Shape (Q, B), float32: dots as a product of matrices gave them.
        units: Vectors of the queries, shape (Q, D), and of the base, shape (B, D), float32.
        rows: Row numbers of both, int64; equal ones are the same sample, which is not its own neighbour.
        best: Rows (int64) and similarities (float32) of the best so far, shape (N, k) each.
        places: Shape (Q,), int64: which of the N belongs to each query.
        margin: By how much `tile` may be off; see `dot_margin`.
    """
    near, similarity = best
    floors = np.empty(tile.shape[1], dtype=np.float32)
    for i in range(tile.shape[0]):
        place = places[i]
        floors[:] = similarity[place, -1] - margin
        for start in range(0, tile.shape[1], STRIDE):
            stop = min(start + STRIDE, tile.shape[1])
            if not _reaches(tile[i, start:stop], floors[start:stop]):
                continue
            for j in range(start, stop):
                if tile[i, j] >= similarity[place, -1] - margin and rows[1][j] != rows[0][i]:
                    value = unit_dot(units[0][i], units[1][j])
                    _insert(near[place], similarity[place], rows[1][j], value)
            floors[:] = similarity[place, -1] - margin


@kernel
def offer_columns(
    tile: np.ndarray,
    units: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    best: tuple[np.ndarray, np.ndarray],
    places: np.ndarray,
    margin: float,
) -> None:
    """Offer the Q rows to the B columns: as `offer_rows`, but `places` are those of the columns.

    Reading the tile as it lies is five times faster than transposing it.
    """
    near, similarity = best
    floors = np.empty(tile.shape[1], dtype=np.float32)
    for j in range(tile.shape[1]):
        floors[j] = similarity[places[j], -1] - margin
    for i in range(tile.shape[0]):
        for start in range(0, tile.shape[1], STRIDE):
            stop = min(start + STRIDE, tile.shape[1])
            if not _reaches(tile[i, start:stop], floors[start:stop]):
                continue
            for j in range(start, stop):
                if tile[i, j] >= floors[j] and rows[0][i] != rows[1][j]:
                    value = unit_dot(units[0][i], units[1][j])
                    _insert(near[places[j]], similarity[places[j]], rows[0][i], value)
                    floors[j] = similarity[places[j], -1] - margin


@kernel
def confirm_near(
    tile: np.ndarray,
    limits: tuple[float, float],
    queries: np.ndarray,
    bits: np.ndarray,
    rows: np.ndarray,
    start: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the true dots of those pairs of a tile whose bound is high enough, and keep the near ones.

    Args:
        tile: Shape (Q, B), float32: an upper bound of each dot.
        limits: Bound below which a pair is passed over, and least dot of a pair that is kept.
        queries: Shape (Q, D), float32, unit vectors.
        bits: Shape (N, D), uint16: all stored vectors.
        rows: Shape (B,), int64: the rows of the tile's columns.
        start: Column at which row 0 of the tile begins, row 1 one later and so on; below -Q: all columns.

    Returns:
        Shape (P, 2), int32: row and column in the tile; shape (P,), float32: the dots.
    """
    n_columns = tile.shape[1]
    words = np.empty((n_columns, bits.shape[1]), dtype=np.uint32)
    base = words.view(np.float32)
    is_read = np.zeros(n_columns, dtype=np.bool_)
    floors = np.full(n_columns, limits[0], dtype=np.float32)
    found = [(np.int32(0), np.int32(0), np.float32(0.0)) for _ in range(0)]
    for i in range(tile.shape[0]):
        for first in range(max(start + i, 0) // STRIDE * STRIDE, n_columns, STRIDE):
            stop = min(first + STRIDE, n_columns)
            if not _reaches(tile[i, first:stop], floors[first:stop]):
                continue
            for j in range(max(first, start + i), stop):
                if tile[i, j] < floors[j]:
                    continue
                if not is_read[j]:
                    _read_unit(bits[rows[j]], words[j], base[j])
                    is_read[j] = True
                value = unit_dot(queries[i], base[j])
                if value >= limits[1]:
                    found.append((np.int32(i), np.int32(j), value))
    places = np.empty((len(found), 2), dtype=np.int32)
    dots = np.empty(len(found), dtype=np.float32)
    for number in range(len(found)):
        places[number, 0], places[number, 1], dots[number] = found[number]
    return places, dots


@kernel
def row_codes(bits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return a 128-bit code of each row, shape (B, 2), uint64: equal for equal bits, else different.

    Source: D. Lemire, O. Kaser, "Strongly universal string hashing is fast", 2014: multiply and add, here
    with two odd multipliers; the chance that two of a million different rows get one code is below 2^-80.
    """
    out = np.empty((len(rows), 2), dtype=np.uint64)
    for i in range(len(rows)):
        first, second = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
        for d in range(bits.shape[1]):
            first = (first ^ np.uint64(bits[rows[i], d])) * np.uint64(0xFF51AFD7ED558CCD)
            first ^= first >> np.uint64(32)
            second = (second + np.uint64(bits[rows[i], d])) * np.uint64(0xD6E8FEB86659FD93)
            second ^= second >> np.uint64(29)
        out[i, 0], out[i, 1] = first, second
    return out
