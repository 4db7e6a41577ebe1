"""Takes copies out last, among the samples that survive everything else.

Somebody said of some samples that they are copies that should go. Which copies of a picture go depends on who
is left: the one that the search would have kept may be gone as a leak, or a person may keep another one. So:

1. A sample that a person keeps although it was to go as a copy stays, and its copies go for it.
2. A copy that should go, and has a survivor beside it that nobody questions, goes.
3. Among the rest (copies that should go, and the originals of their groups) a greedy star by rank decides: a
   person's keep, fewest issues, most pixels, key; what a person called a copy ranks last.

No pair is left of which somebody said that it should not be, and a set of equal images never loses its last
member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chaffinch.curate.resolve import looseness
from chaffinch.detect.groups import duplicate_groups
from chaffinch.storage.pairs import PairSet

NOT_RULED = -1


@dataclass(frozen=True, slots=True, eq=False)
class CopyRules:
    """What was said about copies, by sample id. N samples."""

    is_alive: np.ndarray
    """Shape (N,), bool: survives all other questions."""
    looseness: np.ndarray
    """Shape (N,), int64: how loose a pair may be by which the sample goes; -1: nobody said that it should."""
    original_looseness: np.ndarray
    """Shape (N,), int64: the same for originals, by the copies of their groups that should go; -1: none."""
    is_kept: np.ndarray
    """Shape (N,), bool: a person keeps the sample."""
    is_waived: np.ndarray
    """Shape (N,), bool: a person keeps it though it leaks, so that its copies are kept on purpose."""
    is_by_person: np.ndarray
    """Shape (N,), bool: a person said of this very sample that it is a copy that should go."""
    rank: np.ndarray
    """Shape (N,), int64: a permutation; 0 is kept first."""


@dataclass(frozen=True, slots=True, eq=False)
class CopiesOut:
    """What `copies_to_remove` found. Shape (N,), bool each."""

    is_removed: np.ndarray
    """Goes as a copy of a sample that stays."""
    is_last: np.ndarray
    """Should go as a copy, but no copy of it stays, or none is known: kept."""


def copies_to_remove(pair_sets: Sequence[PairSet], rules: CopyRules) -> CopiesOut:
    """Say which of the surviving samples go as copies.

    Args:
        pair_sets: All duplicates known, of any methods.
        rules: What was said about whom.

    Cost: linear in samples, members and edges.
    """
    asked = np.maximum(rules.looseness, rules.original_looseness)
    is_sure = rules.is_kept & (rules.looseness >= 0) & ~rules.is_waived & rules.is_alive
    is_open = (asked >= 0) & ~rules.is_kept & ~rules.is_waived & rules.is_alive
    is_ruled = is_open & (rules.looseness >= 0)
    is_unquestioned = rules.is_alive & ~is_open & ~is_sure
    removed = np.zeros(len(asked), dtype=bool)
    has_partner = np.zeros(len(asked), dtype=bool)
    for pairs in pair_sets:
        level = looseness(pairs.method)
        removed |= beside(pairs, is_sure, is_open & (asked >= level))
        removed |= beside(pairs, is_sure & (rules.looseness >= level), is_open)
        removed |= beside(pairs, is_unquestioned, is_ruled & (rules.looseness >= level))
        has_partner |= beside(pairs, np.ones_like(removed), np.ones_like(removed))
    rest = is_open & ~removed
    within = [restricted(pairs, rest, rest & (asked >= looseness(pairs.method))) for pairs in pair_sets]
    stars = duplicate_groups(within, rank=rules.rank)
    removed |= rest & (stars.original >= 0) & ~stars.is_original
    # What a person calls a copy without one being known goes: there is no group that could lose its last.
    removed |= is_ruled & rules.is_by_person & ~has_partner
    is_last = is_ruled & ~removed & ~stars.is_original
    return CopiesOut(removed, is_last)


def beside(pairs: PairSet, anchors: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the candidates that are paired with another sample that is an anchor.

    Args:
        pairs: Pairs of one method.
        anchors: Shape (N,), bool, by sample id.
        candidates: Shape (N,), bool.

    Returns:
        Shape (N,), bool.
    """
    n_units = len(pairs.group_offsets) - 1
    unit = np.repeat(np.arange(n_units), np.diff(pairs.group_offsets))
    n_anchors = np.bincount(unit[anchors[pairs.group_members]], minlength=n_units)
    is_loop = pairs.edges[:, 0] == pairs.edges[:, 1]
    near = np.zeros(n_units, dtype=bool)
    for one, other in ((0, 1), (1, 0)):
        first, second = pairs.edges[~is_loop, one], pairs.edges[~is_loop, other]
        near[first[n_anchors[second] > 0]] = True
    in_loop = np.zeros(n_units, dtype=bool)
    in_loop[pairs.edges[is_loop, 0]] = True
    # A sample is no partner of itself: where it is an anchor too, its own unit needs another one.
    own = anchors[pairs.group_members].astype(np.int64)
    is_near = near[unit] | (in_loop[unit] & (n_anchors[unit] - own > 0))
    found = np.zeros(len(candidates), dtype=bool)
    found[pairs.group_members[is_near]] = True
    found &= candidates
    return found


def restricted(pairs: PairSet, members: np.ndarray, ruled: np.ndarray) -> PairSet:
    """Return the pairs among `members` of which one end at least is in a group that has some of `ruled`.

    Args:
        pairs: Pairs of one method.
        members: Shape (N,), bool, by sample id.
        ruled: Shape (N,), bool.
    """
    n_units = len(pairs.group_offsets) - 1
    unit = np.repeat(np.arange(n_units), np.diff(pairs.group_offsets))
    is_in = members[pairs.group_members]
    n_ruled = np.bincount(unit[ruled[pairs.group_members]], minlength=n_units)
    wanted = (n_ruled[pairs.edges] > 0).any(axis=1)
    sizes = np.bincount(unit[is_in], minlength=n_units)
    return replace(
        pairs,
        group_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        group_members=pairs.group_members[is_in],
        edges=pairs.edges[wanted],
        similarity=pairs.similarity[wanted],
        hamming_distance=pairs.hamming_distance[wanted],
        transform=tuple(t for t, w in zip(pairs.transform, wanted.tolist(), strict=True) if w),
    )


def group_pairs(groups: Sequence[Sequence[int] | np.ndarray]) -> PairSet:
    """Return the groups of another tool, each a list of sample ids, as pairs of all their members."""
    members = [np.unique(np.asarray(group, dtype=np.int64)) for group in groups]
    n = len(members)
    return PairSet(
        method="semantic",
        group_offsets=np.cumsum([0, *map(len, members)]).astype(np.int64),
        group_members=np.concatenate([np.empty(0, np.int64), *members]),
        edges=np.repeat(np.arange(n, dtype=np.int64), 2).reshape(-1, 2),
        similarity=np.ones(n, dtype=np.float32),
        hamming_distance=np.full(n, -1, dtype=np.int16),
        transform=("",) * n,
    )
