"""Groups and edges stand for exactly the pairs that a brute-force loop would list."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.storage import pairs as pairs_module
from chaffinch.storage.pairs import MAX_EXPANDED_MEMBERS, PairSet, count_stars, expand_pairs, transforms_of

Pair = tuple[int, int]


def pair_set(groups: list[list[int]], edges: list[Pair]) -> PairSet:
    """Return a pair set of the given groups of sample ids and edges between group numbers."""
    return PairSet(
        method="perceptual",
        group_offsets=np.cumsum([0, *map(len, groups)], dtype=np.int64),
        group_members=np.array([m for g in groups for m in sorted(g)], dtype=np.int64),
        edges=np.array(edges, dtype=np.int64).reshape(-1, 2),
        similarity=np.ones(len(edges), dtype=np.float32),
        hamming_distance=np.zeros(len(edges), dtype=np.int16),
        transform=("",) * len(edges),
    )


def expanded(
    pairs: PairSet, side: list[int] | None = None, *, block_rows: int = 1 << 16
) -> Counter[tuple[int, int, int]]:
    """Return how often each (edge, sample a, sample b) is yielded; no block may be empty."""
    rows: Counter[tuple[int, int, int]] = Counter()
    for block in expand_pairs(pairs, _array(side), block_rows=block_rows):
        assert 0 < len(block.edge) == len(block.sample_a) == len(block.sample_b) == len(block.is_star)
        rows.update(zip(block.edge.tolist(), block.sample_a.tolist(), block.sample_b.tolist(), strict=True))
    return rows


def starred_edges(pairs: PairSet, side: list[int] | None = None) -> set[int]:
    """Return the edges of which only a star was given."""
    found = {e for block in expand_pairs(pairs, _array(side)) for e in block.edge[block.is_star].tolist()}
    assert count_stars(pairs, _array(side)) == len(found)
    return found


def _array(side: list[int] | None) -> np.ndarray | None:
    return None if side is None else np.array(side, dtype=np.int8)


def unordered(groups: list[list[int]], edge: Pair) -> set[frozenset[int]]:
    """Return the unordered pairs behind one edge, by definition."""
    first, second = (groups[g] for g in edge)
    if edge[0] == edge[1]:
        return {frozenset(p) for p in combinations(first, 2)}
    return {frozenset((a, b)) for a in first for b in second}


block_sizes = st.sampled_from([1, 2, 5, 1 << 16])


@st.composite
def structures(draw: st.DrawFn) -> tuple[list[list[int]], list[Pair], list[int]]:
    n = draw(st.integers(1, 12))
    group_of = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    ids = draw(st.permutations(range(n)))
    groups = [[s for s, g in zip(ids, group_of, strict=True) if g == k] for k in sorted(set(group_of))]
    possible = [(a, b) for a in range(len(groups)) for b in range(a, len(groups))]
    edges = draw(st.lists(st.sampled_from(possible), unique=True, max_size=10))
    side = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
    return groups, edges, side


@given(structures(), block_sizes)
def test_expand_pairs__equals_brute_force(
    structure: tuple[list[list[int]], list[Pair], list[int]], block_rows: int
) -> None:
    groups, edges, _ = structure
    expected = Counter(
        (number, min(pair), max(pair))
        for number, edge in enumerate(edges)
        for pair in unordered(groups, edge)
    )
    assert expanded(pair_set(groups, edges), block_rows=block_rows) == expected


@given(structures(), block_sizes)
def test_expand_pairs__between_sides_equals_brute_force(
    structure: tuple[list[list[int]], list[Pair], list[int]], block_rows: int
) -> None:
    groups, edges, side = structure
    expected = Counter(
        (number, a, b)
        for number, edge in enumerate(edges)
        for pair in unordered(groups, edge)
        for a, b in (tuple(pair), tuple(pair)[::-1])
        if side[a] == 0 and side[b] == 1
    )
    assert expanded(pair_set(groups, edges), side, block_rows=block_rows) == expected


@given(structures(), st.booleans())
def test_expand_pairs__a_star_touches_every_sample_of_the_edge(
    structure: tuple[list[list[int]], list[Pair], list[int]], is_sided: bool
) -> None:
    groups, edges, side = structure
    pairs = pair_set(groups, edges)
    sides = side if is_sided else None
    complete = expanded(pairs, sides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs_module, "MAX_EXPANDED_MEMBERS", 2)
        star = expanded(pairs, sides)
        starred = starred_edges(pairs, sides)
    assert star.keys() <= complete.keys()
    assert max(star.values(), default=1) == 1
    for number in range(len(edges)):
        both = [{s for e, *pair in rows if e == number for s in pair} for rows in (star, complete)]
        assert both[0] == both[1]
        counts = [sum(e == number for e, _, _ in rows) for rows in (star, complete)]
        assert number in starred or counts[0] == counts[1]


def test_expand_pairs__ten_thousand_copies_become_a_star() -> None:
    pairs = pair_set([list(range(10_000))], [(0, 0)])
    (block,) = expand_pairs(pairs)
    assert block.is_star.all()
    assert block.sample_a.tolist() == [0] * 9_999
    assert block.sample_b.tolist() == list(range(1, 10_000))


def test_expand_pairs__at_the_limit_nothing_is_left_out() -> None:
    n = MAX_EXPANDED_MEMBERS
    (block,) = expand_pairs(pair_set([list(range(n))], [(0, 0)]))
    assert not block.is_star.any()
    assert len(block.sample_a) == n * (n - 1) // 2
    assert starred_edges(pair_set([list(range(n + 1))], [(0, 0)])) == {0}


def test_expand_pairs__one_against_many_is_complete_and_no_star() -> None:
    n = MAX_EXPANDED_MEMBERS + 5
    pairs = pair_set([[0], list(range(1, n + 1))], [(0, 1)])
    assert sum(expanded(pairs).values()) == n
    assert starred_edges(pairs) == set()


def test_expand_pairs__leaves_out_edges_without_pairs() -> None:
    pairs = pair_set([[0], [1]], [(0, 0), (0, 1)])
    assert expanded(pairs) == {(1, 0, 1): 1}
    assert expanded(pairs, [0, 0]) == {}


def test_expand_pairs__many_small_edges_cost_linear_time() -> None:
    pairs = pair_set([[2 * i, 2 * i + 1] for i in range(60_000)], [(i, i) for i in range(60_000)])
    start = time.process_time()
    assert sum(expanded(pairs).values()) == 60_000
    assert (
        time.process_time() - start < 15
    )  # Linear is near 1 s; counting the waiting rows anew at each edge is not.


def test_members__are_those_of_the_group() -> None:
    pairs = pair_set([[5, 2], [9]], [])
    assert pairs.members(0).tolist() == [2, 5]
    assert pairs.members(1).tolist() == [9]


def test_expand_pairs__says_where_the_transform_runs_the_other_way() -> None:
    pairs = pair_set([[7], [3], [1, 9], [5]], [(0, 1), (2, 3), (2, 2)])
    swapped = {
        (a, b): is_swapped
        for block in expand_pairs(pairs)
        for a, b, is_swapped in zip(
            block.sample_a.tolist(), block.sample_b.tolist(), block.is_swapped.tolist(), strict=True
        )
    }
    assert swapped == {(3, 7): True, (1, 5): False, (5, 9): True, (1, 9): False}
    side = np.full(10, -1, dtype=np.int8)
    side[[7, 5]], side[[3, 9]] = 0, 1
    between = list(expand_pairs(pairs, side))
    assert [b.sample_a.tolist() + b.sample_b.tolist() for b in between] == [[7, 3], [5, 9]]
    assert [b.is_swapped.tolist() for b in between] == [[False], [True]]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (None, (2, 5, "rotate_270+wider_crop")),
        ([-1, -1, 1, -1, -1, 0], (5, 2, "rotate_90+crop")),
        ([-1, -1, 0, -1, -1, 1], (2, 5, "rotate_270+wider_crop")),
    ],
)
def test_transforms_of__says_how_the_second_comes_out_of_the_first(
    side: list[int] | None, expected: tuple[int, int, str]
) -> None:
    pairs = replace(pair_set([[5], [2]], [(0, 1)]), transform=("rotate_90+crop",))
    (block,) = expand_pairs(pairs, _array(side))
    assert (block.sample_a[0], block.sample_b[0], transforms_of(pairs, block)[0]) == expected
