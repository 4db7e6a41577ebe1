"""Lone images, groups of foreign images and strangers within a class are far; the rest is not."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.detect import outliers
from chaffinch.detect.knn import knn_graph
from chaffinch.detect.outliers import OutlierScores, robust_deviations, score_outliers


def cloud(rng: np.random.Generator, axis: int, n: int, spread: float = 0.25) -> np.ndarray:
    vectors = np.eye(16)[axis] + rng.normal(0, spread, (n, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def measured(vectors: np.ndarray, labels: np.ndarray) -> OutlierScores:
    return score_outliers(vectors, labels, knn_graph(vectors, k=10))


def test_score_outliers__a_group_of_foreign_images_is_found() -> None:
    rng = np.random.default_rng(0)
    vectors = np.concatenate([cloud(rng, 0, 400), cloud(rng, 1, 12, spread=0.02)])
    scores = measured(vectors, np.full(412, -1))
    assert scores.is_outlier[400:].all()
    assert scores.is_outlier[:400].mean() < 0.02
    # They are neighbours of each other, so only the farther distances tell.
    assert (scores.striking[400:] > 0).all()
    assert np.isnan(scores.class_score).all()


def test_score_outliers__a_stranger_in_its_class_has_neighbours_elsewhere() -> None:
    rng = np.random.default_rng(1)
    vectors = np.concatenate([cloud(rng, 0, 100), cloud(rng, 1, 100)])
    labels = np.repeat([0, 1], 100)
    labels[7] = 1
    scores = measured(vectors, labels)
    assert scores.is_label_outlier[7]
    assert not scores.is_outlier[7]
    assert scores.is_label_outlier.sum() <= 3
    assert scores.score.shape == scores.class_score.shape == (200,)


def test_score_outliers__small_classes_and_missing_labels_are_not_judged() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, -1], [30, 10, 20])
    scores = measured(cloud(rng, 0, 60), labels)
    assert np.isnan(scores.class_score).tolist() == [False] * 30 + [True] * 30


def test_score_outliers__a_sample_of_references_ranks_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors = np.concatenate([cloud(rng, 0, 600), cloud(rng, 1, 10, spread=0.02)])
    labels = np.full(610, -1)
    whole = measured(vectors, labels)
    monkeypatch.setattr(outliers, "MAX_REFERENCES", 300)
    monkeypatch.setattr(outliers, "BLOCK_ROWS", 100)
    sampled = measured(vectors, labels)
    assert sampled.is_outlier[600:].all()
    assert np.corrcoef(whole.distances[:, 1], sampled.distances[:, 1])[0, 1] > 0.9


def test_score_outliers__distance_by_hand() -> None:
    angles = np.deg2rad(np.arange(12) * 1.0)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    graph = knn_graph(vectors.astype(np.float16), k=10)
    scores = score_outliers(vectors, np.full(12, -1), graph)
    # `far` is the tenth nearest of the eleven others: 10 degrees from the first, 5 from the sixth.
    assert scores.distances[0, 1] == pytest.approx(1 - np.cos(np.deg2rad(10)), abs=1e-6)
    assert scores.distances[5, 1] == pytest.approx(1 - np.cos(np.deg2rad(5)), abs=1e-6)


def test_robust_deviations__by_hand() -> None:
    assert robust_deviations(np.array([1.0, 2.0, 3.0, 4.0, 9.0])) == pytest.approx(
        np.array([-2, -1, 0, 1, 6]) / 1.4826
    )
    assert robust_deviations(np.array([1.0, 1.0, 1.0, 5.0])).tolist() == [0, 0, 0, 0]
