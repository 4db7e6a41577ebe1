"""Copies made for calibrating."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.compute.variants import VARIANTS, variant


@pytest.mark.parametrize("kind", VARIANTS)
@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60), (1, 1, 3), (3, 200, 3)])
def test_variant__is_a_changed_colour_picture(kind: str, shape: tuple[int, ...]) -> None:
    shown = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    before = shown.copy()
    made = variant(shown, kind, np.random.default_rng(1))
    assert made.dtype == np.uint8 and made.ndim == 3 and made.shape[2] == 3
    assert (shown == before).all()
    if min(shape[:2]) >= 40:
        rgb = shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
        assert made.shape != rgb.shape or (made != rgb).any()
    assert (made == variant(shown, kind, np.random.default_rng(1))).all()
