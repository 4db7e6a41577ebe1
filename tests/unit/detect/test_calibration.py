"""The cosine at which two vectors mean one picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.detect.calibration import calibrate

COSINES = st.lists(st.floats(-1, 1), min_size=1, max_size=50).map(np.array)


def test_calibrate__just_above_the_strangers_where_copies_are_no_farther() -> None:
    strangers = np.array([0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5])
    copies = {"cropped": np.array([0.84, 0.95]), "resized": np.array([0.99, 0.7])}
    found = calibrate(copies, strangers, max_false_share=0.1)
    assert found.threshold == 0.851
    assert found.false_share() == pytest.approx(0.1)
    assert found.recall_by_kind() == {"cropped": 0.5, "resized": 0.5}
    assert found.recall() == 0.5
    assert found.precision() == pytest.approx(0.5 / 0.6)


def test_calibrate__half_way_up_to_copies_that_are_all_nearer() -> None:
    found = calibrate({"resized": np.full(20, 0.9)}, np.full(10, 0.5), max_false_share=0.0)
    assert found.threshold == pytest.approx(0.701)
    assert (found.recall(), found.false_share(), found.precision()) == (1.0, 0.0, 1.0)


def test_calibrate__nothing_as_near_is_perfect_precision() -> None:
    assert calibrate({"a": np.array([0.2])}, np.array([0.99]), max_false_share=0.0).precision() == 1.0


@given(copies=COSINES, strangers=COSINES, share=st.floats(0, 0.99))
def test_calibrate__never_lets_more_strangers_in_than_allowed(
    copies: np.ndarray, strangers: np.ndarray, share: float
) -> None:
    found = calibrate({"a": copies}, np.minimum(strangers, 0.99), max_false_share=share)
    assert 0 < found.threshold < 1
    assert found.false_share() <= share
