"""All pairs whose cosine reaches a threshold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chaffinch.detect import cosine
from chaffinch.detect.cosine import BORDER, cosine_pairs
from chaffinch.errors import SchemaError
from chaffinch.storage.vectors import unit_rows


@pytest.fixture(scope="module", autouse=True)
def small_searches_turn_too() -> Iterator[None]:
    """A search as small as those here goes without a turn; with one it has more to go wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosine, "CHOOSING_S", 0)
        yield


def brute_force(vectors: np.ndarray, rows: np.ndarray, others: np.ndarray | None) -> np.ndarray:
    """Return the cosines in float64; within one set, -1 where the second row is not later."""
    units = unit_rows(vectors).astype(np.float64)
    if others is not None:
        return units[rows] @ units[others].T
    found = units[rows] @ units[rows].T
    return np.where(rows[:, None] < rows, found, -1)


def pairs_of(cosines: np.ndarray, rows: np.ndarray, others: np.ndarray, least: float) -> set[tuple[int, int]]:
    i, j = np.nonzero(cosines >= least)
    return set(zip(rows[i].tolist(), others[j].tolist(), strict=True))


def near_copies(n: int, dim: int, *, seed: int, noise: float = 0.15, spread: float = 1.0) -> np.ndarray:
    """Return rows of which many are noisy copies of others; `spread` below 1 puts all into few dimensions."""
    rng = np.random.default_rng(seed)
    scale = spread ** np.arange(dim)
    base = rng.standard_normal((n, dim)) * scale
    copied = rng.integers(0, n, n // 2)
    base[: n // 2] = base[copied] + noise * rng.standard_normal((n // 2, dim)) * scale
    return unit_rows(base).astype(np.float16)


def test_cosine_pairs__within_one_set() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 0], [0, 2]], dtype=np.float16)
    found = cosine_pairs(vectors, threshold=0.79, rows=np.arange(5))
    assert found.pairs.tolist() == [[1, 2], [1, 4], [2, 4]]
    assert found.similarity == pytest.approx([0.8, 1.0, 0.8], abs=1e-3)
    assert found.similarity.max() <= 1
    assert found.n_borderline == 0


def test_cosine_pairs__between_two_sets_in_the_order_asked() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0.1]], dtype=np.float16)
    found = cosine_pairs(vectors, threshold=0.9, rows=np.array([3, 2, 1]), others=np.array([0]))
    assert found.pairs.tolist() == [[3, 0]]
    found = cosine_pairs(vectors, threshold=0.9, rows=np.array([0]), others=np.array([3, 2, 1]))
    assert found.pairs.tolist() == [[0, 3]]


def test_cosine_pairs__nothing_to_search() -> None:
    empty = np.empty(0, np.int64)
    vectors = np.zeros((3, 4), dtype=np.float16)
    assert cosine_pairs(vectors, threshold=0.5, rows=np.arange(3)).pairs.shape == (0, 2)
    assert cosine_pairs(vectors, threshold=0.5, rows=empty).pairs.shape == (0, 2)
    assert cosine_pairs(vectors, threshold=0.5, rows=np.arange(3), others=empty).pairs.shape == (0, 2)


def test_cosine_pairs__counts_pairs_next_to_the_threshold() -> None:
    # Cosines of 4/5 and of 0.6 exactly, but for rounding to float16.
    vectors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float16)
    true = float(brute_force(vectors, np.arange(2), None)[0, 1])
    for threshold, n_pairs, n_borderline in ((true - 5e-5, 1, 1), (true + 5e-5, 0, 1), (true + 3e-4, 0, 0)):
        found = cosine_pairs(vectors, threshold=threshold, rows=np.arange(2))
        assert (len(found.pairs), found.n_borderline) == (n_pairs, n_borderline)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    dim=st.sampled_from([2, 9, 40, 130]),
    spread=st.sampled_from([1.0, 0.9, 0.5]),
    threshold=st.floats(0.3, 0.999),
    has_sides=st.booleans(),
)
def test_cosine_pairs__equals_brute_force(
    seed: int, dim: int, spread: float, threshold: float, has_sides: bool
) -> None:
    vectors = near_copies(300, dim, seed=seed, spread=spread)
    vectors[seed % 300] = 0
    rows = np.arange(0, 300, 2) if has_sides else np.arange(300)
    others = np.arange(1, 300, 2) if has_sides else None
    found = cosine_pairs(vectors, threshold=threshold, rows=rows, others=others)
    true, base = brute_force(vectors, rows, others), rows if others is None else others
    got = set(map(tuple, found.pairs.tolist()))
    # Pairs that only rounding to float32 decides may fall either way.
    assert pairs_of(true, rows, base, threshold + 1e-5) <= got <= pairs_of(true, rows, base, threshold - 1e-5)
    assert found.pairs.tolist() == sorted(found.pairs.tolist())
    n_close = np.count_nonzero(np.abs(true - threshold) <= BORDER - 1e-5)
    n_near = np.count_nonzero(np.abs(true - threshold) <= BORDER + 1e-5)
    assert n_close <= found.n_borderline <= n_near


@settings(max_examples=40, deadline=None)
@given(
    vectors=arrays.arrays(
        np.float16, st.tuples(st.integers(2, 30), st.just(12)), elements=st.floats(-2, 2, width=16)
    ),
    length=st.integers(1, 11),
)
def test_cut__bounds_every_dot(vectors: np.ndarray, length: int) -> None:
    bits, rows = vectors.view(np.uint16), np.arange(len(vectors))
    turn = np.linalg.qr(np.random.default_rng(length).standard_normal((12, 12)))[0][:, :length]
    cut = cosine._cut(bits, rows, turn)
    true = brute_force(vectors, rows, rows)
    assert (cut @ cut.T >= true - cosine._slack(12) / 2).all()


def test_cosine_pairs__several_blocks_with_and_without_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = near_copies(2600, 48, seed=3)
    rows = np.arange(2600)
    pruned = cosine_pairs(vectors, threshold=0.9, rows=rows)
    assert cosine._turn(vectors.view(np.uint16), rows, rows, least=0.9) is not None
    monkeypatch.setattr(cosine, "CHOOSING_S", 0.2)
    assert cosine._turn(vectors.view(np.uint16), rows, rows, least=0.9) is None
    plain = cosine_pairs(vectors, threshold=0.9, rows=rows)
    assert len(pruned.pairs) > 100
    assert pruned.pairs.tolist() == plain.pairs.tolist()
    assert pruned.similarity.tolist() == plain.similarity.tolist()


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.5])
def test_cosine_pairs__refuses_thresholds_that_mean_nothing(threshold: float) -> None:
    with pytest.raises(SchemaError, match="threshold"):
        cosine_pairs(np.zeros((2, 3), dtype=np.float16), threshold=threshold, rows=np.arange(2))


def test_cosine_pairs__refuses_other_numbers() -> None:
    with pytest.raises(SchemaError, match="float16"):
        cosine_pairs(np.zeros((2, 3)), threshold=0.5, rows=np.arange(2))
