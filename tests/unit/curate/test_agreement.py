"""Agreement figures against values worked out by hand, and their properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chaffinch.curate.agreement import (
    MISSING,
    accuracies,
    cohen_kappa,
    krippendorff_alpha,
    share_with_interval,
    vote_weights,
    weighted_majority,
)

_ = MISSING
# The worked example of Krippendorff's paper, section C: two to four observers, missing values.
PAPER = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)


def test_krippendorff_alpha__worked_example_of_the_paper() -> None:
    found = krippendorff_alpha(PAPER)
    assert found.value == pytest.approx(0.743, abs=0.0005)
    assert found.low < found.value < found.high <= 1
    assert found.n_items == 11


def test_krippendorff_alpha__by_hand() -> None:
    # Items aa, ab, bb: 2 of 6 answers disagree with their partner; by chance 1 - (3*2 + 3*2) / (6*5) = .6.
    found = krippendorff_alpha(np.array([[0, 0, 1], [0, 1, 1]]))
    assert found.value == pytest.approx(1 - (2 / 6) / 0.6)


@pytest.mark.parametrize("ratings", [np.array([[0, 0], [0, 0]]), np.array([[0, _], [_, 1]])])
def test_krippendorff_alpha__is_not_determined(ratings: np.ndarray) -> None:
    assert math.isnan(krippendorff_alpha(ratings).value)


def test_cohen_kappa__by_hand() -> None:
    # 20 both yes, 5 only the first, 10 only the second, 15 both no: po .7, pe .5*.6 + .5*.4 = .5.
    first = np.array([1] * 25 + [0] * 25 + [_])
    second = np.array([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15 + [1])
    found = cohen_kappa(first, second)
    assert found.value == pytest.approx(0.4)
    assert found.n_items == 50
    assert 0.1 < found.low < 0.4 < found.high < 0.7


@pytest.mark.parametrize(("n", "has_interval"), [(1, False), (9, False), (10, True)])
def test_interval__is_of_ten_items_or_more(n: int, has_interval: bool) -> None:
    first, second = np.arange(n) % 2, np.arange(n) // 2 % 2
    for found in (krippendorff_alpha(np.array([first, second])), cohen_kappa(first, second)):
        assert found.n_items == n
        assert math.isnan(found.low) != has_interval and math.isnan(found.high) != has_interval


def test_cohen_kappa__nothing_in_common() -> None:
    assert math.isnan(cohen_kappa(np.array([1, _]), np.array([_, 1])).value)
    assert math.isnan(cohen_kappa(np.array([1, 1]), np.array([1, 1])).value)


@given(hnp.arrays(np.int64, (3, 8), elements=st.integers(-1, 2)), st.permutations(range(8)))
def test_krippendorff_alpha__names_and_order_do_not_matter(ratings: np.ndarray, order: list[int]) -> None:
    value = krippendorff_alpha(ratings).value
    renamed = np.where(ratings == MISSING, MISSING, 2 - ratings)
    assert krippendorff_alpha(renamed[::-1][:, order]).value == pytest.approx(value, nan_ok=True)


def test_accuracies__against_the_others() -> None:
    ratings = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 0]])
    # Of the first, item 3 does not count: the others are split.
    assert accuracies(ratings) == pytest.approx([4 / 5, 4 / 5, 4 / 6])


def test_accuracies__against_what_is_known() -> None:
    ratings = np.array([[0, 0, 1, MISSING], [0, 1, 1, 1]])
    # Items 1 and 2 are gold, the others are judged by the one other reviewer.
    truth = np.array([1, 0, MISSING, MISSING])
    assert accuracies(ratings, truth) == pytest.approx([(2 + 1) / (3 + 2), (1 + 1) / (3 + 2)])


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 5, 0.0, 0.4345), (5, 5, 0.5655, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_share_with_interval__wilson(n_right: int, n: int, low: float, high: float) -> None:
    found = share_with_interval(n_right, n)
    assert (found.value, found.n_items) == (n_right / n, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_share_with_interval__of_nothing() -> None:
    found = share_with_interval(0, 0)
    assert np.isnan([found.value, found.low, found.high]).all() and found.n_items == 0


def test_vote_weights__log_odds_above_the_gate() -> None:
    truth = np.zeros(8, dtype=np.int64)
    ratings = np.array([[0] * 8, [0] * 6 + [1] * 2, [0] * 4 + [1] * 4, [1] * 8])
    # 9, 7, 5 and 1 of 10, with one right and one wrong added; the median is .6, the gate .4.
    assert vote_weights(ratings, truth) == pytest.approx([np.log(9), np.log(7 / 3), 0.0, 0.0])
    # Below the gate is one who is right less often than not; above it one with even odds weighs nothing too.
    assert vote_weights(np.full((3, 4), MISSING)).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("n_votes", [3, 5])
def test_weighted_majority__beats_a_plain_one_with_raters_of_all_kinds(n_votes: int) -> None:
    random = np.random.default_rng(7)
    n_items, n_raters = 3000, 24
    truth = random.integers(0, 3, n_items)
    # As found among real raters: most are right in 85 of 100 cases, some hardly look.
    skill = np.where(np.arange(n_raters) % 4 == 0, 0.3, 0.85)
    asked = random.random((n_raters, n_items)).argsort(axis=0) < n_votes
    is_right = random.random((n_raters, n_items)) < skill[:, None]
    wrong = (truth + random.integers(1, 3, (n_raters, n_items))) % 3
    ratings = np.where(asked, np.where(is_right, truth, wrong), MISSING)
    votes = np.stack([(ratings == answer).sum(axis=0) for answer in range(3)])
    # A plain majority takes one of the first at random.
    plain = (votes + random.random(votes.shape) / 2).argmax(axis=0)
    weighted = weighted_majority(ratings)
    weighted = np.where(weighted == MISSING, plain, weighted)
    assert (weighted == truth).mean() > (plain == truth).mean() + 0.02


def test_weighted_majority__a_bad_rater_has_no_vote() -> None:
    truth = np.array([0, 1] * 10)
    ratings = np.stack([truth, truth, 1 - truth, np.full(20, MISSING)])
    ratings[1, 0] = MISSING
    assert weighted_majority(ratings).tolist() == truth.tolist()


def test_weighted_majority__a_tie_stays_open() -> None:
    assert weighted_majority(np.array([[0, 1], [1, 1]])).tolist() == [MISSING, 1]
    assert weighted_majority(np.full((2, 1), MISSING)).tolist() == [MISSING]
