"""Finds the samples of decisions whose path is gone: by content, and only where there is no doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chaffinch.identity import split_of_key
from chaffinch.records import LoggedDecision


@dataclass(frozen=True, slots=True)
class Attached:
    """A log whose events name samples that are there, as far as they can be found."""

    log: list[LoggedDecision]
    """The events in order; those of moved samples carry the new key. Only for reading: hashes are the old."""
    moved: dict[str, str]
    """Key that is gone to the key that its decisions are about now."""
    lost: list[str]
    """Keys that are gone and whose decisions are about no sample; sorted. Boxes are passed over."""


def attach(log: Sequence[LoggedDecision], digests: Mapping[str, str | None]) -> Attached:
    """Follow decisions to samples that were moved or renamed.

    Decisions move if their key is gone and exactly one undecided sample of the same split has the content
    that they were made about. Two keys that are gone with the same content move nowhere.

    Args:
        log: The whole log.
        digests: Content digest of each sample that is there, by key.
    """
    decided = {entry.decision.key for entry in log}
    gone: dict[str, str | None] = {}
    for entry in log:
        decision = entry.decision
        if decision.subject == "sample" and decision.key not in digests:
            gone[decision.key] = decision.content_digest or gone.get(decision.key)
    if not gone:
        return Attached(list(log), {}, [])
    here: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, digest in digests.items():
        if digest is not None and key not in decided:
            here[split_of_key(key), digest].append(key)
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, digest in gone.items():
        if digest is not None:
            wanted[split_of_key(key), digest].append(key)
    moved = {
        keys[0]: here[place][0]
        for place, keys in sorted(wanted.items())
        if len(keys) == 1 and len(here.get(place, ())) == 1
    }
    new = [
        replace(e, decision=replace(e.decision, key=moved[e.decision.key])) if e.decision.key in moved else e
        for e in log
    ]
    return Attached(new, moved, sorted(gone.keys() - moved.keys()))
