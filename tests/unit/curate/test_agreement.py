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


def test_weighted_majority__a_bad_rater_has_no_vote() -> None:
    truth = np.array([0, 1] * 10)
    ratings = np.stack([truth, truth, 1 - truth, np.full(20, MISSING)])
    ratings[1, 0] = MISSING
    assert weighted_majority(ratings).tolist() == truth.tolist()


def test_weighted_majority__a_tie_stays_open() -> None:
    assert weighted_majority(np.array([[0, 1], [1, 1]])).tolist() == [MISSING, 1]
    assert weighted_majority(np.full((2, 1), MISSING)).tolist() == [MISSING]
