"""Decisions that come to a manifest in memory from the review page, and those that its file held before."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from chaffinch.curate.exported import MANIFEST, ExportedDecision, read_exported_decisions
from chaffinch.curate.returned import Returned
from chaffinch.formats.manifest_csv import NOTHING_DECIDED, ManifestLine, as_decision, read_manifest
from chaffinch.records import Decision


def linked_decisions(
    path: Path, keys: Collection[str], *, dataset: str
) -> tuple[list[Decision], list[Returned]]:
    """Return the decisions of a file under the keys of a manifest, and the lines about no image of it.

    Args:
        path: What the page saved.
        keys: What the manifest's events call its images.
        dataset: Name of the manifest's dataset.

    Raises:
        TableError: If a line cannot be used, naming it, or the page was that of another dataset's manifest.
        UsageError: If the file cannot be read, or a line contradicts itself.
    """
    # The page of a workspace may name the dataset otherwise: its lines are found by their paths.
    exported = read_exported_decisions(path, dataset=dataset, label=_as_written, of=(MANIFEST,))
    known = set(keys)
    decisions, left = [], []
    for line in exported.lines:
        # The page of a workspace has keys of its own; there the path, else the id, is what a manifest knows.
        key = line.decision.key if exported.subjects == MANIFEST else line.image_path or line.image_id
        if key in known:
            decisions.append(replace(line.decision, key=key, subject="sample"))
        else:
            left.append(Returned(_as_row(line), "refused", reason="the manifest has no such image"))
    return decisions, left


def keep_decided(path: Path, rows: Sequence[Mapping[str, str]]) -> Path | None:
    """Copy a manifest aside that holds decisions which `rows` lack; return the copy, if any."""
    new = {(row["image_id"], row["image_path"]): as_decision(row) for row in rows}
    decided = (line for line in read_manifest(path) if line.decision != NOTHING_DECIDED)
    if all(new.get((line.image_id, line.image_path)) == line.decision for line in decided):
        return None
    number = 1
    while (copy := path.with_name(f"{path.stem}.before-{number}{path.suffix}")).exists():
        number += 1
    shutil.copy2(path, copy)
    warnings.warn(f"{path} held other decisions; it was kept as {copy}", stacklevel=3)
    return copy


def _as_written(text: str, *, where: str) -> str:
    """Return a label as it stands: an export names no classes that it could be checked against."""
    return text


def _as_row(line: ExportedDecision) -> ManifestLine:
    return ManifestLine(
        row=line.row,
        image_id=line.image_id,
        image_path=line.image_path,
        split=line.split,
        label="",
        decision=NOTHING_DECIDED,
        row_hash="",
        reviewer_name=line.decision.reviewer,
    )
