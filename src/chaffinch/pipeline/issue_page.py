"""Writes the page of the surest findings: chooses them, and the images that stand beside each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaffinch.pipeline.columns import Thumbnails
from chaffinch.pipeline.issue_list import IssueList
from chaffinch.report.issue_gallery import IssueSection, ShownImage, ShownIssue, write_issue_gallery
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import DUPLICATE
from chaffinch.taxonomy import ISSUE_TYPES

N_NEIGHBOURS = 3
"""Neighbours shown beside an image; of those that speak for its given label one at most."""
Row = Mapping[str, Any]


def write_issue_page(root: Path, target: Path, *, types: Sequence[str] = (), n_per_type: int = 24) -> int:
    """Write the surest findings of each type as one HTML file; returns how many it shows.

    Args:
        root: The workspace.
        target: The file.
        types: Issue types to show; empty for all.
        n_per_type: Findings of each type at most. Of a pair of copies one side is shown.

    Raises:
        WorkspaceError: If no scan has ended yet.
    """
    folder = WorkspaceFolder(root)
    generation = folder.published()
    found = IssueList(root, types=types)
    counts = {entry.issue_type: entry.n_images for entry in found.summary()}
    chosen = {kind: _choose(IssueList(root, types=[kind]), n_per_type) for kind in counts}
    wanted = {key for rows in chosen.values() for row in rows for _, key in _images(row)}
    pictures = _Pictures(folder, generation, wanted)
    sections = [
        IssueSection(kind, ISSUE_TYPES[kind], counts[kind], tuple(map(pictures.shown, rows)))
        for kind, rows in chosen.items()
    ]
    write_issue_gallery(target, sections, dataset=generation.dataset, n_images=generation.n_samples)
    return sum(map(len, chosen.values()))


def _choose(found: IssueList, n_wanted: int) -> list[Row]:
    """Return the surest findings about different pairs of images; of duplicates not the one that is kept."""
    chosen: list[Row] = []
    seen: set[frozenset[str]] = set()
    for row in found.rows():
        if len(chosen) == n_wanted:
            break
        pair = (
            frozenset(key for _, key in _images(row)) if len(_images(row)) == 2 else frozenset([row["key"]])
        )
        if pair in seen or (row["issue_type"] == DUPLICATE and row["is_original"]):
            continue
        seen.add(pair)
        chosen.append(row)
    return chosen


def _images(row: Row) -> list[tuple[str, str]]:
    """Return role and key of each image that a finding shows, the flagged one first."""
    return [("flagged", row["key"]), *_beside(json.loads(row["evidence"]))]


def _beside(evidence: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(evidence.get("neighbour"), str):
        yield "like", evidence["neighbour"]
    against = _entries(evidence, "against")[:1]
    for role, entries in (
        ("speaks for it", _entries(evidence, "for")[: N_NEIGHBOURS - len(against)]),
        ("speaks against", against),
        ("nearest", _entries(evidence, "neighbours")[:N_NEIGHBOURS]),
    ):
        for entry in entries:
            yield role, entry["key"]


def _entries(evidence: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the neighbours that evidence lists under a name; where it counts them, none."""
    entries = evidence.get(name)
    return entries if isinstance(entries, list) else []


class _Pictures:
    """Label, path and thumbnail of the images that are shown, by key."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation, keys: set[str]) -> None:
        self._known: dict[str, tuple[str, str | None, bytes | None]] = {}
        found: list[tuple[int, str, str, str | None]] = []
        columns = ["sample_id", "key", "image_path", "given_label"]
        for batch in folder.batches(generation, "samples", columns=columns):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            found += [row for row in rows if row[1] in keys]
        thumbnails = Thumbnails(folder, generation)
        jpegs = thumbnails.encoded([row[0] for row in found]) if found else []
        for (_, key, path, label), jpeg in zip(found, jpegs, strict=True):
            self._known[key] = path, label, jpeg

    def shown(self, row: Row) -> ShownIssue:
        images = []
        for role, key in _images(row):
            path, label, jpeg = self._known.get(key, (key, None, None))
            images.append(ShownImage(role, path, label, jpeg))
        return ShownIssue(tuple(images), row["confidence"], row["suggested_label"], row["reason"])
