"""Confident learning on six images that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.detect import confident
from chaffinch.detect.confident import confident_learning

PROBS = np.array(
    [
        [0.9, 0.1],  # given 0
        [0.8, 0.2],  # given 0
        [0.7, 0.3],  # given 0
        [0.2, 0.8],  # given 0: wrong
        [0.1, 0.9],  # given 1
        [0.3, 0.7],  # given 1
    ]
)
LABELS = np.array([0, 0, 0, 0, 1, 1])


def test_confident_learning__by_hand() -> None:
    found = confident_learning(PROBS, LABELS)
    # Means of the given: class 0 (.9 + .8 + .7 + .2) / 4, class 1 (.9 + .7) / 2.
    assert found.thresholds == pytest.approx([0.65, 0.8])
    # Images 0, 1, 2 reach .65 of class 0, images 3 and 4 .8 of class 1, image 5 neither: counts
    # [[3, 1], [0, 1]], scaled to 4 and 2 images.
    assert found.joint.tolist() == [[3, 1], [0, 2]]
    assert found.is_issue.tolist() == [False, False, False, True, False, False]
    assert found.self_confidence[3] == pytest.approx(0.2)
    assert found.normalized_margin[3] == pytest.approx((0.2 - 0.8 + 1) / 2)
    assert found.best_other[3] == 1


@pytest.mark.parametrize("rule", ["noise_rate", "class", "both"])
def test_confident_learning__every_rule_finds_it(rule: confident.Rule) -> None:
    assert np.flatnonzero(confident_learning(PROBS, LABELS, rule=rule).is_issue).tolist() == [3]


def test_confident_learning__rows_are_rounded_to_the_size_of_the_class() -> None:
    joint = np.array([[2, 1, 1], [0, 1, 0], [0, 0, 1]])
    # Five images given class 0: 2.5, 1.25, 1.25; the largest remainder is rounded up.
    assert confident._calibrated(joint, np.array([5, 1, 0])).tolist() == [[3, 1, 1], [0, 1, 0], [0, 0, 0]]


def test_confident_learning__a_class_keeps_an_image_and_the_predicted_label_is_never_flagged() -> None:
    probs = np.array([[0.1, 0.9], [0.2, 0.8], [0.05, 0.95], [0.4, 0.6]])
    found = confident_learning(probs, np.array([0, 0, 1, 1]))
    assert found.is_issue[:2].sum() < 2
    assert not found.is_issue[2:].any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_confident_learning__keeps_what_its_rules_promise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(4), 60)
    labels = rng.integers(0, 4, 60)
    found = confident_learning(probs, labels)
    assert (found.joint.sum(axis=1) == np.bincount(labels, minlength=4)).all()
    assert (found.joint >= 0).all()
    assert not (found.is_issue & (probs.argmax(axis=1) == labels)).any()
    both = confident_learning(probs, labels, rule="both").is_issue
    assert (both == (found.is_issue & confident_learning(probs, labels, rule="class").is_issue)).all()
