"""Pairs of equal and of nearly equal images, within a set of samples or between two sides.

What it finds: `exact`: the same bytes, or the same mode, size and pixels in another container.
`perceptual`: a 64-bit pHash at most a few bits apart.
Why it matters: repeated images weigh more in training than others, and an image of the test set that was
trained on makes every score too good.
False alarms: `exact` has none. `perceptual` takes flat pictures (a white page, a night sky) for one another,
and on small images scenes of the same layout; its recall of cropped, mirrored or framed copies is low. The
method `verified` mends both.
Source: the pHash rule (distance at most 5) is the workflow guide's; measurements in benchmarks/quality.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chaffinch.detect.codes import Groups, group_codes, group_digests
from chaffinch.detect.hamming import radius_pairs, radius_self_pairs
from chaffinch.errors import SchemaError
from chaffinch.storage.pairs import PairSet

HASH_BITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class SampleColumns:
    """What the detectors need to know of N samples, row by row."""

    sample_id: np.ndarray
    """Shape (N,), int64, rising."""
    is_ok: np.ndarray
    """Shape (N,), bool: the file decodes; others are in no pair."""
    bytes_digest: np.ndarray
    """Shape (N, 2), uint64, from `codes.digest_words`."""
    pixels_digest: np.ndarray
    """Shape (N, 2), uint64."""
    phash: np.ndarray
    """Shape (N,), uint64; anything where the file does not decode."""
    phash_d4: np.ndarray
    """Shape (N, 8), uint64, in `records.ORIENTATIONS` order."""

    def __post_init__(self) -> None:
        n = len(self.sample_id)
        shapes = {
            "sample_id": ((n,), np.int64),
            "is_ok": ((n,), np.bool_),
            "bytes_digest": ((n, 2), np.uint64),
            "pixels_digest": ((n, 2), np.uint64),
            "phash": ((n,), np.uint64),
            "phash_d4": ((n, 8), np.uint64),
        }
        for name, (shape, dtype) in shapes.items():
            got = getattr(self, name)
            if got.shape != shape or got.dtype != dtype:
                raise SchemaError(
                    f"must be {np.dtype(dtype)} of shape {shape}, got {got.dtype} of shape {got.shape}",
                    where=name,
                )
        if (np.diff(self.sample_id) <= 0).any():
            raise SchemaError("sample ids must rise from row to row", where="sample_id")


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Samples that take part in a search, equal ones joined to one unit. U units."""

    groups: Groups
    """Partition of `rows` into units."""
    rows: np.ndarray
    """Shape (R,), int64: the rows of the sample columns that take part."""
    has_first: np.ndarray
    """Shape (U,), bool: the unit has a member of the first side; without sides: always."""
    has_second: np.ndarray
    """Shape (U,), bool: likewise of the second side."""
    has_own_pair: np.ndarray
    """Shape (U,), bool: the unit holds a pair by itself."""

    @property
    def first_row(self) -> np.ndarray:
        """Shape (U,), int64: the lowest row of each unit, which stands for it."""
        first: np.ndarray = self.rows[self.groups.first]
        return first


def exact_pairs(samples: SampleColumns, *, side: np.ndarray | None = None) -> PairSet:
    """Find all pairs whose bytes or whose pixels are equal.

    Args:
        samples: The samples.
        side: Shape (N,), int8: 0 and 1 for the two sides, -1 for samples of neither; pairs then lie between
            the sides. None: pairs within all samples.

    Returns:
        One group and one edge for each set of equal images; similarity 1.
    """
    units = exact_units(samples, side)
    own = np.flatnonzero(units.has_own_pair)
    return make_pair_set(
        "exact",
        samples,
        units,
        pairs=np.stack([own, own], axis=1),
        similarity=np.ones(len(own)),
        hamming_distance=np.full(len(own), -1),
        transform=("identity",) * len(own),
    )


def perceptual_pairs(samples: SampleColumns, *, radius: int, side: np.ndarray | None = None) -> PairSet:
    """Find all pairs whose pHashes are at most `radius` bits apart.

    Args:
        samples: The samples.
        radius: Hamming distance in bits, 0..16.
        side: As in `exact_pairs`.

    Returns:
        Samples of equal pHash as one group; similarity is ``1 - distance / 64``.

    Raises:
        SchemaError: If the radius is out of range.
    """
    rows = _rows_taking_part(samples, side)
    units = make_units(group_codes(samples.phash[rows]), rows, side)
    pairs, distance = _near_units(samples.phash[units.first_row], units, radius, has_sides=side is not None)
    own = np.flatnonzero(units.has_own_pair)
    distances = np.concatenate([np.zeros(len(own), np.int64), distance])
    return make_pair_set(
        "perceptual",
        samples,
        units,
        pairs=np.concatenate([np.stack([own, own], axis=1), pairs]),
        similarity=1 - distances / HASH_BITS,
        hamming_distance=distances,
        transform=("",) * len(distances),
    )


def _near_units(
    codes: np.ndarray, units: Units, radius: int, *, has_sides: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return unit pairs (P, 2), each once, smaller first, and their distances."""
    if not has_sides:
        found = radius_self_pairs(codes, radius=radius)
        return found[:, :2], found[:, 2]
    second, first = np.flatnonzero(units.has_second), np.flatnonzero(units.has_first)
    found = radius_pairs(codes[second], codes[first], radius=radius)
    kept, pairs = unique_pairs(np.stack([second[found[:, 0]], first[found[:, 1]]], axis=1), found[:, 2])
    return pairs, found[kept, 2]


def unique_pairs(pairs: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose the rows that name each pair of different units once, by its smallest distance.

    Args:
        pairs: Shape (P, 2), int64: unit numbers in any order.
        distance: Shape (P,), bits.

    Returns:
        The chosen rows and the pairs in them, the smaller unit first; ordered by unit.
    """
    ordered = np.sort(pairs, axis=1)
    rows = np.flatnonzero(ordered[:, 0] != ordered[:, 1])
    rows = rows[np.lexsort((pairs[rows, 0], distance[rows], ordered[rows, 1], ordered[rows, 0]))]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (ordered[rows[1:]] != ordered[rows[:-1]]).any(axis=1)
    return rows[is_new], ordered[rows[is_new]]


def exact_units(samples: SampleColumns, side: np.ndarray | None) -> Units:
    """Return samples of equal content as units."""
    rows = _rows_taking_part(samples, side)
    return make_units(group_digests(samples.bytes_digest[rows], samples.pixels_digest[rows]), rows, side)


def _rows_taking_part(samples: SampleColumns, side: np.ndarray | None) -> np.ndarray:
    if side is None:
        return np.flatnonzero(samples.is_ok)
    if side.shape != samples.sample_id.shape:
        raise SchemaError(f"must be of shape {samples.sample_id.shape}, got {side.shape}", where="side")
    return np.flatnonzero(samples.is_ok & (side >= 0))


def make_units(groups: Groups, rows: np.ndarray, side: np.ndarray | None) -> Units:
    """Say for each group of `rows` on which sides its members are."""
    if side is None:
        everywhere = np.ones(len(groups.sizes), dtype=bool)
        return Units(groups, rows, everywhere, everywhere, groups.sizes > 1)
    has_first = np.bincount(groups.of_row, weights=side[rows] == 0, minlength=len(groups.sizes)) > 0
    has_second = np.bincount(groups.of_row, weights=side[rows] == 1, minlength=len(groups.sizes)) > 0
    return Units(groups, rows, has_first, has_second, has_first & has_second)


def make_pair_set(
    method: str,
    samples: SampleColumns,
    units: Units,
    *,
    pairs: np.ndarray,
    similarity: np.ndarray,
    hamming_distance: np.ndarray,
    transform: tuple[str, ...],
) -> PairSet:
    """Keep the units that are in a pair, number them anew and order the edges.

    Args:
        method: Name of the method.
        samples: The samples.
        units: Units of their rows.
        pairs: Shape (E, 2), int64: unit numbers, the smaller first.
        similarity: Shape (E,), 0..1.
        hamming_distance: Shape (E,), bits or -1.
        transform: Length E.
    """
    used, edges = np.unique(pairs, return_inverse=True)
    edges = edges.reshape(-1, 2).astype(np.int64)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    sizes = units.groups.sizes[used]
    starts = np.repeat(units.groups.offsets[used] - np.cumsum(sizes) + sizes, sizes)
    members = units.groups.members[starts + np.arange(len(starts))]
    return PairSet(
        method=method,
        group_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        group_members=samples.sample_id[units.rows[members]],
        edges=edges[order],
        similarity=similarity[order].astype(np.float32),
        hamming_distance=hamming_distance[order].astype(np.int16),
        transform=tuple(transform[i] for i in order.tolist()),
    )
