"""Images that are far from all others, or from the others of their class.

What it finds: `outlier`: images with hardly a neighbour anywhere. `label_outlier`: images that have
neighbours, but are far from the images of their own class. Three distances are compared with what is usual in
the data: to the nearest few (`near`), to the nearest twentieth (`far`), and the mean of `far` over an image
and its nearest (`around`). The first misses foreign images that resemble each other, since those are
neighbours; the second sees such groups up to a twentieth of the data, and the third lifts a whole group where
one member stands out.
Why it matters: pictures that do not belong (a scanned page, a logo, a broken render) are noise in training;
rare views that do belong are what a model lacks most. So nothing here says remove.
False alarms: the rare but right. What `near` and `far` do not see: near-domain outliers (another animal among
horses) are mostly missed by every method that was measured, and where a dataset is so varied that each image
is alone (five photographs a class), foreign images hide; see docs/performance.md.
Source: distance to the k-th neighbour: S. Ramaswamy, R. Rastogi, K. Shim, "Efficient algorithms for mining
outliers from large data sets", SIGMOD 2000; cuts by median absolute deviation: B. Iglewicz, D. Hoaglin, "How
to Detect and Handle Outliers", 1993. Constants were fit on the tuning halves of
benchmarks/quality/outliers.py.

Beyond `MAX_REFERENCES` images (`MAX_CLASS_REFERENCES` of a class) distances other than `near` are taken to a
random sample of them, the same each time: the nearest twentieth of the sample stands for that of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from chaffinch.detect.block_workers import block_workers
from chaffinch.detect.knn import KnnGraph
from chaffinch.storage.vectors import unit_rows

N_NEIGHBOURS = 10
"""Neighbours whose mean distance is `near`."""
N_AROUND = 5
"""Neighbours over which `far` is averaged for `around`."""
FAR_SHARE, MIN_FAR_RANK = 0.05, 10
"""`far` is the distance to the image at this share of all by nearness, at least the tenth."""
CLASS_FAR_SHARE, MIN_CLASS_RANK = 0.1, 5
"""The same within a class."""
MAX_REFERENCES, MAX_CLASS_REFERENCES = 2048, 256
"""Images to which `far` is measured, of all and of a class."""
MIN_CLASS_IMAGES = 20
"""Of smaller classes nobody can say what is usual in them."""
CUT = 3.5
"""An image is flagged above so many robust standard deviations: of 100 images of clean data 0 to 3."""
DEVIATIONS_PER_MAD = 1.4826
"""A standard deviation, as a multiple of the median absolute deviation, of normally distributed values."""
BLOCK_ROWS = 1024

DISTANCES = ("near", "far", "around")
"""What is measured of each image, in the order of `OutlierScores.distances`."""


@dataclass(frozen=True, slots=True, eq=False)
class OutlierScores:
    """How far R images are from others."""

    distances: np.ndarray
    """Shape (R, 3), float32: 1 - cosine, 0..2, as `DISTANCES`; higher is farther."""
    usual: np.ndarray
    """Shape (3,): their medians."""
    score: np.ndarray
    """Shape (R,), float32: robust standard deviations of the most striking distance above its median."""
    striking: np.ndarray
    """Shape (R,), int8: position in `DISTANCES` of that distance."""
    class_distance: np.ndarray
    """Shape (R,), float32: `far` within the image's class; NaN where it is not judged."""
    class_score: np.ndarray
    """Shape (R,), float32: by how many robust standard deviations that is more than usual in the class; NaN
    likewise."""

    @property
    def is_outlier(self) -> np.ndarray:
        """Shape (R,), bool: far from all others."""
        found: np.ndarray = self.score > CUT
        return found

    @property
    def is_label_outlier(self) -> np.ndarray:
        """Shape (R,), bool: far from its class, not from all: an image is flagged once."""
        found: np.ndarray = ~self.is_outlier & (self.class_score > CUT)
        return found


def outlier_confidence(score: np.ndarray) -> np.ndarray:
    """Return 0..1 for scores, one half at the cut, .95 three deviations above it."""
    found: np.ndarray = expit(score - CUT)
    return found


def score_outliers(vectors: np.ndarray, labels: np.ndarray, graph: KnnGraph) -> OutlierScores:
    """Measure how far each image is from the others, and from those of its class. R images, D dimensions.

    Args:
        vectors: Shape (R, D), any float type, no row of zeros; may be a memory map.
        labels: Shape (R,), int64: class numbers, -1 for none.
        graph: The images' `N_NEIGHBOURS` nearest or more.

    Cost: R * D * 2,300 operations, 40 bytes an image; figures in benchmarks/results/outliers.json.
    """
    near = (1 - graph.similarity[:, :N_NEIGHBOURS]).mean(axis=1)
    far = _far(vectors, np.arange(len(vectors)), _Rank(MAX_REFERENCES, FAR_SHARE, MIN_FAR_RANK))
    nearest = graph.neighbours[:, :N_AROUND]
    # Where there are fewer neighbours the image itself stands in for them.
    nearest = np.where(nearest >= 0, nearest, np.arange(len(far))[:, None])
    around = (far + far[nearest].sum(axis=1)) / (1 + nearest.shape[1])
    distances = np.stack([near, far, around], axis=1).astype(np.float32)
    deviations = np.stack([robust_deviations(column) for column in distances.T], axis=1)
    class_distance, class_score = _within_classes(vectors, labels)
    return OutlierScores(
        distances=distances,
        usual=np.median(distances, axis=0),
        score=deviations.max(axis=1).astype(np.float32),
        striking=deviations.argmax(axis=1).astype(np.int8),
        class_distance=class_distance,
        class_score=class_score,
    )


def robust_deviations(values: np.ndarray) -> np.ndarray:
    """Return by how many robust standard deviations each value exceeds the median; 0 if most are equal."""
    centred = values.astype(np.float64) - np.median(values)
    deviation = DEVIATIONS_PER_MAD * np.median(np.abs(centred))
    found: np.ndarray = centred / deviation if deviation > 0 else np.zeros_like(centred)
    return found


@dataclass(frozen=True, slots=True)
class _Rank:
    """Which neighbour's distance is taken."""

    max_references: int
    share: float
    smallest: int

    def of(self, n_references: int) -> int:
        """Return the number of the neighbour, from 0, among the references other than the image itself."""
        return min(max(self.smallest, round(self.share * n_references)), n_references - 1) - 1


def _within_classes(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance = np.full(len(labels), np.nan, dtype=np.float32)
    score = distance.copy()
    rank = _Rank(MAX_CLASS_REFERENCES, CLASS_FAR_SHARE, MIN_CLASS_RANK)
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(members) >= MIN_CLASS_IMAGES and labels[members[0]] >= 0:
            distance[members] = _far(vectors, members, rank)
            score[members] = robust_deviations(distance[members])
    return distance, score


def _far(vectors: np.ndarray, rows: np.ndarray, rank: _Rank) -> np.ndarray:
    """Return for each row the distance to the neighbour of a rank among (a sample of) the rows."""
    references = rows
    if len(rows) > rank.max_references:
        references = np.sort(np.random.default_rng(0).choice(rows, rank.max_references, replace=False))
    if len(references) < 2:
        return np.zeros(len(rows), dtype=np.float32)
    units = unit_rows(vectors[references])
    place = rank.of(len(references))
    found = np.empty(len(rows), dtype=np.float32)

    def work(start: int) -> None:
        some = rows[start : start + BLOCK_ROWS]
        distances = 1 - unit_rows(vectors[some]) @ units.T
        _leave_out_self(distances, some, references)
        found[start : start + len(some)] = np.partition(distances, place, axis=1)[:, place]

    _for_blocks(work, len(rows))
    return found


def _leave_out_self(distances: np.ndarray, rows: np.ndarray, references: np.ndarray) -> None:
    """Make each row's distance to itself the largest; both are rising row numbers."""
    place = np.minimum(np.searchsorted(references, rows), len(references) - 1)
    own = np.flatnonzero(references[place] == rows)
    distances[own, place[own]] = np.inf


def _for_blocks(work: Callable[[int], None], n_rows: int) -> None:
    starts = range(0, n_rows, BLOCK_ROWS)
    if len(starts) == 1:
        # Most classes are one block; threads would cost more than they save.
        work(0)
        return
    with block_workers() as pool:
        list(pool.map(work, starts))
