"""Ridge regression from vectors to one-hot labels, with each image's prediction made without that image.

What leaving out one row would change follows from the fit in closed form: with the leverage h of a row, its
prediction without it is (prediction - h * label) / (1 - h). Copies of a picture are rows of one leverage, so
a group of m copies with label counts c is left out by (prediction - h * c) / (1 - m * h): exact for equal
vectors, close for nearly equal ones.

Rows are taken from the mean of all and scaled to norm 1 before the fit; that ranks wrong labels better than
the vectors as they are (benchmarks/quality/mislabels.py).

Source: leave-one-out: D. Allen, "The relationship between variable selection and data augmentation and a
method for prediction", Technometrics 16, 1974; the block form follows from the Woodbury identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from chaffinch.detect.block_workers import block_workers
from chaffinch.storage.vectors import unit_rows

BLOCK_ROWS = 2048
"""Rows that are multiplied at once: 8 MB of scores at a thousand classes."""
N_PIECES = 16
"""Parts of the data that are summed by themselves; fixed, so that sums are the same on any machine."""
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Ridge penalties that are tried; the one of the least squared error without the row itself is taken."""
MAX_TUNING_ROWS = 20_000
"""Rows on which that is measured."""
SMALLEST_REST = 1e-3
"""Of a row that alone decides its prediction (1 - m * h near 0), so much is left to divide by."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledVectors:
    """R images with a vector and a label, out of N; D dimensions, C classes."""

    vectors: np.ndarray
    """Shape (N, D), any float type; may be a memory map."""
    rows: np.ndarray
    """Shape (R,), int64: the rows with a label, rising; none of them zeros."""
    labels: np.ndarray
    """Shape (R,), int64: class numbers, 0..C-1."""
    n_classes: int
    """C."""

    def block(self, places: np.ndarray) -> np.ndarray:
        """Return the vectors at some places of `rows`, shape (B, D), float32, of norm 1."""
        return unit_rows(self.vectors[self.rows[places]])

    def class_sizes(self) -> np.ndarray:
        """Return the number of images of each class, shape (C,)."""
        return np.bincount(self.labels, minlength=self.n_classes)

    def tuning_places(self) -> np.ndarray:
        """Return up to `MAX_TUNING_ROWS` places, rising, to fit a few numbers on; the same each time."""
        n = len(self.rows)
        if n <= MAX_TUNING_ROWS:
            return np.arange(n)
        return np.sort(np.random.default_rng(0).choice(n, MAX_TUNING_ROWS, replace=False))


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A fit."""

    mean: np.ndarray
    """Shape (D,): mean of the vectors."""
    centre: np.ndarray
    """Shape (D,): mean of the rows after they were taken from `mean` and scaled."""
    prior: np.ndarray
    """Shape (C,): share of each class."""
    weights: np.ndarray
    """Shape (D, C), float32."""
    spread: np.ndarray
    """Shape (D, D), float32: a prepared row has leverage 1 / R plus the squared norm of row @ spread."""
    n_rows: int
    """R."""
    penalty: float
    """The penalty taken."""

    def prepared(self, block: np.ndarray) -> np.ndarray:
        """Turn vectors of norm 1 into rows of the regression, shape (B, D), float32."""
        rows: np.ndarray = unit_rows(block - self.mean) - self.centre
        return rows

    def predictions(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores (B, C) with the rows themselves in the fit, and leverages (B,); float32."""
        rows = self.prepared(block)
        spread = rows @ self.spread
        leverage = np.einsum("ij,ij->i", spread, spread) + np.float32(1 / self.n_rows)
        return rows @ self.weights + self.prior, leverage


def without_own(scores: np.ndarray, leverage: np.ndarray, left_out: csr_array) -> np.ndarray:
    """Return the scores that a fit without some rows would give. B rows, C classes.

    Args:
        scores: Shape (B, C), from `Ridge.predictions`; changed in place.
        leverage: Shape (B,).
        left_out: Shape (B, C): images of each class that are left out for each row: itself, its copies.

    Returns:
        Shape (B, C), around 0..1; higher speaks for the class.
    """
    n_out = np.asarray(left_out.sum(axis=1)).ravel()
    rest = np.maximum(1 - n_out * leverage, SMALLEST_REST)
    per_row = np.repeat(leverage, np.diff(left_out.indptr))
    row = np.repeat(np.arange(len(scores)), np.diff(left_out.indptr))
    np.subtract.at(scores, (row, left_out.indices), per_row * left_out.data)
    scores /= rest[:, None]
    return scores


def fit_ridge(data: LabelledVectors) -> Ridge:
    """Fit ridge regression to one-hot labels; the penalty has the least error on rows that are left out.

    Cost: two passes over the vectors; R * D * (D + C) operations, 8 * D * (D + C) bytes a thread.
    """
    with block_workers() as pool:
        pieces = np.array_split(np.arange(len(data.rows)), N_PIECES)
        sums = list(pool.map(lambda piece: _sum(data, piece), pieces))
        mean = (np.sum(sums, axis=0) / len(data.rows)).astype(np.float32)
        gram: np.ndarray = np.zeros((len(mean), len(mean)))
        by_class: np.ndarray = np.zeros((data.n_classes, len(mean)))
        for part_gram, part_by_class in pool.map(lambda piece: _moments(data, piece, mean), pieces):
            gram += part_gram
            by_class += part_by_class
        centre = by_class.sum(axis=0) / len(data.rows)
        gram -= len(data.rows) * np.outer(centre, centre)
        by_class -= data.class_sizes()[:, None] * centre
        values, basis = np.linalg.eigh(gram)
        fits = [_solve(data, (mean, centre), (np.maximum(values, 0), basis, by_class), p) for p in PENALTIES]
        errors = list(pool.map(lambda fit: _error_left_out(data, fit), fits))
    return fits[int(np.argmin(errors))]


def blocks(places: np.ndarray) -> Iterator[np.ndarray]:
    """Cut places into blocks of `BLOCK_ROWS`."""
    for start in range(0, len(places), BLOCK_ROWS):
        yield places[start : start + BLOCK_ROWS]


def own_labels(labels: np.ndarray, n_classes: int) -> csr_array:
    """Return shape (B, C): each row's own label counted once."""
    ones = np.ones(len(labels), dtype=np.float32)
    return csr_array((ones, labels, np.arange(len(labels) + 1)), shape=(len(labels), n_classes))


def _sum(data: LabelledVectors, piece: np.ndarray) -> np.ndarray:
    total: np.ndarray = np.zeros(data.vectors.shape[1])
    for places in blocks(piece):
        total += data.block(places).sum(axis=0, dtype=np.float64)
    return total


def _moments(data: LabelledVectors, piece: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of outer products of a piece's rows, and their sums by class."""
    gram = np.zeros((len(mean), len(mean)))
    by_class = np.zeros((data.n_classes, len(mean)))
    for places in blocks(piece):
        rows = unit_rows(data.block(places) - mean)
        gram += rows.T @ rows
        by_class += own_labels(data.labels[places], data.n_classes).T @ rows
    return gram, by_class


def _solve(
    data: LabelledVectors,
    means: tuple[np.ndarray, np.ndarray],
    moments: tuple[np.ndarray, np.ndarray, np.ndarray],
    penalty: float,
) -> Ridge:
    values, basis, by_class = moments
    shrunk = 1 / (values + penalty)
    return Ridge(
        mean=means[0],
        centre=means[1].astype(np.float32),
        prior=(data.class_sizes() / len(data.rows)).astype(np.float32),
        weights=(basis @ (shrunk[:, None] * (basis.T @ by_class.T))).astype(np.float32),
        spread=(basis * np.sqrt(shrunk)).astype(np.float32),
        n_rows=len(data.rows),
        penalty=penalty,
    )


def _error_left_out(data: LabelledVectors, fit: Ridge) -> float:
    """Return the mean squared error of the tuning rows, each predicted without itself."""
    total = 0.0
    tuning = data.tuning_places()
    for places in blocks(tuning):
        scores, leverage = fit.predictions(data.block(places))
        labels = data.labels[places]
        scores = without_own(scores, leverage, own_labels(labels, data.n_classes))
        scores[np.arange(len(labels)), labels] -= 1
        total += float(np.einsum("ij,ij->", scores, scores, dtype=np.float64))
    return total / len(tuning)
