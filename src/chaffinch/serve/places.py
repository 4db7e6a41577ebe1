"""Finds the samples that events of the log are about, as `curate.current` does for who reads it whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chaffinch.curate.attach import is_about
from chaffinch.curate.current import current_decisions
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.records import LoggedDecision


class Places:
    """The samples of one generation by the keys that events name, those of moved images too.

    Which images were moved is found out once, with the first events: what is said later of an image at its
    new place names its new key.
    """

    def __init__(self, data: ReviewData) -> None:
        self._data = data
        self._moved: Mapping[str, str] | None = None

    def ids_of_keys(self, keys: Iterable[str]) -> np.ndarray:
        """Return the sample id of each key, int64; -1 where no sample has it."""
        moved = self._moved or {}
        return self._data.ids_of_keys([moved.get(key, key) for key in keys])

    def placed(self, entries: Sequence[LoggedDecision]) -> Iterator[tuple[LoggedDecision, int]]:
        """Yield the events that are about what a sample shows now, under its key of today, with its id.

        Cost: 2 us an event; the first time the whole log is read once more if a key is gone.
        """
        if self._moved is None and entries:
            self._moved = self._moves(entries)
        ids = self.ids_of_keys([entry.decision.key for entry in entries])
        contents = self._data.contents(ids)
        for entry, sample_id, content in zip(entries, ids.tolist(), contents, strict=True):
            if sample_id >= 0 and is_about(entry.decision, content):
                yield self._named(entry), sample_id

    def _named(self, entry: LoggedDecision) -> LoggedDecision:
        decision = entry.decision
        key = (self._moved or {}).get(decision.key)
        return entry if key is None else replace(entry, decision=replace(decision, key=key))

    def _moves(self, entries: Sequence[LoggedDecision]) -> Mapping[str, str]:
        keys = list({e.decision.key for e in entries if e.decision.subject == "sample"})
        is_here = np.isin(self._data.ids_of_keys(keys), self._data.sample_ids)
        if is_here.all():
            return {}
        return current_decisions(self._data.folder, self._data.generation).moved
