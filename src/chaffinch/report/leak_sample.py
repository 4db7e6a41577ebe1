"""Which pairs of a leak report a contact sheet shows: each pair once, a bounded number per method.

A pair stands in the section of the cheapest method that found it; what other methods say of it is shown
beside. Where a method has more new pairs than fit, those shown are drawn evenly, by a digest of the two keys:
the same report always shows the same pairs.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from chaffinch.records import LeakPair

MAX_PAIRS = 500
"""Pairs shown per method; with more, browsers open the page slowly."""


@dataclass(slots=True)
class ShownPair:
    """One pair of a contact sheet."""

    pair: LeakPair
    """The row of the cheapest method."""
    also: list[LeakPair] = field(default_factory=list)
    """Rows of further methods for the same two images, cheapest first."""


@dataclass(frozen=True, slots=True)
class MethodSection:
    """What a contact sheet shows of one method."""

    method: str
    """exact, perceptual, verified or semantic."""
    n_pairs: int
    """Rows of the method in the report."""
    n_earlier: int
    """Of these, pairs that a cheaper method found too; they belong to its section."""
    shown: tuple[ShownPair, ...]
    """Most similar first, then by keys."""

    @property
    def n_new(self) -> int:
        """Pairs that belong to this section."""
        return self.n_pairs - self.n_earlier


def choose_pairs(pairs: Iterable[LeakPair], *, limit: int = MAX_PAIRS) -> list[MethodSection]:
    """Choose at most `limit` pairs per method.

    Args:
        pairs: Rows of a leak report as `read_leak_rows` gives them: sorted by method.
        limit: Largest number of pairs in a section.

    Returns:
        A section for each method that has rows.

    Cost: 16 bytes per row, and the shown pairs.
    """
    earlier = _PairDigests()
    shown: dict[int, ShownPair] = {}
    sections = []
    for method, rows in groupby(pairs, key=lambda pair: pair.method):
        section, drawn = _draw(rows, limit=limit, earlier=earlier, shown=shown)
        earlier.settle()
        shown |= drawn
        sections.append(MethodSection(method, *section, _by_strength(drawn.values())))
    return sections


def _draw(
    rows: Iterable[LeakPair], *, limit: int, earlier: _PairDigests, shown: dict[int, ShownPair]
) -> tuple[tuple[int, int], dict[int, ShownPair]]:
    """Go through the rows of one method: count all and those of `earlier`, draw some of the others."""
    n_pairs = n_earlier = 0
    drawn: list[tuple[int, int, LeakPair]] = []
    for n_pairs, pair in enumerate(rows, start=1):
        digest = _digest(pair)
        if digest in shown:
            shown[digest].also.append(pair)
        if digest in earlier:
            n_earlier += 1
            continue
        earlier.add(digest)
        heapq.heappush(drawn, (-digest, n_pairs, pair))
        if len(drawn) > limit:
            heapq.heappop(drawn)
    return (n_pairs, n_earlier), {-digest: ShownPair(pair) for digest, _, pair in drawn}


def _by_strength(shown: Iterable[ShownPair]) -> tuple[ShownPair, ...]:
    return tuple(sorted(shown, key=lambda s: (-s.pair.similarity, s.pair.train_key, s.pair.test_key)))


def _digest(pair: LeakPair) -> int:
    train, test = pair.train_key or pair.train_image, pair.test_key or pair.test_image
    text = f"{len(train)} {train}{test}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class _PairDigests:
    """A set of 64-bit numbers in 8 bytes each; those added count as inside after `settle`."""

    def __init__(self) -> None:
        self._settled = np.empty(0, dtype=np.uint64)
        self._added = array("Q")

    def add(self, digest: int) -> None:
        self._added.append(digest)

    def settle(self) -> None:
        self._settled = np.union1d(self._settled, np.frombuffer(self._added, dtype=np.uint64))
        self._added = array("Q")

    def __contains__(self, digest: int) -> bool:
        value = np.uint64(digest)
        place = int(np.searchsorted(self._settled, value))
        return place < len(self._settled) and bool(self._settled[place] == value)
