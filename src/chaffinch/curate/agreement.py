"""How far reviewers agree: alpha and kappa with intervals, figures for each reviewer, a weighted majority.

Ratings stand in a matrix of reviewers by items, small integers for the answers, `MISSING` where a reviewer
said nothing. Items that fewer than two reviewers answered say nothing about agreement.

Sources: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011 (nominal data, missing values);
J. Cohen, "A coefficient of agreement for nominal scales", 1960; the percentile bootstrap over items; E. B.
Wilson, "Probable inference, the law of succession, and statistical inference", 1927. On real votes with few
raters a weighted majority with a gate did better than the model of Dawid and Skene.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MISSING = -1
"""A reviewer gave no answer."""

FEWEST_FOR_INTERVAL = 10
"""Items below which the bootstrap says nothing: where two agree, so does every draw, and no width is left."""

N_RESAMPLES = 1000
CONFIDENCE_LEVEL = 0.95
Z_95 = 1.959964
"""Standard deviations from the middle of a normal distribution to the ends of its middle 95 %."""

GATE = 0.2
"""A reviewer whose accuracy lies this far below the median reviewer's has no vote."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval."""

    value: float
    """NaN where the ratings do not determine it: no item with two answers, or all answers alike."""
    low: float
    """Lower end of the 95 % interval; NaN where there are too few items to tell."""
    high: float
    """Upper end, likewise."""
    n_items: int
    """Items that it rests on; for agreement those with at least two answers."""


def krippendorff_alpha(ratings: np.ndarray, *, seed: int = 0) -> Estimate:
    """Return Krippendorff's alpha for nominal answers; 1 is agreement, 0 what chance would give.

    R reviewers, N items.

    Args:
        ratings: Shape (R, N), integers; `MISSING` for no answer.
        seed: Of the bootstrap.

    Cost: linear in R x N; the bootstrap draws from the distinct patterns of answers.
    """
    counts = _answer_counts(ratings)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return Estimate(math.nan, math.nan, math.nan, 0)
    patterns, n_alike = np.unique(counts, axis=0, return_counts=True)
    value = _alpha(patterns, n_alike[None, :].astype(float))[0]
    low, high = _interval(lambda draws: _alpha(patterns, draws), n_alike, seed=seed)
    return Estimate(float(value), low, high, len(counts))


def _answer_counts(ratings: np.ndarray) -> np.ndarray:
    """Return shape (N, C): how many reviewers gave each item each of the C answers."""
    answers = np.unique(ratings[ratings != MISSING])
    counts = [(ratings == answer).sum(axis=0) for answer in answers]
    return np.stack(counts, axis=1) if counts else np.zeros((ratings.shape[1], 0), dtype=np.int64)


def _alpha(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return alpha for each row of `weights`, shape (B, P): how often each of P patterns occurs."""
    n_answers = patterns.sum(axis=1)
    agreeing = weights @ ((patterns * (patterns - 1)).sum(axis=1) / (n_answers - 1))
    totals = weights @ patterns
    n = totals.sum(axis=1)
    expected = n * (n - 1) - (totals * (totals - 1)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha: np.ndarray = 1 - (n - agreeing) * (n - 1) / expected
    alpha[expected == 0] = np.nan
    return alpha


def _interval(
    figure: Callable[[np.ndarray], np.ndarray], counts: np.ndarray, *, seed: int
) -> tuple[float, float]:
    """Return the ends of the interval of a figure, by drawing its items anew.

    Args:
        figure: Takes shape (B, P), how often each of P patterns is drawn; returns shape (B,).
        counts: Shape (P,): how many items have each pattern.
        seed: Of the draws.
    """
    n = counts.sum()
    if n < FEWEST_FOR_INTERVAL:
        return math.nan, math.nan
    draws = np.random.default_rng(seed).multinomial(n, counts / n, size=N_RESAMPLES)
    values = figure(draws.astype(float))
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(known, (tail, 1 - tail))
    return float(low), float(high)


def cohen_kappa(first: np.ndarray, second: np.ndarray, *, seed: int = 0) -> Estimate:
    """Return Cohen's kappa of two reviewers over the items that both answered; 1 is agreement, 0 chance.

    Args:
        first: Shape (N,), integers; `MISSING` for no answer.
        second: Likewise.
        seed: Of the bootstrap.
    """
    both = (first != MISSING) & (second != MISSING)
    n = int(both.sum())
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    answers, codes = np.unique(np.concatenate([first[both], second[both]]), return_inverse=True)
    table = np.bincount(codes[:n] * len(answers) + codes[n:], minlength=len(answers) ** 2)
    value = _kappa(table[None, :].astype(float), len(answers))[0]
    low, high = _interval(lambda draws: _kappa(draws, len(answers)), table, seed=seed)
    return Estimate(float(value), low, high, n)


def _kappa(tables: np.ndarray, n_answers: int) -> np.ndarray:
    shares = tables.reshape(len(tables), n_answers, n_answers) / tables.sum(axis=1)[:, None, None]
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=2) * shares.sum(axis=1)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa: np.ndarray = (observed - expected) / (1 - expected)
    kappa[expected > 1 - 1e-12] = np.nan
    return kappa


def share_with_interval(n_right: int, n: int) -> Estimate:
    """Return a share of n with its Wilson interval, which holds for few items and for shares near 0 and 1."""
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    share, spread = n_right / n, Z_95 * Z_95 / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n)


def accuracies(ratings: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """Return shape (R,): how often each reviewer says what is known to be right, or most others say, 0..1.

    Items where nothing is known and the others are evenly split do not count. One right and one wrong answer
    are added, so that few items say little: a reviewer with none has .5.

    Args:
        ratings: Shape (R, N), integers; `MISSING` for no answer.
        truth: Shape (N,): the right answer of each item; `MISSING` where it is not known.
    """
    answers = np.unique(ratings[ratings != MISSING])
    votes = (
        np.stack([ratings == answer for answer in answers]) if len(answers) else np.zeros((0, *ratings.shape))
    )
    totals = votes.sum(axis=1)
    found = np.full(len(ratings), 0.5)
    for reviewer in range(len(ratings)):
        others = totals - votes[:, reviewer]
        winner, is_clear = _winner(others)
        expected = np.full(ratings.shape[1], MISSING, dtype=np.int64)
        expected[is_clear] = answers[winner[is_clear]]
        if truth is not None:
            expected[truth != MISSING] = truth[truth != MISSING]
        counts = (expected != MISSING) & (ratings[reviewer] != MISSING)
        right = expected[counts] == ratings[reviewer, counts]
        found[reviewer] = (right.sum() + 1) / (counts.sum() + 2)
    return found


def _winner(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the highest score of each column, and whether it stands alone above 0."""
    if not len(scores):
        return np.zeros(scores.shape[1], dtype=np.int64), np.zeros(scores.shape[1], dtype=bool)
    best = scores.max(axis=0)
    is_clear = (best > 0) & (np.isclose(scores, best).sum(axis=0) == 1)
    return scores.argmax(axis=0), is_clear


def vote_weights(ratings: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """Return shape (R,): what each reviewer's voice weighs, 0 for one who has none.

    The weight is the log odds of `accuracies`; a reviewer who is `GATE` below the median has none.
    """
    if not len(ratings):
        return np.zeros(0)
    found = accuracies(ratings, truth)
    is_trusted = found >= np.median(found) - GATE
    weights = np.where(is_trusted, np.maximum(np.log(found / (1 - found)), 0.0), 0.0)
    # Where nobody is known to be better than chance, every trusted voice counts alike.
    return weights if weights.any() else is_trusted.astype(float)


def weighted_majority(ratings: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """Return shape (N,): the answer with the most weight for each item; `MISSING` where none stands out.

    Arguments are those of `vote_weights`; what is known to be right sets the weights and no answer.
    """
    weights = vote_weights(ratings, truth)
    answers = np.unique(ratings[ratings != MISSING])
    scores = [weights @ (ratings == answer) for answer in answers]
    winner, is_clear = _winner(np.stack(scores) if scores else np.zeros((0, ratings.shape[1])))
    result = np.full(ratings.shape[1], MISSING, dtype=np.int64)
    result[is_clear] = answers[winner[is_clear]]
    return result
