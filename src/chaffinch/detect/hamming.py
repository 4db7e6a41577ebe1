"""All pairs of 64-bit perceptual hashes within a Hamming radius; complete, in bounded memory.

The invariant: every pair within the radius is reported exactly once, whatever the hashes look like. It rests
on the pigeonhole principle in its general form: with chunk limits ``t`` where ``sum(t + 1) == radius + 1``,
two codes that differ by more than ``t`` in every chunk differ by more than `radius` in all, so each pair
within the radius is found through some chunk.

`radius_pairs` and `radius_self_pairs` return all pairs at once; their `iter_` forms yield blocks, so that
millions of nearly equal codes fit in memory. The `oriented` forms take the codes of all eight `ORIENTATIONS`
and report the one that fits best.

Source: M. Norouzi, A. Punjani, D. Fleet, "Fast exact search in Hamming space with multi-index hashing", IEEE
TPAMI 36(6), 2014; chunk limits that differ: J. Qin et al., "GPH: similarity search in Hamming space", ICDE
2018.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from chaffinch.detect import hamming_kernels as kernels
from chaffinch.errors import SchemaError
from chaffinch.records import ORIENTATIONS
from chaffinch.settings import n_cores

MAX_RADIUS = 16
"""Largest radius, bits; beyond it nearly everything is a neighbour and a hash says nothing."""

BRUTE_FORCE_COMPARISONS = 20_000_000
"""Up to so many comparisons (some 20 ms) the plain loop over all pairs beats building the buckets."""

BUFFER_ROWS = 1 << 18
"""Rows of one result buffer, 10 bytes each."""

TASKS_PER_PASS = 32
"""Parts into which the queries of a pass are cut, so that threads end together."""

_N_TURNS = len(ORIENTATIONS)
_INVERSE = np.array([0, 1, 2, 3, 4, 6, 5, 7], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Join:
    """One join: what is searched in what."""

    query_turns: np.ndarray
    base: np.ndarray
    turn_order: np.ndarray
    radius: int
    is_self: bool

    def is_small(self) -> bool:
        comparisons = len(self.query_turns) * len(self.base) * len(self.turn_order)
        return comparisons <= BRUTE_FORCE_COMPARISONS


def chunk_limits(radius: int) -> tuple[int, ...]:
    """Return how far each chunk is probed, bits, -1 for not at all: ``sum(t + 1) == radius + 1``, evenly."""
    share, rest = divmod(radius + 1, kernels.N_CHUNKS)
    return tuple(share - 1 + (chunk < rest) for chunk in range(kernels.N_CHUNKS))


def radius_pairs(queries: np.ndarray, base: np.ndarray, *, radius: int) -> np.ndarray:
    """Find all pairs of 64-bit hashes at most `radius` bits apart; exact.

    Q queries, B base hashes, P pairs found.

    Args:
        queries: Shape (Q,), dtype uint64.
        base: Shape (B,), dtype uint64.
        radius: Hamming distance in bits, 0..16; lower is stricter.

    Returns:
        Shape (P, 3), int64: query row, base row, distance in bits; sorted.

    Raises:
        SchemaError: If dtype, rank or radius does not fit.

    Cost: 24 * (Q + B) + 24 * P bytes; timings in benchmarks/results/radius_join.json.
    """
    return _gather(iter_radius_pairs(queries, base, radius=radius), 3)


def radius_self_pairs(codes: np.ndarray, *, radius: int) -> np.ndarray:
    """Find all pairs within one set of N hashes, as `radius_pairs` does, each once.

    Args:
        codes: Shape (N,), dtype uint64.
        radius: Hamming distance in bits, 0..16.

    Returns:
        Shape (P, 3), int64: row, higher row, distance in bits; sorted.

    Raises:
        SchemaError: If dtype, rank or radius does not fit.
    """
    return _gather(iter_radius_self_pairs(codes, radius=radius), 3)


def oriented_pairs(queries: np.ndarray, base: np.ndarray, *, radius: int) -> np.ndarray:
    """Find all pairs at most `radius` bits apart in any of the eight orientations of the query; exact.

    Args:
        queries: Shape (Q, 8), dtype uint64: each image's hash in `ORIENTATIONS` order.
        base: Shape (B,), dtype uint64: hashes of images as they lie.
        radius: Hamming distance in bits, 0..16.

    Returns:
        Shape (P, 4), int64: query row, base row, smallest distance in bits, the orientation of the query that
        gives it (the first of several); sorted.

    Raises:
        SchemaError: If dtype, rank or radius does not fit.
    """
    return _gather(iter_oriented_pairs(queries, base, radius=radius), 4)


def oriented_self_pairs(codes: np.ndarray, *, radius: int) -> np.ndarray:
    """Find all pairs within one set that are near in any orientation of either image; exact.

    A perceptual hash compares with its own median, which moves when the picture is turned, so turning a to
    meet b may differ by a few bits from turning b to meet a. Both are searched and the smaller distance
    counts: the result does not depend on the order of the rows.

    Args:
        codes: Shape (N, 8), dtype uint64: each image's hash in `ORIENTATIONS` order.
        radius: Hamming distance in bits, 0..16.

    Returns:
        Shape (P, 4), int64: row, higher row, smallest distance in bits, the orientation that lays the first
        image like the second; sorted.

    Raises:
        SchemaError: If dtype, rank or radius does not fit.
    """
    return _gather(iter_oriented_self_pairs(codes, radius=radius), 4)


def iter_radius_pairs(queries: np.ndarray, base: np.ndarray, *, radius: int) -> Iterator[np.ndarray]:
    """Yield the rows of `radius_pairs` in blocks of bounded size, each pair once, in a fixed order."""
    _check(queries, "queries", n_columns=None)
    _check(base, "base", n_columns=None)
    join = _Join(queries[:, np.newaxis], base, np.zeros(1, np.int64), _radius(radius), is_self=False)
    return (_rows(found, 3) for found in _run(join))


def iter_radius_self_pairs(codes: np.ndarray, *, radius: int) -> Iterator[np.ndarray]:
    """Yield the rows of `radius_self_pairs` in blocks of bounded size, each pair once, in a fixed order."""
    _check(codes, "codes", n_columns=None)
    join = _Join(codes[:, np.newaxis], codes, np.zeros(1, np.int64), _radius(radius), is_self=True)
    return (_rows(found, 3) for found in _run(join))


def iter_oriented_pairs(queries: np.ndarray, base: np.ndarray, *, radius: int) -> Iterator[np.ndarray]:
    """Yield the rows of `oriented_pairs` in blocks of bounded size, each pair once, in a fixed order."""
    _check(queries, "queries", n_columns=_N_TURNS)
    _check(base, "base", n_columns=None)
    join = _Join(queries, base, np.arange(_N_TURNS), _radius(radius), is_self=False)
    return (_rows(found, 4) for found in _run(join))


def iter_oriented_self_pairs(codes: np.ndarray, *, radius: int) -> Iterator[np.ndarray]:
    """Yield the rows of `oriented_self_pairs` in blocks of bounded size, each pair once, in a fixed order."""
    _check(codes, "codes", n_columns=_N_TURNS)
    join = _Join(codes, np.ascontiguousarray(codes[:, 0]), np.arange(_N_TURNS), _radius(radius), is_self=True)
    return (_rows(found, 4) for found in _run(join))


def _check(codes: np.ndarray, name: str, *, n_columns: int | None) -> None:
    expected = "(N,)" if n_columns is None else f"(N, {n_columns})"
    fits = codes.ndim == 1 if n_columns is None else codes.ndim == 2 and codes.shape[1] == n_columns
    if codes.dtype != np.uint64 or not fits:
        raise SchemaError(
            f"hashes must have shape {expected} and dtype uint64, got {codes.shape} and {codes.dtype}",
            where=name,
            hint="codes.astype(np.uint64) turns whole numbers into hashes",
        )
    if len(codes) >= 1 << 31:
        raise SchemaError(
            f"at most 2**31 - 1 hashes, got {len(codes)}", where=name, hint="join them in parts"
        )


def _radius(radius: int) -> int:
    if not 0 <= radius <= MAX_RADIUS:
        raise SchemaError(
            f"the radius must be 0..{MAX_RADIUS} bits, got {radius}",
            where="radius",
            hint="the usual radius for near duplicates is 5",
        )
    return int(radius)


def _gather(blocks: Iterator[np.ndarray], n_columns: int) -> np.ndarray:
    pairs = np.concatenate([np.empty((0, n_columns), dtype=np.int64), *blocks])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _rows(found: kernels.Found, n_columns: int) -> np.ndarray:
    return np.stack([column.astype(np.int64) for column in found[:n_columns]], axis=1)


def _run(join: _Join) -> Iterator[kernels.Found]:
    n_threads = 1 if join.is_small() else n_cores()
    with ThreadPoolExecutor(n_threads) as pool:
        for one_pass in _passes(join):
            yield from _run_pass(one_pass, pool, n_threads)


def _passes(join: _Join) -> Iterator[kernels.Pass]:
    """Yield the passes of a join: every chunk that is used, in it every orientation."""
    if not len(join.base) or not len(join.query_turns):
        return
    limits = (-1,) * kernels.N_CHUNKS if join.is_small() else chunk_limits(join.radius)
    n_buckets = 1 if join.is_small() else kernels.N_BUCKETS
    base_spread = kernels.spread_bits(join.base)
    for chunk in range(kernels.N_CHUNKS):
        # A small join is one bucket that everything is compared with: a single pass.
        if limits[chunk] < 0 and (chunk > 0 or not join.is_small()):
            continue
        base_codes, base_rows, offsets = kernels.sort_by_chunk(base_spread, chunk, n_buckets)
        for turn in join.turn_order.tolist():
            is_half = join.is_self and not turn
            mode = kernels.SELF_TURNED if join.is_self else kernels.A_TO_B
            queries = (base_codes, base_rows) if is_half else _turned_queries(join, turn, chunk, n_buckets)
            yield kernels.Pass(
                *queries,
                base_codes,
                base_rows,
                offsets,
                _probes(limits[chunk]),
                np.array(limits, dtype=np.int64),
                join.query_turns,
                join.base,
                join.turn_order,
                _INVERSE,
                np.array([chunk, join.radius, turn, kernels.SELF_HALF if is_half else mode], dtype=np.int64),
            )


def _turned_queries(join: _Join, turn: int, chunk: int, n_buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and rows of the queries in one orientation, sorted by the bucket of one chunk."""
    spread = kernels.spread_bits(join.query_turns[:, turn])
    codes, rows, _ = kernels.sort_by_chunk(spread, chunk, n_buckets)
    return codes, rows


def _probes(limit: int) -> np.ndarray:
    """Return every 16-bit number with at most `limit` bits set, fewest first; 0 alone for a limit below 1."""
    return np.array(
        [
            sum(1 << bit for bit in bits)
            for n_bits in range(max(limit, 0) + 1)
            for bits in combinations(range(kernels.CHUNK_BITS), n_bits)
        ],
        dtype=np.int64,
    )


def _run_pass(one_pass: kernels.Pass, pool: ThreadPoolExecutor, n_threads: int) -> Iterator[kernels.Found]:
    """Yield the results of the parts of a pass in order, a few parts ahead of the reader."""
    n_queries = len(one_pass.query_codes)
    bounds = np.linspace(0, n_queries, min(TASKS_PER_PASS, n_queries) + 1).astype(np.int64).tolist()
    waiting = deque(pairwise(bounds))
    running: deque[Future[tuple[kernels.Found, np.ndarray, int]]] = deque()
    while waiting or running:
        while waiting and len(running) < 2 * n_threads:
            start, stop = waiting.popleft()
            running.append(pool.submit(_scan, one_pass, np.array([start, 0, 0, 0], dtype=np.int64), stop))
        found, cursor, stop = running.popleft().result()
        if cursor[0] < stop:
            running.appendleft(pool.submit(_scan, one_pass, cursor, stop))
        if len(found.query):
            yield found


def _scan(one_pass: kernels.Pass, cursor: np.ndarray, stop: int) -> tuple[kernels.Found, np.ndarray, int]:
    buffers = kernels.Found(
        np.empty(BUFFER_ROWS, dtype=np.int32),
        np.empty(BUFFER_ROWS, dtype=np.int32),
        np.empty(BUFFER_ROWS, dtype=np.uint8),
        np.empty(BUFFER_ROWS, dtype=np.uint8),
    )
    n = kernels.scan_queries(one_pass, cursor, stop, buffers)
    return kernels.Found(*(column[:n].copy() for column in buffers)), cursor, stop
