"""Finds the samples that decisions are about: by key, and only while the content is what was decided about.

A sample whose picture was replaced is open again. Decisions whose path is gone follow the content, and only
where there is no doubt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chaffinch.curate.state import rank, standing
from chaffinch.identity import split_of_key
from chaffinch.records import Decision, LoggedDecision

Contents = Mapping[str, Collection[str]]
"""Digests of each sample that is there, by key: of its pixels and of its bytes, none where none were read."""


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

    Decisions move if their key is gone and exactly one undecided sample of the same split has the content
    that they were made about. Two keys that are gone with the same content move nowhere.

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


def _moves(log: Sequence[LoggedDecision], contents: Contents) -> tuple[dict[str, str], list[str]]:
    """Return the new key of each that is gone and found again, and those that are not found."""
    decided = {entry.decision.key for entry in log if entry.decision.undo_of is None}
    gone: dict[str, str | None] = {}
    for entry in log:
        decision = entry.decision
        if decision.subject == "sample" and decision.key not in contents:
            gone[decision.key] = decision.content_digest or gone.get(decision.key)
    if not gone:
        return {}, []
    here: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in contents.keys() - decided:
        for digest in contents[key]:
            here[split_of_key(key), digest].append(key)
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, last in gone.items():
        if last is not None:
            wanted[split_of_key(key), last].append(key)
    moved = {
        keys[0]: here[place][0]
        for place, keys in sorted(wanted.items())
        if len(keys) == 1 and len(here.get(place, ())) == 1
    }
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
