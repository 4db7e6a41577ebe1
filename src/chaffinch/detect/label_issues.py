"""Turns scored labels into issue rows: `mislabel` and `ambiguous_class`, with the neighbours on either side.

A row names the nearest images that have the suggested label and the nearest that have the given one, so that
a person sees at a glance what speaks for and against it. Both kinds are looked up among the neighbours that
voted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.detect.knn import KnnGraph
from chaffinch.detect.mislabels import COPY_SIMILARITY, LabelFlags, LabelScores
from chaffinch.detect.ridge import LabelledVectors
from chaffinch.detect.sample_texts import SampleText
from chaffinch.identity import finding_id
from chaffinch.storage.issues import AMBIGUOUS_CLASS, MISLABEL, IssueRows

N_SHOWN = 5
"""Neighbours named on each side."""
METHOD = "ridge+neighbours"
"""`method` of the rows."""

Texts = Mapping[int, SampleText]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedLabels:
    """R images with labels, what was found about them, and their neighbours."""

    data: LabelledVectors
    """The images; `rows` are sample ids."""
    graph: KnnGraph
    """Neighbours, as places of `data.rows`."""
    classes: Sequence[str]
    """Label of each class, as the source writes it."""
    scores: LabelScores
    """What speaks for each label."""
    flags: LabelFlags
    """Which are flagged."""

    def flagged(self) -> np.ndarray:
        """Return the places of all flagged images, rising."""
        return np.flatnonzero(self.flags.is_mislabel | self.flags.is_ambiguous)

    def samples_named(self) -> np.ndarray:
        """Return the sample ids that the rows name: flagged images and their neighbours."""
        places = self.flagged()
        near = self.graph.neighbours[places]
        found: np.ndarray = self.data.rows[np.unique(np.concatenate([places, near[near >= 0]]))]
        return found


@dataclass(frozen=True, slots=True)
class _Voters:
    n: int
    """Neighbours that voted."""
    n_given: int
    n_other: int
    for_it: list[dict[str, object]]
    """Neighbours with the other label, nearest first."""
    against_it: list[dict[str, object]]
    """Neighbours with the given label, nearest first."""


def label_rows(judged: JudgedLabels, texts: Texts) -> IssueRows:
    """Return a row for each flagged image, by type, then sample.

    Args:
        judged: The findings.
        texts: Words for `judged.samples_named()`.
    """
    rows = IssueRows()
    for place in np.flatnonzero(judged.flags.is_ambiguous).tolist():
        _add(rows, judged, texts, place)
    for place in np.flatnonzero(judged.flags.is_mislabel).tolist():
        _add(rows, judged, texts, place)
    return rows


def _add(rows: IssueRows, judged: JudgedLabels, texts: Texts, place: int) -> None:
    sample = int(judged.data.rows[place])
    given = judged.classes[judged.data.labels[place]]
    other = judged.classes[judged.scores.best_other[place]]
    voters = _voters(judged, texts, place)
    is_mislabel = bool(judged.flags.is_mislabel[place])
    kind = MISLABEL if is_mislabel else AMBIGUOUS_CLASS
    score = judged.flags.confidence if is_mislabel else judged.flags.ambiguity
    says = (
        f"Labelled {given!r}, but looks like {other!r}" if is_mislabel else f"Could be {given!r} or {other!r}"
    )
    rows.add(
        (sample, texts[sample].key),
        kind,
        finding_id=finding_id(kind, [texts[sample].content], given),
        confidence=float(score[place]),
        reason=f"{says}: {_votes_in_words(voters, given, other)}.",
        evidence={
            "given_label": given,
            "other_label": other,
            "given_probability": _rounded(judged.scores.given_probability[place]),
            "other_probability": _rounded(judged.scores.other_probability[place]),
            "margin": _rounded(judged.scores.margin[place]),
            "cut": _rounded(judged.scores.margin[place] - judged.flags.excess[place]),
            "neighbours": voters.n,
            "neighbours_given": voters.n_given,
            "neighbours_other": voters.n_other,
            "for": voters.for_it,
            "against": voters.against_it,
        },
        more={"method": METHOD, "suggested_label": other},
    )


def _voters(judged: JudgedLabels, texts: Texts, place: int) -> _Voters:
    near, similarity = judged.graph.neighbours[place], judged.graph.similarity[place]
    is_voter = (near >= 0) & (similarity <= COPY_SIMILARITY)
    near, similarity = near[is_voter], similarity[is_voter]
    labels = judged.data.labels[near]

    def described(chosen: np.ndarray) -> list[dict[str, object]]:
        return [
            {
                "key": texts[int(judged.data.rows[near[i]])].key,
                "label": judged.classes[labels[i]],
                "similarity": _rounded(similarity[i]),
            }
            for i in np.flatnonzero(chosen)[:N_SHOWN].tolist()
        ]

    is_given, is_other = labels == judged.data.labels[place], labels == judged.scores.best_other[place]
    return _Voters(
        n=len(near),
        n_given=int(is_given.sum()),
        n_other=int(is_other.sum()),
        for_it=described(is_other),
        against_it=described(is_given),
    )


def _votes_in_words(voters: _Voters, given: str, other: str) -> str:
    verb = "is" if voters.n_other == 1 else "are"
    counts = (
        f"of its {voters.n} nearest images {voters.n_other} {verb} labelled {other!r} and "
        f"{voters.n_given} {given!r}"
    )
    if not voters.for_it:
        return f"{counts}, but what a regression on all other images learnt of both speaks for {other!r}"
    nearest = voters.for_it[0]
    return f"{counts}; the nearest {other!r} is {nearest['key']} (cosine {nearest['similarity']:.2f})"


def _rounded(value: np.floating) -> float:
    return round(float(value), 4)
