"""How good vectors are. N vectors of norm 1, compared by cosine; all figures 0..1, higher is better."""

from __future__ import annotations

import numpy as np

N_VOTERS = 5
"""Neighbours that vote for a label."""
N_SUSPICIOUS_VOTERS = 30
"""Neighbours that vote on whether a label is wrong."""
VOTE_POWER = 12
"""Power of a neighbour's cosine that weighs its vote."""


def units(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to norm 1, float32."""
    floats = vectors.astype(np.float32)
    scaled: np.ndarray = floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-12)
    return scaled


def joined(first: np.ndarray, second: np.ndarray, *, share: float) -> np.ndarray:
    """Join vectors so that cosines add up: (1 - share) of the first's, `share` of the second's."""
    return np.hstack([units(first) * np.sqrt(1 - share), units(second) * np.sqrt(share)])


def related_masked(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return all cosines, (N, N), those within a group replaced by -1."""
    cosines = vectors @ vectors.T
    cosines[groups[:, None] == groups[None, :]] = -1
    return cosines


def label_accuracy(
    vectors: np.ndarray, labels: np.ndarray, *, groups: np.ndarray, is_asked: np.ndarray
) -> np.ndarray:
    """Return for each vector asked about whether its neighbours vote for its label; ties go by cosine."""
    cosines = related_masked(vectors, groups)[is_asked]
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :N_VOTERS]
    votes = labels[nearest]
    weights = 1 + 1e-3 * np.take_along_axis(cosines, nearest, axis=1)
    totals = (weights[:, None, :] * (votes[:, :, None] == votes[:, None, :])).sum(axis=2)
    winners = votes[np.arange(len(votes)), totals.argmax(axis=1)]
    right: np.ndarray = winners == labels[is_asked]
    return right


def average_precision(scores: np.ndarray, is_true: np.ndarray) -> float:
    """Return the mean precision at each true one, in order of falling score."""
    ranked = is_true[np.argsort(-scores, kind="stable")]
    precisions = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precisions[ranked].mean())


def mislabel_precision(
    vectors: np.ndarray, labels: np.ndarray, *, groups: np.ndarray, share: float, seed: int
) -> float:
    """Plant wrong labels and rank by the neighbours' vote against a label; returns the average precision.

    Args:
        vectors: Shape (N, D), norm 1.
        labels: Shape (N,).
        groups: Shape (N,): vectors of one group have no vote on each other.
        share: Of labels replaced by another one that occurs, drawn by frequency.
        seed: Of the planting.
    """
    random = np.random.default_rng(seed)
    is_wrong = random.random(len(labels)) < share
    given = labels.copy()
    for row in np.flatnonzero(is_wrong):
        given[row] = random.choice(labels[labels != labels[row]])
    cosines = related_masked(vectors, groups)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :N_SUSPICIOUS_VOTERS]
    weights = np.take_along_axis(cosines, nearest, axis=1).clip(0) ** VOTE_POWER + 1e-9
    agreeing = (weights * (given[nearest] == given[:, None])).sum(axis=1) / weights.sum(axis=1)
    return average_precision(-agreeing, is_wrong)


def copies_found(
    originals: np.ndarray, copies: np.ndarray, *, original_of: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return which copies are nearer to their original than any two strangers are, and that limit.

    Args:
        originals: Shape (O, D), norm 1.
        copies: Shape (C, D), norm 1.
        original_of: Shape (C,): row of each copy's original.
    """
    cosines = copies @ originals.T
    rows = np.arange(len(copies))
    own = cosines[rows, original_of].copy()
    cosines[rows, original_of] = -1
    limit = float(cosines.max())
    found: np.ndarray = own > limit
    return found, limit


def pair_ranking(
    vectors: np.ndarray, *, is_test: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of every pair across splits, and whether people judged it a near-duplicate.

    Args:
        vectors: Shape (N, D), norm 1.
        is_test: Shape (N,).
        pairs: Shape (P, 2), rows, in either order.
    """
    is_judged = np.zeros((len(vectors), len(vectors)), bool)
    is_judged[pairs[:, 0], pairs[:, 1]] = is_judged[pairs[:, 1], pairs[:, 0]] = True
    cosines = vectors[is_test] @ vectors[~is_test].T
    return cosines.ravel(), is_judged[is_test][:, ~is_test].ravel()


def recall_at_precision(scores: np.ndarray, is_true: np.ndarray, *, precision: float) -> float:
    """Return the largest recall at which this precision, a lower bound if not all was judged, is reached."""
    ranked = is_true[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked)
    reached = hits[hits / np.arange(1, len(ranked) + 1) >= precision]
    return float(reached[-1] / is_true.sum()) if len(reached) else 0.0
