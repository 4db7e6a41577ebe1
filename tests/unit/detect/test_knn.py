"""The nearest neighbours of each sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chaffinch.detect.knn import BLOCK_ROWS, knn_graph
from chaffinch.errors import SchemaError
from chaffinch.storage.vectors import unit_rows


def brute_force(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and cosines of the k nearest, in float64; -1 where there are fewer."""
    units = unit_rows(vectors).astype(np.float64)
    has = units.any(axis=1)
    near, similarity = np.full((len(units), k), -1), np.full((len(units), k), -1.0)
    for row in np.flatnonzero(has):
        cosines = [(-float(units[row] @ units[o]), o) for o in np.flatnonzero(has) if o != row]
        for place, (cosine, other) in enumerate(sorted(cosines)[:k]):
            near[row, place], similarity[row, place] = other, -cosine
    return near, similarity


def clustered(n: int, *, dim: int = 24, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, dim))
    return unit_rows(centres[rng.integers(0, 40, n)] + 0.5 * rng.standard_normal((n, dim))).astype(np.float16)


def test_knn_graph__nearest_first_and_never_itself() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], dtype=np.float16)
    graph = knn_graph(vectors, k=2)
    assert graph.neighbours.tolist() == [[3, 2], [2, 3], [3, 1], [2, 0]]
    assert graph.similarity[0] == pytest.approx([0.8, 0.6], abs=1e-3)
    assert graph.similarity.dtype == np.float32
    assert (graph.recall, graph.n_recall_rows) == (1.0, 0)


def test_knn_graph__no_vector_no_neighbour() -> None:
    vectors = np.array([[1, 0], [0, 0], [0.6, 0.8]], dtype=np.float16)
    graph = knn_graph(vectors, k=2)
    assert graph.neighbours.tolist() == [[2, -1], [-1, -1], [0, -1]]
    assert graph.similarity[1].tolist() == [-1.0, -1.0]


def test_knn_graph__of_equal_ones_the_lower_row() -> None:
    vectors = np.tile(np.array([[1, 0, 0]], dtype=np.float16), (5, 1))
    assert knn_graph(vectors, k=2).neighbours.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]


def test_knn_graph__nothing_to_search() -> None:
    assert knn_graph(np.zeros((0, 4), dtype=np.float16), k=3).neighbours.shape == (0, 3)
    assert (knn_graph(np.zeros((2, 4), dtype=np.float16), k=1).neighbours == -1).all()


@settings(max_examples=60, deadline=None)
@given(
    # Entries whose dots are exact in float32, so that ties are ties.
    signs=arrays.arrays(
        np.int8, st.tuples(st.integers(1, 40), st.just(4)), elements=st.sampled_from([-1, 1])
    ),
    is_absent=st.lists(st.booleans(), min_size=40, max_size=40),
    k=st.integers(1, 6),
)
def test_knn_graph__equals_brute_force_with_ties(signs: np.ndarray, is_absent: list[bool], k: int) -> None:
    vectors = (signs / 2).astype(np.float16)
    vectors[np.array(is_absent[: len(vectors)]) & (signs[:, 0] > 0)] = 0
    graph = knn_graph(vectors, k=k)
    near, similarity = brute_force(vectors, k)
    assert graph.neighbours.tolist() == near.tolist()
    assert graph.similarity == pytest.approx(similarity, abs=1e-6)


def test_knn_graph__equals_brute_force_over_several_blocks() -> None:
    vectors = clustered(2 * BLOCK_ROWS + 100)
    vectors[[0, 7, 2000]] = 0
    graph = knn_graph(vectors, k=5)
    units = unit_rows(vectors)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    cosines[:, [0, 7, 2000]] = -2
    best = -np.sort(-cosines, axis=1)[:, :5]
    best[[0, 7, 2000]] = -1
    assert np.abs(graph.similarity - best).max() < 1e-5
    rows = np.delete(np.arange(len(vectors)), [0, 7, 2000])
    found = np.take_along_axis(cosines, graph.neighbours, axis=1)
    assert np.abs(found[rows] - graph.similarity[rows]).max() < 1e-5
    assert all(len(set(row)) == 5 for row in graph.neighbours[rows].tolist())


def test_knn_graph__some_queries_get_what_they_get_among_all() -> None:
    vectors = clustered(1500)
    vectors[3] = 0
    whole, queries = knn_graph(vectors, k=4), np.array([3, 1400, 0, 0, 700])
    some = knn_graph(vectors, k=4, queries=queries)
    assert some.neighbours.tolist() == whole.neighbours[queries].tolist()
    assert some.similarity.tolist() == whole.similarity[queries].tolist()


def test_knn_graph__index_beyond_the_limit() -> None:
    vectors = clustered(6000)
    vectors[17] = 0
    exact, indexed = knn_graph(vectors, k=5), knn_graph(vectors, k=5, exact_products=0)
    again = knn_graph(vectors, k=5, exact_products=0)
    is_found = indexed.similarity >= exact.similarity[:, -1:]
    assert is_found.mean() > 0.95
    assert abs(indexed.recall - is_found.mean()) < 0.02
    assert indexed.n_recall_rows == 400
    assert (indexed.neighbours == again.neighbours).all()
    assert (indexed.neighbours[17] == -1).all()
    assert (np.diff(indexed.similarity) <= 0).all()


@pytest.mark.parametrize(
    ("vectors", "k", "queries"),
    [
        (np.zeros((2, 3), dtype=np.float32), 1, None),
        (np.zeros(3, dtype=np.float16), 1, None),
        (np.zeros((2, 3), dtype=np.float16), 0, None),
        (np.zeros((2, 3), dtype=np.float16), 1, np.array([2])),
        (np.zeros((2, 3), dtype=np.float16), 1, np.array([-1])),
    ],
)
def test_knn_graph__refuses(vectors: np.ndarray, k: int, queries: np.ndarray | None) -> None:
    with pytest.raises(SchemaError):
        knn_graph(vectors, k=k, queries=queries)
