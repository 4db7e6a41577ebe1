"""What leaving rows out would change is what a fit without them gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from chaffinch.detect import ridge
from chaffinch.detect.ridge import LabelledVectors, Ridge, fit_ridge, own_labels, without_own


def random_data(seed: int, *, n: int = 40, n_copies: int = 0) -> LabelledVectors:
    """Three noisy classes in ten dimensions; the first `n_copies` rows after row 0 equal it."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    vectors = np.eye(3, 10)[labels] + rng.normal(0, 0.4, (n, 10)) + 1
    vectors[1 : n_copies + 1] = vectors[0]
    return LabelledVectors(vectors, np.arange(n), labels, 3)


def refit(data: LabelledVectors, fit: Ridge, kept: np.ndarray) -> np.ndarray:
    """Predict all rows by ridge regression with an intercept, solved anew from the kept rows alone."""
    rows = fit.prepared(data.block(np.arange(len(data.rows)))).astype(np.float64)
    targets = np.eye(data.n_classes)[data.labels]
    design = rows[kept] - rows[kept].mean(axis=0)
    gram = design.T @ design + fit.penalty * np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, design.T @ targets[kept])
    found: np.ndarray = targets[kept].mean(axis=0) + (rows - rows[kept].mean(axis=0)) @ weights
    return found


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), row=st.integers(0, 39))
def test_without_own__equals_a_fit_without_the_row(seed: int, row: int) -> None:
    data = random_data(seed)
    fit = fit_ridge(data)
    scores, leverage = fit.predictions(data.block(np.arange(40)))
    found = without_own(scores, leverage, own_labels(data.labels, 3))[row]
    expected = refit(data, fit, np.delete(np.arange(40), row))[row]
    assert found == pytest.approx(expected, abs=2e-4)


def test_without_own__equals_a_fit_without_the_row_and_its_copies() -> None:
    data = random_data(1, n_copies=4)
    fit = fit_ridge(data)
    scores, leverage = fit.predictions(data.block(np.arange(1)))
    counts = np.bincount(data.labels[:5], minlength=3)[None].astype(np.float32)
    found = without_own(scores, leverage, csr_array(counts))[0]
    assert found == pytest.approx(refit(data, fit, np.arange(5, 40))[0], abs=2e-4)


def test_fit_ridge__does_not_depend_on_blocks_and_ignores_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_data(2)
    whole = fit_ridge(data)
    padded = np.zeros((80, 10))
    padded[1::2] = data.vectors
    monkeypatch.setattr(ridge, "BLOCK_ROWS", 7)
    monkeypatch.setattr(ridge, "N_PIECES", 3)
    cut = fit_ridge(LabelledVectors(padded, np.arange(1, 80, 2), data.labels, 3))
    assert cut.penalty == whole.penalty
    assert np.allclose(cut.weights, whole.weights, atol=1e-5)
