"""Pairs of images by the cosine of their vectors."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.detect.pair_sets import SampleColumns
from chaffinch.detect.semantic import semantic_pairs
from chaffinch.errors import SchemaError
from chaffinch.storage.pairs import PairSet, expand_pairs


def columns(n: int, *, is_ok: list[int] | None = None, sample_id: list[int] | None = None) -> SampleColumns:
    digests = np.arange(2 * n, dtype=np.uint64).reshape(n, 2) + 1
    return SampleColumns(
        sample_id=np.arange(n) if sample_id is None else np.array(sample_id),
        is_ok=np.ones(n, dtype=bool) if is_ok is None else np.array(is_ok, dtype=bool),
        bytes_digest=digests,
        pixels_digest=digests,
        phash=np.zeros(n, dtype=np.uint64),
        phash_d4=np.zeros((n, 8), dtype=np.uint64),
    )


def rows(pairs: PairSet, side: np.ndarray | None = None) -> list[tuple[int, int, float]]:
    return sorted(
        (a, b, round(float(pairs.similarity[e]), 2))
        for block in expand_pairs(pairs, side)
        for e, a, b in zip(block.edge.tolist(), block.sample_a.tolist(), block.sample_b.tolist(), strict=True)
    )


VECTORS = np.array([[1, 0], [0.6, 0.8], [1, 0], [0, 0], [0, 1], [0.8, 0.6]], dtype=np.float16)


def test_semantic_pairs__equal_vectors_are_one_group() -> None:
    found = semantic_pairs(columns(6), VECTORS, threshold=0.79)
    assert found.pairs.method == "semantic"
    assert rows(found.pairs) == [(0, 2, 1.0), (0, 5, 0.8), (1, 4, 0.8), (1, 5, 0.96), (2, 5, 0.8)]
    assert len(found.pairs.edges) == 4
    assert set(found.pairs.hamming_distance.tolist()) == {-1}
    assert (found.n_borderline, found.n_without_vector) == (0, 1)


def test_semantic_pairs__between_sides() -> None:
    side = np.array([0, 1, 1, 0, -1, 0], dtype=np.int8)
    found = semantic_pairs(columns(6), VECTORS, threshold=0.79, side=side)
    assert rows(found.pairs, side) == [(0, 2, 1.0), (5, 1, 0.96), (5, 2, 0.8)]
    assert found.n_without_vector == 1


def test_semantic_pairs__broken_images_and_gaps_in_the_ids() -> None:
    vectors = np.zeros((9, 2), dtype=np.float16)
    vectors[[2, 5, 8]] = [[1, 0], [1, 0], [0.8, 0.6]]
    samples = columns(4, is_ok=[1, 1, 1, 0], sample_id=[2, 3, 5, 8])
    found = semantic_pairs(samples, vectors, threshold=0.5)
    assert rows(found.pairs) == [(2, 5, 1.0)]
    assert found.n_without_vector == 1


def test_semantic_pairs__ten_thousand_equal_vectors_cost_nothing() -> None:
    vectors = np.tile(np.array([[0.6, 0.8]], dtype=np.float16), (10_000, 1))
    pairs = semantic_pairs(columns(10_000), vectors, threshold=0.9).pairs
    assert pairs.edges.tolist() == [[0, 0]]
    assert len(pairs.members(0)) == 10_000


def test_semantic_pairs__refuses_vectors_of_fewer_samples() -> None:
    with pytest.raises(SchemaError, match="none for sample 6"):
        semantic_pairs(columns(7), VECTORS, threshold=0.5)
