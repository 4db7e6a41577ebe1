"""What training shows: tiny pictures hold no more than their few pixels."""

from __future__ import annotations

import numpy as np
from training.views import TINY_SIDES, drawn_detail, plain_view, strong_view


def test_plain_view__of_a_tiny_picture_has_lost_the_detail() -> None:
    halves = np.zeros((224, 224, 3), np.uint8)
    halves[:, 112:] = 200
    tiny = plain_view(halves, size=128, detail=32)
    assert tiny.shape == (128, 128, 3)
    assert (tiny[:, :56] == 0).all() and (tiny[:, 72:] == 200).all()
    assert 0 < tiny[60, 63, 0] < 200, "the edge is as soft as one of 32 pixels, enlarged"
    checkers = np.repeat((np.indices((224, 224)).sum(axis=0) % 2 * 255)[:, :, None], 3, axis=2)
    assert np.ptp(plain_view(checkers.astype(np.uint8), size=112, detail=28)) <= 2, (
        "the finest detail is gray"
    )
    assert np.array_equal(plain_view(halves, size=64, detail=64), plain_view(halves, size=64))


def test_strong_view__is_drawn_alike_whatever_the_detail() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    whole = strong_view(picture, size=128, random=np.random.default_rng(3))
    tiny = strong_view(picture, size=128, random=np.random.default_rng(3), detail=32)
    assert whole.shape == tiny.shape == (128, 128, 3)
    assert (
        np.abs(np.diff(tiny.astype(int), axis=1)).mean() < np.abs(np.diff(whole.astype(int), axis=1)).mean()
    )
    assert abs(int(whole.mean()) - int(tiny.mean())) <= 3


def test_drawn_detail__comes_at_its_share() -> None:
    random = np.random.default_rng(0)
    drawn = [drawn_detail(random, tiny_share=0.25) for _ in range(2000)]
    sides = [side for side in drawn if side is not None]
    assert 0.21 < len(sides) / 2000 < 0.29
    assert (min(sides), max(sides)) == TINY_SIDES
    assert drawn_detail(random, tiny_share=0.0) is None
