"""Wrong labels by confident learning, where the user has a model's predicted probabilities.

What it finds: images whose given label the model, judged against its own habits, does not believe. A class
counts as confidently predicted where its probability reaches the mean that images given that label get. Given
label by confidently predicted label is counted (the confident joint) and scaled to the label counts; for each
pair of classes, so many images with the largest margin between the two are flagged as the joint says are
wrong.
Why it matters: a model trained for the very task knows its classes better than general vectors do.
False alarms: probabilities of images that the model was trained on are no evidence: it has learnt their
wrong labels. They have to be out of sample (cross-validated, or of another split's model).
Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, 2021: thresholds and joint, equations 1 and 2; calibration, equation 3; pruning by noise rate (PBNR),
by class (PBC) and by both, section 3.2. As in the authors' package cleanlab, an image is never flagged whose
given label is the one predicted, and each class keeps at least one image. Where several classes are
confidently predicted the likeliest of all counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Rule = Literal["noise_rate", "class", "both"]
"""Which images are flagged: by pairs of classes and margin, by class and self-confidence, or by both."""

BLOCK_ROWS = 8192
_SLACK = 1e-6
"""Probabilities so little below a threshold reach it; they are rounded numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class ConfidentLabels:
    """What R images' probabilities of C classes say about their labels."""

    thresholds: np.ndarray
    """Shape (C,): mean probability of each class among the images given it; 1 where there are none."""
    joint: np.ndarray
    """Shape (C, C), int64: estimated images by given label (row) and true label (column); rows sum to the
    number of images given that label."""
    is_issue: np.ndarray
    """Shape (R,), bool."""
    self_confidence: np.ndarray
    """Shape (R,), float32: probability of the given label, 0..1; lower is more suspect."""
    best_other: np.ndarray
    """Shape (R,), int32: the likeliest class other than the given one."""
    other_probability: np.ndarray
    """Shape (R,), float32: its probability."""

    @property
    def normalized_margin(self) -> np.ndarray:
        """Shape (R,): (probability of the given label - of the best other + 1) / 2; lower is more suspect."""
        found: np.ndarray = (self.self_confidence - self.other_probability + 1) / 2
        return found


def confident_learning(
    probs: np.ndarray, labels: np.ndarray, *, rule: Rule = "noise_rate"
) -> ConfidentLabels:
    """Find the labels that out-of-sample probabilities speak against. R images, C classes.

    Args:
        probs: Shape (R, C), any float type, rows summing to 1; may be a memory map.
        labels: Shape (R,), int64, 0..C-1.
        rule: How images are chosen.

    Cost: three passes over the probabilities, 8 * C * C bytes, and one class's rows at a time.
    """
    n_classes = probs.shape[1]
    sizes = np.bincount(labels, minlength=n_classes)
    given, best, other = _given_and_other(probs, labels)
    thresholds = np.divide(
        np.bincount(labels, given, minlength=n_classes), sizes, out=np.ones(n_classes), where=sizes > 0
    )
    joint = _calibrated(_confident_joint(probs, labels, thresholds), sizes)
    is_issue = np.zeros(len(labels), dtype=bool)
    order = np.argsort(labels, kind="stable")
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        if len(rows) > 1:
            block = np.asarray(probs[rows], dtype=np.float64)
            is_issue[rows] = _flagged(block, int(labels[rows[0]]), joint, rule)
    # Where the given label is the one predicted, there is nothing to say against it.
    is_issue &= other > given
    return ConfidentLabels(thresholds, joint, is_issue, given, best, other)


def _given_and_other(probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    given = np.empty(len(labels), dtype=np.float32)
    best = np.empty(len(labels), dtype=np.int32)
    other = np.empty(len(labels), dtype=np.float32)
    for start in range(0, len(labels), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        block = np.array(probs[part], dtype=np.float32)
        row, label = np.arange(len(block)), labels[part]
        given[part] = block[row, label]
        block[row, label] = -1
        best[part] = block.argmax(axis=1)
        other[part] = block[row, best[part]]
    return given, best, other


def _confident_joint(probs: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Count images by given and confidently predicted label; each class has at least one on the diagonal."""
    n_classes = len(thresholds)
    joint = np.zeros((n_classes, n_classes), dtype=np.int64)
    for start in range(0, len(labels), BLOCK_ROWS):
        block = np.asarray(probs[start : start + BLOCK_ROWS], dtype=np.float64)
        is_confident = block >= thresholds - _SLACK
        n_confident = is_confident.sum(axis=1)
        predicted = np.where(n_confident > 1, block.argmax(axis=1), is_confident.argmax(axis=1))
        counted = n_confident > 0
        np.add.at(joint, (labels[start : start + BLOCK_ROWS][counted], predicted[counted]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    return joint


def _calibrated(joint: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Scale each row to its class's size, in whole numbers that sum to it."""
    exact = joint / joint.sum(axis=1, keepdims=True) * sizes[:, None]
    whole: np.ndarray = np.floor(exact).astype(np.int64)
    # The largest remainders are rounded up, so many as the row lacks; of equal ones those of later classes.
    lacking = sizes - whole.sum(axis=1)
    rank = np.argsort(np.argsort(exact - whole, axis=1, kind="stable"), axis=1, kind="stable")
    whole += rank >= len(sizes) - lacking[:, None]
    return whole


def _flagged(block: np.ndarray, label: int, joint: np.ndarray, rule: Rule) -> np.ndarray:
    """Return which of the images given one label are wrong, shape (B,), bool; their rows are (B, C)."""
    if rule == "noise_rate":
        return _by_noise_rate(block, label, joint[label])
    if rule == "class":
        return _by_class(block, label, joint[label])
    found: np.ndarray = _by_noise_rate(block, label, joint[label]) & _by_class(block, label, joint[label])
    return found


def _by_noise_rate(block: np.ndarray, label: int, counts: np.ndarray) -> np.ndarray:
    """Flag, for each other class, so many images as the joint has there: those of the largest margin."""
    found = np.zeros(len(block), dtype=bool)
    for other in np.flatnonzero(counts).tolist():
        if other != label:
            margin = block[:, other] - block[:, label]
            found |= margin >= _nth_largest(margin, int(counts[other]))
    return found


def _by_class(block: np.ndarray, label: int, counts: np.ndarray) -> np.ndarray:
    """Flag so many images as the joint has off the diagonal: those of the lowest self-confidence."""
    n_wrong = int(counts.sum() - counts[label])
    if n_wrong == 0:
        return np.zeros(len(block), dtype=bool)
    doubt = -block[:, label]
    found: np.ndarray = doubt >= _nth_largest(doubt, n_wrong)
    return found


def _nth_largest(values: np.ndarray, n: int) -> float:
    n = min(n, len(values) - 1)  # a class keeps at least one image
    return float(np.partition(values, len(values) - n)[len(values) - n])
