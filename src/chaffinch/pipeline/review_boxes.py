"""The boxes of an image as the review page draws them, each with what was found about it."""

from __future__ import annotations

from typing import Any

import numpy as np

from chaffinch.pipeline.review_issues import IssueIndex, RowsOfSamples
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer

MAX_BOXES = 300
"""Boxes told of one image, those with findings first; COCO's fullest image has 93."""

_COLUMNS = ["object_id", "annotation_id", "given_label", "x", "y", "width", "height"]


class BoxIndex:
    """Finds the boxes of a sample in the tables of all sources. Cost: 16 bytes a box."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation, issues: IssueIndex) -> None:
        paths, ids = [], [np.empty(0, np.int64)]
        for name in sorted(t for t in generation.tables if t.partition("/")[0] == "objects"):
            paths += folder.files(generation, name)
            ids += [b.column(0).to_numpy() for b in folder.batches(generation, name, columns=["sample_id"])]
        every = np.concatenate(ids)
        self._rows = RowsOfSamples(every, np.arange(len(every)))
        self._words = RowGatherer(paths, _COLUMNS)
        self._issues = issues

    def of(self, sample_id: int) -> tuple[list[dict[str, Any]], int]:
        """Return at most `MAX_BOXES` boxes of a sample, the surest flagged first, and how many it has."""
        (rows,) = self._rows.of([sample_id])
        if not len(rows):
            return [], 0
        found = self._issues.of_boxes(sample_id)
        boxes: list[dict[str, Any]] = self._words.take(rows).to_pylist()
        for box in boxes:
            box["findings"] = found.get(box["object_id"], [])
        boxes.sort(key=_rank)
        return boxes[:MAX_BOXES], len(boxes)


def _rank(box: dict[str, Any]) -> tuple[bool, float, int]:
    findings = box["findings"]
    surest = (findings[0]["confidence"] or 0.0) if findings else 0.0
    return not findings, -surest, box["object_id"]
