"""Images whose label is probably wrong, by what other images say.

What it finds: `mislabel`: images that a regression trained on all others, and their nearest neighbours, hold
for another class. `ambiguous_class`: images whose given label and one other are both plausible.
Why it matters: wrong labels teach a model what is not so, and in a test set they punish it for being right.
False alarms: unusual views of a class, pictures that show two things, and classes that the vectors cannot
tell apart; in datasets without wrong labels a few per cent of the images are flagged. Classes of fewer than
`MIN_CLASS_IMAGES` images are not judged, and are suggested to nobody. Where wrong labels are not scattered
but the rule (most of a class), the wrong ones look right.
Source: ridge regression without the image itself (see `ridge`), joined by the sum of logarithms with a
neighbour vote, whose shares are divided by class size (Z. Zhu et al., "Detecting Corrupted Labels Without
Training a Model to Predict", ICML 2022, has the vote). Constants were fit on the tuning halves of
benchmarks/quality/mislabels.py.

An image is judged by images that are no copies of it: those with a cosine above `COPY_SIMILARITY` neither
vote nor count in the regression, whatever their label. Otherwise a wrong label that was copied together with
its picture would defend itself; that equal pictures have different labels is `label_conflict`, found with the
duplicates. A score depends on all images, and on nothing like blocks or their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from chaffinch.detect.block_workers import block_workers
from chaffinch.detect.knn import KnnGraph
from chaffinch.detect.ridge import LabelledVectors, Ridge, blocks, fit_ridge, without_own

N_NEIGHBOURS = 30
"""Neighbours that vote."""
VOTE_POWER = 4
"""A neighbour's vote weighs its cosine to this power; 12 did as well on large classes and worse on small."""
COPY_SIMILARITY = 0.99
"""Images of a larger cosine count as copies: of distinct photographs hardly any pair reaches it."""
VOTE_FLOOR = 0.01
"""Added to each class's share of the votes, so that no vote alone rules a class out."""
MIN_CLASS_IMAGES = 5
"""Smaller classes cannot be judged: hardly an image is left to speak for them."""

SCORE_SCALES = (3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0)
"""What regression scores are multiplied with before the softmax; the likeliest one is taken."""
JOINT_SCALES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""What the joined logarithms are multiplied with, so that their softmax says how often a label is given."""

BASE_CUT, DOUBT_CUT = 2.5, 2.0
"""An image is flagged if its margin exceeds the first number, plus the second times how little the given
labels of its class are believed (0..1): classes that are hard to tell apart need more evidence."""
CONFIDENCE_SLOPE, CONFIDENCE_OFFSET = 0.5, -0.9
"""Confidence is the logistic function of slope * (margin above the cut) + offset: the share of planted wrong
labels among the images of that margin, where 5 to 20 % of the labels were wrong."""
MIN_PLAUSIBLE, MIN_TOGETHER = 0.35, 0.9
"""An image is ambiguous if each of its two best labels has the first probability, and both together have the
second."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelScores:
    """What speaks for the labels of R images."""

    margin: np.ndarray
    """Shape (R,), float32: log of the best other class's evidence by the given one's; higher is more suspect,
    above 0 another class looks likelier."""
    best_other: np.ndarray
    """Shape (R,), int32: the likeliest class other than the given one."""
    given_probability: np.ndarray
    """Shape (R,), float32: how probable the given label is for such an image, 0..1."""
    other_probability: np.ndarray
    """Shape (R,), float32: the same of `best_other`."""
    penalty: float
    """Ridge penalty that was taken."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelFlags:
    """Which labels of R images are flagged."""

    excess: np.ndarray
    """Shape (R,), float32: margin above the cut of its class; ranks images, higher is more suspect."""
    confidence: np.ndarray
    """Shape (R,), float32, 0..1: how sure it is that the label is wrong; rises with `excess`."""
    is_mislabel: np.ndarray
    """Shape (R,), bool."""
    ambiguity: np.ndarray
    """Shape (R,), float32, 0..1: the weaker of given and best other label by their mean; 1 where both are
    equally probable."""
    is_ambiguous: np.ndarray
    """Shape (R,), bool; never with `is_mislabel`."""


def flag_labels(scores: LabelScores, labels: np.ndarray) -> LabelFlags:
    """Flag labels by the cut of their class. R images.

    Args:
        scores: From `score_labels`.
        labels: Shape (R,), int64: the given classes.
    """
    belief = np.bincount(labels, scores.given_probability) / np.maximum(np.bincount(labels), 1)
    excess = scores.margin - (BASE_CUT + DOUBT_CUT * (1 - belief[labels]))
    is_mislabel = excess > 0
    weaker = np.minimum(scores.given_probability, scores.other_probability)
    together = scores.given_probability + scores.other_probability
    return LabelFlags(
        excess=excess.astype(np.float32),
        confidence=expit(CONFIDENCE_SLOPE * excess + CONFIDENCE_OFFSET).astype(np.float32),
        is_mislabel=is_mislabel,
        ambiguity=(2 * weaker / together).astype(np.float32),
        is_ambiguous=~is_mislabel & (weaker >= MIN_PLAUSIBLE) & (together >= MIN_TOGETHER),
    )


def score_labels(data: LabelledVectors, graph: KnnGraph) -> LabelScores:
    """Score each label by images that are no copies of its image. R images, C classes, D dimensions.

    Args:
        data: The images, of classes of `MIN_CLASS_IMAGES` or more.
        graph: Their nearest neighbours; row numbers count in `data.rows`, 0..R-1.

    Cost: three passes over the vectors, about R * D * (D + C) operations each; 20 bytes an image besides the
    graph. Figures in benchmarks/results/mislabels.json.
    """
    judge = _Judge(data, graph, fit_ridge(data), data.class_sizes())
    n = len(data.rows)
    scores = LabelScores(
        margin=np.empty(n, np.float32),
        best_other=np.empty(n, np.int32),
        given_probability=np.empty(n, np.float32),
        other_probability=np.empty(n, np.float32),
        penalty=judge.ridge.penalty,
    )
    with block_workers() as pool:
        scales = judge.fit_scales()

        def work(places: np.ndarray) -> None:
            for field, values in zip(fields(scores)[:-1], judge.score(places, scales), strict=True):
                getattr(scores, field.name)[places] = values

        list(pool.map(work, blocks(np.arange(n))))
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    data: LabelledVectors
    graph: KnnGraph
    ridge: Ridge
    sizes: np.ndarray

    def evidence(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return regression scores and the logarithm of the vote, both shape (B, C)."""
        scores, leverage = self.ridge.predictions(self.data.block(places))
        near, similarity = self.graph.neighbours[places], self.graph.similarity[places]
        is_copy = (similarity > COPY_SIMILARITY) & (near >= 0)
        scores = without_own(scores, leverage, self._left_out(places, near, is_copy))
        weight = np.where(is_copy | (near < 0), 0, np.maximum(similarity, 0)) ** VOTE_POWER
        return scores, np.log(self._votes(near, weight) + np.float32(VOTE_FLOOR))

    def _left_out(self, places: np.ndarray, near: np.ndarray, is_copy: np.ndarray) -> csr_array:
        """Count for each row the labels of the image itself and of its copies; shape (B, C)."""
        rows = np.concatenate([np.arange(len(places)), np.nonzero(is_copy)[0]])
        labels = self.data.labels[np.concatenate([places, near[is_copy]])]
        counts = csr_array(
            (np.ones(len(rows), np.float32), (rows, labels)), shape=(len(places), self.data.n_classes)
        )
        counts.sum_duplicates()
        return counts

    def _votes(self, near: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return each class's share of the vote, shape (B, C), float32; equal shares where nobody votes."""
        n_classes = self.data.n_classes
        labels = self.data.labels[np.maximum(near, 0)]
        # Of a class with twice the images twice the neighbours are expected.
        weight = weight / self.sizes[labels]
        cells = np.arange(len(near))[:, None] * n_classes + labels
        shape = len(near), n_classes
        shares = np.bincount(cells.ravel(), weight.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
        total = shares.sum(axis=1, keepdims=True)
        equal = np.full(shape, 1 / n_classes)
        found: np.ndarray = np.divide(shares, total, out=equal, where=total > 0).astype(np.float32)
        return found

    def fit_scales(self) -> tuple[float, float]:
        """Return the likeliest of `SCORE_SCALES` and of `JOINT_SCALES`, on the tuning rows."""
        losses = np.zeros(len(SCORE_SCALES))
        for scores, _, labels in self._tuning():
            losses += [_loss(scores * np.float32(scale), labels) for scale in SCORE_SCALES]
        score_scale = SCORE_SCALES[int(np.argmin(losses))]
        losses = np.zeros(len(JOINT_SCALES))
        for scores, log_vote, labels in self._tuning():
            joint = scores * np.float32(score_scale) + log_vote
            losses += [_loss(joint * np.float32(scale), labels) for scale in JOINT_SCALES]
        return score_scale, JOINT_SCALES[int(np.argmin(losses))]

    def _tuning(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for places in blocks(self.data.tuning_places()):
            yield *self.evidence(places), self.data.labels[places]

    def score(self, places: np.ndarray, scales: tuple[float, float]) -> tuple[np.ndarray, ...]:
        """Return the columns of `LabelScores` for some places."""
        scores, log_vote = self.evidence(places)
        joint = scores * np.float32(scales[0]) + log_vote
        row, labels = np.arange(len(places)), self.data.labels[places]
        given = joint[row, labels]
        log_sum = _log_sum(joint * np.float32(scales[1]))
        joint[row, labels] = -np.inf
        best = joint.argmax(axis=1)
        other = joint[row, best]
        given_probability = np.exp(given * np.float32(scales[1]) - log_sum)
        other_probability = np.exp(other * np.float32(scales[1]) - log_sum)
        return other - given, best, given_probability, other_probability


def _log_sum(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exponentials of each row."""
    top = logits.max(axis=1)
    found: np.ndarray = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return found


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the sum of -log of the given labels' softmax."""
    given = logits[np.arange(len(labels)), labels]
    return float((_log_sum(logits) - given).sum(dtype=np.float64))
