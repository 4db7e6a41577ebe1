"""Pairs worth a look: near in a loose hash in any orientation or, where there are vectors, by a loose cosine.

Hashes bring turned, mirrored and recoloured copies near; vectors bring crops, wide borders and overlays,
which change a hash all over. `verified` then compares the pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chaffinch.detect.block_workers import products_on_one_thread
from chaffinch.detect.hamming import oriented_pairs, oriented_self_pairs
from chaffinch.detect.pair_sets import SampleColumns, Units, exact_units, unique_pairs
from chaffinch.detect.semantic import near_units
from chaffinch.storage.vectors import unit_rows

CANDIDATE_RADIUS = 10
"""Largest Hamming distance of a candidate, bits; pairs farther apart are hardly ever copies."""

LOOSENESS = (3.0, 2.5, 2.0, 1.5)
"""How far below 1 a candidate's cosine may be, in units of how far a copy's may. In the tuning half, 3 brings
.985 of all planted copies near, 2 brings .96."""
CANDIDATES_PER_UNIT = 4
"""Candidates by vector expected for each unit beyond which the next stricter one of these is taken: to
compare them takes some .3 CPU ms, less than to make a vector."""
SAMPLED_PAIRS = 1000
"""Of the most that may be, so many are expected among the pairs from which their number is foretold."""
MAX_SAMPLED_UNITS = 4096
"""Units on each side of those at most."""

_TURN_BACK = np.array([0, 1, 2, 3, 4, 6, 5, 7])


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs of units that may be copies. P pairs."""

    units: Units
    """Samples of equal content as one unit."""
    pairs: np.ndarray
    """Shape (P, 2), int64: units, the smaller first; ordered."""
    distance: np.ndarray
    """Shape (P,), int64, bits; -1 where only the vectors are near."""
    orientation: np.ndarray
    """Shape (P,), int64: orientation of the first that is near the second; 0 where only the vectors are."""


def find_candidates(
    samples: SampleColumns,
    *,
    side: np.ndarray | None = None,
    radius: int = CANDIDATE_RADIUS,
    vectors: np.ndarray | None = None,
    copy_cosine: float = 1.0,
) -> Candidates:
    """Find all pairs near by hash in any orientation or by vector, equal images taken as one.

    Args:
        samples: The samples.
        side: As in `pair_sets.exact_pairs`.
        radius: Hamming distance in bits, 0..16.
        vectors: Shape (n_samples, D), float16, by sample id; None: by hash alone.
        copy_cosine: Smallest cosine at which two of these vectors mean one picture; candidates reach down to
            `LOOSENESS` times its distance from 1, or less far where that would be too many.
    """
    units = exact_units(samples, side)
    by_hash = _near_by_hash(samples, units, radius, has_sides=side is not None)
    if vectors is None:
        return by_hash
    first = samples.sample_id[units.first_row]
    least = _least_cosine(units, first, vectors, copy_cosine)
    near = near_units(units, first, vectors, threshold=least, has_sides=side is not None).pairs
    n_units = len(first)
    codes = [p[:, 0] * n_units + p[:, 1] for p in (by_hash.pairs, near)]
    near = near[~np.isin(codes[1], codes[0])]
    pairs = np.concatenate([by_hash.pairs, near])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    distance = np.concatenate([by_hash.distance, np.full(len(near), -1)])
    orientation = np.concatenate([by_hash.orientation, np.zeros(len(near), np.int64)])
    return Candidates(units, pairs[order], distance[order], orientation[order])


def _near_by_hash(samples: SampleColumns, units: Units, radius: int, *, has_sides: bool) -> Candidates:
    codes = samples.phash_d4[units.first_row]
    if not has_sides:
        found = oriented_self_pairs(codes, radius=radius)
        return Candidates(units, found[:, :2], found[:, 2], found[:, 3])
    second, first = np.flatnonzero(units.has_second), np.flatnonzero(units.has_first)
    found = oriented_pairs(codes[second], np.ascontiguousarray(codes[first, 0]), radius=radius)
    pairs = np.stack([second[found[:, 0]], first[found[:, 1]]], axis=1)
    kept, ordered = unique_pairs(pairs, found[:, 2])
    is_swapped = pairs[kept, 0] != ordered[:, 0]
    turn = found[kept, 3]
    return Candidates(units, ordered, found[kept, 2], np.where(is_swapped, _TURN_BACK[turn], turn))


def _least_cosine(units: Units, first: np.ndarray, vectors: np.ndarray, copy_cosine: float) -> float:
    """Choose the loosest cosine at which the candidates stay few enough, by a sample of pairs."""
    rng = np.random.default_rng(0)
    sides = [first[units.has_first], first[units.has_second]]
    n_allowed, n_pairs = CANDIDATES_PER_UNIT * len(first), len(sides[0]) * len(sides[1])
    n_wanted = min(MAX_SAMPLED_UNITS, math.ceil(math.sqrt(SAMPLED_PAIRS * n_pairs / max(n_allowed, 1))))
    sampled = [np.sort(rng.choice(s, min(len(s), n_wanted), replace=False)) for s in sides]
    with products_on_one_thread():
        cosines = unit_rows(vectors[sampled[0]]) @ unit_rows(vectors[sampled[1]]).T
    cosines[sampled[0][:, None] == sampled[1]] = 0
    for looseness in LOOSENESS:
        least = max(1 - looseness * (1 - copy_cosine), 0.1)
        if not cosines.size or (cosines >= least).mean() * n_pairs <= n_allowed:
            return least
    return copy_cosine
