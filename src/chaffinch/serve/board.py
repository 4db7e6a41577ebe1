"""What people have decided so far, kept in step with the log, and the one way in which the server adds to it.

The board reads the end of the log (others write to it too: policies, `chaffinch tag`, a second server) and
folds only the subjects that the new events name. A decision names the version of each sample that it was made
on; if any of them is not the newest, nothing of it is written and the caller is told what holds now.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chaffinch.curate.events import Act, Saying, check_reviewer, checked, undo_events
from chaffinch.curate.labels import Labels
from chaffinch.curate.sharing import Sharing, Turn, reviewers_wanted, turn_of
from chaffinch.curate.state import NOTHING, SubjectState, Verdict, fold
from chaffinch.errors import StaleLogError, UsageError
from chaffinch.pipeline.review_data import REVIEW_ACTIONS, ReviewData, Subject
from chaffinch.records import PERSON, Decision, LoggedDecision
from chaffinch.storage.decisions import DecisionLog
from chaffinch.taxonomy import TAGS, Action

MAX_TRIES = 100
"""Times that a decision is checked anew because others wrote in between."""


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
    """People who have said something."""
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
        self, data: ReviewData, log: DecisionLog, *, is_blind: bool = True, sharing: Sharing | None = None
    ) -> None:
        self.data = data
        self.is_blind = is_blind
        self._wanted = reviewers_wanted(data.keys(), sharing or Sharing())
        self._log = log
        self._lock = threading.RLock()
        self._seq = 0
        self._entries: dict[int, list[LoggedDecision]] = defaultdict(list)
        self._states: dict[int, SubjectState] = {}
        self._event_ids: set[str] = set()
        self._news: list[tuple[int, int]] = []
        self._batches: dict[str, list[Decision]] = defaultdict(list)
        self._labels = Labels.of(data.folder, data.generation)

    @property
    def seq(self) -> int:
        """Return how many events of the log the board knows."""
        return self._seq

    def refresh(self) -> None:
        """Read what was added to the log.

        Cost: 20 us an event; nothing where the log has not grown.
        """
        with self._lock:
            if self._log.head().seq == self._seq:
                return
            new = list(self._log.read(after_seq=self._seq))
            ids = self.data.ids_of_keys([entry.decision.key for entry in new])
            for entry, sample_id in zip(new, ids.tolist(), strict=True):
                self._event_ids.add(entry.decision.event_id)
                self._batches[entry.decision.batch_id].append(entry.decision)
                if sample_id >= 0:
                    self._entries[sample_id].append(entry)
                    self._news.append((entry.seq, sample_id))
            touched = sorted({sample_id for sample_id in ids.tolist() if sample_id >= 0})
            for sample_id in touched:
                self._states[sample_id] = _only(fold(self._entries[sample_id]))
            self._seq = new[-1].seq if new else self._seq

    def changed_since(self, seq: int) -> list[int]:
        """Return the samples that events after `seq` name, each once."""
        with self._lock:
            start = bisect_right(self._news, seq, key=lambda news: news[0])
            return sorted({sample_id for _, sample_id in self._news[start:]})

    def seen(self, sample_id: int, viewer: str | None) -> Seen:
        """Return what a viewer may see of a sample: a blind one nothing but their own word."""
        state = self._states.get(sample_id, NOTHING)
        people = [v for v in state.verdicts if v.origin == PERSON]
        own = next((v for v in people if v.reviewer == viewer), None)
        if viewer is not None and self.is_blind:
            said: SubjectState | Verdict = own or NOTHING
        else:
            said = state
        spoken = {v.reviewer for v in people}
        row = self.data.row(sample_id)
        turn = Turn.OTHERS if row is None else turn_of(viewer, spoken, wanted=int(self._wanted[row]))
        return Seen(
            sample_id,
            version=state.version,
            action=said.action,
            tags=said.tags,
            new_label=said.new_label,
            note=said.note,
            n_reviewers=len(spoken),
            turn=turn,
        )

    def states(self) -> dict[str, SubjectState]:
        """Return what holds of each sample that anybody spoke about, by key."""
        with self._lock:
            return {self._entries[i][0].decision.key: state for i, state in self._states.items()}

    def verdicts(self, sample_id: int, viewer: str | None) -> list[dict[str, Any]]:
        """Return who said what, as far as the viewer may see it."""
        state = self._states.get(sample_id, NOTHING)
        has_said = any(v.reviewer == viewer for v in state.verdicts if v.origin == PERSON)
        is_open = viewer is None or not self.is_blind or has_said
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

    def columns(self, viewer: str | None) -> dict[str, np.ndarray]:
        """Return what people decided about all rows as a viewer may see it: the last of `COLUMNS`."""
        n = len(self.data)
        action, n_reviewers = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        tags, version = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
        turn = np.where(self._wanted > 1, Turn.SHARED, Turn.YOURS).astype(np.uint8)
        bits = {name: 1 << place for place, name in enumerate(TAGS)}
        with self._lock:
            for sample_id in self._states:
                row = self.data.row(sample_id)
                if row is None:
                    continue
                seen = self.seen(sample_id, viewer)
                action[row] = REVIEW_ACTIONS.index(seen.action)
                tags[row] = sum(bits[tag] for tag in set(seen.tags))
                n_reviewers[row] = min(seen.n_reviewers, 255)
                version[row] = seen.version
                turn[row] = seen.turn
        return {
            "action": action,
            "tags": tags,
            "n_reviewers": n_reviewers,
            "turn": turn,
            "version": version,
        }

    def decide(self, items: Sequence[Item], saying: Saying, act: Act) -> Saved:
        """Append one decision about some samples, all of it or nothing.

        Args:
            items: The samples, each with the version that was looked at.
            saying: What is said of each.
            act: Who says it, when and how.

        Raises:
            UsageError: If a word or label is unknown or contradicts another, or there is no such sample.
        """
        check_reviewer(act.reviewer)
        saying = self._checked(saying)
        ids = [item.sample_id for item in items]
        if len(set(ids)) != len(ids) or not ids:
            raise UsageError("a decision names each of its samples once, and at least one")
        subjects = self.data.subjects(ids)
        for _ in range(MAX_TRIES):
            with self._lock:
                self.refresh()
                seq = self._seq
                if all(item.event_id in self._event_ids for item in items):
                    return Saved(saved=self._all_seen(ids, act.reviewer))
                stale = [i.sample_id for i in items if self._version(i.sample_id) != i.version]
            if stale:
                return Saved(conflicts=self._all_seen(stale, act.reviewer))
            events = [self._event(act, n, item, subjects[n], saying=saying) for n, item in enumerate(items)]
            try:
                self._log.append(events, if_seq=seq)
            except StaleLogError:
                continue
            self.refresh()
            return Saved(saved=self._all_seen(ids, act.reviewer))
        raise StaleLogError(self._seq)

    def undo(self, batch_id: str, act: Act) -> Saved:
        """Take back a batch of the same reviewer.

        Raises:
            UsageError: If there is no such batch, it is somebody else's, or it is undone already.
        """
        self.refresh()
        batch = self._batches.get(batch_id, [])
        if not batch or batch[0].reviewer != act.reviewer:
            raise UsageError(f"{act.reviewer} has no batch {batch_id!r}")
        if any(d.undo_of == batch_id for some in self._batches.values() for d in some):
            raise UsageError(f"the batch {batch_id!r} is taken back already")
        events = undo_events(batch, act)
        self._log.append(events)
        self.refresh()
        ids = self.data.ids_of_keys([event.key for event in events])
        return Saved(saved=self._all_seen([i for i in ids.tolist() if i >= 0], act.reviewer))

    def _all_seen(self, sample_ids: Iterable[int], viewer: str | None) -> tuple[Seen, ...]:
        return tuple(self.seen(sample_id, viewer) for sample_id in sample_ids)

    def _version(self, sample_id: int) -> int:
        return self._states.get(sample_id, NOTHING).version

    def _checked(self, saying: Saying) -> Saying:
        saying = checked(saying)
        if saying.new_label is None:
            return saying
        label = self._labels.checked(saying.new_label, where="new_label")
        return replace(saying, new_label=label)

    def _event(self, act: Act, number: int, item: Item, subject: Subject, *, saying: Saying) -> Decision:
        if saying.action == "relabel" and saying.new_label is None and subject.suggested_label is not None:
            saying = replace(saying, new_label=self._labels.spelled(subject.suggested_label))
        event = act.event(
            number,
            subject.key,
            saying,
            content_digest=subject.content_digest,
            findings=subject.findings,
        )
        return event if item.event_id is None else replace(event, event_id=item.event_id)


def _only(states: dict[str, SubjectState]) -> SubjectState:
    (state,) = states.values()
    return state
