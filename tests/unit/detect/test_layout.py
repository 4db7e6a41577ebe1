"""The map puts like images together, whatever their number, and always at the same place."""

from __future__ import annotations

import numpy as np
import pytest

from chaffinch.detect import layout
from chaffinch.detect.layout import plane_places


@pytest.fixture
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Return 240 vectors around four directions, and the direction of each."""
    rng = np.random.default_rng(0)
    group = np.arange(240) % 4
    vectors = rng.normal(size=(4, 16))[group] + 0.2 * rng.normal(size=(240, 16))
    return vectors.astype(np.float16), group


def test_plane_places__nearest_on_the_map_are_alike(
    groups: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fewer landmarks than images: most are placed among others.
    monkeypatch.setattr(layout, "N_LANDMARKS", 80)
    vectors, group = groups
    places = plane_places(vectors)
    distance = ((places[:, None] - places) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(axis=1)] == group).mean() > 0.98
    assert places.min() == 0 and places.max() == 1
    assert np.array_equal(places, plane_places(vectors))


def test_plane_places__few_or_no_vectors() -> None:
    assert np.isnan(plane_places(np.zeros((3, 4), np.float16))).all()
    places = plane_places(np.array([[1, 0], [0, 0], [0, 1]], np.float16))
    assert np.isnan(places[1]).all() and places[[0, 2], 0].tolist() == [0, 1]
