"""Pairs of samples, stored as groups of equal codes and edges between groups.

Ten thousand copies of one image are 50 million pairs; here they are one group of ten thousand members and
one edge from the group to itself. `expand_pairs` turns that back into rows for an export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chaffinch.storage.transforms import inverse_transform

MAX_EXPANDED_MEMBERS = 1000
"""An edge over more members than this is exported as a star: its first member with each other member."""


@dataclass(frozen=True, slots=True, eq=False)
class PairSet:
    """All pairs that one method found. G groups, M members, E edges."""

    method: str
    """exact, perceptual, verified or semantic."""
    group_offsets: np.ndarray
    """Shape (G + 1,), int64: group g has the members `group_members[offsets[g]:offsets[g + 1]]`."""
    group_members: np.ndarray
    """Shape (M,), int64: sample ids, rising within a group."""
    edges: np.ndarray
    """Shape (E, 2), int64: two group numbers, the smaller first; a group with itself stands for all pairs
    of its members."""
    similarity: np.ndarray
    """Shape (E,), float32, 0..1, higher is closer."""
    hamming_distance: np.ndarray
    """Shape (E,), int16, bits; -1 where the method has none."""
    transform: tuple[str, ...]
    """Length E: how the second group's image comes out of the first's; '' where the method does not tell."""

    def members(self, group: int) -> np.ndarray:
        """Return the sample ids of a group, rising."""
        return self.group_members[self.group_offsets[group] : self.group_offsets[group + 1]]


_BLOCK_COLUMNS = ("edge", "sample_a", "sample_b", "is_swapped", "is_star")


@dataclass(frozen=True, slots=True, eq=False)
class PairBlock:
    """Some of the sample pairs behind the edges of a `PairSet`. P pairs."""

    edge: np.ndarray
    """Shape (P,), int64: number of the edge that each pair comes from."""
    sample_a: np.ndarray
    """Shape (P,), int64."""
    sample_b: np.ndarray
    """Shape (P,), int64; differs from `sample_a` in every row."""
    is_swapped: np.ndarray
    """Shape (P,), bool: `sample_a` is of the edge's second group, so its transform leads from b to a."""
    is_star: np.ndarray
    """Shape (P,), bool: the edge has too many members, and only a star of its pairs is given."""


def expand_pairs(
    pairs: PairSet, side: np.ndarray | None = None, *, block_rows: int = 1 << 16
) -> Iterator[PairBlock]:
    """Yield the sample pairs behind the edges, in blocks; each pair of an edge once.

    Args:
        pairs: What a method found.
        side: Shape (n_samples,), int8, by sample id: 0 for the first side, 1 for the second, -1 for neither.
            Given: `sample_a` is of side 0, `sample_b` of side 1, other pairs are left out. None: all pairs,
            `sample_a` < `sample_b`.
        block_rows: Rows of a block, about; a single edge is never cut.
    """
    sizes = np.diff(pairs.group_offsets)[pairs.edges]
    is_plain = (sizes == 1).all(axis=1) & (pairs.edges[:, 0] != pairs.edges[:, 1])
    plain = np.flatnonzero(is_plain)
    for start in range(0, len(plain), block_rows):
        block = _plain_block(pairs, plain[start : start + block_rows], side)
        if len(block.edge):
            yield block
    waiting: list[PairBlock] = []
    n_waiting = 0
    for number in np.flatnonzero(~is_plain).tolist():
        block = _edge_block(pairs, number, side)
        waiting += [block] if len(block.edge) else []
        n_waiting += len(block.edge)
        if n_waiting >= block_rows:
            yield _joined(waiting)
            waiting, n_waiting = [], 0
    if waiting:
        yield _joined(waiting)


def count_stars(pairs: PairSet, side: np.ndarray | None = None) -> int:
    """Count the edges of which `expand_pairs` gives only a star."""
    sizes = np.diff(pairs.group_offsets)[pairs.edges].sum(axis=1)
    large = np.flatnonzero(sizes > MAX_EXPANDED_MEMBERS).tolist()
    return sum(bool(_edge_block(pairs, number, side).is_star.any()) for number in large)


def take_rows(block: PairBlock, rows: np.ndarray) -> PairBlock:
    """Return some rows of a block. `rows`: shape (R,), int64."""
    return PairBlock(*(getattr(block, name)[rows] for name in _BLOCK_COLUMNS))


def transforms_of(pairs: PairSet, block: PairBlock) -> list[str]:
    """Return length P: how each row's `sample_b` comes out of its `sample_a`; '' where it is not told."""
    edges, swapped = block.edge.tolist(), block.is_swapped.tolist()
    words = (pairs.transform[edge] for edge in edges)
    return [inverse_transform(w) if back else w for w, back in zip(words, swapped, strict=True)]


def _plain_block(pairs: PairSet, edges: np.ndarray, side: np.ndarray | None) -> PairBlock:
    """Expand edges between groups of one member each."""
    members = pairs.group_members[pairs.group_offsets[pairs.edges[edges]]]
    first, second = members[:, 0], members[:, 1]
    is_swapped = first > second if side is None else side[first] == 1
    first, second = np.where(is_swapped, second, first), np.where(is_swapped, first, second)
    if side is not None:
        wanted = np.flatnonzero((side[first] == 0) & (side[second] == 1))
        edges, first, second, is_swapped = edges[wanted], first[wanted], second[wanted], is_swapped[wanted]
    return PairBlock(edges, first, second, is_swapped, np.zeros(len(edges), dtype=bool))


def _edge_block(pairs: PairSet, number: int, side: np.ndarray | None) -> PairBlock:
    first, second = pairs.edges[number].tolist()
    a, b = pairs.members(first), pairs.members(second)
    if side is None:
        sample_a, sample_b, is_star = _all_pairs(a, b, is_same=first == second)
    else:
        sample_a, sample_b, is_star = _pairs_between(a, b, side, is_same=first == second)
    n = len(sample_a)
    # Within one group nothing can be swapped; looking that up takes longer than all the rest.
    is_swapped = np.zeros(n, dtype=bool) if first == second else ~np.isin(sample_a, a)
    return PairBlock(np.full(n, number), sample_a, sample_b, is_swapped, np.full(n, is_star))


def _joined(blocks: list[PairBlock]) -> PairBlock:
    return PairBlock(*(np.concatenate([getattr(block, name) for block in blocks]) for name in _BLOCK_COLUMNS))


def _grid(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    if not len(a) or not len(b):
        return np.empty(0, np.int64), np.empty(0, np.int64), False
    if len(a) + len(b) > MAX_EXPANDED_MEMBERS:
        star_a = np.concatenate([np.full(len(b), a[0]), a[1:]])
        star_b = np.concatenate([b, np.full(len(a) - 1, b[0])])
        return star_a, star_b, len(a) > 1 and len(b) > 1
    return np.repeat(a, len(b)), np.tile(b, len(a)), False


def _all_pairs(a: np.ndarray, b: np.ndarray, *, is_same: bool) -> tuple[np.ndarray, np.ndarray, bool]:
    if not is_same:
        first, second, is_star = _grid(a, b)
        return np.minimum(first, second), np.maximum(first, second), is_star
    if len(a) > MAX_EXPANDED_MEMBERS:
        return np.full(len(a) - 1, a[0]), a[1:], True
    rows, columns = np.triu_indices(len(a), k=1)
    return a[rows], a[columns], False


def _pairs_between(
    a: np.ndarray, b: np.ndarray, side: np.ndarray, *, is_same: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    blocks = [_grid(a[side[a] == 0], b[side[b] == 1])]
    if not is_same:
        blocks.append(_grid(b[side[b] == 0], a[side[a] == 1]))
    first = np.concatenate([block[0] for block in blocks])
    second = np.concatenate([block[1] for block in blocks])
    return first, second, any(block[2] for block in blocks)
