"""Reading stored rows as unit vectors."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chaffinch.detect.vector_kernels import dot_margin, unit_block, unit_dot
from chaffinch.storage.vectors import unit_rows

HALVES = st.floats(-4, 4, width=16)


@settings(max_examples=60, deadline=None)
@given(vectors=arrays.arrays(np.float16, st.tuples(st.integers(1, 6), st.integers(1, 20)), elements=HALVES))
def test_unit_block__equals_unit_rows(vectors: np.ndarray) -> None:
    rows = np.arange(len(vectors))[::-1].copy()
    assert np.allclose(unit_block(vectors.view(np.uint16), rows), unit_rows(vectors)[rows], atol=1e-6)


def test_unit_block__every_half_float() -> None:
    # Subnormal ones too; infinities and NaN are left out.
    bits = np.arange(1 << 16, dtype=np.uint16)
    bits = bits[(bits & 0x7C00) != 0x7C00].reshape(-1, 1)
    signs = unit_block(bits, np.arange(len(bits)))
    assert np.allclose(signs[:, 0], np.sign(bits.view(np.float16)[:, 0]), atol=1e-6)
    pairs = np.concatenate([bits, np.full_like(bits, np.float16(1).view(np.uint16))], axis=1)
    units = unit_block(pairs, np.arange(len(pairs)))
    assert np.allclose(units[:, 0] / units[:, 1], bits.view(np.float16)[:, 0].astype(np.float32), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), dim=st.integers(1, 700))
def test_dot_margin__bounds_the_difference(seed: int, dim: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((4, dim)).astype(np.float16)
    units = unit_block(vectors.view(np.uint16), np.arange(4))
    true = units.astype(np.float64) @ units.astype(np.float64).T
    for a, b in ((0, 1), (2, 3), (1, 1)):
        assert abs(float(unit_dot(units[a], units[b])) - true[a, b]) <= dot_margin(dim) / 2
        assert unit_dot(units[a], units[b]) == unit_dot(units[b], units[a])
