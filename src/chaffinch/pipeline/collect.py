"""Brings the decisions that a review page saved on its own back into a workspace's log."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chaffinch.curate.attach import is_about
from chaffinch.curate.current import CONTENT_COLUMNS, contents_of
from chaffinch.curate.events import may_take_back, now_utc
from chaffinch.curate.exported import MANIFEST, ExportedDecision, read_exported_decisions
from chaffinch.curate.labels import Labels
from chaffinch.curate.where import FindingsQuery, Selected
from chaffinch.pipeline.linking import REASONS, SampleIndex
from chaffinch.pipeline.resolve_choices import remembered
from chaffinch.records import Decision
from chaffinch.storage.decisions import DecisionLog, open_log
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer, rows_of_keys

OTHER_PICTURE = "was decided about another picture than the one that is there"
"""Why a line is left whose content is not that of the image."""


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
    """Lines about other pictures, those that take back what others said, and those of a manifest's page about
    images that are not known here, with the reason: not saved."""
    n_ahead: int
    """Decisions dated later than now, by a clock ahead of this one; they count as made now."""


def collect_decisions(root: Path, path: Path) -> Collected:
    """Append the decisions of an exported file to the log, but for those about other pictures or batches.

    A decision dated later than now counts as made now: it must not win over what people say from now on.
    Those of a workspace's page keep their keys. A manifest's page knows ids and paths alone: its decisions
    are linked to samples as the rows of an edited manifest are.

    Raises:
        TableError: If a line cannot be used, naming it, or the file is about another dataset.
        WorkspaceError: If the log cannot be written.
    """
    folder = WorkspaceFolder(root)
    generation = folder.published()
    labels = Labels.of(folder, generation)
    exported = read_exported_decisions(path, dataset=generation.dataset, label=labels.checked)
    is_manifest = exported.subjects == MANIFEST
    numbers = (_linked if is_manifest else _named)(folder, generation, exported.lines)
    known = np.unique(numbers[numbers >= 0])
    with FindingsQuery(folder, generation, {}) as query:
        samples = {s.sample_id: s for s in query.by_number(known)}
    gatherer = RowGatherer(folder.files(generation, "samples"), CONTENT_COLUMNS)
    log = open_log(root)
    foreign = _foreign_undos(log, exported.lines, remembered(root).adjudicators)
    contents = dict(zip(known.tolist(), contents_of(gatherer, known), strict=True))
    decisions, lost, left, now = [], [], [], now_utc()
    for line, number in zip(exported.lines, numbers.tolist(), strict=True):
        sample, decision = samples.get(number), line.decision
        why = foreign.get((decision.undo_of, decision.reviewer), "")
        if sample is None and is_manifest:
            why = REASONS.get(number, "not known here")
        if not is_about(decision, contents.get(number, ())):
            why = OTHER_PICTURE
        if why:
            left.append(f"row {line.row}, {decision.key}: {why}")
            continue
        if sample is None:
            lost.append(decision.key)
        elif is_manifest:
            decision = _about(decision, sample)
        suggested = None if sample is None else sample.suggested_label
        decisions.append(labels.with_suggestion(decision, suggested))
    n_ahead = sum(decision.time_utc > now for decision in decisions)
    found = log.append(replace(d, time_utc=min(d.time_utc, now)) for d in decisions)
    return Collected(found.saved, found.already_there, tuple(dict.fromkeys(lost)), tuple(left), n_ahead)


def _named(folder: WorkspaceFolder, generation: Generation, lines: Sequence[ExportedDecision]) -> np.ndarray:
    """Return the sample of each line's key, shape (N,) int64; -1 where no sample has it."""
    return rows_of_keys(folder.files(generation, "samples"), [line.decision.key for line in lines])


def _foreign_undos(
    log: DecisionLog, lines: Sequence[ExportedDecision], adjudicators: Set[str]
) -> dict[tuple[str | None, str], str]:
    """Return each batch and reviewer who may not take it back, with the reason."""
    found: dict[tuple[str | None, str], str] = {}
    undos = {(d.undo_of, d.reviewer) for d in (line.decision for line in lines) if d.undo_of is not None}
    for batch_id, reviewer in sorted(undos):
        first = next((entry.decision for entry in log.read(batch_id=batch_id)), None)
        if first is not None and not may_take_back(first, reviewer, adjudicators):
            found[batch_id, reviewer] = f"takes back what {first.reviewer} said"
    return found


def _linked(folder: WorkspaceFolder, generation: Generation, lines: Sequence[ExportedDecision]) -> np.ndarray:
    """Return the sample that each line's id and path mean, shape (N,) int64, else a key of `REASONS`."""
    return SampleIndex(folder, generation).link_rows(
        [line.image_id or None for line in lines],
        [line.image_path or None for line in lines],
        [line.split or None for line in lines],
    )


def _about(decision: Decision, sample: Selected) -> Decision:
    return replace(
        decision,
        key=sample.key,
        subject="sample",
        content_digest=decision.content_digest or sample.content_digest,
        findings=sample.findings,
    )
