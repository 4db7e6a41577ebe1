"""Makes events for the decision log: checked words, one batch id, one time.

Every way of deciding (tagging, the review page, a policy, an import) builds its `Decision`s here, so that a
contradiction or an unknown tag is refused before anything is written.
"""

from __future__ import annotations

import difflib
import secrets
import unicodedata
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chaffinch.errors import UsageError
from chaffinch.records import PERSON, Decision, How
from chaffinch.taxonomy import ACTIONS, TAGS, Action, check_tags


@dataclass(frozen=True, slots=True)
class Saying:
    """What one act says about each of its subjects; checked and completed by `checked`."""

    tags_added: tuple[str, ...] = ()
    """Words of the taxonomy."""
    tags_removed: tuple[str, ...] = ()
    """Words of the taxonomy."""
    action: Action = "none"
    """What to do; `checked` fills in what the tags alone ask for."""
    new_label: str | None = None
    """Label for `relabel`; None leaves it to each subject's suggestion."""
    note: str = ""
    """The reviewer's own words."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who says it, when, and as what; shared by all events of a batch."""

    reviewer: str
    """Name of the person, policy or import."""
    origin: str = PERSON
    """As in `Decision.origin`."""
    how: How = "batch"
    """As in `Decision.how`."""
    batch_id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Names the batch for an undo."""
    time_utc: str = field(default_factory=lambda: now_utc())
    """When it was said."""

    def event(
        self,
        number: int,
        key: str,
        saying: Saying,
        *,
        content_digest: str | None = None,
        finding_id: str | None = None,
        undo_of: str | None = None,
        findings: str | None = None,
        event_id: str | None = None,
    ) -> Decision:
        """Return event `number` of the batch; the number must not come twice."""
        return Decision(
            # Ids that rise within a batch keep the database's index cheap.
            event_id=event_id or f"{self.batch_id}.{number}",
            batch_id=self.batch_id,
            key=key,
            subject="object" if "#" in key else "sample",
            finding_id=finding_id,
            content_digest=content_digest,
            reviewer=self.reviewer,
            how=self.how,
            tags_added=saying.tags_added,
            tags_removed=saying.tags_removed,
            action=saying.action,
            new_label=saying.new_label,
            note=saying.note,
            undo_of=undo_of,
            origin=self.origin,
            findings=findings,
            time_utc=self.time_utc,
        )


def now_utc() -> str:
    """Return the time as `Decision.time_utc` spells it."""
    return spelled_time(datetime.now(UTC))


def spelled_time(moment: datetime) -> str:
    """Return a moment in UTC as `Decision.time_utc` spells it.

    Not by strftime, which writes early years with fewer digits: times are compared as texts.
    """
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def spelled_reviewer(name: str) -> str:
    """Return a name as decisions bear it: composed letters (NFC), no blanks around; '' stays so."""
    return unicodedata.normalize("NFC", name).strip()


def check_reviewer(name: str) -> str:
    """Return the reviewer's name as `spelled_reviewer` spells it.

    Raises:
        UsageError: If it is empty or cannot be shown.
    """
    name = spelled_reviewer(name)
    if not name or not name.isprintable():
        raise UsageError("a decision needs the name of who makes it", hint="--reviewer NAME")
    return name


def checked(saying: Saying, *, where: str = "") -> Saying:
    """Return `saying` with each tag once and the action that its tags ask for.

    Raises:
        UsageError: If a tag or action is unknown, or it says nothing or contradicts itself; names both words.
    """
    added = tuple(check_tags(saying.tags_added, where=where))
    removed = tuple(check_tags(saying.tags_removed, where=where))
    if saying.action not in ACTIONS:
        close = difflib.get_close_matches(str(saying.action), ACTIONS, 1)
        likely = f"did you mean {close[0]!r}? " if close else ""
        hint = f"{likely}The actions are {', '.join(ACTIONS)}"
        raise UsageError(f"unknown action {saying.action!r}", where=where, hint=hint)
    both = sorted(set(added) & set(removed))
    if both:
        raise UsageError(f"the tag {both[0]!r} is both added and removed", where=where, hint="leave one out")
    action = _settled_action(saying.action, added, where=where)
    label = (saying.new_label or "").strip() or None
    if label is not None and action != "relabel":
        hint = "add --action relabel, or leave the label out"
        raise UsageError(
            f"a new label {label!r} goes with relabel, not with {action!r}", where=where, hint=hint
        )
    if not (added or removed or saying.note) and action == "none":
        raise UsageError("says nothing", where=where, hint="give a tag, an action or a note")
    return Saying(added, removed, action, label, saying.note)


def _settled_action(action: Action, tags: Sequence[str], *, where: str) -> Action:
    """Return the one action that an act and its tags ask for."""
    asked: dict[Action, str] = {} if action == "none" else {action: f"the action {action!r}"}
    for tag in tags:
        wanted = TAGS[tag].action
        if wanted is not None:
            asked.setdefault(wanted, f"the tag {tag!r}")
    # Whatever is relabelled is kept, so these two go together.
    if asked.keys() == {"keep", "relabel"}:
        return "relabel"
    if len(asked) > 1:
        first, second = list(asked.values())[:2]
        raise UsageError(f"{first} contradicts {second}", where=where, hint="decide on one of them")
    return next(iter(asked), "none")


def may_take_back(batch: Decision, reviewer: str, adjudicators: Set[str]) -> bool:
    """Tell whether a reviewer may take back the batch of a decision.

    People take back their own batches, adjudicators anybody's; those of policies and imports, which cannot do
    it themselves, everybody.
    """
    return batch.origin != PERSON or reviewer in {spelled_reviewer(batch.reviewer), *adjudicators}


def undo_events(batch: Iterable[Decision], act: Act, *, note: str = "") -> list[Decision]:
    """Return the events that take back a batch: one for each subject that it spoke about."""
    subjects: dict[str, Decision] = {}
    for decision in batch:
        subjects.setdefault(decision.key, decision)
    saying = Saying(note=note)
    return [
        act.event(number, key, saying, content_digest=first.content_digest, undo_of=first.batch_id)
        for number, (key, first) in enumerate(subjects.items())
    ]
