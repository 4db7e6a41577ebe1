"""Resolves what people, policies and imports said into what happens to each sample. Pure: no file, no clock.

Each finding of a sample is a point to be settled, and so is the sample as a whole. About each point the
adjudicator counts first, then the persons if they agree, then the policies, then the imports.
Persons who disagree leave the point open: the sample is kept and listed. A sample is removed if any point
says remove, whichever question (leak, duplicate, quality, label) the point belongs to; so relabelling a
leaking image does not bring it back.

A decision about the sample as a whole answers the findings that existed when it was made, so a `keep` does
not answer a leak that was found later. Findings alone change nothing.

That a copy should go is not settled here: which of several copies stays depends on who survives. `Settled`
carries the rule; `pipeline.copies` takes the copies out last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chaffinch.curate.answers import (
    PERSON_RANK,
    WHOLE,
    Answer,
    Answers,
    Case,
    Finding,
    ResolveSettings,
    answers_of,
)
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT, LEAK
from chaffinch.taxonomy import TAGS, Action


@dataclass(frozen=True, slots=True)
class Waiver:
    """A person keeps a leaking image."""

    key: str
    """The image."""
    who: str
    """The person."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What happens to one sample, copies aside."""

    key: str
    """The sample."""
    action: Action = "none"
    """remove, relabel, keep (a person said so), none."""
    new_label: str | None = None
    """For relabel."""
    reasons: tuple[str, ...] = ()
    """Issue types for which it is removed or relabelled, `decision` for none; sorted."""
    who: tuple[str, ...] = ()
    """Who decided that; sorted."""
    disagreement: str = ""
    """What persons disagree about; '' where they do not."""
    lacks_label: bool = False
    """To be relabelled, but nobody named a label and nothing suggests one."""
    waiver: Waiver | None = None
    """Of a leaking image."""
    copy_method: str | None = None
    """Method by which somebody said that it is a copy that should go, the loosest; None where nobody did."""
    is_copy_by_person: bool = False
    """A person said so, of this very image."""
    is_kept: bool = False
    """A person keeps it, also as a copy."""


def settle(case: Case, settings: ResolveSettings) -> Settled:
    """Return what happens to a sample, copies aside."""
    findings = {f.finding_id: f for f in case.findings}
    answers = answers_of(case, findings, settings)
    if answers.get(WHOLE) and _settled(list(answers[WHOLE].values())) is None:
        _drop_disputed_removes(answers)
    settled = {point: _settled(list(voices.values())) for point, voices in answers.items() if voices}
    opened = {point for point, answer in settled.items() if answer is None}
    held = {point: answer for point, answer in settled.items() if answer is not None}
    whole = held.get(WHOLE)
    if whole is not None and whole.action == "remove" and whole.rank == PERSON_RANK and opened:
        # The same remove is disputed at a finding, so it is no agreement about the whole either.
        opened.add(WHOLE)
        del held[WHOLE]
    result = _with_overruled(_decided(case, findings, held), answers, held, findings=findings)
    leaks = [p for p, a in held.items() if p in findings and findings[p].issue_type == LEAK]
    keeps = [held[p] for p in leaks if held[p].action == "keep" and held[p].rank <= PERSON_RANK]
    return replace(
        result,
        disagreement=_disagreement(answers, opened, findings),
        waiver=Waiver(case.key, min(a.who for a in keeps)) if keeps else None,
    )


def _settled(answers: Sequence[Answer]) -> Answer | None:
    """Return the answer that counts; None where persons disagree."""
    first = min(answer.rank for answer in answers)
    heard = [answer for answer in answers if answer.rank == first]
    if first == PERSON_RANK and len({(a.action, a.label) for a in heard}) > 1:
        return None
    return max(heard, key=lambda a: (a.time_utc, a.who))


def _drop_disputed_removes(answers: Answers) -> None:
    """Take a disputed remove of the whole away from findings that no other person speaks about."""
    for point in answers.keys() - {WHOLE}:
        persons = [a for a in answers[point].values() if a.rank == PERSON_RANK]
        if all((a.cause, a.action) == ("whole", "remove") for a in persons):
            answers[point] = {v: a for v, a in answers[point].items() if a.rank != PERSON_RANK}


def _decided(case: Case, findings: dict[str, Finding], held: dict[str, Answer]) -> Settled:
    is_disputed = any(f.issue_type == LABEL_CONFLICT for f in findings.values())
    goes = {
        p: a
        for p, a in held.items()
        if a.action == "remove" and _may_remove(findings.get(p), a, is_disputed=is_disputed)
    }
    copies = {p: a for p, a in goes.items() if p in findings and findings[p].issue_type == DUPLICATE}
    whole = held.get(WHOLE)
    is_removed_as_whole = whole is not None and whole.action == "remove"
    removing = {p: a for p, a in goes.items() if p not in copies or is_removed_as_whole}
    kept_by_person = [a for a in held.values() if a.action == "keep" and a.rank <= PERSON_RANK]
    is_kept = any(a.cause == "whole" for a in kept_by_person) or any(
        p in findings and findings[p].issue_type == DUPLICATE and a in kept_by_person for p, a in held.items()
    )
    base = Settled(case.key, is_kept=is_kept)
    if removing:
        return replace(base, action="remove", reasons=_reasons(removing, findings), who=_names(removing))
    base = _with_copies(base, copies, findings)
    relabelling = {p: a for p, a in held.items() if a.action == "relabel"}
    if not relabelling:
        return replace(base, action="keep" if is_kept else "none")
    return _relabelled(base, case, relabelling, findings=findings)


def _may_remove(finding: Finding | None, answer: Answer, *, is_disputed: bool) -> bool:
    """Tell whether an answer may remove: a conflict of labels never does so automatically.

    Nor does an equal image go as a copy of one that is labelled otherwise: which of them would stay says
    which label is right.
    """
    if answer.rank <= PERSON_RANK or finding is None:
        return True
    return finding.issue_type != LABEL_CONFLICT and not (is_disputed and finding.issue_type == DUPLICATE)


def _with_copies(base: Settled, copies: dict[str, Answer], findings: dict[str, Finding]) -> Settled:
    if not copies:
        return base
    return replace(
        base,
        copy_method=max((findings[p].method for p in copies), key=looseness),
        is_copy_by_person=any(a.rank <= PERSON_RANK for a in copies.values()),
        who=_names(copies),
    )


def _with_overruled(
    base: Settled, answers: Answers, held: dict[str, Answer], *, findings: dict[str, Finding]
) -> Settled:
    """Note that a person keeps what was to go as a copy: then its other copies go for it."""
    overruled = [
        findings[p].method
        for p, a in held.items()
        if p in findings
        and findings[p].issue_type == DUPLICATE
        and a.action == "keep"
        and any(other.action == "remove" for other in answers[p].values())
    ]
    if not overruled or base.action == "remove":
        return base
    return replace(base, copy_method=max(overruled, key=looseness), is_kept=True)


METHOD_ORDER = ("exact", "perceptual", "verified", "semantic")


def looseness(method: str) -> int:
    """Return how loose a method is, exact 0; another tool's is taken for the loosest."""
    return METHOD_ORDER.index(method) if method in METHOD_ORDER else len(METHOD_ORDER) - 1


def _relabelled(
    base: Settled, case: Case, relabelling: dict[str, Answer], *, findings: dict[str, Finding]
) -> Settled:
    order = sorted(
        relabelling, key=lambda p: (relabelling[p].rank, p != WHOLE, -_confidence(findings.get(p)), p)
    )
    answer = relabelling[order[0]]
    if answer.label is None or answer.label == case.given_label:
        return replace(base, action="keep" if base.is_kept else "none", lacks_label=answer.label is None)
    return replace(
        base,
        action="relabel",
        new_label=answer.label,
        reasons=_reasons({order[0]: answer}, findings),
        who=tuple(sorted({*base.who, answer.who})),
    )


def _confidence(finding: Finding | None) -> float:
    return 0.0 if finding is None else finding.confidence


def _reasons(points: dict[str, Answer], findings: dict[str, Finding]) -> tuple[str, ...]:
    """Return the issue types that the points are about, else what the decision's tags name."""
    kinds = {findings[p].issue_type for p in points if p != WHOLE}
    whole = points.get(WHOLE)
    if whole is not None:
        confirmed = {kind for tag in whole.tags for kind in TAGS[tag].confirms}
        kinds = confirmed or kinds or {"decision"}
    return tuple(sorted(kinds))


def _names(points: dict[str, Answer]) -> tuple[str, ...]:
    return tuple(sorted({answer.who for answer in points.values()}))


def _disagreement(answers: Answers, opened: Iterable[str], findings: dict[str, Finding]) -> str:
    """Say in words who wants what, for the first point that is open."""
    for point in sorted(opened, key=lambda p: (p != WHOLE, p)):
        said = sorted(
            f"{a.who}: {a.action}{f' to {a.label}' if a.label else ''}"
            for a in answers[point].values()
            if a.rank == PERSON_RANK
        )
        about = f"{findings[point].issue_type}: " if point in findings else ""
        return about + ", ".join(said)
    return ""
