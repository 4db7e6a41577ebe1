"""Edited manifests come back: a three-way comparison of what was written, what it says now, and the log.

The base is the row's `row_hash`. A row that still says what it said when it was written brings nothing. An
edited one whose subject nobody else decided about since brings the difference. If both changed, to different
things, that is a conflict: it is shown, and nothing of the row is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

from chaffinch.curate.events import Saying, checked
from chaffinch.curate.state import SubjectState
from chaffinch.errors import UsageError
from chaffinch.formats.manifest_csv import (
    UNDECIDED,
    ManifestDecision,
    ManifestLine,
    decision_hash,
)
from chaffinch.taxonomy import TAGS, Action

Kind = Literal["untouched", "same", "taken", "conflict", "refused"]


@dataclass(frozen=True, slots=True)
class Returned:
    """What one row of a manifest brings."""

    line: ManifestLine
    """The row."""
    kind: Kind
    """`untouched` since it was written; `same` as the log; `taken`; `conflict`; `refused`."""
    saying: Saying | None = None
    """The difference, where it is `taken`."""
    reason: str = ""
    """Why it is a conflict, or refused."""


def as_manifest_decision(state: SubjectState, given_label: str | None) -> ManifestDecision:
    """Return a state as a manifest's row would say it."""
    label = state.new_label if state.action == "relabel" and state.new_label != given_label else None
    return ManifestDecision(
        tags=tuple(sorted(state.tags)), action=state.action, new_label=label or "", notes=state.note
    )


def compare(line: ManifestLine, ours: ManifestDecision, *, spelled: Callable[[str], str | None]) -> Returned:
    """Compare a row with what holds now.

    Args:
        line: The row.
        ours: What the log says of its image now.
        spelled: Gives a label as the given labels are spelled; None for one that is no class.
    """
    theirs = _completed(line.decision, ours)
    if not line.is_edited:
        return Returned(line, "untouched")
    if theirs == ours:
        return Returned(line, "same")
    if decision_hash(ours) != line.base_hash:
        return Returned(line, "conflict", reason=f"the file says {_words(theirs)}, meanwhile {_words(ours)}")
    if theirs.action == UNDECIDED != ours.action:
        return Returned(line, "refused", reason=f"its action {ours.action!r} was emptied: undo that batch")
    label = spelled(theirs.new_label) if theirs.new_label else None
    if theirs.new_label and label is None:
        return Returned(line, "refused", reason=f"the label {theirs.new_label!r} is no class")
    is_decided_anew = (theirs.action, theirs.new_label) != (ours.action, ours.new_label)
    saying = Saying(
        tags_added=tuple(t for t in theirs.tags if t not in ours.tags),
        tags_removed=tuple(t for t in ours.tags if t not in theirs.tags),
        action=cast("Action", theirs.action) if is_decided_anew else "none",
        new_label=label if is_decided_anew and theirs.action == "relabel" else None,
        note=theirs.notes if theirs.notes != ours.notes else "",
    )
    try:
        return Returned(line, "taken", checked(saying))
    except UsageError as error:
        return Returned(line, "refused", reason=error.what)


def _completed(theirs: ManifestDecision, ours: ManifestDecision) -> ManifestDecision:
    """Return what a row comes to: a tag may ask for an action, `relabel` alone takes what is suggested."""
    asked = {TAGS[tag].action for tag in theirs.tags if tag in TAGS} - {None}
    if theirs.action == UNDECIDED and len(asked) == 1:
        theirs = replace(theirs, action=str(asked.pop()))
    if theirs.action == ours.action == "relabel" and not theirs.new_label:
        return replace(theirs, new_label=ours.new_label)
    return theirs


def _words(decision: ManifestDecision) -> str:
    label = f" to {decision.new_label}" if decision.new_label else ""
    tags = f" ({', '.join(decision.tags)})" if decision.tags else ""
    notes = f" and notes {decision.notes!r}" if decision.notes else ""
    return f"{decision.action}{label}{tags}{notes}"
