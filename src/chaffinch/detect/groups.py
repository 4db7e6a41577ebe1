"""Duplicate groups: which sample of several is kept, and which copies go with it.

The rule is a greedy star by rank. Samples are taken best rank first; one that belongs to no group yet keeps
its place and draws all its partners, as far as they are free, into its group. So each sample is in at most
one group, each copy is directly paired with the sample kept for it, and no pair is left among the samples
that remain. Of a set of equal samples one survives, unless all of them are copies of a sample of better rank,
which then stands for them. The result depends on the set of pairs and the rank alone.

Groups of equal codes are never expanded: the cost is linear in members and edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.errors import SchemaError
from chaffinch.jit import kernel
from chaffinch.settings import METHODS
from chaffinch.storage.pairs import PairSet


@dataclass(frozen=True, slots=True, eq=False)
class DuplicateGroups:
    """Groups of N samples, by sample id."""

    group: np.ndarray
    """Shape (N,), int64: the sample's group, numbered by their lowest samples; -1 for none."""
    is_original: np.ndarray
    """Shape (N,), bool: the sample is kept for its group."""
    original: np.ndarray
    """Shape (N,), int64: the sample kept for this one's group (itself if kept); -1 for none."""
    pair_sets: tuple[PairSet, ...]
    """What the groups were made from, in the order of `settings.METHODS`."""
    via_set: np.ndarray
    """Shape (N,), int64: number of the pair set that joined a copy to its original; -1 elsewhere."""
    via_edge: np.ndarray
    """Shape (N,), int64: edge of that pair set; -1 elsewhere."""


def duplicate_groups(pair_sets: Sequence[PairSet], *, rank: np.ndarray) -> DuplicateGroups:
    """Form duplicate groups.

    Args:
        pair_sets: Pairs of one or several methods, in any order.
        rank: Shape (N,), int64, by sample id: a permutation of 0..N-1; 0 is kept first (fewest issues, most
            pixels, smallest key).

    Raises:
        SchemaError: If the rank is no permutation or a pair names an unknown sample.

    Cost: linear in N, members and edges; 10 ms a million of them.
    """
    n = len(rank)
    order = np.full(n, -1, dtype=np.int64)
    if rank.ndim != 1 or (n and (rank.min() < 0 or rank.max() >= n)):
        raise SchemaError(f"must be a permutation of 0..{n - 1}", where="rank")
    order[rank] = np.arange(n)
    if (order < 0).any():
        raise SchemaError("two samples have the same rank", where="rank")
    ordered = tuple(sorted(pair_sets, key=lambda pairs: METHODS.index(pairs.method)))
    if any(len(p.group_members) and p.group_members.max() >= n for p in ordered):
        raise SchemaError(f"a pair names a sample beyond the {n} that have a rank", where="pair_sets")
    original, via = _stars(order, _join(ordered, n))
    members = np.flatnonzero(original >= 0)
    group = np.full(n, -1, dtype=np.int64)
    _, lowest, inverse = np.unique(original[members], return_index=True, return_inverse=True)
    group[members] = np.argsort(np.argsort(lowest))[inverse]
    starts = np.cumsum([0, *(len(p.edges) for p in ordered)])
    via_set = np.where(via >= 0, np.searchsorted(starts, via, side="right") - 1, -1)
    via_edge = np.where(via >= 0, via - starts[via_set], -1)
    return DuplicateGroups(group, (original == np.arange(n)), original, ordered, via_set, via_edge)


def rank_of(*criteria: np.ndarray) -> np.ndarray:
    """Return the rank by several criteria, each shape (N,), smaller is better, the first counts most.

    Samples equal in all of them rank by sample id.
    """
    order = np.lexsort(criteria[::-1])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


Joined = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _join(pair_sets: Sequence[PairSet], n: int) -> Joined:
    """Lay pair sets end to end as arrays.

    Returns:
        Offsets and members of all units; offsets and units of each sample; offsets, partner units and edge
        numbers of each unit.
    """
    offsets, members, edges = [np.zeros(1, np.int64)], [np.empty(0, np.int64)], [np.empty((0, 2), np.int64)]
    n_units = n_members = 0
    for pairs in pair_sets:
        offsets.append(pairs.group_offsets[1:] + n_members)
        members.append(pairs.group_members)
        edges.append(pairs.edges + n_units)
        n_units, n_members = n_units + len(pairs.group_offsets) - 1, n_members + len(pairs.group_members)
    unit_offsets, unit_members, all_edges = (np.concatenate(parts) for parts in (offsets, members, edges))
    unit_of_member = np.repeat(np.arange(n_units), np.diff(unit_offsets))
    by_sample = np.argsort(unit_members, kind="stable")
    is_open = all_edges[:, 0] != all_edges[:, 1]
    ends = np.concatenate([all_edges, all_edges[is_open][:, ::-1]])
    numbers = np.concatenate([np.arange(len(all_edges)), np.flatnonzero(is_open)])
    by_unit = np.lexsort((numbers, ends[:, 0]))
    return (
        unit_offsets,
        unit_members,
        _starts(unit_members, n),
        unit_of_member[by_sample],
        _starts(ends[:, 0], n_units),
        ends[by_unit, 1],
        numbers[by_unit],
    )


def _starts(values: np.ndarray, n: int) -> np.ndarray:
    starts = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(values, minlength=n), out=starts[1:])
    return starts


@kernel
def _stars(order: np.ndarray, joined: Joined) -> tuple[np.ndarray, np.ndarray]:
    """Return the original of each sample and the edge that joined it, -1 for none."""
    original = np.full(len(order), np.int64(-1))
    via = np.full(len(order), np.int64(-1))
    is_emptied = np.zeros(len(joined[0]) - 1, dtype=np.bool_)
    for keeper in order:
        if original[keeper] >= 0:
            continue
        n_drawn = 0
        for place in range(joined[2][keeper], joined[2][keeper + 1]):
            n_drawn += _draw_partners(keeper, joined[3][place], joined, is_emptied, original, via)
        if n_drawn:
            original[keeper] = keeper
    return original, via


@kernel
def _draw_partners(
    keeper: np.int64,
    unit: np.int64,
    joined: Joined,
    is_emptied: np.ndarray,
    original: np.ndarray,
    via: np.ndarray,
) -> int:
    """Draw the free members of all partners of a unit to the keeper; returns how many came."""
    offsets, members, edge_starts, partners, numbers = joined[0], joined[1], joined[4], joined[5], joined[6]
    n_drawn = 0
    for place in range(edge_starts[unit], edge_starts[unit + 1]):
        partner = partners[place]
        if is_emptied[partner]:
            continue
        is_emptied[partner] = True
        for sample in members[offsets[partner] : offsets[partner + 1]]:
            if sample != keeper and original[sample] < 0:
                original[sample], via[sample] = keeper, numbers[place]
                n_drawn += 1
    return n_drawn
