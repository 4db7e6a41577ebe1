"""Exports a workspace's findings as Visual Layer would: for the guide's scripts, and for other workspaces.

Samples are streamed in order; the rows of findings and boxes that belong to a sample are found by their
place, so that memory holds one number for each of them and some thousand rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.curate.current import current_decisions
from chaffinch.curate.state import NOTHING, SubjectState, fold, persons_only
from chaffinch.errors import UsageError
from chaffinch.formats.visual_layer_writer import (
    WrittenMedia,
    write_visual_layer_csv,
    write_visual_layer_json,
)
from chaffinch.records import ExportedIssue, ExportedItem, ExportedObject, ExportedTag
from chaffinch.storage.clusters import read_clusters, with_clusters
from chaffinch.storage.findings import IMPORT_SCOPE
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import SOURCE
from chaffinch.storage.samples import RowGatherer

_SAMPLE_COLUMNS = [
    *("sample_id", "key", "image_id", "image_path", "split", "given_label", "uri"),
    *("size_bytes", "width", "height"),
]
_ISSUE_COLUMNS = [
    *("sample_id", "object_id", "issue_type", "confidence", "suggested_label"),
    *("group_id", "reason", "source"),
]
_OBJECT_COLUMNS = [
    *("sample_id", "object_id", "key", "annotation_id", "given_label"),
    *("x", "y", "width", "height"),
]
ALL_SOURCES = "all"
"""In place of a source: whoever found it."""
_ACTIONS = ("keep", "remove", "relabel")
"""Actions that are tags of the taxonomy too."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExportedFindings:
    """What an export wrote."""

    n_items: int
    """Images of a JSON; rows of a CSV."""
    n_box_issues_left_out: int
    """Findings about boxes, which a CSV cannot hold."""


def export_visual_layer(
    root: Path, target: Path, *, sources: Collection[str] = (SOURCE,)
) -> ExportedFindings:
    """Write findings as a Visual Layer export: CSV (one row a finding) or JSON of schema 1.1 (all images).

    Args:
        root: The workspace.
        target: The file; its ending decides.
        sources: Whose findings, `chaffinch` or the names of tools; any of them `all` for everybody's.

    Raises:
        UsageError: If the ending is not known, or a source has no findings here.
        WorkspaceError: If no scan has ended yet.

    Cost: 24 bytes of memory a finding and a box, and the log's events; 20 s for a million images.
    """
    if target.suffix not in (".csv", ".json"):
        what = f"cannot write {target.suffix!r}" if target.suffix else "has no ending"
        raise UsageError(what, where=str(target), hint="end the name with .csv or .json")
    folder = WorkspaceFolder(root)
    generation = folder.published()
    _check_sources(generation, sources)
    kept = frozenset[str]() if ALL_SOURCES in sources else frozenset(sources)
    states = fold(persons_only(current_decisions(folder, generation).log))
    export = _Export(folder, generation, states=states, sources=kept)
    if target.suffix == ".csv":
        return ExportedFindings(write_visual_layer_csv(target, export.media()), export.n_box_issues)
    n_items = write_visual_layer_json(
        target, export.media(), dataset=generation.dataset, n_items=generation.n_samples
    )
    return ExportedFindings(n_items, 0)


def _check_sources(generation: Generation, sources: Collection[str]) -> None:
    prefix = f"issues/{IMPORT_SCOPE}"
    known = [
        ALL_SOURCES,
        SOURCE,
        *(name.removeprefix(prefix) for name in generation.tables if name.startswith(prefix)),
    ]
    for source in sources:
        if source not in known:
            takes = f"--source takes {', '.join(known)}"
            raise UsageError(f"there are no findings of {source!r}", hint=takes)


class _RowsOfSamples:
    """The rows of some tables by the sample that they are about."""

    def __init__(
        self, folder: WorkspaceFolder, generation: Generation, table: str, *, columns: list[str]
    ) -> None:
        names = sorted(t for t in generation.tables if t == table or t.startswith(f"{table}/"))
        parts = [
            batch.column(0).to_numpy()
            for name in names
            for batch in folder.batches(generation, name, columns=["sample_id"])
        ]
        samples = np.concatenate([np.empty(0, np.int64), *parts])
        self._order = np.argsort(samples, kind="stable")
        self._samples = samples[self._order]
        paths = [path for name in names for path in folder.files(generation, name)]
        self._rows = RowGatherer(paths, columns)

    def __len__(self) -> int:
        return len(self._samples)

    def between(self, first: int, last: int) -> dict[int, list[Row]]:
        """Return the rows about samples `first` to `last`, by sample."""
        start, stop = np.searchsorted(self._samples, [first, last + 1]).tolist()
        found: dict[int, list[Row]] = {}
        if start < stop:
            for row in self._rows.take(self._order[start:stop]).to_pylist():
                found.setdefault(row["sample_id"], []).append(row)
        return found


class _Export:
    """Streams a workspace as the items of an export."""

    def __init__(
        self,
        folder: WorkspaceFolder,
        generation: Generation,
        *,
        states: Mapping[str, SubjectState],
        sources: frozenset[str],
    ) -> None:
        self._folder, self._generation = folder, generation
        self._states, self._sources = states, sources
        self._issues = _RowsOfSamples(folder, generation, "issues", columns=_ISSUE_COLUMNS)
        self._objects = _RowsOfSamples(folder, generation, "objects", columns=_OBJECT_COLUMNS)
        self.n_box_issues = 0
        """Findings about boxes met so far."""

    def media(self) -> Iterator[WrittenMedia]:
        clusters = read_clusters(self._folder, self._generation)
        for batch in self._folder.batches(self._generation, "samples", columns=_SAMPLE_COLUMNS):
            samples = with_clusters(pa.Table.from_batches([batch]), clusters).to_pylist()
            first, last = samples[0]["sample_id"], samples[-1]["sample_id"]
            issues, objects = self._issues.between(first, last), self._objects.between(first, last)
            for sample in samples:
                number = sample["sample_id"]
                yield self._one(sample, issues.get(number, []), objects.get(number, []))

    def _one(self, sample: Row, issues: list[Row], objects: list[Row]) -> WrittenMedia:
        place = {str(row["object_id"]): number for number, row in enumerate(objects)}
        kept = [row for row in issues if not self._sources or row["source"] in self._sources]
        self.n_box_issues += sum(row["object_id"] is not None for row in kept)
        tags = [*self._tags(sample["key"], None)]
        for number, row in enumerate(objects):
            tags += self._tags(row["key"], number)
        item = ExportedItem(
            item_id=str(sample["image_id"]),
            path=sample["image_path"],
            given_label=sample["given_label"],
            split=sample["split"],
            uniqueness=sample["uniqueness"],
            cluster_id=sample["cluster_id"],
            media_type="image",
            issues=tuple(_issue(row, place) for row in kept),
            objects=tuple(_object(row) for row in objects),
            tags=tuple(tags),
        )
        return WrittenMedia(item, sample["uri"], sample["size_bytes"], sample["width"], sample["height"])

    def _tags(self, key: str, object_number: int | None) -> Iterator[ExportedTag]:
        state = self._states.get(key, NOTHING)
        # As a tag of its own: a reader knows what to do from the tags alone.
        tags = dict.fromkeys([*state.tags, *([state.action] if state.action in _ACTIONS else [])])
        for tag in tags:
            yield ExportedTag(tag, state.reviewed_at or None, object_number)


def _issue(row: Row, place: Mapping[str, int]) -> ExportedIssue:
    return ExportedIssue(
        issue_type=row["issue_type"],
        written_type=row["issue_type"],
        confidence=row["confidence"],
        suggested_label=row["suggested_label"],
        reason=row["reason"],
        group_id=row["group_id"],
        object_number=None if row["object_id"] is None else place.get(row["object_id"]),
    )


def _object(row: Row) -> ExportedObject:
    return ExportedObject(
        original_id=row["annotation_id"],
        label=row["given_label"],
        source="User",
        bbox_xywh=(row["x"], row["y"], row["width"], row["height"]),
    )
