"""Confused pairs stand out from what chance would bring about."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.detect.confusion import confused_pairs


def test_confused_pairs__by_hand() -> None:
    # Five classes of 20. Six of class 0 look like 1, four of 1 like 0, one each of 2, 3, 4 like another.
    labels = np.repeat(np.arange(5), 20)
    other, margin = (labels + 1) % 5, np.full(100, -1.0)
    other[20:24] = 0
    margin[[*range(6), *range(20, 24), 40, 60, 80]] = np.arange(1.0, 14.0)
    (pair,) = confused_pairs(labels, other, margin, n_classes=5)
    assert (pair.class_a, pair.class_b, pair.n_a_like_b, pair.n_b_like_a) == (0, 1, 6, 4)
    assert pair.expected == pytest.approx(6 * 20 / 80 + 4 * 20 / 80)
    assert pair.p_value == pytest.approx(2.77e-4, rel=0.01)  # Poisson, mean 2.5, 10 or more
    assert pair.examples == (23, 22, 21, 20, 5)


def test_confused_pairs__none_where_nothing_looks_wrong() -> None:
    assert confused_pairs(np.array([0, 1]), np.array([1, 0]), np.array([-1.0, -2.0]), n_classes=2) == []


def test_confused_pairs__chance_makes_hardly_any() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 40, 2000)
    other = (labels + rng.integers(1, 40, 2000)) % 40
    assert len(confused_pairs(labels, other, np.ones(2000), n_classes=40)) <= 2
