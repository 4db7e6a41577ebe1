"""Quality numbers and area averages on pictures small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from chaffinch.compute.area import area_average
from chaffinch.compute.quality import quality_numbers


def test_quality_numbers__half_black_half_white() -> None:
    luma = np.zeros((10, 10), np.uint8)
    luma[:, 5:] = 255
    got = quality_numbers(luma, None)
    assert got.brightness_mean == pytest.approx(0.5)
    assert (got.brightness_p5, got.brightness_p50, got.brightness_p95) == (0.0, 0.0, 1.0)
    assert got.contrast == pytest.approx(0.5)
    assert got.entropy_bits == pytest.approx(1.0)
    assert got.saturation == 0.0


def test_quality_numbers__flat_picture_has_no_contrast_information_or_sharpness() -> None:
    got = quality_numbers(np.full((40, 50), 51, np.uint8), None)
    assert got.brightness_mean == pytest.approx(0.2)
    assert (got.contrast, got.entropy_bits) == (pytest.approx(0.0, abs=1e-9), 0.0)
    assert (got.sharpness, got.sharpness_tile) == (0.0, 0.0)


def test_quality_numbers__percentiles_of_a_ramp() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    got = quality_numbers(ramp, None)
    assert (got.brightness_p5, got.brightness_p50, got.brightness_p95) == (12 / 255, 127 / 255, 243 / 255)
    assert got.entropy_bits == pytest.approx(8.0)


def test_quality_numbers__saturation_is_the_mean_spread_of_channels() -> None:
    colour = np.zeros((2, 2, 3), np.uint8)
    colour[0, 0] = (255, 0, 0)
    colour[0, 1] = (100, 151, 100)
    assert quality_numbers(np.zeros((2, 2), np.uint8), colour).saturation == pytest.approx((1.0 + 0.2) / 4)


def test_quality_numbers__clipped_are_pixels_that_lost_a_channel_not_white_ones() -> None:
    colour = np.array([[(255, 200, 100), (255, 255, 255), (253, 244, 253), (252, 0, 0)]], np.uint8)
    assert quality_numbers(np.zeros((1, 4), np.uint8), colour).clipped_share == 0.5


def test_quality_numbers__sharpness_is_the_variance_of_the_laplacian() -> None:
    luma = np.zeros((5, 4), np.uint8)
    luma[2, 1] = 10
    # Inner pixels, rows 1 to 3 and columns 1 to 2: 10, 0 / -40, 10 / 10, 0.
    values = np.array([10, 0, -40, 10, 10, 0])
    assert quality_numbers(luma, None).sharpness == pytest.approx(values.var())


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 150), st.integers(3, 150), st.integers(0, 9))
def test_quality_numbers__sharpness_equals_the_definition(height: int, width: int, seed: int) -> None:
    luma = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    wide = luma.astype(np.int64)
    laplacian = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * wide[1:-1, 1:-1]
    assert quality_numbers(luma, None).sharpness == pytest.approx(laplacian.var())


def test_quality_numbers__wide_pictures_do_not_overflow() -> None:
    luma = np.zeros((4, 40_000), np.uint8)
    luma[:, ::2] = 255
    assert quality_numbers(luma, None).sharpness == pytest.approx(510.0**2)


def test_quality_numbers__a_sharp_subject_before_a_soft_ground_is_sharp() -> None:
    rng = np.random.default_rng(0)
    texture = Image.fromarray(rng.integers(0, 256, (400, 400), dtype=np.uint8))
    sharp = texture.filter(ImageFilter.GaussianBlur(1))
    soft = texture.filter(ImageFilter.GaussianBlur(6))
    subject = soft.copy()
    subject.paste(sharp.crop((100, 100, 300, 300)), (100, 100))
    tile = [quality_numbers(np.array(image), None).sharpness_tile for image in (sharp, subject, soft)]
    assert tile[1] > 0.7 * tile[0]
    assert tile[2] < 0.1 * tile[0]


def exact_weights(n_out: int, n_in: int) -> np.ndarray:
    low = np.arange(n_out)[:, None] * n_in
    source = np.arange(n_in)[None, :] * n_out
    return np.clip(np.minimum(low + n_in, source + n_out) - np.maximum(low, source), 0, None) / n_in


@settings(max_examples=40, deadline=None)
@given(*[st.integers(1, 60)] * 4, st.integers(0, 9))
def test_area_average__equals_the_definition(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = np.einsum("iy,yxc,jx->ijc", exact_weights(rows, height), rgb, exact_weights(columns, width))
    got = area_average(rgb, height=rows, width=columns)
    assert np.abs(got - expected).max() <= 0.5 + 1e-6


def test_area_average__long_runs_do_not_overflow() -> None:
    white = np.full((9000, 3, 3), 255, np.uint8)
    assert (area_average(white, height=2, width=2) == 255).all()
