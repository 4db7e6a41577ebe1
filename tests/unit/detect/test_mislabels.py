"""Planted wrong labels are found, copies do not defend each other, clean data has next to no flags."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.detect import ridge
from chaffinch.detect.knn import knn_graph
from chaffinch.detect.mislabels import LabelScores, flag_labels, score_labels
from chaffinch.detect.ridge import LabelledVectors

N_CLASSES, N_EACH, DIM = 6, 40, 24


def clouds(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return float16 vectors of six well separated classes, and their true labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(N_CLASSES), N_EACH)
    vectors = rng.normal(0, 1, (N_CLASSES, DIM))[labels] + rng.normal(0, 0.6, (len(labels), DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16), labels


def scored(vectors: np.ndarray, labels: np.ndarray) -> LabelScores:
    data = LabelledVectors(vectors, np.arange(len(labels)), labels, N_CLASSES)
    return score_labels(data, knn_graph(vectors, k=30))


def test_score_labels__finds_the_planted_and_suggests_the_truth() -> None:
    vectors, truth = clouds()
    labels = truth.copy()
    wrong = np.arange(0, len(labels), 15)
    labels[wrong] = (labels[wrong] + 1) % N_CLASSES
    scores = scored(vectors, labels)
    flags = flag_labels(scores, labels)
    assert set(np.flatnonzero(flags.is_mislabel)) == set(wrong)
    assert scores.best_other[wrong].tolist() == truth[wrong].tolist()
    assert flags.confidence[wrong].min() > 0.5
    assert (scores.given_probability + scores.other_probability <= 1 + 1e-6).all()


def test_flag_labels__clean_data_has_no_flags() -> None:
    vectors, labels = clouds(1)
    flags = flag_labels(scored(vectors, labels), labels)
    assert not flags.is_mislabel.any()
    assert not flags.is_ambiguous.any()


def test_score_labels__copies_with_the_same_wrong_label_do_not_defend_it() -> None:
    vectors, truth = clouds(2)
    labels = truth.copy()
    vectors[1:20] = vectors[0]
    labels[:20] = 3
    alone, with_copies = truth.copy(), labels
    alone[0] = 3
    assert flag_labels(scored(vectors, with_copies), labels).is_mislabel[:20].all()
    other, _ = clouds(2)
    assert flag_labels(scored(other, alone), alone).is_mislabel[0]


def test_score_labels__does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clouds(3)
    labels = labels.copy()
    labels[::20] = (labels[::20] + 2) % N_CLASSES
    whole = scored(vectors, labels)
    monkeypatch.setattr(ridge, "BLOCK_ROWS", 17)
    cut = scored(vectors, labels)
    assert np.allclose(cut.margin, whole.margin, atol=1e-4)
    assert (cut.best_other == whole.best_other).all()


def test_flag_labels__by_hand() -> None:
    scores = LabelScores(
        margin=np.array([3.6, 3.4, 0.1, -5.0], dtype=np.float32),
        best_other=np.array([1, 1, 1, 0], dtype=np.int32),
        given_probability=np.array([0.1, 0.5, 0.45, 0.9], dtype=np.float32),
        other_probability=np.array([0.9, 0.5, 0.5, 0.05], dtype=np.float32),
        penalty=1.0,
    )
    flags = flag_labels(scores, np.array([0, 0, 0, 1]))
    # Belief of class 0 is (.1 + .5 + .45) / 3 = .35, so its cut is 2.5 + 2 * .65 = 3.8; that of class 1 2.7.
    assert flags.excess == pytest.approx([-0.2, -0.4, -3.7, -7.7], abs=1e-5)
    assert flags.is_mislabel.tolist() == [False] * 4
    assert flags.is_ambiguous.tolist() == [False, True, True, False]
    assert flags.confidence[0] == pytest.approx(1 / (1 + np.exp(0.5 * 0.2 + 0.9)), abs=1e-5)
    assert flags.ambiguity == pytest.approx([0.2, 1.0, 0.9 / 0.95, 0.1 / 0.95], abs=1e-5)
