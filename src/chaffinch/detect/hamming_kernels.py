"""Compiled inner loops of the Hamming radius join; `hamming` is the face to use.

A 64-bit code is cut into four chunks of 16 bits. One *pass* looks at one chunk: base codes lie sorted by
their chunk, so all codes that share it are one contiguous bucket, and a query compares itself with every
bucket whose number differs from its own chunk in few enough bits. A pair that several chunks would find is
reported by the first of them only.

Results go to buffers of fixed size. A scan that fills its buffer leaves a cursor from which the next call
goes on, so memory stays bounded however many pairs there are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from chaffinch.jit import kernel

CHUNK_BITS = 16
N_CHUNKS = 4
N_BUCKETS = 1 << CHUNK_BITS
TILE = 4096
"""Base codes compared between two looks at the room left in the buffers; a buffer holds at least one tile."""

A_TO_B, SELF_HALF, SELF_TURNED = 0, 1, 2
"""How a pass pairs rows: two sets; one set, each pair once; one set whose query side is turned."""


class Pass(NamedTuple):
    """What one pass over one chunk reads. Q queries, B base codes, both sorted by the chunk."""

    query_codes: np.ndarray
    """Shape (Q,), uint64, bits spread by `spread_bits`."""
    query_rows: np.ndarray
    """Shape (Q,), int32: row of each query before sorting."""
    base_codes: np.ndarray
    """Shape (B,), uint64, spread likewise."""
    base_rows: np.ndarray
    """Shape (B,), int32."""
    offsets: np.ndarray
    """Shape (n_buckets + 1,), int64: where each bucket of base codes starts."""
    probes: np.ndarray
    """Shape (n_probes,), int64: differences of chunk numbers to look up, 0 first."""
    limits: np.ndarray
    """Shape (N_CHUNKS,), int64: largest distance within each chunk that finds a pair; -1: chunk not used."""
    query_turns: np.ndarray
    """Shape (n, T), uint64: every query row in its T orientations; T = 1 where orientations play no part."""
    base_plain: np.ndarray
    """Shape (n,), uint64: every base row as it lies."""
    turn_order: np.ndarray
    """Shape (n_searched,), int64: orientations (columns of `query_turns`) that are searched, in order."""
    inverse: np.ndarray
    """Shape (T,), int64: the orientation that undoes each orientation."""
    plan: np.ndarray
    """Shape (4,), int64: chunk, radius, orientation of this pass, pairing mode."""


class Found(NamedTuple):
    """Buffers for pairs. C rows."""

    query: np.ndarray
    """Shape (C,), int32."""
    base: np.ndarray
    """Shape (C,), int32."""
    distance: np.ndarray
    """Shape (C,), uint8, bits."""
    orientation: np.ndarray
    """Shape (C,), uint8: index into `records.ORIENTATIONS`."""


@intrinsic
def _ctpop(typing_context: Any, value: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@kernel
def popcount(bits: np.uint64) -> np.uint64:
    """Count the set bits with the machine's own instruction."""
    count: np.uint64 = _ctpop(bits)  # type: ignore[call-arg]  # numba hands in the context
    return count


@kernel
def spread_bits(codes: np.ndarray) -> np.ndarray:
    """Deal the 64 bits of each code to the four chunks in turn, so that each gets bits of every frequency."""
    table = np.zeros((8, 256), dtype=np.uint64)
    for byte in range(8):
        for value in range(256):
            for bit in range(8):
                if (value >> bit) & 1:
                    source = byte * 8 + bit
                    table[byte, value] |= np.uint64(1) << np.uint64((source % 4) * 16 + source // 4)
    out = np.empty(len(codes), dtype=np.uint64)
    for i in range(len(codes)):
        word = np.uint64(0)
        for byte in range(8):
            word |= table[byte, (codes[i] >> np.uint64(byte * 8)) & np.uint64(255)]
        out[i] = word
    return out


@kernel
def sort_by_chunk(codes: np.ndarray, chunk: int, n_buckets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort codes by one chunk, stably, in linear time.

    Returns:
        Sorted codes (N,) uint64, their rows (N,) int32, bucket starts (n_buckets + 1,) int64.
    """
    offsets = np.zeros(n_buckets + 1, dtype=np.int64)
    shift, mask = np.uint64(chunk * CHUNK_BITS), np.uint64(n_buckets - 1)
    for i in range(len(codes)):
        offsets[np.int64((codes[i] >> shift) & mask) + 1] += 1
    for bucket in range(n_buckets):
        offsets[bucket + 1] += offsets[bucket]
    place = offsets.copy()
    out = np.empty(len(codes), dtype=np.uint64)
    rows = np.empty(len(codes), dtype=np.int32)
    for i in range(len(codes)):
        own = np.int64((codes[i] >> shift) & mask)
        out[place[own]] = codes[i]
        rows[place[own]] = i
        place[own] += 1
    return out, rows, offsets


@kernel
def _count_near(codes: np.ndarray, code: np.uint64, radius: np.uint64) -> np.int64:
    # Free of branches, so that the compiler turns it into vector instructions; hits are rare.
    n = np.int64(0)
    for i in range(len(codes)):
        n += np.int64(popcount(codes[i] ^ code) <= radius)
    return n


@kernel
def _is_first_chunk(difference: np.uint64, chunk: int, limits: np.ndarray) -> bool:
    for earlier in range(chunk):
        part = (difference >> np.uint64(earlier * CHUNK_BITS)) & np.uint64(N_BUCKETS - 1)
        if np.int64(popcount(part)) <= limits[earlier]:
            return False
    return True


@kernel
def _best_rank(p: Pass, query: np.int64, base: np.int64) -> np.int64:
    """Return the smallest rank of all ways to lay the two images; ``rank = 16 * distance + way``."""
    best = np.int64(1 << 30)
    for k in range(len(p.turn_order)):
        turn = p.turn_order[k]
        way = 2 * turn
        distance = np.int64(popcount(p.query_turns[query, turn] ^ p.base_plain[base]))
        best = min(best, 16 * distance + way)
        if p.plan[3] != A_TO_B:
            distance = np.int64(popcount(p.query_turns[base, turn] ^ p.base_plain[query]))
            best = min(best, 16 * distance + way + 1)
    return best


@kernel
def _collect(p: Pass, query: int, first: int, last: int, out: Found, n: int) -> int:
    """Append the pairs of one query with base codes `first..last`; returns the new count."""
    chunk, radius, turn, mode = p.plan[0], np.uint64(p.plan[1]), p.plan[2], p.plan[3]
    code = p.query_codes[query]
    for place in range(first, last):
        difference = code ^ p.base_codes[place]
        if popcount(difference) > radius or not _is_first_chunk(difference, chunk, p.limits):
            continue
        a, b = np.int64(p.query_rows[query]), np.int64(p.base_rows[place])
        is_swapped = mode != A_TO_B and a > b
        low, high = (b, a) if is_swapped else (a, b)
        rank = 16 * np.int64(popcount(difference)) + 2 * turn
        if mode == SELF_TURNED and is_swapped:
            rank += 1
        # Every way within the radius comes by; only the best one reports the pair.
        if (mode == SELF_TURNED and a == b) or rank != _best_rank(p, low, high):
            continue
        out.query[n], out.base[n] = low, high
        out.distance[n] = popcount(difference)
        out.orientation[n] = p.inverse[turn] if mode == SELF_TURNED and is_swapped else turn
        n += 1
    return n


@kernel
def _first_place(p: Pass, query: np.int64, own: np.int64, bucket: np.int64) -> np.int64:
    """Return where in a bucket the query starts; past its end where the other side meets this pair."""
    if p.plan[3] != SELF_HALF or bucket > own:
        first: np.int64 = p.offsets[bucket]
        return first
    after: np.int64 = p.offsets[bucket + 1]
    return query + np.int64(1) if bucket == own else after


@kernel
def _scan_query(p: Pass, cursor: np.ndarray, out: Found, n: int) -> int:
    """Compare the query at the cursor with its buckets; leaves ``cursor[3] = 1`` when the buffer is full."""
    query = cursor[0]
    code = p.query_codes[query]
    own = np.int64((code >> np.uint64(p.plan[0] * CHUNK_BITS)) & np.uint64(len(p.offsets) - 2))
    radius = np.uint64(p.plan[1])
    for number in range(cursor[1], len(p.probes)):
        bucket = own ^ p.probes[number]
        first = max(_first_place(p, query, own, bucket), cursor[2])
        last = p.offsets[bucket + 1]
        cursor[2] = 0
        while first < last:
            stop = min(first + TILE, last)
            n_near = _count_near(p.base_codes[first:stop], code, radius)
            if n + n_near > len(out.query):
                cursor[1], cursor[2], cursor[3] = number, first, 1
                return n
            if n_near:
                n = _collect(p, query, first, stop, out, n)
            first = stop
    cursor[0], cursor[1] = query + 1, 0
    return n


@kernel
def scan_queries(p: Pass, cursor: np.ndarray, stop: int, out: Found) -> int:
    """Compare queries from the cursor up to `stop`; returns how many pairs lie in `out`.

    Args:
        p: The pass.
        cursor: Shape (4,), int64: query, probe, place in the base, and 1 when the buffer filled up. Written;
            a call with the same cursor goes on from there. Done when ``cursor[0] == stop``.
        stop: Query at which to stop.
        out: Buffers of at least `TILE` rows.
    """
    n = 0
    cursor[3] = 0
    while cursor[0] < stop and cursor[3] == 0:
        n = _scan_query(p, cursor, out, n)
    return n
