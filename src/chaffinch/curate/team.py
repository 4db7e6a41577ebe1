"""What the log says about a team: agreement, figures for each reviewer, the queue of disagreements.

Only people count, and only what holds now: each reviewer's own verdict on each subject (`state.Verdict`). For
the question of a tag, a reviewer who gave a verdict without the tag has said no; one without a verdict,
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from chaffinch.curate.agreement import (
    MISSING,
    Estimate,
    accuracies,
    cohen_kappa,
    krippendorff_alpha,
    weighted_majority,
)
from chaffinch.curate.state import SubjectState, Verdict
from chaffinch.curate.tagging import current_states
from chaffinch.records import PERSON
from chaffinch.taxonomy import ACTIONS, TAGS, Action


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """One reviewer in numbers."""

    reviewer: str
    """Name."""
    n_subjects: int
    """Subjects with a verdict."""
    n_shared: int
    """Of these, with a verdict of somebody else."""
    agreement: float
    """Share of shared subjects where the action is that of most others, 0..1, drawn towards .5 for few; NaN
    where none is shared."""
    n_by_action: Mapping[Action, int]
    """Subjects by action."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """One subject about which people ask for different actions or labels."""

    key: str
    """Key of the sample or object."""
    verdicts: tuple[Verdict, ...]
    """What each person says."""
    proposed: Action | None
    """Action of the weighted majority; None where none stands out."""


@dataclass(frozen=True, slots=True)
class TeamReport:
    """How a team agrees."""

    reviewers: tuple[ReviewerFigures, ...]
    """By name."""
    action: Estimate
    """Krippendorff's alpha of keep, remove, relabel."""
    tags: Mapping[str, Estimate]
    """Alpha of each tag that somebody gave to a shared subject."""
    kappas: Mapping[tuple[str, str], Estimate]
    """Cohen's kappa of the actions, for each two reviewers that share subjects."""
    disputes: tuple[Dispute, ...]
    """Subjects that wait for an adjudicator, by key."""


def team_report(root: Path) -> TeamReport:
    """Return how the reviewers of a workspace agree.

    Raises:
        WorkspaceError: If this is no workspace, or its log cannot be read.

    Cost: memory of the log's states; some 20 us a verdict.
    """
    return report_of(current_states(root))


def report_of(states: Mapping[str, SubjectState]) -> TeamReport:
    """Return how reviewers agree, from the state of each subject."""
    verdicts = {key: said for key, state in sorted(states.items()) if (said := _of_people(state))}
    names = sorted({verdict.reviewer for said in verdicts.values() for verdict in said})
    actions = _ratings(verdicts, names, _action_code)
    is_shared = np.array([len(said) > 1 for said in verdicts.values()], dtype=bool)
    shared = {key: said for key, said in verdicts.items() if len(said) > 1}
    return TeamReport(
        reviewers=tuple(_figures(verdicts, names, is_shared=is_shared, actions=actions)),
        action=krippendorff_alpha(actions),
        tags={tag: _tag_alpha(shared, names, tag) for tag in _tags_given(shared)},
        kappas=dict(_kappas(actions, names)),
        disputes=tuple(_disputes(verdicts, states, weighted_majority(actions))),
    )


def _of_people(state: SubjectState) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in state.verdicts if verdict.origin == PERSON)


def _ratings(
    verdicts: Mapping[str, Sequence[Verdict]], names: Sequence[str], answer: Callable[[Verdict], int]
) -> np.ndarray:
    """Return shape (reviewers, subjects): each reviewer's answer; `MISSING` where there is no verdict."""
    rows = {name: row for row, name in enumerate(names)}
    ratings = np.full((len(names), len(verdicts)), MISSING, dtype=np.int64)
    said = ((column, verdict) for column, some in enumerate(verdicts.values()) for verdict in some)
    for column, verdict in said:
        ratings[rows[verdict.reviewer], column] = answer(verdict)
    return ratings


def _action_code(verdict: Verdict) -> int:
    return MISSING if verdict.action == "none" else ACTIONS.index(verdict.action)


def _tag_alpha(verdicts: Mapping[str, Sequence[Verdict]], names: Sequence[str], tag: str) -> Estimate:
    return krippendorff_alpha(_ratings(verdicts, names, lambda verdict: int(tag in verdict.tags)))


def _tags_given(verdicts: Mapping[str, Sequence[Verdict]]) -> list[str]:
    given = {tag for said in verdicts.values() for verdict in said for tag in verdict.tags}
    return [tag for tag in TAGS if tag in given]


def _kappas(actions: np.ndarray, names: Sequence[str]) -> Iterator[tuple[tuple[str, str], Estimate]]:
    for first, second in combinations(range(len(names)), 2):
        kappa = cohen_kappa(actions[first], actions[second])
        if kappa.n_items:
            yield (names[first], names[second]), kappa


def _figures(
    verdicts: Mapping[str, Sequence[Verdict]],
    names: Sequence[str],
    *,
    is_shared: np.ndarray,
    actions: np.ndarray,
) -> Iterator[ReviewerFigures]:
    found = accuracies(actions)
    said_by = np.array([[any(v.reviewer == n for v in said) for said in verdicts.values()] for n in names])
    for row, name in enumerate(names):
        n_shared = int((said_by[row] & is_shared).sum())
        counts: dict[Action, int] = {a: int((actions[row] == code).sum()) for code, a in enumerate(ACTIONS)}
        yield ReviewerFigures(
            reviewer=name,
            n_subjects=int(said_by[row].sum()),
            n_shared=n_shared,
            agreement=float(found[row]) if n_shared else float("nan"),
            n_by_action=counts,
        )


def _disputes(
    verdicts: Mapping[str, Sequence[Verdict]], states: Mapping[str, SubjectState], majority: np.ndarray
) -> Iterator[Dispute]:
    for column, (key, said) in enumerate(verdicts.items()):
        if states[key].is_disputed:
            code = int(majority[column])
            yield Dispute(key, tuple(said), None if code == MISSING else ACTIONS[code])
