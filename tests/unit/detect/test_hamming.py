"""The Hamming radius join against hand-made cases and brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.detect import hamming
from chaffinch.errors import SchemaError

INVERSE = [0, 1, 2, 3, 4, 6, 5, 7]


def u64(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def distance(a: int, b: int) -> int:
    return (int(a) ^ int(b)).bit_count()


@pytest.fixture
def no_brute_force(monkeypatch):
    monkeypatch.setattr(hamming, "BRUTE_FORCE_COMPARISONS", 0)


@pytest.fixture
def tiny_buffers(monkeypatch):
    monkeypatch.setattr(hamming, "BUFFER_ROWS", hamming.kernels.TILE)


def make_codes(seed: int, n: int, kind: str) -> np.ndarray:
    """Random codes, codes near a few centres, codes that repeat, or codes that vary in few bits only."""
    rng = np.random.default_rng(seed)
    uniform = rng.integers(0, 2**64, n, dtype=np.uint64)
    if kind == "uniform" or not n:
        return uniform
    if kind == "repeated":
        return rng.choice(uniform[: n // 8 + 1], n)
    if kind == "few bits":
        return uniform & np.uint64(0x00FF00000000000F)
    near = rng.choice(uniform[: n // 16 + 1], n)
    for _ in range(9):
        near ^= rng.integers(0, 2, n, dtype=np.uint64) << rng.integers(0, 64, n, dtype=np.uint64)
    return near


CODES = st.builds(
    make_codes,
    st.integers(0, 10**6),
    st.integers(0, 120),
    st.sampled_from(["uniform", "near", "repeated", "few bits"]),
)
RADII = st.integers(0, hamming.MAX_RADIUS)


def test_radius_pairs__reports_rows_and_bits():
    queries, base = u64(0b0, 0b1111), u64(0b111, 0b0, 2**63)
    pairs = hamming.radius_pairs(queries, base, radius=1)
    assert pairs.dtype == np.int64
    assert pairs.tolist() == [[0, 1, 0], [0, 2, 1], [1, 0, 1]]


def test_radius_self_pairs__reports_each_pair_once_and_no_row_with_itself():
    assert hamming.radius_self_pairs(u64(5, 5, 4, 2**40), radius=1).tolist() == [
        [0, 1, 0],
        [0, 2, 1],
        [1, 2, 1],
    ]


def test_radius_pairs__empty_sides_give_no_rows():
    assert hamming.radius_pairs(u64(), u64(1), radius=3).shape == (0, 3)
    assert hamming.radius_pairs(u64(1), u64(), radius=3).shape == (0, 3)
    assert hamming.oriented_self_pairs(np.empty((0, 8), np.uint64), radius=3).shape == (0, 4)


@pytest.mark.parametrize("radius", range(hamming.MAX_RADIUS + 1))
def test_chunk_limits__satisfy_the_pigeonhole_principle(radius):
    limits = hamming.chunk_limits(radius)
    assert sum(limit + 1 for limit in limits) == radius + 1
    assert max(limits) - min(limits) <= 1
    assert all(limit >= -1 for limit in limits)


def test_chunk_limits__known_cases():
    assert hamming.chunk_limits(5) == (1, 1, 0, 0)
    assert hamming.chunk_limits(10) == (2, 2, 2, 1)
    assert hamming.chunk_limits(0) == (0, -1, -1, -1)


@pytest.mark.usefixtures("no_brute_force")
@pytest.mark.parametrize("radius", range(hamming.MAX_RADIUS + 1))
def test_radius_pairs__finds_every_split_of_the_bits_over_chunks(radius):
    # The base code differs from the query in exactly `radius` bits, dealt to the four chunks in every way.
    deals = [d for d in product(range(radius + 1), repeat=4) if sum(d) == radius and max(d) <= 16]
    # Bit b of a code belongs to chunk b % 4.
    base = u64(*[sum(1 << (4 * k + c) for c in range(4) for k in range(deal[c])) for deal in deals])
    pairs = hamming.radius_pairs(u64(0), base, radius=radius)
    assert pairs.tolist() == [[0, row, radius] for row in range(len(deals))]


@pytest.mark.usefixtures("no_brute_force")
@settings(max_examples=60, deadline=None)
@given(queries=CODES, base=CODES, radius=RADII, n_shared=st.integers(0, 50))
def test_radius_pairs__equals_brute_force(queries, base, radius, n_shared):
    queries = np.concatenate([queries, base[:n_shared]])
    expected = [
        [i, j, distance(a, b)]
        for i, a in enumerate(queries.tolist())
        for j, b in enumerate(base.tolist())
        if distance(a, b) <= radius
    ]
    assert hamming.radius_pairs(queries, base, radius=radius).tolist() == expected


@pytest.mark.usefixtures("no_brute_force")
@settings(max_examples=60, deadline=None)
@given(codes=CODES, radius=RADII)
def test_radius_self_pairs__equals_brute_force(codes, radius):
    expected = [
        [i, j, distance(codes[i], codes[j])]
        for i in range(len(codes))
        for j in range(i + 1, len(codes))
        if distance(codes[i], codes[j]) <= radius
    ]
    assert hamming.radius_self_pairs(codes, radius=radius).tolist() == expected


def turned(seed: int, n: int) -> np.ndarray:
    """Codes of n images in 8 orientations; some images are others turned, with a few bits changed."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**64, (n, 8), dtype=np.uint64)
    for row in range(1, n):
        if rng.random() < 0.6:
            other, turn = rng.integers(row), rng.integers(8)
            noise = np.uint64(1) << rng.integers(0, 64, 8, dtype=np.uint64)
            codes[row] = codes[other] ^ noise
            codes[row, 0], codes[row, turn] = codes[other, turn] ^ noise[0], codes[other, 0] ^ noise[turn]
    return codes


@pytest.mark.parametrize("is_small", [True, False])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 30), radius=RADII)
def test_oriented_pairs__equals_brute_force(is_small, seed, n, radius):
    codes = turned(seed, n)
    queries, base = codes[: n // 2], np.ascontiguousarray(codes[n // 2 :, 0])
    expected = []
    for i, j in product(range(len(queries)), range(len(base))):
        distances = [distance(queries[i, g], base[j]) for g in range(8)]
        if min(distances) <= radius:
            expected.append([i, j, min(distances), distances.index(min(distances))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "BRUTE_FORCE_COMPARISONS", 10**9 if is_small else 0)
        assert hamming.oriented_pairs(queries, base, radius=radius).tolist() == expected


def best_turn(a: np.ndarray, b: np.ndarray) -> tuple[int, set[int]]:
    """Smallest distance of two images over all orientations, and the turns of a that give it."""
    ways = [(distance(a[g], b[0]), g) for g in range(8)]
    ways += [(distance(b[g], a[0]), INVERSE[g]) for g in range(8)]
    best = min(ways)[0]
    return best, {turn for bits, turn in ways if bits == best}


@pytest.mark.parametrize("is_small", [True, False])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 30), radius=RADII)
def test_oriented_self_pairs__equals_brute_force_in_any_order(is_small, seed, n, radius):
    codes = turned(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "BRUTE_FORCE_COMPARISONS", 10**9 if is_small else 0)
        found = hamming.oriented_self_pairs(codes, radius=radius).tolist()
        shuffled = hamming.oriented_self_pairs(codes[order], radius=radius).tolist()
    expected = {}
    for i in range(n):
        for j in range(i + 1, n):
            bits, turns = best_turn(codes[i], codes[j])
            if bits <= radius:
                expected[(i, j)] = (bits, turns)
    assert [(i, j) for i, j, _, _ in found] == sorted(expected)
    for i, j, bits, turn in found:
        assert bits == expected[(i, j)][0]
        assert turn in expected[(i, j)][1]
    again = {tuple(sorted((order[i], order[j]))): bits for i, j, bits, _ in shuffled}
    assert again == {pair: bits for pair, (bits, _) in expected.items()}


def test_oriented_self_pairs__names_the_turn_of_the_first_image():
    codes = np.array([[1 << (8 * g) for g in range(8)], [3 << (20 + g) for g in range(8)]], dtype=np.uint64)
    codes[:, 0] = [0xAAAA000000000000, 0x0000000055550000]
    codes[1, 5] = codes[0, 0]
    # Turning the second by 90 degrees gives the first, so turning the first by 270 degrees gives the second.
    assert hamming.oriented_self_pairs(codes, radius=0).tolist() == [[0, 1, 0, 6]]


@pytest.mark.usefixtures("tiny_buffers")
@pytest.mark.parametrize("n_brute", [0, 10**9])
def test_iter_radius_self_pairs__equal_codes_stream_in_bounded_blocks(monkeypatch, n_brute):
    monkeypatch.setattr(hamming, "BRUTE_FORCE_COMPARISONS", n_brute)
    n = 1500
    codes = np.full(n, 77, dtype=np.uint64)
    codes[::2] ^= np.uint64(1)
    n_pairs, n_near, seen = 0, 0, set()
    for block in hamming.iter_radius_self_pairs(codes, radius=5):
        assert len(block) <= hamming.BUFFER_ROWS
        n_pairs += len(block)
        n_near += int((block[:, 2] == 0).sum())
        seen.update((block[:, 0] * n + block[:, 1]).tolist())
    assert n_pairs == len(seen) == n * (n - 1) // 2
    assert n_near == 2 * (750 * 749 // 2)


def test_iter_radius_pairs__blocks_come_in_the_same_order_every_time(no_brute_force, tiny_buffers):
    codes = make_codes(1, 2000, "near")
    runs = [
        np.concatenate([*hamming.iter_radius_pairs(codes, codes[:700], radius=8)]).tolist() for _ in range(2)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: hamming.radius_pairs(np.zeros(3, np.int64), u64(1), radius=1),
        lambda: hamming.radius_pairs(u64(1), np.zeros((3, 1), np.uint64), radius=1),
        lambda: hamming.radius_self_pairs(np.zeros((2, 2), np.uint64), radius=1),
        lambda: hamming.radius_self_pairs(u64(1), radius=17),
        lambda: hamming.radius_self_pairs(u64(1), radius=-1),
        lambda: hamming.oriented_pairs(np.zeros((2, 7), np.uint64), u64(1), radius=1),
        lambda: hamming.oriented_self_pairs(u64(1), radius=1),
        lambda: hamming.iter_radius_pairs(np.zeros(3, np.float64), u64(1), radius=1),
    ],
)
def test_joins__refuse_what_is_no_hash(call):
    with pytest.raises(SchemaError, match="hint"):
        call()
