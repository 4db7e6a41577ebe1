"""Tagging: one saying about many samples, planned first, then written as one batch that can be undone."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from chaffinch.curate.current import append_answer, current_decisions, until_current
from chaffinch.curate.events import Act, Saying, check_reviewer, checked, may_take_back, undo_events
from chaffinch.curate.labels import Labels
from chaffinch.curate.state import SubjectState, fold, standing
from chaffinch.curate.where import FindingsQuery, Selected, Selection
from chaffinch.errors import TableError, UsageError
from chaffinch.records import Decision, LoggedDecision
from chaffinch.storage.decisions import AppendResult, DecisionLog, open_log
from chaffinch.storage.folder import WorkspaceFolder

ID_COLUMNS = ("key", "image_id")
"""Columns of a list of samples, the surest first."""


@dataclass(frozen=True, slots=True)
class TagPlan:
    """What a tagging would write."""

    events: tuple[Decision, ...]
    """One for each sample."""
    selected: tuple[Selected, ...]
    """The samples, in the order of `events`."""
    unknown: tuple[str, ...] = ()
    """Names that no sample has."""
    ambiguous: tuple[str, ...] = ()
    """Image ids that several samples have; keys tell them apart."""
    n_without_label: int = 0
    """Samples to be relabelled for which nobody named a label and nothing suggests one."""
    issue_types: tuple[str, ...] = ()
    """What the workspace has findings of, for a hint where nothing was selected."""
    actions_before: tuple[tuple[str, int], ...] = ()
    """How many of the samples have each action now."""
    seq: int = 0
    """Events of the log that it follows from."""


def plan_tagging(
    root: Path,
    saying: Saying,
    *,
    reviewer: str,
    where: str | None = None,
    names: Sequence[str] | None = None,
) -> TagPlan:
    """Say what `write_tagging` would write; changes nothing.

    Args:
        root: The workspace.
        saying: Tags, action, label and note.
        reviewer: Who says it.
        where: A where-expression; or
        names: Keys or image ids.

    Raises:
        UsageError: If a word or label is unknown or contradicts another, or the expression cannot be used.
        WorkspaceError: If no scan has ended yet.
    """
    saying = checked(saying)
    act = Act(reviewer=check_reviewer(reviewer))
    folder = WorkspaceFolder(root)
    generation = folder.published()
    labels = Labels.of(folder, generation)
    if saying.new_label is not None:
        label = labels.checked(saying.new_label, where="--new-label")
        saying = Saying(saying.tags_added, saying.tags_removed, saying.action, label, saying.note)
    decided = current_decisions(folder, generation)
    states = fold(decided.log)
    with FindingsQuery(folder, generation, states) as query:
        found = query.by_name(names or ()) if where is None else Selection(query.select(where))
        issue_types = [] if found.samples else query.issue_types()
    events = tuple(
        _event(act, number, s, saying=saying, labels=labels) for number, s in enumerate(found.samples)
    )
    before = Counter(states.get(s.key, SubjectState()).action for s in found.samples)
    return TagPlan(
        events,
        tuple(found.samples),
        unknown=found.unknown,
        ambiguous=found.ambiguous,
        n_without_label=sum(e.action == "relabel" and e.new_label is None for e in events),
        issue_types=tuple(issue_types),
        actions_before=tuple(sorted(before.items())),
        seq=decided.seq,
    )


def _event(act: Act, number: int, sample: Selected, *, saying: Saying, labels: Labels) -> Decision:
    saying = labels.with_suggestion(saying, sample.suggested_label)
    return act.event(
        number, sample.key, saying, content_digest=sample.content_digest, findings=sample.findings
    )


def write_tagging(root: Path, plan: TagPlan) -> AppendResult:
    """Append the planned events as one batch.

    Raises:
        StaleLogError: If somebody decided about one of the samples since; nothing is saved then.
    """
    return append_answer(open_log(root), plan.events, seq=plan.seq)


def undo_batch(
    root: Path, batch_id: str, *, reviewer: str, note: str = "", adjudicators: Set[str] = frozenset()
) -> TagPlan:
    """Take back a batch, and nothing else; undoing the undo brings it back.

    Returns:
        The plan that was written; its events carry the batch id of the undo.

    Raises:
        UsageError: If there is no such batch, it is undone already, or it is that of another person and
            the reviewer no adjudicator.
    """
    act, log = Act(reviewer=check_reviewer(reviewer)), open_log(root)
    return until_current(lambda: _undone(log, batch_id, act, note=note, adjudicators=adjudicators))


def _undone(log: DecisionLog, batch_id: str, act: Act, *, note: str, adjudicators: Set[str]) -> TagPlan:
    seq = log.head().seq
    batch = [entry.decision for entry in log.read(batch_id=batch_id)]
    if not batch:
        raise UsageError(
            f"there is no batch {batch_id!r}",
            hint="'chaffinch table decisions' lists them in column batch_id",
        )
    if not may_take_back(batch[0], act.reviewer, adjudicators):
        raise UsageError(
            f"the batch {batch_id!r} is that of {batch[0].reviewer}",
            hint="they take it back, or an adjudicator: chaffinch review -w WS --adjudicator NAME makes one",
        )
    if batch[0].undo_of is None and not _is_any_standing(log, batch_id):
        raise UsageError(f"the batch {batch_id!r} is undone already", hint="undo its undo to bring it back")
    events = tuple(undo_events(batch, act, note=note))
    append_answer(log, events, seq=seq)
    return TagPlan(events, ())


def _is_any_standing(log: DecisionLog, batch_id: str) -> bool:
    by_key: dict[str, list[LoggedDecision]] = {}
    for entry in log.read():
        by_key.setdefault(entry.decision.key, []).append(entry)
    own = [e for e in by_key.values() if any(entry.decision.batch_id == batch_id for entry in e)]
    return any(decision.batch_id == batch_id for entries in own for decision in standing(entries))


def read_names(path: Path) -> list[str]:
    """Return the keys or image ids of a file: one a line, or a CSV with a column `key` or `image_id`.

    Raises:
        TableError: If a CSV has neither column.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    if path.suffix.lower() != ".csv":
        return [line.strip() for line in lines if line.strip()]
    rows = csv.DictReader(lines)
    column = next((name for name in ID_COLUMNS if name in (rows.fieldnames or ())), None)
    if column is None:
        raise TableError(
            f"has no column key or image_id; its columns are {', '.join(rows.fieldnames or ())}",
            path=str(path),
            row=1,
            hint="name the column image_id, or give a text file with one id a line",
        )
    return [row[column].strip() for row in rows if (row[column] or "").strip()]
