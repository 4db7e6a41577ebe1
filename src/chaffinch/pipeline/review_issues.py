"""Finds the issues of an image and of its boxes in the tables of all steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer

_WORDS = [
    "object_id",
    "finding_id",
    "issue_type",
    "confidence",
    "suggested_label",
    "group_id",
    "is_original",
    "reason",
    "evidence",
    "method",
    "source",
]


class RowsOfSamples:
    """Finds the rows of a table that belong to a sample. R rows. Cost: 16 bytes a row."""

    def __init__(self, sample_ids: np.ndarray, rows: np.ndarray) -> None:
        """Take the sample and the number of each row, shape (R,) both."""
        order = np.argsort(sample_ids, kind="stable")
        self._ids, self._rows = sample_ids[order], rows[order]

    def of(self, sample_ids: Sequence[int]) -> list[np.ndarray]:
        """Return the row numbers of each sample."""
        ids = np.array(sample_ids, dtype=np.int64)
        lows, highs = np.searchsorted(self._ids, ids), np.searchsorted(self._ids, ids + 1)
        return [self._rows[low:high] for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]


class IssueIndex:
    """Finds the issues of a sample, those of its boxes apart. Cost: 16 bytes an issue."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation) -> None:
        paths, ids, of_box = [], [np.empty(0, np.int64)], [np.empty(0, bool)]
        for name in sorted(t for t in generation.tables if t.startswith("issues/")):
            paths += folder.files(generation, name)
            for batch in folder.batches(generation, name, columns=["sample_id", "object_id"]):
                ids.append(batch.column("sample_id").to_numpy())
                of_box.append(batch.column("object_id").is_valid().to_numpy(zero_copy_only=False))
        every, is_of_box = np.concatenate(ids), np.concatenate(of_box)
        whole, boxed = np.flatnonzero(~is_of_box), np.flatnonzero(is_of_box)
        self._whole, self._boxed = RowsOfSamples(every[whole], whole), RowsOfSamples(every[boxed], boxed)
        self._words = RowGatherer(paths, _WORDS)
        self._brief = RowGatherer(paths, ["finding_id", "confidence", "suggested_label"])

    def of(self, sample_id: int) -> list[dict[str, Any]]:
        """Return the findings of a sample as a whole, surest first."""
        return [words for _, words in self._worded(*self._whole.of([sample_id]))]

    def of_boxes(self, sample_id: int) -> dict[int, list[dict[str, Any]]]:
        """Return the findings of the boxes of a sample by object id, surest first."""
        found: dict[int, list[dict[str, Any]]] = {}
        for object_id, words in self._worded(*self._boxed.of([sample_id])):
            found.setdefault(int(object_id), []).append(words)
        return found

    def _worded(self, rows: np.ndarray) -> list[tuple[str, dict[str, Any]]]:
        found = self._words.take(rows).to_pylist() if len(rows) else []
        for row in found:
            row["evidence"] = json.loads(row["evidence"]) if row["evidence"] else {}
        found.sort(key=lambda row: (-(row["confidence"] or 0.0), row["issue_type"]))
        return [(row.pop("object_id"), row) for row in found]

    def noted(self, sample_ids: Sequence[int]) -> Iterator[tuple[str, str | None]]:
        """Yield, for each sample, the ids of its findings and the surest suggestion."""
        spans = self._whole.of(sample_ids)
        places = np.concatenate([*spans, np.empty(0, np.int64)])
        rows = iter(self._brief.take(places).to_pylist() if len(places) else ())
        for span in spans:
            own = [row for _, row in zip(span, rows, strict=False)]
            suggesting = [row for row in own if row["suggested_label"] is not None]
            best = max(suggesting, key=lambda row: row["confidence"] or 0.0, default=None)
            text = ",".join(sorted({row["finding_id"] for row in own}))
            yield text, best["suggested_label"] if best else None
