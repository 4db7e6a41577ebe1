"""Duplicate groups: the greedy star by rank."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.detect.groups import duplicate_groups, rank_of
from chaffinch.errors import SchemaError
from chaffinch.storage.pairs import PairSet, expand_pairs


def pair_set(groups: list[list[int]], edges: list[tuple[int, int]], method: str = "perceptual") -> PairSet:
    return PairSet(
        method=method,
        group_offsets=np.cumsum([0, *map(len, groups)]).astype(np.int64),
        group_members=np.array([m for g in groups for m in g], dtype=np.int64),
        edges=np.array(edges, dtype=np.int64).reshape(-1, 2),
        similarity=np.ones(len(edges), dtype=np.float32),
        hamming_distance=np.zeros(len(edges), dtype=np.int16),
        transform=("",) * len(edges),
    )


def brute_force(pairs: set[tuple[int, int]], rank: list[int]) -> list[int]:
    """The rule as it is worded, one sample at a time."""
    n = len(rank)
    original = [-1] * n
    for keeper in sorted(range(n), key=rank.__getitem__):
        if original[keeper] >= 0:
            continue
        drawn = [s for s in range(n) if original[s] < 0 and (min(s, keeper), max(s, keeper)) in pairs]
        for sample in drawn:
            original[sample] = keeper
        if drawn:
            original[keeper] = keeper
    return original


def test_duplicate_groups__the_best_rank_is_kept_and_draws_its_partners():
    # A chain 0-1-2-3: with 1 first in rank, 0 and 2 join it and 3 is left alone.
    pairs = pair_set([[0], [1], [2], [3]], [(0, 1), (1, 2), (2, 3)])
    found = duplicate_groups([pairs], rank=np.array([1, 0, 2, 3]))
    assert found.group.tolist() == [0, 0, 0, -1]
    assert found.is_original.tolist() == [False, True, False, False]
    assert found.original.tolist() == [1, 1, 1, -1]
    assert found.via_edge.tolist() == [0, -1, 1, -1]


def test_duplicate_groups__an_exact_group_keeps_one_member():
    pairs = pair_set([[0, 1, 2], [4, 5]], [(0, 0), (1, 1)], "exact")
    found = duplicate_groups([pairs], rank=np.array([2, 1, 0, 3, 5, 4]))
    assert found.group.tolist() == [0, 0, 0, -1, 1, 1]
    assert np.flatnonzero(found.is_original).tolist() == [2, 5]


def test_duplicate_groups__the_surer_method_explains_a_copy():
    exact, near = pair_set([[0, 1]], [(0, 0)], "exact"), pair_set([[0, 1], [2]], [(0, 0), (0, 1)])
    found = duplicate_groups([near, exact], rank=np.arange(3))
    assert [p.method for p in found.pair_sets] == ["exact", "perceptual"]
    assert found.via_set.tolist() == [-1, 0, 1]
    assert found.via_edge.tolist() == [-1, 0, 1]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 14))
    rank = draw(st.permutations(range(n)))
    sets = []
    for method in draw(
        st.lists(st.sampled_from(["exact", "perceptual", "verified"]), unique=True, max_size=3)
    ):
        labels = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
        groups = [[s for s in range(n) if labels[s] == label] for label in sorted(set(labels))]
        edges = [(g, g) for g in range(len(groups)) if len(groups[g]) > 1]
        if method != "exact":
            others = [(a, b) for a in range(len(groups)) for b in range(a + 1, len(groups))]
            edges += draw(st.lists(st.sampled_from(others), unique=True)) if others else []
        sets.append(pair_set(groups, sorted(edges), method))
    return n, list(rank), sets


@settings(max_examples=150, deadline=None)
@given(cases(), st.randoms())
def test_duplicate_groups__follow_the_rule_leave_no_pair_and_ignore_order(case, random):
    n, rank, sets = case
    pairs = {
        pair
        for p in sets
        for block in expand_pairs(p)
        for pair in zip(block.sample_a.tolist(), block.sample_b.tolist(), strict=True)
    }
    found = duplicate_groups(sets, rank=np.array(rank))
    assert found.original.tolist() == brute_force(pairs, rank)
    survivors = {s for s in range(n) if found.group[s] < 0 or found.is_original[s]}
    assert not any(a in survivors and b in survivors for a, b in pairs)
    for sample in set(range(n)) - survivors:
        kept = int(found.original[sample])
        assert kept in survivors and rank[kept] < rank[sample]
        assert (min(sample, kept), max(sample, kept)) in pairs
    shuffled = list(sets)
    random.shuffle(shuffled)
    again = duplicate_groups(shuffled, rank=np.array(rank))
    assert again.group.tolist() == found.group.tolist()
    assert again.via_edge.tolist() == found.via_edge.tolist()


@settings(max_examples=80, deadline=None)
@given(cases())
def test_duplicate_groups__exact_pairs_alone_never_lose_a_last_member(case):
    _, rank, sets = case
    exact = [p for p in sets if p.method == "exact"]
    found = duplicate_groups(exact, rank=np.array(rank))
    for p in exact:
        for group in range(len(p.group_offsets) - 1):
            members = p.members(group)
            assert (found.is_original[members] | (found.group[members] < 0)).sum() == 1


def test_duplicate_groups__ten_thousand_copies_cost_next_to_nothing():
    n = 20_000
    pairs = pair_set([list(range(0, n, 2)), list(range(1, n, 2))], [(0, 0), (0, 1), (1, 1)])
    duplicate_groups([pairs], rank=np.arange(n))
    started = time.process_time()
    found = duplicate_groups([pairs], rank=np.arange(n)[::-1].copy())
    assert time.process_time() - started < 1
    assert np.flatnonzero(found.is_original).tolist() == [n - 1]
    assert (found.group == 0).all()


def test_duplicate_groups__without_pairs_nobody_is_in_a_group():
    found = duplicate_groups([], rank=np.arange(3))
    assert found.group.tolist() == [-1, -1, -1]
    assert not found.is_original.any()


@pytest.mark.parametrize("rank", [[0, 0], [1, 2], [-1, 0]])
def test_duplicate_groups__refuse_what_is_no_rank(rank):
    with pytest.raises(SchemaError):
        duplicate_groups([], rank=np.array(rank))


def test_duplicate_groups__refuse_unknown_samples():
    with pytest.raises(SchemaError, match="beyond"):
        duplicate_groups([pair_set([[0, 5]], [(0, 0)])], rank=np.arange(3))


def test_rank_of__the_first_criterion_counts_most():
    n_issues, fewer_pixels = np.array([1, 0, 0, 0]), np.array([0, 5, 3, 5])
    assert rank_of(n_issues, fewer_pixels).tolist() == [3, 1, 0, 2]
