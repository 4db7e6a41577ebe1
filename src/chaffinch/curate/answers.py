"""Who says what about which finding of a sample: the points that `curate.resolve` settles.

A voice is a person, policy or import. Its newest word about a point counts. A decision about the sample as a
whole answers the point `WHOLE` and the findings that existed when it was made; one about a finding answers
that alone; a tag that rejects findings (`taxonomy.TAGS`) keeps the sample as far as they go. A remove
whose tags name nothing but copies answers the question of copies alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from chaffinch.curate.policy import LeakSide
from chaffinch.curate.state import rank
from chaffinch.records import Decision
from chaffinch.storage.issues import DUPLICATE, LEAK
from chaffinch.taxonomy import ISSUE_TYPES, TAGS, Action

WHOLE = ""
"""The point that stands for the sample as a whole."""

ADJUDICATOR, PERSON_RANK, POLICY_RANK = -1, 0, 1
"""Whose word counts first; the others as `state.rank` says."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What resolving needs to know of an issue."""

    finding_id: str
    """Its id."""
    issue_type: str
    """Singular issue word."""
    confidence: float = 0.0
    """0..1; 0 where nobody states one."""
    suggested_label: str | None = None
    """Spelled as the given labels are."""
    method: str = ""
    """How it was found."""
    group: str | None = None
    """Of a duplicate: its source and group."""
    is_original: bool | None = None
    """Of a duplicate: the one that the search would keep."""
    leak_sides: frozenset[str] = frozenset()
    """Of a leak: `test`, `train` or, where two searches found it, both."""


@dataclass(frozen=True, slots=True)
class Case:
    """One sample that somebody spoke about, or in which something was found."""

    key: str
    """Its key."""
    given_label: str | None
    """Label that it came with."""
    findings: tuple[Finding, ...]
    """In any order."""
    decisions: tuple[Decision, ...]
    """Those that hold (`state.standing`), oldest first."""


@dataclass(frozen=True, slots=True)
class ResolveSettings:
    """How to resolve."""

    leak_side: LeakSide | None = None
    """Leaking images of this side go, whatever policies and imports say of leaks; None leaves it to them."""
    adjudicators: frozenset[str] = frozenset()
    """Reviewers whose word settles what others disagree about."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one voice says about one point."""

    action: Action
    """keep, remove or relabel."""
    label: str | None
    """For relabel; None where nobody named one and nothing is suggested."""
    rank: int
    """Of the voice; lower counts first."""
    who: str
    """The reviewer, policy or import."""
    cause: Literal["whole", "finding", "tag"]
    """What kind of event it comes from."""
    time_utc: str
    """When it was said."""
    tags: tuple[str, ...] = ()
    """Tags of the event."""


Answers = dict[str, dict[tuple[int, str], Answer]]


def answers_of(case: Case, findings: dict[str, Finding], settings: ResolveSettings) -> Answers:
    """Return what each voice says about each point; its newest word counts.

    Args:
        case: The sample, its findings and the decisions that hold.
        findings: Those of the case, by id.
        settings: Who adjudicates, and which side's leaks go.
    """
    by_voice: dict[tuple[int, str], list[Decision]] = defaultdict(list)
    for decision in case.decisions:
        place = rank(decision.origin)
        if place == PERSON_RANK and decision.reviewer in settings.adjudicators:
            place = ADJUDICATOR
        by_voice[place, decision.reviewer].append(decision)
    answers: Answers = defaultdict(dict)
    for voice, decisions in by_voice.items():
        for point, answer in _voice_answers(voice, decisions, findings).items():
            answers[point][voice] = answer
    if settings.leak_side is not None:
        _put_leak_side(answers, findings, settings.leak_side)
    return answers


def _voice_answers(
    voice: tuple[int, str], decisions: Iterable[Decision], findings: dict[str, Finding]
) -> dict[str, Answer]:
    points: dict[str, Answer] = {}
    for decision in decisions:
        _take_back_tags(points, decision, findings)
        if decision.finding_id is None and decision.action in ("keep", "remove"):
            points.clear()
        elif decision.finding_id is None and decision.action == "relabel":
            points = {p: a for p, a in points.items() if a.cause != "whole"}
        for point, answer in _said(voice, decision, findings):
            points[point] = answer
    return points


def _take_back_tags(points: dict[str, Answer], decision: Decision, findings: dict[str, Finding]) -> None:
    rejected = {kind for tag in decision.tags_removed for kind in TAGS[tag].rejects}
    for point in [p for p, a in points.items() if a.cause == "tag" and findings[p].issue_type in rejected]:
        del points[point]


def _said(
    voice: tuple[int, str], decision: Decision, findings: dict[str, Finding]
) -> Iterator[tuple[str, Answer]]:
    """Yield the points that one decision answers, and how."""
    existing = _existing(decision, findings)
    answer = Answer(
        decision.action,
        decision.new_label,
        voice[0],
        voice[1],
        "whole",
        decision.time_utc,
        decision.tags_added,
    )
    rejected = {kind for tag in decision.tags_added for kind in TAGS[tag].rejects}
    for finding in existing:
        if finding.issue_type in rejected:
            yield finding.finding_id, replace(answer, action="keep", label=None, cause="tag")
    if decision.action == "none":
        return
    if decision.finding_id is not None:
        yield from ((f.finding_id, _labelled(replace(answer, cause="finding"), findings)) for f in existing)
        return
    answer = _labelled(answer, findings)
    copies = [f for f in existing if f.issue_type == DUPLICATE]
    if _is_about_copies(decision) and copies:
        yield from ((f.finding_id, answer) for f in copies)
        return
    yield WHOLE, answer
    for finding in existing:
        if answer.action != "relabel" or ISSUE_TYPES.get(finding.issue_type) == "label":
            yield finding.finding_id, answer


def _existing(decision: Decision, findings: dict[str, Finding]) -> list[Finding]:
    """Return the findings that a decision can answer: its own, or those that existed when it was made."""
    if decision.finding_id is not None:
        return [findings[decision.finding_id]] if decision.finding_id in findings else []
    if decision.findings is None:
        return list(findings.values())
    return [findings[f] for f in decision.findings.split(",") if f in findings]


def _labelled(answer: Answer, findings: dict[str, Finding]) -> Answer:
    """Give a relabel without a label the strongest suggestion."""
    if answer.action != "relabel" or answer.label is not None:
        return answer
    suggesting = [f for f in findings.values() if f.suggested_label is not None]
    best = min(suggesting, key=lambda f: (-f.confidence, f.suggested_label, f.finding_id), default=None)
    return replace(answer, label=best.suggested_label if best else None)


def _is_about_copies(decision: Decision) -> bool:
    """Tell whether a remove says by its tags that the image goes because there is another copy of it."""
    confirmed = {kind for tag in decision.tags_added for kind in TAGS[tag].confirms}
    return decision.action == "remove" and confirmed == {DUPLICATE}


def _put_leak_side(answers: Answers, findings: dict[str, Finding], side: LeakSide) -> None:
    """Put the side asked for in place of what policies and imports say of leaks."""
    for finding in findings.values():
        if finding.issue_type != LEAK or not finding.leak_sides:
            continue
        voices = answers[finding.finding_id]
        for voice in [v for v in voices if v[0] >= POLICY_RANK]:
            del voices[voice]
        if side == "both" or side in finding.leak_sides:
            who = f"leak side {side}"
            voices[POLICY_RANK, who] = Answer("remove", None, POLICY_RANK, who, "finding", "")
