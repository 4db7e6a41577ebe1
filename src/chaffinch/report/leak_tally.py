"""Counts over the rows of a leak report, in one pass.

The summary's figures come from the rows that are written, not from the search, so that each figure leads to
its rows: ``write_leak_rows(path, tally.watch(rows))``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chaffinch.records import LEAK_TYPES, LeakPair

_BIT = {method: 1 << place for place, method in enumerate(LEAK_TYPES)}
_LABELS_AGREE = 1 << len(LEAK_TYPES)
_LABELS_DIFFER = 2 << len(LEAK_TYPES)


@dataclass(frozen=True, slots=True)
class MethodCount:
    """What one method found."""

    n_pairs: int
    """Rows of the method."""
    n_train_images: int
    """Distinct train images in them."""
    n_test_images: int
    """Distinct test images in them."""
    n_labels_differ: int
    """Rows whose two labels are there and differ."""


@dataclass(slots=True)
class LeakTally:
    """Running counts over leak rows.

    Cost: about 200 bytes for each distinct leaking image, nothing per row.
    """

    _train: dict[str, int] = field(default_factory=dict)
    _test: dict[str, int] = field(default_factory=dict)
    _n_pairs: Counter[str] = field(default_factory=Counter)
    _n_differ: Counter[str] = field(default_factory=Counter)
    _class_hits: Counter[str] = field(default_factory=Counter)

    def add(self, pair: LeakPair) -> None:
        """Count one row."""
        bits = _BIT[pair.method]
        if pair.labels_agree is not None:
            bits |= _LABELS_AGREE if pair.labels_agree else _LABELS_DIFFER
        train, test = pair.train_key or pair.train_image, pair.test_key or pair.test_image
        self._train[train] = self._train.get(train, 0) | bits
        if test not in self._test and pair.test_label is not None:
            self._class_hits[pair.test_label] += 1
        self._test[test] = self._test.get(test, 0) | bits
        self._n_pairs[pair.method] += 1
        self._n_differ[pair.method] += pair.labels_agree is False

    def watch(self, pairs: Iterable[LeakPair]) -> Iterator[LeakPair]:
        """Hand the rows on, counting each."""
        for pair in pairs:
            self.add(pair)
            yield pair

    @property
    def n_train_images(self) -> int:
        """Distinct train images that leak, by any method."""
        return len(self._train)

    @property
    def n_test_images(self) -> int:
        """Distinct test images that leak, by any method."""
        return len(self._test)

    @property
    def n_test_labels_agree(self) -> int:
        """Leaking test images whose train images all have the same label as they."""
        return sum(b & _LABELS_AGREE > 0 and not b & _LABELS_DIFFER for b in self._test.values())

    @property
    def n_test_labels_differ(self) -> int:
        """Leaking test images with at least one train image of another label."""
        return sum(b & _LABELS_DIFFER > 0 for b in self._test.values())

    @property
    def class_hits(self) -> Mapping[str, int]:
        """Leaking test images per label of the test side."""
        return self._class_hits

    def of_method(self, method: str) -> MethodCount:
        """Return the counts of one method."""
        bit = _BIT[method]
        return MethodCount(
            n_pairs=self._n_pairs[method],
            n_train_images=sum(b & bit > 0 for b in self._train.values()),
            n_test_images=sum(b & bit > 0 for b in self._test.values()),
            n_labels_differ=self._n_differ[method],
        )
