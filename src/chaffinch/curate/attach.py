"""Finds the samples that decisions are about: by key, and only while the content is what was decided about.

A sample whose picture was replaced is open again. Decisions whose path is gone follow the content, and only
where there is no doubt.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chaffinch.curate.state import rank, standing
from chaffinch.identity import split_of_key
from chaffinch.records import Decision, LoggedDecision

Contents = Mapping[str, Collection[str]]
"""Digests of each sample that is there, by key: of its pixels and of its bytes, none where none were read."""

COPY_TAG = "duplicate_exact"
"""What is said of a sample whose content another one has."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A log whose events name samples that are there, as far as they can be found."""

    log: list[LoggedDecision]
    """The events in order; those of moved samples carry the new key, those about content that a sample no
    longer has are left out. Only for reading: hashes are the old."""
    moved: dict[str, str]
    """Key that is gone to the key that its decisions are about now."""
    lost: list[str]
    """Keys that are gone and whose decisions are about no sample; sorted. Boxes are passed over."""
    reopened: list[str]
    """Keys of samples that were decided about with other content, and not anew by anybody of that rank
    (people, policies, imports) or a higher one; sorted."""
    seq: int
    """Events that the log had."""


def attach(log: Sequence[LoggedDecision], contents: Contents) -> Attached:
    """Follow decisions to samples that were moved or renamed, and leave out those about other content.

    Decisions move if their key is gone and exactly one sample of the same split has the content that they
    were made about; one about which somebody spoke before the last of them is another image. Two keys that
    are gone with the same content move nowhere, and neither does one that was called an exact copy: where it
    was deleted, what has its content is the image that was to stay.

    Args:
        log: The whole log.
        contents: What is there.

    Cost: 2 us an event.
    """
    moved, lost = _moves([entry for entry in log if not _is_outdated(entry, contents)], contents)
    named = [
        replace(e, decision=replace(e.decision, key=moved[e.decision.key])) if e.decision.key in moved else e
        for e in log
    ]
    current, doubted = list[LoggedDecision](), set[str]()
    for entry in named:
        if _is_outdated(entry, contents):
            doubted.add(entry.decision.key)
        else:
            current.append(entry)
    reopened = _reopened([entry for entry in named if entry.decision.key in doubted], contents)
    return Attached(current, moved, lost, reopened, log[-1].seq if log else 0)


def is_about(decision: Decision, content: Collection[str]) -> bool:
    """Tell whether a decision is about this content.

    One that notes no content holds whatever the sample shows, and so does everything where nothing was read.
    What takes a batch back is about the batch.
    """
    digest = decision.content_digest
    return digest is None or decision.undo_of is not None or not content or digest in content


def _is_outdated(entry: LoggedDecision, contents: Contents) -> bool:
    return not is_about(entry.decision, contents.get(entry.decision.key, ()))


@dataclass(frozen=True, slots=True)
class _Gone:
    """What the log says about a key that no sample has."""

    digest: str | None = None
    """Of the newest event that notes one."""
    last_seq: int = 0
    """The newest event that says something."""
    is_copy: bool = False
    """Whether somebody said that it is an exact copy of another sample."""

    def then(self, entry: LoggedDecision) -> _Gone:
        """Return what the log says with one more event."""
        decision = entry.decision
        return _Gone(
            decision.content_digest or self.digest,
            self.last_seq if decision.undo_of is not None else entry.seq,
            self.is_copy or COPY_TAG in decision.tags_added,
        )


def _moves(log: Sequence[LoggedDecision], contents: Contents) -> tuple[dict[str, str], list[str]]:
    """Return the new key of each that is gone and found again, and those that are not found."""
    gone, begun = dict[str, _Gone](), dict[str, int]()
    for entry in log:
        decision = entry.decision
        if decision.undo_of is None:
            begun.setdefault(decision.key, entry.seq)
        if decision.subject == "sample" and decision.key not in contents:
            gone[decision.key] = gone.get(decision.key, _Gone()).then(entry)
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, last in gone.items():
        if last.digest is not None:
            wanted[split_of_key(key), last.digest].append(key)
    here: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, digests in contents.items() if gone else ():
        for digest in digests:
            here[split_of_key(key), digest].append(key)
    moved: dict[str, str] = {}
    for place, keys in sorted(wanted.items()):
        last = gone[keys[0]]
        # What was said after the last word about the old key was said of the image at its new place.
        found = [key for key in here.get(place, ()) if begun.get(key, math.inf) > last.last_seq]
        if len(keys) == len(found) == 1 and not last.is_copy:
            moved[keys[0]] = found[0]
    return moved, sorted(gone.keys() - moved.keys())


def _reopened(log: Iterable[LoggedDecision], contents: Contents) -> list[str]:
    """Return the keys about which somebody said of other content what nobody of that rank says anew."""
    entries: dict[str, list[LoggedDecision]] = defaultdict(list)
    for entry in log:
        entries[entry.decision.key].append(entry)
    return sorted(key for key, own in entries.items() if _is_reopened(own, contents.get(key, ())))


def _is_reopened(entries: Sequence[LoggedDecision], content: Collection[str]) -> bool:
    held = [(rank(d.origin), is_about(d, content)) for d in standing(entries)]
    now, then = ([place for place, is_now in held if is_now is wanted] for wanted in (True, False))
    return bool(then) and (not now or min(then) < min(now))
