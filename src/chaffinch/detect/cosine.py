"""All pairs of vectors whose cosine reaches a threshold; complete by construction.

The invariant: no pair is lost, whatever the vectors look like. Vectors are turned so that their first P
coordinates carry most of what distinguishes them (an orthogonal turn changes no dot). The dot of two turned
vectors is that of their first P coordinates plus that of the rest, and the rest is at most the product of the
rests' lengths (Cauchy and Schwarz). So the dot of P + 1 numbers, the last being the length of the rest, is an
upper bound, and only pairs whose bound reaches the threshold are computed in full.

The bound is computed in float32 from numbers that were turned in float64; `_slack` says by how much it may
come out too low, and the search goes that much below the threshold. P is chosen by what a sample of pairs
would cost; a small search goes without a turn.

Source: bounding the rest by Cauchy and Schwarz: C. Teflioudi, R. Gemulla, "Exact and approximate maximum
inner product search with LEMP", ACM TODS 42(1), 2016; turn, choice of P and error bound are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chaffinch.detect.block_workers import block_workers
from chaffinch.detect.vector_kernels import confirm_near, dot_margin, unit_block
from chaffinch.errors import SchemaError

BORDER = 1e-4
"""Pairs this close to the threshold, on either side, are counted: rounding to float16 may decide them."""

QUERY_ROWS = 512
BASE_ROWS = 1024
"""Rows on the sides of a block of bounds: 2 MB of them, so that they are still at hand when looked at."""
TURN_ROWS = 16384
"""Rows turned at once."""

PREFIXES = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths P tried; one that is not below the number of dimensions means no prefix."""
SAMPLE_ROWS = 16384
"""Rows whose principal directions are the turn."""
SAMPLE_PAIRS = (1024, 4096)
"""Rows on each side of the pairs by which P is chosen."""
PRODUCT_S = 1.8e-11
"""Seconds that a multiplication of a block costs; measured, and only ratios matter."""
CONFIRM_S = 2e-7
"""Seconds to compute a dot in full, its vectors being wherever they are."""
CHOOSING_S = 0.2
"""Seconds that choosing a turn costs: a search that takes no longer without one goes without."""


@dataclass(frozen=True, slots=True, eq=False)
class CosinePairs:
    """Pairs of rows. P pairs."""

    pairs: np.ndarray
    """Shape (P, 2), int64: rows, ordered; within one set the smaller first."""
    similarity: np.ndarray
    """Shape (P,), float32: their cosine, at most 1."""
    n_borderline: int
    """Pairs at most `BORDER` above or below the threshold; those below it are not in `pairs`."""


def cosine_pairs(
    vectors: np.ndarray, *, threshold: float, rows: np.ndarray, others: np.ndarray | None = None
) -> CosinePairs:
    """Find all pairs whose cosine is at least `threshold`; exact. N samples, D dimensions.

    Args:
        vectors: Shape (N, D), float16, as `storage.vectors.read_vectors` maps them; a row of zeros is in no
            pair.
        threshold: Cosine, above 0 and at most 1; higher is stricter.
        rows: Shape (A,), int64: rows that are searched for.
        others: Shape (B,), int64: rows among which they are searched; None means pairs within `rows`.

    Raises:
        SchemaError: If the vectors are not contiguous float16 of rank 2, or the threshold is out of range.

    Cost: 4 * (A + B) * (P + 1) bytes, P mostly 24 to 96; CPU time in benchmarks/results/cosine_search.json.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float16 or not vectors.flags.c_contiguous:
        raise SchemaError(
            f"must be contiguous float16 of rank 2, got {vectors.dtype} of shape {vectors.shape}",
            where="vectors",
        )
    if not 0 < threshold <= 1:
        raise SchemaError(f"must be above 0 and at most 1, got {threshold}", where="threshold")
    bits = np.asarray(vectors).view(np.uint16)
    if others is not None and len(others) < len(rows):
        swapped = cosine_pairs(vectors, threshold=threshold, rows=others, others=rows)
        return _ordered(swapped.pairs[:, ::-1], swapped.similarity, swapped.n_borderline)
    with block_workers() as pool:
        base = None if others is None else np.sort(others)
        search = _Search(bits, np.sort(rows), base, threshold=threshold)
        # The first blocks of a search within one set have most to do.
        found = list(pool.map(search.block, range(0, len(rows), QUERY_ROWS)))
    pairs = np.concatenate([np.empty((0, 2), np.int64), *(block[0] for block in found)])
    similarity = np.concatenate([np.empty(0, np.float32), *(block[1] for block in found)])
    n_borderline = int((similarity <= np.float32(threshold + BORDER)).sum())
    is_near = similarity >= np.float32(threshold)
    return _ordered(pairs[is_near], np.minimum(similarity[is_near], np.float32(1)), n_borderline)


def _ordered(pairs: np.ndarray, similarity: np.ndarray, n_borderline: int) -> CosinePairs:
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return CosinePairs(pairs[order], similarity[order], n_borderline)


class _Search:
    """One search: rows on both sides, turned and cut."""

    def __init__(
        self, bits: np.ndarray, rows: np.ndarray, others: np.ndarray | None, *, threshold: float
    ) -> None:
        self._bits = bits
        self._rows = rows
        self._is_within = others is None
        self._base = rows if others is None else others
        self._least = threshold - BORDER
        self._lowest_bound = self._least - _slack(bits.shape[1])
        self._turn = _turn(bits, rows, self._base, least=self._lowest_bound)
        self._cut = _cut(bits, rows, self._turn)
        self._base_cut = self._cut if others is None else _cut(bits, others, self._turn)

    def block(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Search the block of rows that begins at `start`; returns pairs (P, 2) and dots (P,)."""
        rows = self._rows[start : start + QUERY_ROWS]
        cut, units = self._cut[start : start + QUERY_ROWS], unit_block(self._bits, rows)
        pairs, dots = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
        tile = np.empty((len(rows), BASE_ROWS), dtype=np.float32)
        for first in range(start if self._is_within else 0, len(self._base), BASE_ROWS):
            base_rows = self._base[first : first + BASE_ROWS]
            base_cut = self._base_cut[first : first + BASE_ROWS]
            bounds = tile[:, : len(base_rows)] if len(base_rows) == BASE_ROWS else None
            bounds = np.matmul(cut, base_cut.T, out=bounds)
            # Within one set, each pair is met where the second row comes later.
            begin = start - first + 1 if self._is_within else -len(rows)
            limits = (self._lowest_bound, self._least)
            places, values = confirm_near(bounds, limits, units, self._bits, base_rows, begin)
            pairs.append(np.stack([rows[places[:, 0]], base_rows[places[:, 1]]], axis=1))
            dots.append(values)
        return np.concatenate(pairs), np.concatenate(dots)


def _slack(dim: int) -> float:
    """Return by how much a bound may come out below the dot that `unit_dot` computes.

    Both are sums of at most `dim` float32 products of vectors of norm 1: `dot_margin`. The turned numbers are
    rounded to float32 once, which moves a dot by at most 2^-23; the turn itself errs in float64, some 1e-13.
    """
    return dot_margin(dim) + 2.0**-22


def _cut(bits: np.ndarray, rows: np.ndarray, turn: np.ndarray | None) -> np.ndarray:
    """Return the first P turned coordinates of rows and the length of the rest, shape (R, P + 1), float32.

    Args:
        bits: Shape (N, D), uint16.
        rows: Shape (R,), int64.
        turn: Shape (D, P), float64, orthonormal columns; None: the vectors as they are, shape (R, D).
    """
    if turn is None:
        return unit_block(bits, rows)
    out = np.empty((len(rows), turn.shape[1] + 1), dtype=np.float32)
    for start in range(0, len(rows), TURN_ROWS):
        units = unit_block(bits, rows[start : start + TURN_ROWS]).astype(np.float64)
        head = units @ turn
        rest = np.einsum("ij,ij->i", units, units) - np.einsum("ij,ij->i", head, head)
        out[start : start + TURN_ROWS, :-1] = head
        # A little more than the rest is: the difference of two numbers near 1 errs by some 1e-16.
        out[start : start + TURN_ROWS, -1] = np.sqrt(np.maximum(rest, 0) + 1e-14)
    return out


def _turn(bits: np.ndarray, rows: np.ndarray, base: np.ndarray, *, least: float) -> np.ndarray | None:
    """Choose the turn, shape (D, P), by what a sample of pairs would cost; None: best without."""
    if len(rows) * len(base) * bits.shape[1] * PRODUCT_S <= CHOOSING_S:
        return None
    rng = np.random.default_rng(0)
    sample = np.concatenate([rng.choice(s, min(len(s), SAMPLE_ROWS // 2)) for s in (rows, base)])
    units = unit_block(bits, sample).astype(np.float64)
    directions = np.linalg.eigh(units.T @ units)[1][:, ::-1]
    sides = [rng.choice(s, min(len(s), n)) for s, n in zip((rows, base), SAMPLE_PAIRS, strict=True)]
    best, lowest = None, bits.shape[1] * PRODUCT_S
    for length in _lengths(bits.shape[1]):
        turn = np.ascontiguousarray(directions[:, :length])
        bounds = _cut(bits, sides[0], turn) @ _cut(bits, sides[1], turn).T
        cost = (length + 1) * PRODUCT_S + float((bounds >= least).mean()) * CONFIRM_S
        if cost < lowest:
            best, lowest = turn, cost
    return best


def _lengths(dim: int) -> Iterator[int]:
    return (length for length in PREFIXES if length < dim)
