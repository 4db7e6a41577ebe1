"""Folds the decision log into what holds now: tags, action, label and verdicts for each key.

Which events hold does not depend on the order in which they were collected: an event is void if an undo that
itself holds names its batch and subject. Events that hold are taken by the time they were made (then by their
place in the log), so that a file of decisions collected late falls into its place.

- `tags`: the newest word on each tag, whoever said it.
- `action`, `new_label`: the newest of the persons, else of the policies, else of the imports; `none` says
  nothing and hides nothing.
- `verdicts`: the same for each reviewer alone, which is what agreement and resolving look at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from chaffinch.records import IMPORT, PERSON, Decision, LoggedDecision
from chaffinch.taxonomy import Action

RANKS = {PERSON: 0, IMPORT: 2}
"""Whose word counts first; a policy stands between people and imports."""

_POLICY_RANK = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reviewer says of one subject now."""

    reviewer: str
    """Name of the person, policy or import."""
    origin: str
    """As in `Decision.origin`."""
    tags: tuple[str, ...]
    """Tags in the order they were given."""
    action: Action
    """The newest one; `none` where only tags or notes were given."""
    new_label: str | None
    """That came with the action."""
    note: str
    """The newest one."""
    time_utc: str
    """Of the newest event."""


@dataclass(frozen=True, slots=True)
class SubjectState:
    """What holds about one sample or object."""

    tags: tuple[str, ...] = ()
    """Tags in the order they were given."""
    action: Action = "none"
    """What to do."""
    new_label: str | None = None
    """For `relabel`; None where nobody named one and nothing was suggested."""
    reviewer: str = ""
    """Who gave the action, else the newest tag or note."""
    reviewed_at: str = ""
    """When."""
    note: str = ""
    """The newest note."""
    version: int = 0
    """Number of events about the subject, undone ones and undos too."""
    verdicts: tuple[Verdict, ...] = ()
    """One for each reviewer and origin, people first, then by name."""


NOTHING = SubjectState()
"""State of a subject that nobody spoke about."""


def fold(logged: Iterable[LoggedDecision]) -> dict[str, SubjectState]:
    """Return the state of every key that the log names.

    Cost: about 10 us an event; memory of all events.
    """
    by_key: dict[str, list[LoggedDecision]] = defaultdict(list)
    for entry in logged:
        by_key[entry.decision.key].append(entry)
    return {key: state_of(entries) for key, entries in by_key.items()}


def persons_only(logged: Iterable[LoggedDecision]) -> list[LoggedDecision]:
    """Return what people said and took back, without policies and imports."""
    return [entry for entry in logged if entry.decision.origin == PERSON]


def standing(entries: Iterable[LoggedDecision]) -> list[Decision]:
    """Return the events about one subject that hold, oldest first; undos themselves are left out."""
    entries = list(entries)
    undone_by: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.decision.undo_of is not None:
            undone_by[entry.decision.undo_of].append(entry.decision.batch_id)
    void = void_batches(undone_by) if undone_by else frozenset[str]()
    held = [e for e in entries if e.decision.undo_of is None and e.decision.batch_id not in void]
    held.sort(key=lambda e: (e.decision.time_utc, e.seq))
    return [e.decision for e in held]


def void_batches(undone_by: Mapping[str, list[str]]) -> frozenset[str]:
    """Return the batches with an undo that holds, which an undo does that has none itself.

    Args:
        undone_by: For each batch that was taken back, the batches that did so.
    """
    is_void: dict[str, bool] = {}
    for batch in undone_by:
        _settle(batch, undone_by, is_void)
    return frozenset(batch for batch, void in is_void.items() if void)


def _settle(batch: str, undone_by: Mapping[str, list[str]], is_void: dict[str, bool]) -> None:
    """Find out whether a batch is void, and so whether each undo in the chain above it is."""
    chain = [batch]
    while chain:
        undos = undone_by.get(chain[-1], ())
        # Undos go round in circles only in a log that no program of ours wrote; then the circle is cut.
        unsettled = [undo for undo in undos if undo not in is_void and undo not in chain]
        if unsettled:
            chain.append(unsettled[0])
        else:
            is_void[chain.pop()] = any(not is_void.get(undo, True) for undo in undos)


def state_of(entries: list[LoggedDecision]) -> SubjectState:
    """Return the state of one subject, whose events these are. Cost: about 10 us an event."""
    events = standing(entries)
    if not events:
        return SubjectState(version=len(entries))
    deciding = _newest_by_rank(events)
    shown = deciding or events[-1]
    return SubjectState(
        tags=_tags(events),
        action=deciding.action if deciding else "none",
        new_label=deciding.new_label if deciding else None,
        reviewer=shown.reviewer,
        reviewed_at=shown.time_utc,
        note=next((e.note for e in reversed(events) if e.note), ""),
        version=len(entries),
        verdicts=tuple(_verdicts(events)),
    )


def rank(origin: str) -> int:
    """Return how early an origin counts: people 0, policies 1, imports 2."""
    return RANKS.get(origin, _POLICY_RANK)


def _newest_by_rank(events: list[Decision]) -> Decision | None:
    deciding = [e for e in events if e.action != "none"]
    best = min((rank(e.origin) for e in deciding), default=None)
    return next((e for e in reversed(deciding) if rank(e.origin) == best), None)


def _tags(events: Iterable[Decision]) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for event in events:
        for tag in event.tags_removed:
            tags.pop(tag, None)
        tags.update(dict.fromkeys(event.tags_added))
    return tuple(tags)


def _verdicts(events: list[Decision]) -> Iterator[Verdict]:
    by_reviewer: dict[tuple[int, str, str], list[Decision]] = defaultdict(list)
    for event in events:
        by_reviewer[rank(event.origin), event.origin, event.reviewer].append(event)
    for (_, origin, reviewer), own in sorted(by_reviewer.items()):
        deciding = next((e for e in reversed(own) if e.action != "none"), None)
        yield Verdict(
            reviewer=reviewer,
            origin=origin,
            tags=_tags(own),
            action=deciding.action if deciding else "none",
            new_label=deciding.new_label if deciding else None,
            note=next((e.note for e in reversed(own) if e.note), ""),
            time_utc=own[-1].time_utc,
        )
