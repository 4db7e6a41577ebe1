"""The 64-bit pHash of imagehash, in the eight orientations, from one DCT block.

Laying a picture differently only transposes its 8 x 8 block of low DCT-II coefficients or changes signs:
mirroring left to right negates the columns of odd frequency, mirroring top to bottom the rows. So eight
hashes cost one transform. With D the block and s = (1, -1, 1, -1, ...), in the order of
`records.ORIENTATIONS` (Pillow's `Image.Transpose`, rotations counter-clockwise):

====================  ==========================  =====================================
orientation           pixel at row i, column j    block at u, v
====================  ==========================  =====================================
identity              old[i, j]                   D[u, v]
flip_horizontal       old[i, W-1-j]               D[u, v] s[v]
flip_vertical         old[H-1-i, j]               D[u, v] s[u]
rotate_180            old[H-1-i, W-1-j]           D[u, v] s[u] s[v]
transpose             old[j, i]                   D[v, u]
rotate_90             old[j, W-1-i]               D[v, u] s[u]
rotate_270            old[H-1-j, i]               D[v, u] s[v]
transverse            old[H-1-j, W-1-i]           D[v, u] s[u] s[v]
====================  ==========================  =====================================

The first hash is bit-identical to `imagehash.phash`. The others differ from imagehash of the truly
transposed picture by the rounding of the resize alone: mostly 0, rarely more than 2 bits.

Source: imagehash 4.3.2 `phash` (hash_size 8, highfreq_factor 4).
"""

from __future__ import annotations

import math

import numpy as np

from chaffinch.compute.resample import SIDE, small_luma
from chaffinch.jit import kernel
from chaffinch.records import ORIENTATIONS

_BLOCK = 8
"""Side of the block of low frequencies."""

_SAFE_GAP = 1e-5
"""Smallest distance of the two middle coefficients at which rounding cannot move a bit. Coefficients reach
1e6, so either way of computing them errs by some 1e-9."""

_SIGNS = np.array([1.0, -1.0] * (_BLOCK // 2))
_COSINES = np.array(
    [[2.0 * math.cos(math.pi * u * (2 * n + 1) / (2 * SIDE)) for n in range(SIDE)] for u in range(_BLOCK)]
)


def phash_d4(luma: np.ndarray) -> np.ndarray:
    """Return the pHash of a picture in the eight `ORIENTATIONS`; the first equals `imagehash.phash`.

    Args:
        luma: Shape (H, W), uint8, C-contiguous, as Pillow's ``convert("L")`` gives it.

    Returns:
        Shape (8,), uint64; imagehash's first bit is the highest.

    Cost: 12 microseconds after the resize; flat and symmetric pictures 60.
    """
    small = small_luma(luma)
    hashes = np.empty(len(ORIENTATIONS), np.uint64)
    if not _hash_small(small, _COSINES, _SAFE_GAP, hashes):
        _hash_with_scipy(small, hashes)
    return hashes


def _hash_with_scipy(small: np.ndarray, hashes: np.ndarray) -> None:
    """Hash with the very transform that imagehash calls.

    In flat and symmetric pictures many coefficients are zero but for rounding, and the bits are the signs of
    that rounding: only the same code gives the same bits.
    """
    # Late, because few pictures need it and it takes a tenth of a second.
    from scipy.fftpack import dct

    block = dct(dct(small, axis=0), axis=1)[:_BLOCK, :_BLOCK]
    rows, columns = _SIGNS[:, None], _SIGNS[None, :]
    flips = (1.0, columns, rows, rows * columns)
    turned_flips = (1.0, rows, columns, rows * columns)
    laid = [block * flip for flip in flips] + [block.T * flip for flip in turned_flips]
    for i, coefficients in enumerate(laid):
        bits = np.packbits(coefficients > np.median(coefficients))
        hashes[i] = int.from_bytes(bits.tobytes(), "big")


@kernel
def _low_frequencies(small: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    n_low, side = cosines.shape
    down = np.zeros((n_low, side))
    for u in range(n_low):
        for n in range(side):
            for x in range(side):
                down[u, x] += cosines[u, n] * small[n, x]
    block = np.zeros((n_low, n_low))
    for u in range(n_low):
        for v in range(n_low):
            for x in range(side):
                block[u, v] += down[u, x] * cosines[v, x]
    return block


@kernel
def _lay_block(block: np.ndarray, orientation: int, out: np.ndarray) -> None:
    is_turned = orientation >= 4
    flips_columns = orientation in (1, 3, 6, 7)
    flips_rows = orientation in (2, 3, 5, 7)
    n = block.shape[0]
    for u in range(n):
        for v in range(n):
            value = block[v, u] if is_turned else block[u, v]
            is_negated = (flips_rows and u % 2 == 1) != (flips_columns and v % 2 == 1)
            out[u * n + v] = -value if is_negated else value


@kernel
def _hash_small(small: np.ndarray, cosines: np.ndarray, safe_gap: float, hashes: np.ndarray) -> bool:
    """Fill `hashes`; False where a coefficient is too close to a median to be sure of its bit."""
    block = _low_frequencies(small, cosines)
    laid = np.empty(block.size, np.float64)
    for i in range(hashes.shape[0]):
        _lay_block(block, i, laid)
        ranked = np.sort(laid)
        middle = ranked.shape[0] // 2
        if ranked[middle] - ranked[middle - 1] < safe_gap:
            return False
        median = 0.5 * (ranked[middle] + ranked[middle - 1])
        bits = np.uint64(0)
        for k in range(laid.shape[0]):
            bits = (bits << np.uint64(1)) | np.uint64(laid[k] > median)
        hashes[i] = bits
    return True
