"""What the log says about a team: agreement, figures for each reviewer, the queue of disagreements.

Only people count, and only what holds now: each reviewer's own verdict on each subject (`state.Verdict`). For
the question of a tag, a reviewer who gave a verdict without the tag has said no; one without a verdict,
nothing. Adjudicators see what the others said, so their word is no measure of agreement: it ends a dispute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from chaffinch.curate.agreement import (
    MISSING,
    Estimate,
    accuracies,
    cohen_kappa,
    krippendorff_alpha,
    share_with_interval,
    vote_weights,
    weighted_majority,
)
from chaffinch.curate.gold import Right
from chaffinch.curate.state import SubjectState, Verdict
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
    """Of these, with a verdict of somebody else who is no adjudicator."""
    agreement: float
    """Share of shared subjects where the action is that of most others, 0..1, drawn towards .5 for few; NaN
    where none is shared."""
    n_by_action: Mapping[Action, int]
    """Subjects by action."""
    gold: Estimate
    """Share of the gold items answered that were answered right, with its Wilson interval."""
    weight: float
    """What the voice weighs in the proposed answers; 0 for one far below the rest, NaN for an adjudicator."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """One subject about which people ask for different actions or labels."""

    key: str
    """Key of the sample or object."""
    verdicts: tuple[Verdict, ...]
    """What each person says."""
    proposed: Action | None
    """Action of the weighted majority; None where none stands out."""
    new_label: str | None
    """For relabel."""


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
    n_settled: int
    """Subjects that people disagree about, on which an adjudicator has spoken."""


Answer = tuple[Action, str | None]
"""An action, and the label that comes with a relabel."""


def report_of(
    states: Mapping[str, SubjectState],
    *,
    gold: Mapping[str, Right] | None = None,
    adjudicators: Set[str] = frozenset(),
) -> TeamReport:
    """Return how reviewers agree, from the state of each subject.

    Args:
        states: What holds of each key.
        gold: The verdicts that are known to be right, by key.
        adjudicators: Who settles what the others disagree about.

    Cost: some 20 us a verdict.
    """
    every = {key: said for key, state in sorted(states.items()) if (said := _of_people(state))}
    peers = {key: tuple(v for v in said if v.reviewer not in adjudicators) for key, said in every.items()}
    names = sorted({verdict.reviewer for said in peers.values() for verdict in said})
    actions = _ratings(peers, names, _action_code)
    shared = {key: said for key, said in peers.items() if len(said) > 1}
    votes = _Votes(peers, names, gold or {})
    disputed = {key: said for key, said in peers.items() if len(_answers(said)) > 1}
    waiting = {key: said for key, said in disputed.items() if not _answers(every[key], but=said)}
    return TeamReport(
        reviewers=tuple(_figures(every, peers, gold or {}, voices=votes.voices(accuracies(actions)))),
        action=krippendorff_alpha(actions),
        tags={tag: _tag_alpha(shared, names, tag) for tag in _tags_given(shared)},
        kappas=dict(_kappas(actions, names)),
        disputes=tuple(_disputes(waiting, votes.proposed())),
        n_settled=len(disputed) - len(waiting),
    )


class _Votes:
    """The answers of all reviewers, labels included, and what they weigh."""

    def __init__(
        self, verdicts: Mapping[str, Sequence[Verdict]], names: Sequence[str], gold: Mapping[str, Right]
    ) -> None:
        said = {_answer(v) for some in verdicts.values() for v in some}
        right = {(r.action, r.label) for r in gold.values()}
        self._answers = sorted(said | right, key=str)
        codes = {answer: code for code, answer in enumerate(self._answers)}
        codes |= {answer: MISSING for answer in codes if answer[0] == "none"}
        self._names = names
        self._keys = list(verdicts)
        self._ratings = _ratings(verdicts, names, lambda verdict: codes[_answer(verdict)])
        known = [codes[gold[k].action, gold[k].label] if k in gold else MISSING for k in self._keys]
        self._truth = np.array(known, dtype=np.int64)

    def voices(self, agreement: np.ndarray) -> dict[str, tuple[float, float]]:
        """Return how far each reviewer agrees with the others, shape (R,), and what the voice weighs."""
        weights = vote_weights(self._ratings, self._truth)
        return {
            name: (float(a), float(w)) for name, a, w in zip(self._names, agreement, weights, strict=True)
        }

    def proposed(self) -> dict[str, Answer]:
        """Return the answer of the weighted majority for each key where one stands out."""
        majority = weighted_majority(self._ratings, self._truth).tolist()
        return {
            key: self._answers[code]
            for key, code in zip(self._keys, majority, strict=True)
            if code != MISSING
        }


def _answer(verdict: Verdict) -> Answer:
    return verdict.action, verdict.new_label if verdict.action == "relabel" else None


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
    peers: Mapping[str, Sequence[Verdict]],
    gold: Mapping[str, Right],
    *,
    voices: Mapping[str, tuple[float, float]],
) -> Iterator[ReviewerFigures]:
    by_name: dict[str, dict[str, Verdict]] = {}
    for key, said in verdicts.items():
        for verdict in said:
            by_name.setdefault(verdict.reviewer, {})[key] = verdict
    for name, own in sorted(by_name.items()):
        n_shared = sum(any(verdict.reviewer != name for verdict in peers[key]) for key in own)
        agreement, weight = voices.get(name, (math.nan, math.nan))
        actions = [verdict.action for verdict in own.values()]
        asked = {key: right for key, right in gold.items() if key in own and own[key].action != "none"}
        n_right = sum(right.is_said_by(own[key]) for key, right in asked.items())
        yield ReviewerFigures(
            reviewer=name,
            n_subjects=len(own),
            n_shared=n_shared,
            agreement=agreement if n_shared else math.nan,
            n_by_action={action: actions.count(action) for action in ACTIONS},
            gold=share_with_interval(n_right, len(asked)),
            weight=weight,
        )


def _answers(said: Sequence[Verdict], *, but: Sequence[Verdict] = ()) -> set[Answer]:
    """Return what some verdicts say is to be done, those of `but` left out."""
    return {_answer(verdict) for verdict in said if verdict.action != "none" and verdict not in but}


def _disputes(waiting: Mapping[str, Sequence[Verdict]], proposed: Mapping[str, Answer]) -> Iterator[Dispute]:
    for key, said in waiting.items():
        action, label = proposed.get(key, (None, None))
        yield Dispute(key, tuple(said), action, label)
