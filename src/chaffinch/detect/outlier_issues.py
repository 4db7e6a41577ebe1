"""Turns distances into issue rows: `outlier` and `label_outlier`.

A row says what a person has to decide: where hardly any of the nearest images has the given label, the image
is a candidate for the tag `outlier_invalid` (outlier and wrong label), else for `outlier_valid` (an edge
case, but correct).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.detect.knn import KnnGraph
from chaffinch.detect.outliers import CUT, DISTANCES, OutlierScores, outlier_confidence
from chaffinch.detect.sample_texts import SampleText
from chaffinch.identity import finding_id
from chaffinch.storage.issues import LABEL_OUTLIER, OUTLIER, IssueRows
from chaffinch.taxonomy import TAGS

N_SHOWN = 3
"""Neighbours named."""
MIN_SUPPORT = 0.2
"""Share of the labelled neighbours with the given label below which that label is doubted."""
METHOD = "neighbour distance"
"""`method` of the rows."""
VALID, INVALID = TAGS["outlier_valid"].name, TAGS["outlier_invalid"].name

_WORDS = {
    "near": "its nearest images",
    "far": "the nearest twentieth of all images",
    "around": "the nearest twentieth, for it and the images around it,",
}

Texts = Mapping[int, SampleText]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredOutliers:
    """R images with their distances and neighbours."""

    sample_ids: np.ndarray
    """Shape (R,), int64, rising."""
    labels: np.ndarray
    """Shape (R,), int64: position in `classes`, -1 for none."""
    classes: Sequence[str]
    """Labels, as the source writes them."""
    graph: KnnGraph
    """Neighbours, as places of `sample_ids`."""
    scores: OutlierScores
    """How far each image is."""

    def samples_named(self) -> np.ndarray:
        """Return the sample ids that the rows name: flagged images and their neighbours."""
        places = np.flatnonzero(self.scores.is_outlier | self.scores.is_label_outlier)
        near = self.graph.neighbours[places, :N_SHOWN]
        found: np.ndarray = self.sample_ids[np.unique(np.concatenate([places, near[near >= 0]]))]
        return found


def outlier_rows(measured: MeasuredOutliers, texts: Texts) -> IssueRows:
    """Return a row for each flagged image, by type, then sample.

    Args:
        measured: The distances.
        texts: Words for `measured.samples_named()`.
    """
    rows = IssueRows()
    for place in np.flatnonzero(measured.scores.is_label_outlier).tolist():
        _add_label_outlier(rows, measured, texts, place)
    for place in np.flatnonzero(measured.scores.is_outlier).tolist():
        _add_outlier(rows, measured, texts, place)
    return rows


def _add_outlier(rows: IssueRows, measured: MeasuredOutliers, texts: Texts, place: int) -> None:
    scores = measured.scores
    text = texts[int(measured.sample_ids[place])]
    which = int(scores.striking[place])
    distance, usual = scores.distances[place, which], scores.usual[which]
    says = (
        f"Far from all others: {_WORDS[DISTANCES[which]]} are at distance {distance:.2f} (1 - cosine), "
        f"usual is {usual:.2f}; {scores.score[place]:.1f} robust standard deviations above it (limit {CUT})"
    )
    candidate, about = _support(measured, place)
    rows.add(
        (int(measured.sample_ids[place]), text.key),
        OUTLIER,
        finding_id=finding_id(OUTLIER, [text.content]),
        confidence=float(outlier_confidence(scores.score[place])),
        reason=f"{says}. {about}",
        evidence={
            **{name: _rounded(value) for name, value in zip(DISTANCES, scores.distances[place], strict=True)},
            "score": _rounded(scores.score[place]),
            "class_score": _rounded(scores.class_score[place]),
            "candidate": candidate,
            "neighbours": _neighbours(measured, texts, place),
        },
        more={"method": METHOD},
    )


def _add_label_outlier(rows: IssueRows, measured: MeasuredOutliers, texts: Texts, place: int) -> None:
    scores = measured.scores
    text = texts[int(measured.sample_ids[place])]
    label = measured.classes[measured.labels[place]]
    says = (
        f"Far from the images labelled {label!r}, not from all: the nearest tenth of them is at distance "
        f"{scores.class_distance[place]:.2f} (1 - cosine), {scores.class_score[place]:.1f} robust standard "
        f"deviations above what is usual there (limit {CUT})"
    )
    candidate, about = _support(measured, place)
    rows.add(
        (int(measured.sample_ids[place]), text.key),
        LABEL_OUTLIER,
        finding_id=finding_id(LABEL_OUTLIER, [text.content], label),
        confidence=float(outlier_confidence(scores.class_score[place])),
        reason=f"{says}. {about}",
        evidence={
            "given_label": label,
            "class_distance": _rounded(scores.class_distance[place]),
            "class_score": _rounded(scores.class_score[place]),
            "score": _rounded(scores.score[place]),
            "candidate": candidate,
            "neighbours": _neighbours(measured, texts, place),
        },
        more={"method": METHOD},
    )


def _support(measured: MeasuredOutliers, place: int) -> tuple[str | None, str]:
    """Return the tag that the neighbours speak for, and why; None where labels are lacking."""
    near = measured.graph.neighbours[place]
    labels = measured.labels[near[near >= 0]]
    labels = labels[labels >= 0]
    if measured.labels[place] < 0 or not len(labels):
        return None, "Its neighbours' labels say nothing."
    n_same = int((labels == measured.labels[place]).sum())
    is_valid = n_same >= MIN_SUPPORT * len(labels)
    candidate = VALID if is_valid else INVALID
    shares = f"{n_same} of its {len(labels)} nearest images have its label"
    if not is_valid:
        common, count = Counter(labels.tolist()).most_common(1)[0]
        shares += f", {count} are labelled {measured.classes[common]!r}"
    return candidate, f"{shares}: a candidate for {candidate}."


def _neighbours(measured: MeasuredOutliers, texts: Texts, place: int) -> list[dict[str, object]]:
    near, similarity = measured.graph.neighbours[place, :N_SHOWN], measured.graph.similarity[place]
    return [
        {
            "key": texts[sample].key,
            "label": texts[sample].given_label,
            "similarity": _rounded(similarity[number]),
        }
        for number, sample in enumerate(measured.sample_ids[near[near >= 0]].tolist())
    ]


def _rounded(value: float | np.floating) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
