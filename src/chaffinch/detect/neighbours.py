"""The strongest partner of each sample over several pair sets, without expanding groups.

Strongest is: the surer method first, then the higher similarity, then the lower sample id. Ten thousand equal
codes cost ten thousand steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from chaffinch.storage.pairs import PairSet
from chaffinch.storage.transforms import inverse_transform

METHOD_CONFIDENCE = {"exact": 1.0, "verified": 0.97, "semantic": 0.9, "perceptual": 0.9}
"""What a similarity is multiplied by to give a confidence, so that surer methods rank first: equal pixels are
beyond doubt, verified pairs are hardly ever wrong, hash and cosine alone are now and then."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The strongest partner of a sample."""

    sample: int
    """Sample id of the partner."""
    method: str
    """How the pair was found."""
    similarity: float
    """0..1, higher is closer."""
    hamming_distance: int | None
    """Bits; None where the method has none."""
    transform: str
    """How this sample comes out of the partner, in words; '' where the method does not tell."""
    n_partners: int
    """Partners of this sample that the method found."""

    @property
    def confidence(self) -> float:
        """How sure it is that both show the same thing, 0..1: similarity times `METHOD_CONFIDENCE`."""
        return self.similarity * METHOD_CONFIDENCE[self.method]


def neighbour_at(pairs: PairSet, edge: int, *, sample: int, partner: int, n_partners: int) -> Neighbour:
    """Describe an edge as seen from one of its samples."""
    distance = int(pairs.hamming_distance[edge])
    words = pairs.transform[edge]
    back = inverse_transform(words)
    # Most words are their own opposite; only for others does it matter at which end the sample is.
    is_second = back == words or sample in pairs.members(int(pairs.edges[edge, 1]))
    return Neighbour(
        sample=partner,
        method=pairs.method,
        similarity=float(pairs.similarity[edge]),
        hamming_distance=None if distance < 0 else distance,
        transform=words if is_second else back,
        n_partners=n_partners,
    )


def strongest_across(pair_sets: Sequence[PairSet], side: np.ndarray) -> dict[int, Neighbour]:
    """Return, by sample id, the strongest partner on the other side.

    Args:
        pair_sets: Pairs of several methods.
        side: Shape (n_samples,), int8, by sample id: 0, 1, or -1 for neither.
    """
    found: dict[int, Neighbour] = {}
    for pairs in sorted(pair_sets, key=lambda p: (-METHOD_CONFIDENCE[p.method], p.method)):
        for sample, neighbour in chain(_strongest_of(pairs, side, 0), _strongest_of(pairs, side, 1)):
            # Of equals, `max` keeps the one of the surer method, which came first.
            found[sample] = max(found.get(sample, neighbour), neighbour, key=lambda n: n.confidence)
    return found


def _strongest_of(pairs: PairSet, side: np.ndarray, own_side: int) -> list[tuple[int, Neighbour]]:
    member_side = side[pairs.group_members]
    partners = _lowest_of_side(pairs, member_side == 1 - own_side)
    numbers = np.arange(len(pairs.edges))
    is_open = pairs.edges[:, 0] != pairs.edges[:, 1]
    ends = np.concatenate([pairs.edges, pairs.edges[is_open][:, ::-1]])
    edge = np.concatenate([numbers, numbers[is_open]])
    has_partner = partners.lowest[ends[:, 1]] >= 0
    ends, edge = ends[has_partner], edge[has_partner]
    n_partners = np.bincount(ends[:, 0], weights=partners.count[ends[:, 1]], minlength=len(partners.count))
    order = np.lexsort((partners.lowest[ends[:, 1]], -pairs.similarity[edge], ends[:, 0]))
    units, first = np.unique(ends[order, 0], return_index=True)
    found = []
    for unit, row in zip(units.tolist(), order[first].tolist(), strict=True):
        partner = int(partners.lowest[ends[row, 1]])
        for sample in pairs.members(unit)[side[pairs.members(unit)] == own_side].tolist():
            count = int(n_partners[unit])
            found.append(
                (
                    sample,
                    neighbour_at(pairs, int(edge[row]), sample=sample, partner=partner, n_partners=count),
                )
            )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Partners:
    lowest: np.ndarray
    count: np.ndarray


def _lowest_of_side(pairs: PairSet, is_wanted: np.ndarray) -> _Partners:
    """Return each group's lowest wanted member (-1 for none) and the number of them."""
    n_groups = len(pairs.group_offsets) - 1
    group = np.repeat(np.arange(n_groups), np.diff(pairs.group_offsets))[is_wanted]
    units, first = np.unique(group, return_index=True)
    lowest = np.full(n_groups, -1, dtype=np.int64)
    lowest[units] = pairs.group_members[is_wanted][first]
    return _Partners(lowest, np.bincount(group, minlength=n_groups))
