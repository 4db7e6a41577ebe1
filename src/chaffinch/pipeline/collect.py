"""Brings the decisions that a review page saved on its own back into a workspace's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chaffinch.curate.exported import MANIFEST, ExportedDecision, read_exported_decisions
from chaffinch.curate.labels import Labels
from chaffinch.curate.where import FindingsQuery, Selected
from chaffinch.pipeline.linking import REASONS, SampleIndex
from chaffinch.records import Decision
from chaffinch.storage.decisions import open_log
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import rows_of_keys


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of an exported file of decisions."""

    saved: int
    """Decisions that are new."""
    already_there: int
    """Decisions that the log had."""
    unattached: tuple[str, ...]
    """Keys of decisions whose image is not under its path here; resolving looks for its content."""
    left: tuple[str, ...]
    """Lines of a manifest's page about images that are not known here, with the reason: not saved."""


def collect_decisions(root: Path, path: Path) -> Collected:
    """Append the decisions of an exported file to the log, all that are about images or none.

    Those of a workspace's page keep their keys. A manifest's page knows ids and paths alone: its decisions
    are linked to samples as the rows of an edited manifest are.

    Raises:
        TableError: If a line cannot be used; names it.
        WorkspaceError: If the log cannot be written.
    """
    folder = WorkspaceFolder(root)
    generation = folder.published()
    labels = Labels.of(folder, generation)
    exported = read_exported_decisions(path, label=labels.checked)
    is_manifest = exported.subjects == MANIFEST
    numbers = (_linked if is_manifest else _named)(folder, generation, exported.lines)
    with FindingsQuery(folder, generation, {}) as query:
        samples = {s.sample_id: s for s in query.by_number(np.unique(numbers[numbers >= 0]))}
    decisions, lost, left = [], [], []
    for line, number in zip(exported.lines, numbers.tolist(), strict=True):
        sample = samples.get(number)
        decision = _with_suggestion(line.decision, sample, labels)
        if sample is not None and is_manifest:
            decision = _about(decision, sample)
        elif sample is None and is_manifest:
            left.append(f"row {line.row}, {decision.key}: {REASONS.get(number, 'not known here')}")
            continue
        elif sample is None:
            lost.append(decision.key)
        decisions.append(decision)
    found = open_log(root).append(decisions)
    return Collected(found.saved, found.already_there, tuple(dict.fromkeys(lost)), tuple(left))


def _named(folder: WorkspaceFolder, generation: Generation, lines: Sequence[ExportedDecision]) -> np.ndarray:
    """Return the sample of each line's key, shape (N,) int64; -1 where no sample has it."""
    return rows_of_keys(folder.files(generation, "samples"), [line.decision.key for line in lines])


def _linked(folder: WorkspaceFolder, generation: Generation, lines: Sequence[ExportedDecision]) -> np.ndarray:
    """Return the sample that each line's id and path mean, shape (N,) int64, else a key of `REASONS`."""
    return SampleIndex(folder, generation).link_rows(
        [line.image_id or None for line in lines],
        [line.image_path or None for line in lines],
        [line.split or None for line in lines],
    )


def _with_suggestion(decision: Decision, sample: Selected | None, labels: Labels) -> Decision:
    """Return a decision with the label that is suggested, where it relabels without naming one."""
    is_open = decision.action == "relabel" and decision.new_label is None
    if not is_open or sample is None or sample.suggested_label is None:
        return decision
    return replace(decision, new_label=labels.spelled(sample.suggested_label))


def _about(decision: Decision, sample: Selected) -> Decision:
    return replace(
        decision,
        key=sample.key,
        subject="sample",
        content_digest=decision.content_digest or sample.content_digest,
        findings=sample.findings,
    )
