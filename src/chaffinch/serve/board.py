"""What people have decided so far, kept in step with the log, and the one way in which the server adds to it.

The board reads the end of the log (others write to it too: policies, `chaffinch tag`, a second server) and
folds a subject when somebody asks for it and new events name it. A decision names the version of each sample
that it was made on; if any of them is not the newest, nothing of it is written and the caller is told what
holds now.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chaffinch.curate.events import Act, Saying, check_reviewer, checked, may_take_back, undo_events
from chaffinch.curate.gold import Right
from chaffinch.curate.labels import Labels
from chaffinch.curate.sharing import (
    MOST_REVIEWERS,
    Sharing,
    Turn,
    gold_priority,
    reviewers_wanted,
    turn_of,
)
from chaffinch.curate.state import NOTHING, SubjectState, Verdict, state_of, void_batches
from chaffinch.errors import StaleLogError, UsageError
from chaffinch.pipeline.review_columns import COLUMNS, label_code
from chaffinch.pipeline.review_data import REVIEW_ACTIONS, ReviewData, Subject
from chaffinch.records import PERSON, Decision, LoggedDecision
from chaffinch.serve.places import Places
from chaffinch.storage.decisions import DecisionLog
from chaffinch.taxonomy import TAGS, Action

MAX_TRIES = 100
"""Times that a decision is checked anew because other processes wrote in between."""

LOOK_WAIT_S = 0.25
"""How long a reader waits for the newest decisions; a large one takes seconds to read."""

LOOK_MOST = 10_000
"""Events that a reader reads before they are answered, some 0.2 s; of more they see what was before."""

SAID_COLUMNS = ("action", "tags", "n_reviewers", "turn", "new_label", "version")
"""Columns of the page that hold what people said."""


@dataclass(frozen=True, slots=True)
class Item:
    """One sample of a decision."""

    sample_id: int
    """Row number in the workspace."""
    version: int
    """Number of accepted decisions about it that the reviewer has seen."""
    event_id: str | None = None
    """Made by the client, so that sending it twice is deciding once; None lets the server make one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What holds about one sample, for one viewer."""

    sample_id: int
    """Row number in the workspace."""
    version: int
    """Number of accepted decisions about it."""
    action: Action
    """`none` where nobody said one."""
    tags: tuple[str, ...]
    """In the order in which they were given."""
    new_label: str | None
    """For relabel."""
    note: str
    """The newest note."""
    n_reviewers: int
    """People who have said something; to whom they are hidden, 1 where it wants nothing any more, else 0."""
    turn: Turn
    """What it wants of the viewer."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a decision: saved whole, or refused whole."""

    saved: tuple[Seen, ...] = ()
    """The samples as they are now."""
    conflicts: tuple[Seen, ...] = ()
    """The samples that others decided about meanwhile, as they are now."""


class Board:
    """The decisions of one workspace in memory. Safe to use from several threads."""

    def __init__(
        self,
        data: ReviewData,
        log: DecisionLog,
        *,
        is_blind: bool = True,
        sharing: Sharing | None = None,
        gold: Mapping[str, Right] | None = None,
        adjudicators: Set[str] = frozenset(),
    ) -> None:
        self.data = data
        self.is_blind = is_blind
        self.gold = gold or {}
        self.adjudicators = adjudicators
        self._wanted = reviewers_wanted(data.keys(), sharing or Sharing())
        # Where no image is shared, one that says it is would be known for a gold item.
        self._waiting = Turn.SHARED if (self._wanted > 1).any() else Turn.YOURS
        self._priority = self._with_gold(data.columns.values["priority"])
        self._places = Places(data)
        self._log = log
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._seq = 0
        self._entries: dict[int, list[LoggedDecision]] = {}
        self._states: dict[int, SubjectState] = {}
        self._events: dict[str, Decision] = {}
        self._news: list[tuple[int, int]] = []
        self._batches: dict[str, list[Decision]] = defaultdict(list)
        self._undone_by: dict[str, list[str]] = defaultdict(list)
        self._labels = Labels.of(data.folder, data.generation)
        self._classes = {name: code for code, name in enumerate(data.columns.classes)}

    @property
    def seq(self) -> int:
        """Return how many events of the log the board knows."""
        return self._seq

    def refresh(self) -> None:
        """Read what was added to the log.

        Cost: 15 us an event; nothing where the log has not grown.
        """
        with self._lock:
            if self._log.head().seq == self._seq:
                return
            new = list(self._log.read(after_seq=self._seq))
            for entry in new:
                self._note(entry.decision)
            for entry, sample_id in self._places.placed(new):
                self._entries.setdefault(sample_id, []).append(entry)
                self._news.append((entry.seq, sample_id))
            self._seq = new[-1].seq if new else self._seq

    def _note(self, event: Decision) -> None:
        self._events[event.event_id] = event
        self._batches[event.batch_id].append(event)
        if event.undo_of is not None and event.batch_id not in self._undone_by[event.undo_of]:
            self._undone_by[event.undo_of].append(event.batch_id)

    def look(self) -> None:
        """Read what was added, but wait neither for somebody who reads very many nor to do so oneself."""
        if not self._lock.acquire(timeout=LOOK_WAIT_S):
            return
        try:
            if self._log.head().seq - self._seq <= LOOK_MOST:
                self.refresh()
            else:
                # It waits for the lock; of several that were begun the others find nothing left to read.
                threading.Thread(target=self.refresh, daemon=True).start()
        finally:
            self._lock.release()

    def _with_gold(self, priority: np.ndarray) -> np.ndarray:
        """Let every reviewer have the gold items, among the first of the queue."""
        keys = list(self.gold)
        rows = [self.data.row(sample_id) for sample_id in self.data.ids_of_keys(keys).tolist()]
        known = {key: row for key, row in zip(keys, rows, strict=True) if row is not None}
        self._wanted[list(known.values())] = MOST_REVIEWERS
        return gold_priority(list(known), list(known.values()), priority)

    def changed_since(self, seq: int) -> list[int]:
        """Return the samples that events after `seq` name, each once."""
        with self._lock:
            start = bisect_right(self._news, seq, key=lambda news: news[0])
            return sorted({sample_id for _, sample_id in self._news[start:]})

    def _state(self, sample_id: int) -> SubjectState:
        """Return what holds about a sample, folded when it is first asked for."""
        entries = self._entries.get(sample_id)
        if entries is None:
            return NOTHING
        state = self._states.get(sample_id)
        # The version counts the events, so it tells whether some came since.
        if state is None or state.version != len(entries):
            state = self._states[sample_id] = state_of(entries[:])
        return state

    def seen(self, sample_id: int, viewer: str) -> Seen:
        """Return what a viewer ('' is nobody) may see of a sample: a blind one nothing but their own word."""
        state = self._state(sample_id)
        people = [v for v in state.verdicts if v.origin == PERSON]
        own = next((v for v in people if v.reviewer == viewer), None)
        said: SubjectState | Verdict = (own or NOTHING) if self.is_blind else state
        spoken = {v.reviewer for v in people}
        row = self.data.row(sample_id)
        turn = Turn.OTHERS if row is None else turn_of(viewer, spoken, wanted=int(self._wanted[row]))
        is_done = turn in (Turn.OTHERS, Turn.SPOKEN)
        return Seen(
            sample_id,
            version=state.version,
            action=said.action,
            tags=said.tags,
            new_label=said.new_label,
            note=said.note,
            # Before one's own word no more than the turn tells: of gold items many have spoken.
            n_reviewers=len(spoken) if self._is_open(state, viewer) else int(is_done),
            turn=self._waiting if turn is Turn.SHARED else turn,
        )

    def states(self) -> dict[str, SubjectState]:
        """Return what holds of each sample that anybody spoke about, by key."""
        with self._lock:
            keys = [(sample_id, entries[0].decision.key) for sample_id, entries in self._entries.items()]
        return {key: self._state(sample_id) for sample_id, key in keys}

    def verdicts(self, sample_id: int, viewer: str) -> list[dict[str, Any]]:
        """Return who said what, as far as the viewer may see it."""
        state = self._state(sample_id)
        is_open = self._is_open(state, viewer)
        return [
            {
                "reviewer": v.reviewer,
                "origin": v.origin,
                "action": v.action,
                "new_label": v.new_label,
                "tags": list(v.tags),
                "note": v.note,
            }
            for v in state.verdicts
            if is_open
        ]

    def shows_all(self, sample_id: int, viewer: str) -> bool:
        """Tell whether a viewer may see what the others said: after their own action, or to adjudicate."""
        return self._is_open(self._state(sample_id), viewer)

    def _is_open(self, state: SubjectState, viewer: str) -> bool:
        if not self.is_blind or viewer in self.adjudicators:
            return True
        # A tag or a note alone must not be the way to what the others say before one's own verdict.
        own = (v for v in state.verdicts if v.origin == PERSON and v.reviewer == viewer)
        return any(v.action != "none" for v in own)

    def columns(self, viewer: str, rows: slice) -> dict[str, np.ndarray]:
        """Return the columns of some rows that are not the same for everybody: order, and what was decided.

        Cost: 10 us a row about which anybody spoke, as much again when it is first asked for.
        """
        ids = self.data.sample_ids[rows]
        columns = {name: np.zeros(len(ids), COLUMNS[name]) for name in SAID_COLUMNS}
        columns["turn"][self._wanted[rows] > 1] = self._waiting
        with self._lock:
            spoken = np.fromiter(self._entries, np.int64, len(self._entries))
        places = np.flatnonzero(np.isin(ids, spoken))
        if len(places):
            said = [self._coded(self.seen(sample_id, viewer)) for sample_id in ids[places].tolist()]
            for name, values in zip(SAID_COLUMNS, zip(*said, strict=True), strict=True):
                columns[name][places] = values
        return {"priority": self._priority[rows], **columns}

    def _coded(self, seen: Seen) -> tuple[int, ...]:
        """Return the values of `SAID_COLUMNS`."""
        action, tags = REVIEW_ACTIONS.index(seen.action), sum(_TAG_BITS[tag] for tag in seen.tags)
        label = label_code(self._classes, seen.new_label)
        return action, tags, min(seen.n_reviewers, 255), seen.turn, label, seen.version

    def decide(self, items: Sequence[Item], saying: Saying, act: Act) -> Saved:
        """Append one decision about some samples, all of it or nothing; the same once more is passed over.

        Args:
            items: The samples, each with the version that was looked at.
            saying: What is said of each.
            act: Who says it, when and how.

        Raises:
            UsageError: If a word or label is unknown or contradicts another, there is no such sample, or an
                event or batch has the id of another.
        """
        act = replace(act, reviewer=check_reviewer(act.reviewer))
        saying = self._checked(saying)
        ids = [item.sample_id for item in items]
        if len(set(ids)) != len(ids) or not ids:
            raise UsageError("a decision names each of its samples once, and at least one")
        subjects = self.data.subjects(ids)
        events = [self._event(act, n, item, subjects[n], saying=saying) for n, item in enumerate(items)]
        if len({event.event_id for event in events}) != len(events):
            raise UsageError("each event of a decision has an id of its own")
        stale: list[int] = []

        def new_events() -> Sequence[Decision]:
            if self._are_there(events):
                return ()
            self._check_batch(act)
            stale.extend(i.sample_id for i in items if self._version(i.sample_id) != i.version)
            return () if stale else events

        self._append(new_events)
        if stale:
            return Saved(conflicts=self._all_seen(stale, act.reviewer))
        return Saved(saved=self._all_seen(ids, act.reviewer))

    def undo(self, batch_id: str, act: Act) -> Saved:
        """Take back a batch; one that is taken back already stays so.

        Raises:
            UsageError: If there is no such batch, or it is not the reviewer's to take back (`may_take_back`).
        """
        act = replace(act, reviewer=check_reviewer(act.reviewer))

        def new_events() -> Sequence[Decision]:
            batch = self._batches.get(batch_id, [])
            if not batch or not may_take_back(batch[0], act.reviewer, self.adjudicators):
                raise UsageError(f"{act.reviewer} has no batch {batch_id!r}")
            # Who asks again did not hear the answer, so asking twice must not be wrong.
            return () if self._is_void(batch_id) else undo_events(batch, act)

        self._append(new_events)
        ids = self._places.ids_of_keys([event.key for event in self._batches[batch_id]]).tolist()
        return Saved(saved=self._all_seen([i for i in dict.fromkeys(ids) if i >= 0], act.reviewer))

    def _append(self, new_events: Callable[[], Sequence[Decision]]) -> None:
        """Append what follows from all that the log holds; anew where another process wrote meanwhile."""
        with self._writing:
            for _ in range(MAX_TRIES):
                with self._lock:
                    self.refresh()
                    seq, events = self._seq, new_events()
                try:
                    self._log.append(events, if_seq=seq)
                except StaleLogError:
                    continue
                self.refresh()
                return
        raise StaleLogError(self._seq)

    def _are_there(self, events: Sequence[Decision]) -> bool:
        """Tell whether these very events were saved before.

        Raises:
            UsageError: If their ids are those of other events.
        """
        known = [self._events.get(event.event_id) for event in events]
        if not any(known):
            return False
        for event, old in zip(events, known, strict=True):
            if old is None or _words(old) != _words(event):
                raise UsageError(f"the event id {event.event_id!r} or another of its batch is taken already")
        return True

    def _check_batch(self, act: Act) -> None:
        batch = self._batches.get(act.batch_id)
        if batch and (batch[0].reviewer != act.reviewer or self._is_void(act.batch_id)):
            raise UsageError(f"the batch id {act.batch_id!r} is taken already")

    def _is_void(self, batch_id: str) -> bool:
        return batch_id in self._undone_by and batch_id in void_batches(self._undone_by)

    def _all_seen(self, sample_ids: Iterable[int], viewer: str) -> tuple[Seen, ...]:
        return tuple(self.seen(sample_id, viewer) for sample_id in sample_ids)

    def _version(self, sample_id: int) -> int:
        return len(self._entries.get(sample_id, ()))

    def _checked(self, saying: Saying) -> Saying:
        saying = checked(saying)
        if saying.new_label is None:
            return saying
        label = self._labels.checked(saying.new_label, where="new_label")
        return replace(saying, new_label=label)

    def _event(self, act: Act, number: int, item: Item, subject: Subject, *, saying: Saying) -> Decision:
        saying = self._labels.with_suggestion(saying, subject.suggested_label)
        return act.event(
            number,
            subject.key,
            saying,
            content_digest=subject.content_digest,
            findings=subject.findings,
            event_id=item.event_id,
        )


_TAG_BITS = {name: 1 << place for place, name in enumerate(TAGS)}


def _words(event: Decision) -> tuple[object, ...]:
    """Return what makes an event sent twice the same; labels that were filled in may change with a search."""
    return event.key, event.reviewer, event.action, event.tags_added, event.tags_removed, event.note
