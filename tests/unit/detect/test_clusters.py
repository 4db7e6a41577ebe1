"""Uniqueness and clusters of a few vectors, and of graphs that would chain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.detect.clusters import Clusters, cluster_samples
from chaffinch.detect.knn import knn_graph


def clustered(vectors: np.ndarray, *, k: int = 10) -> Clusters:
    graph = knn_graph(np.ascontiguousarray(vectors, dtype=np.float16), k=k)
    return cluster_samples(graph.neighbours, graph.similarity)


def circle(*degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_cluster_samples__uniqueness_is_the_mean_angle_in_right_angles() -> None:
    found = clustered(circle(0, 45, 90))
    assert found.uniqueness == pytest.approx([0.75, 0.5, 0.75], abs=0.001)
    assert clustered(circle(0, 180)).uniqueness == pytest.approx([1.0, 1.0])


def test_cluster_samples__groups_and_their_centres() -> None:
    found = clustered(circle(100, 101, 102, 103, 104, 0, 1, 2, 60, 200, 300), k=5)
    assert found.cluster.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, -1, -1, -1]
    assert np.flatnonzero(found.is_representative).tolist() == [2, 6]
    assert found.n_clusters == 2


def test_cluster_samples__samples_without_vectors_have_nothing() -> None:
    vectors = circle(0, 1, 50, 51, 100, 200)
    vectors[1] = 0
    found = clustered(vectors)
    assert np.isnan(found.uniqueness[1])
    assert found.cluster.tolist() == [-1, -1, 0, 0, -1, -1]
    assert clustered(np.zeros((2, 4))).n_clusters == 0


def test_cluster_samples__copies_are_joined_however_many_there_are() -> None:
    found = clustered(np.repeat(np.eye(4), 25, axis=0))
    assert np.bincount(found.cluster).tolist() == [25, 25, 25, 25]
    assert (found.cluster == np.repeat(np.arange(4), 25)).all()
    assert (found.uniqueness < 0.02).all()


def test_cluster_samples__a_chain_does_not_swallow_everything() -> None:
    steps = 0.11 + 0.0004 * np.arange(200)
    neighbours = np.stack([np.arange(200) - 1, np.arange(200) + 1], axis=1)
    neighbours[neighbours == 200] = -1
    angle = np.stack([np.roll(steps, 1), steps], axis=1)
    similarity = np.cos(angle * np.pi / 2).astype(np.float32)
    found = cluster_samples(neighbours, similarity)
    assert 1 < np.bincount(found.cluster[found.cluster >= 0]).max() < 60


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 5))
def test_cluster_samples__do_not_depend_on_the_order_of_samples(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, order = rng.normal(size=(n, 3)).astype(np.float16), rng.permutation(n)
    here, there = clustered(vectors, k=k), clustered(vectors[order], k=k)
    assert there.uniqueness == pytest.approx(here.uniqueness[order])
    groups = [set(np.flatnonzero(here.cluster == c).tolist()) for c in range(here.n_clusters)]
    others = [set(order[there.cluster == c].tolist()) for c in range(there.n_clusters)]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, others))
    for cluster in range(here.n_clusters):
        assert here.is_representative[here.cluster == cluster].sum() == 1
