"""Planted label noise: halves of the data sets, noise by kind, and how well scores and flags find it.

Everything that was fit (constants in `chaffinch.detect`) was fit on the tuning halves. Halves are by class
for photos-256, whose classes have five images, by photograph for coco-boxes, and by image, class by class,
for cifar10-slice. Noise replaces a share of the labels: `uniform` by any other class, `pair` by the class
whose mean vector is nearest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from feature_sets import FeatureSet, feature_set

DATA_SETS = ("cifar10-slice", "photos-256", "coco-boxes")
RATES = (0.05, 0.1, 0.2)
SEEDS = (0, 1, 2)
SMALLEST_CLASS = 5
N_BOOTSTRAP = 300


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One half of one data set with noise of one kind."""

    data: str
    noise: str
    rate: float
    seed: int
    vectors: np.ndarray
    labels: np.ndarray
    is_wrong: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.data}|{self.noise}|{self.rate}|{self.seed}"


def half_of(name: str, *, is_holdout: bool) -> FeatureSet:
    """Return the tuning or the holdout half of a data set."""
    pictures, rng = feature_set(name), np.random.default_rng(11)
    if name == "photos-256":
        classes = rng.permutation(len(pictures.classes))
        is_tuning = np.isin(pictures.labels, classes[: len(classes) // 2])
    elif name == "coco-boxes":
        files = np.array([picture.split("#")[0] for picture in pictures.names])
        chosen = rng.permutation(np.unique(files))
        is_tuning = np.isin(files, chosen[: len(chosen) // 2])
    else:
        is_tuning = np.zeros(len(pictures.labels), dtype=bool)
        for number in range(len(pictures.classes)):
            rows = rng.permutation(np.flatnonzero(pictures.labels == number))
            is_tuning[rows[: len(rows) // 2]] = True
    return pictures.take(np.flatnonzero(is_tuning != is_holdout))


def labelled_half(name: str, *, is_holdout: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors and labels 0..C-1 of a half, without classes too small to be judged."""
    half = half_of(name, is_holdout=is_holdout)
    sizes = np.bincount(half.labels, minlength=len(half.classes))
    half = half.take(np.flatnonzero(sizes[half.labels] >= SMALLEST_CLASS))
    return half.vectors.astype(np.float32), np.unique(half.labels, return_inverse=True)[1]


def with_noise(vectors: np.ndarray, labels: np.ndarray, *, noise: str, rate: float, seed: int) -> np.ndarray:
    """Return the labels with a share of them replaced."""
    rng = np.random.default_rng(seed)
    n_classes = int(labels.max()) + 1
    hit = rng.permutation(len(labels))[: round(rate * len(labels))]
    found = labels.copy()
    if noise == "uniform":
        found[hit] = (labels[hit] + rng.integers(1, n_classes, len(hit))) % n_classes
        return found
    means = np.stack([vectors[labels == number].mean(axis=0) for number in range(n_classes)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    similarity = means @ means.T
    np.fill_diagonal(similarity, -1)
    found[hit] = similarity.argmax(axis=1)[labels[hit]]
    return found


def cases(*, is_holdout: bool) -> Iterator[Case]:
    """Yield all cases of the tuning or of the holdout halves; rate 0 is the clean half, once."""
    for data in DATA_SETS:
        vectors, truth = labelled_half(data, is_holdout=is_holdout)
        yield Case(data, "none", 0.0, 0, vectors, truth, np.zeros(len(truth), dtype=bool))
        for noise, rate, seed in itertools.product(("uniform", "pair"), RATES, SEEDS):
            labels = with_noise(vectors, truth, noise=noise, rate=rate, seed=seed)
            yield Case(data, noise, rate, seed, vectors, labels, labels != truth)


def average_precision(scores: np.ndarray, is_wrong: np.ndarray) -> float:
    """Return the mean precision at each wrong label, in the order of falling scores."""
    found = is_wrong[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    return float(precision[found].mean()) if found.any() else float("nan")


def precision_recall_f1(flags: np.ndarray, is_wrong: np.ndarray) -> tuple[float, float, float]:
    """Return precision, recall and their harmonic mean."""
    hits = int((flags & is_wrong).sum())
    precision, recall = hits / max(1, int(flags.sum())), hits / max(1, int(is_wrong.sum()))
    return precision, recall, 2 * hits / max(1, int(flags.sum() + is_wrong.sum()))


def interval(measures: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return the middle 95 % of the mean average precision when images are drawn anew; one pair a seed."""
    rng = np.random.default_rng(0)
    means = []
    for _ in range(N_BOOTSTRAP):
        rows = [rng.integers(0, len(scores), len(scores)) for scores, _ in measures]
        found = [average_precision(s[r], w[r]) for (s, w), r in zip(measures, rows, strict=True)]
        means.append(np.nanmean(found) if not np.isnan(found).all() else np.nan)
    # Of the few draws without any wrong image there is nothing to rank.
    low, high = np.nanquantile(means, [0.025, 0.975])
    return float(low), float(high)
