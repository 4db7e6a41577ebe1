"""Detail in four directions on pictures whose numbers are known or can be compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from chaffinch.compute.sharpness import detail_numbers


def texture(height: int = 128, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(0.8)))


def test_detail_numbers__one_tile_by_the_definition() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (14, 13), dtype=np.uint8)
    wide = luma.astype(np.int64)
    inner = wide[1:-1, 1:-1]
    ends = {
        "across": wide[1:-1, :-2] + wide[1:-1, 2:],
        "down": wide[:-2, 1:-1] + wide[2:, 1:-1],
        "falling": wide[:-2, :-2] + wide[2:, 2:],
        "rising": wide[:-2, 2:] + wide[2:, :-2],
    }
    squares = [((end - 2 * inner) ** 2).mean() for end in ends.values()]
    direction, half, quarter = detail_numbers(luma)
    assert direction == pytest.approx(min(squares) / (inner.var() + 16.0))
    assert quarter == half  # a quarter of 13 pixels is too small, half of it has to do


def test_detail_numbers__nothing_to_see_is_neither_sharp_nor_blurry() -> None:
    assert detail_numbers(np.full((64, 64), 90, np.uint8)) == (0.0, 1.0, 1.0)
    assert detail_numbers(np.zeros((11, 500), np.uint8)) == (0.0, 1.0, 1.0)


def test_detail_numbers__blur_lowers_all_three() -> None:
    sharp = texture()
    soft = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(2)))
    for before, after in zip(detail_numbers(sharp), detail_numbers(soft), strict=True):
        assert after < 0.4 * before


def test_detail_numbers__motion_in_one_direction_is_enough() -> None:
    sharp = texture()
    for axis in (0, 1):
        moved = np.mean([np.roll(sharp, shift, axis) for shift in range(9)], axis=0).astype(np.uint8)
        for before, after in zip(detail_numbers(sharp), detail_numbers(moved), strict=True):
            assert after < 0.6 * before


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 9))
def test_detail_numbers__do_not_change_with_rows_and_columns(height: int, width: int, seed: int) -> None:
    # Of larger pictures not every row counts, of odd ones the last row of a smaller copy is left out.
    luma = np.random.default_rng(seed).integers(0, 256, (8 * height, 8 * width), dtype=np.uint8)
    assert detail_numbers(np.ascontiguousarray(luma.T)) == pytest.approx(detail_numbers(luma))


def test_detail_numbers__large_pictures_are_seen_at_the_size_people_look_at() -> None:
    small = np.asarray(Image.fromarray(texture(400, 400)))
    enlarged = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    assert detail_numbers(enlarged) == detail_numbers(small)
