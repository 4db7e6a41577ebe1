"""Copies go last: no pair is left that should not be, and no set of equal images is lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.pipeline.copies import CopyRules, copies_to_remove, group_pairs
from chaffinch.storage.pairs import PairSet, expand_pairs

N = 9


def pair_set(method: str, units: list[list[int]], edges: list[tuple[int, int]]) -> PairSet:
    numbers = sorted({(min(e), max(e)) for e in edges})
    return PairSet(
        method=method,
        group_offsets=np.cumsum([0, *map(len, units)]).astype(np.int64),
        group_members=np.array([m for unit in units for m in sorted(unit)], dtype=np.int64),
        edges=np.array(numbers, dtype=np.int64).reshape(-1, 2),
        similarity=np.ones(len(numbers), dtype=np.float32),
        hamming_distance=np.full(len(numbers), -1, dtype=np.int16),
        transform=("",) * len(numbers),
    )


def rules(n: int = N, **values: list[int]) -> CopyRules:
    """Return rules where nobody said anything, but for the samples named."""
    result = CopyRules(
        is_alive=np.ones(n, dtype=bool),
        looseness=np.full(n, -1, dtype=np.int64),
        original_looseness=np.full(n, -1, dtype=np.int64),
        is_kept=np.zeros(n, dtype=bool),
        is_waived=np.zeros(n, dtype=bool),
        is_by_person=np.zeros(n, dtype=bool),
        rank=np.arange(n),
    )
    for name, samples in values.items():
        mark: int | bool = {"looseness": 0, "original_looseness": 0, "is_alive": False}.get(name, True)
        getattr(result, name)[samples] = mark
    return result


THREE = pair_set("exact", [[0, 1, 2]], [(0, 0)])


def removed(pairs: list[PairSet], given_rules: CopyRules) -> list[int]:
    return np.flatnonzero(copies_to_remove(pairs, given_rules).is_removed).tolist()


def test_copies_to_remove__the_original_stays() -> None:
    assert removed([THREE], rules(looseness=[1, 2], original_looseness=[0])) == [1, 2]


def test_copies_to_remove__the_original_is_gone_so_another_one_stays() -> None:
    assert removed([THREE], rules(looseness=[1, 2], original_looseness=[0], is_alive=[0])) == [2]


def test_copies_to_remove__all_others_are_gone_so_the_last_stays() -> None:
    out = copies_to_remove([THREE], rules(looseness=[1, 2], original_looseness=[0], is_alive=[0, 1]))
    assert not out.is_removed.any()
    assert np.flatnonzero(out.is_last).tolist() == [2]


def test_copies_to_remove__a_person_keeps_a_copy_so_the_original_goes() -> None:
    assert removed([THREE], rules(looseness=[1, 2], original_looseness=[0], is_kept=[1])) == [0, 2]


def test_copies_to_remove__a_waived_leak_does_not_drive_the_original_out() -> None:
    kept = rules(looseness=[1, 2], original_looseness=[0], is_kept=[1], is_waived=[1])
    assert removed([THREE], kept) == [2]


def test_copies_to_remove__only_what_was_said() -> None:
    assert removed([THREE], rules(looseness=[1])) == [1]
    assert removed([THREE], rules(looseness=[0], original_looseness=[0], is_by_person=[0])) == [0]
    assert removed([THREE], rules()) == []


def test_copies_to_remove__what_only_a_person_calls_a_copy_goes() -> None:
    assert removed([THREE], rules(looseness=[5], is_by_person=[5])) == [5]
    out = copies_to_remove([THREE], rules(looseness=[5]))
    assert not out.is_removed.any()
    assert np.flatnonzero(out.is_last).tolist() == [5]


def test_copies_to_remove__a_looser_pair_is_not_meant() -> None:
    near = pair_set("perceptual", [[0], [1]], [(0, 1)])
    assert removed([near], rules(looseness=[1], original_looseness=[0])) == []
    loose = replace(rules(), looseness=np.array([-1, 1, *[-1] * (N - 2)]))
    assert removed([near], loose) == [1]


def test_group_pairs__each_group_keeps_one() -> None:
    pairs = group_pairs([[3, 1], [4, 5, 6]])
    loosest = np.where(np.isin(np.arange(N), [1, 3, 4, 5, 6]), 3, -1)
    assert removed([pairs], replace(rules(), looseness=loosest)) == [3, 5, 6]


@st.composite
def pairs_drawn(draw: st.DrawFn, method: str) -> PairSet:
    """Draw disjoint units of samples, and edges between them or within."""
    unit_of = draw(st.lists(st.integers(0, 4), min_size=N, max_size=N))
    units = [[s for s in range(N) if unit_of[s] == u] for u in sorted(set(unit_of))]
    number = st.integers(0, len(units) - 1)
    edges = draw(st.lists(st.tuples(number, number), max_size=6))
    return pair_set(method, units, edges)


flags = st.lists(st.booleans(), min_size=N, max_size=N).map(lambda x: np.array(x, dtype=bool))


@st.composite
def rules_drawn(draw: st.DrawFn) -> CopyRules:
    levels = st.lists(st.integers(-1, 1), min_size=N, max_size=N).map(lambda x: np.array(x, dtype=np.int64))
    return CopyRules(
        is_alive=draw(flags),
        looseness=draw(levels),
        original_looseness=draw(levels),
        is_kept=draw(flags) & draw(flags),
        is_waived=draw(flags) & draw(flags),
        is_by_person=np.zeros(N, dtype=bool),
        rank=np.array(draw(st.permutations(range(N))), dtype=np.int64),
    )


def neighbours(pair_sets: list[PairSet]) -> dict[str, set[tuple[int, int]]]:
    return {
        pairs.method: {
            (int(a), int(b))
            for block in expand_pairs(pairs)
            for a, b in zip(block.sample_a, block.sample_b, strict=True)
        }
        for pairs in pair_sets
    }


@settings(max_examples=150)
@given(pairs_drawn("exact"), pairs_drawn("perceptual"), rules_drawn())
def test_copies_to_remove__properties(exact: PairSet, near: PairSet, drawn: CopyRules) -> None:
    out = copies_to_remove([exact, near], drawn)
    stays = drawn.is_alive & ~out.is_removed
    asked = np.maximum(drawn.looseness, drawn.original_looseness)
    all_pairs = neighbours([exact, near])
    beside = {s: set[int]() for s in range(N)}
    for pairs in all_pairs.values():
        for a, b in pairs:
            beside[a].add(b)
            beside[b].add(a)
    # Only survivors go that somebody questioned and no person keeps; each beside one that stays.
    gone = np.flatnonzero(out.is_removed).tolist()
    assert all(drawn.is_alive[s] and asked[s] >= 0 for s in gone)
    assert not (out.is_removed & (drawn.is_kept | drawn.is_waived)).any()
    assert all(any(stays[other] for other in beside[s]) for s in gone)
    # No pair is left of which one end should go by its method, unless persons keep what it should go for.
    protected = drawn.is_kept | drawn.is_waived
    for level, method in enumerate(("exact", "perceptual")):
        for a, b in all_pairs[method]:
            if stays[a] and stays[b] and not protected[a] and not protected[b]:
                assert drawn.looseness[a] < level
                assert drawn.looseness[b] < level
    # A set of equal images never loses its last member.
    for a, b in combinations(range(N), 2):
        if (a, b) in all_pairs["exact"] and near.edges.size == 0 and drawn.is_alive[a]:
            assert any(stays[s] for s in {a, *beside[a]})
    # The same again takes nothing more out.
    again = copies_to_remove([near, exact], replace(drawn, is_alive=stays))
    assert not again.is_removed.any()
