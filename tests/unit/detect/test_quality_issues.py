"""Rules of bad quality on numbers written by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.detect.quality_issues import QualityFlags, QualityNumbers, detail, flag_quality

SOUND = {
    "width": 400.0,
    "height": 300.0,
    "brightness_mean": 0.45,
    "brightness_p5": 0.1,
    "brightness_p95": 0.9,
    "contrast": 0.2,
    "saturation": 0.2,
    "clipped_share": 0.01,
    "sharpness_tile": 0.8,
    "detail_half": 0.6,
    "detail_quarter": 0.4,
}
"""A photograph that nothing is wrong with."""


def numbers(*images: dict[str, float]) -> QualityNumbers:
    """Return ten sound images, then those given as what differs from a sound one."""
    rows = [SOUND] * 10 + [SOUND | image for image in images]
    columns = {name: np.array([row[name] for row in rows]) for name in SOUND}
    return QualityNumbers(sample_id=np.arange(len(rows)), **columns)


def flagged(*images: dict[str, float]) -> dict[str, QualityFlags]:
    return {flags.issue_type: flags for flags in flag_quality(numbers(*images))}


def test_flag_quality__sound_images_and_none_at_all() -> None:
    assert flagged() == {}
    empty = {field.name: np.empty(0) for field in fields(QualityNumbers)}
    assert flag_quality(QualityNumbers(**empty)) == []


def test_detail__is_a_weighted_geometric_mean() -> None:
    one = {"sharpness_tile": 0.04, "detail_half": 0.5, "detail_quarter": 0.1}
    assert detail(numbers(one))[-1] == pytest.approx((0.2 * 0.5 * 0.1) ** 0.4)


@pytest.mark.parametrize(
    ("issue_type", "image"),
    [
        ("blur", {"sharpness_tile": 0.02, "detail_half": 0.1, "detail_quarter": 0.02}),
        ("dark", {"brightness_mean": 0.05, "brightness_p95": 0.2}),
        ("bright", {"brightness_mean": 0.95, "brightness_p5": 0.8}),
        ("bright", {"brightness_mean": 0.75, "clipped_share": 0.35}),
        ("low_information", {"contrast": 0.02}),
        ("grayscale", {"saturation": 0.0}),
        ("odd_size", {"width": 40.0, "height": 30.0}),
        ("odd_size", {"width": 5000.0, "height": 4000.0}),
        ("odd_aspect_ratio", {"width": 1600.0, "height": 200.0}),
        ("odd_aspect_ratio", {"width": 200.0, "height": 900.0}),
    ],
)
def test_flag_quality__one_fault_is_one_finding(issue_type: str, image: dict[str, float]) -> None:
    found = flagged(image)
    assert list(found) == [issue_type]
    flags = found[issue_type]
    assert flags.sample_id.tolist() == [10]
    assert 0.5 < flags.confidence[0] <= 1.0
    assert f"limit {flags.evidence(0)['limit']:.2f}"[:9] in flags.reason(0)


def test_flag_quality__what_is_meant_to_be_so_passes() -> None:
    night = {"brightness_mean": 0.1, "brightness_p5": 0.0, "brightness_p95": 0.7, "contrast": 0.19}
    snow = {"brightness_mean": 0.85, "brightness_p5": 0.45, "contrast": 0.11}
    product_on_white = {"brightness_mean": 0.92, "brightness_p5": 0.3, "contrast": 0.15}
    silhouette = {"brightness_mean": 0.3, "sharpness_tile": 0.05, "detail_half": 0.5}
    flag_in_pure_colours = {"brightness_mean": 0.3, "clipped_share": 1.0}
    frame = {"contrast": 0.0, "sharpness_tile": 0.0, "detail_half": 1.0, "detail_quarter": 1.0}
    assert flagged(night, snow, product_on_white, silhouette, flag_in_pure_colours) == {}
    assert list(flagged(frame)) == ["low_information"]  # nothing to be sharp, so not blurry


def test_flag_quality__a_black_frame_is_dark_and_empty_a_dark_picture_only_dark() -> None:
    black = {"brightness_mean": 0.0, "brightness_p5": 0.0, "brightness_p95": 0.0, "contrast": 0.0}
    dark = {"brightness_mean": 0.04, "brightness_p95": 0.15, "contrast": 0.04}
    found = flagged(black, dark)
    assert found["dark"].sample_id.tolist() == [10, 11]
    assert found["dark"].confidence[0] == 1.0 > found["dark"].confidence[1]
    assert found["low_information"].sample_id.tolist() == [10]


def test_flag_quality__tiny_pictures_have_a_stricter_limit_for_blur() -> None:
    soft = {"sharpness_tile": 0.05, "detail_half": 0.22, "detail_quarter": 0.1}
    assert 0.105 < detail(numbers(soft))[-1] < 0.13
    assert list(flagged(soft)) == ["blur"]
    assert "blur" not in flagged(soft | {"width": 32.0, "height": 32.0})


def test_flag_quality__gray_is_normal_among_gray() -> None:
    gray = {"saturation": 0.001}
    assert flagged(gray, gray)["grayscale"].sample_id.tolist() == [10, 11]
    assert flagged(gray, gray, gray) == {}


def test_flag_quality__no_size_is_odd_among_many_sizes() -> None:
    sizes = [{"width": side, "height": side} for side in (20.0, 40.0, 80.0, 160.0, 640.0, 1280.0, 2560.0)]
    assert "odd_size" not in flagged(*sizes * 4)


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.5), st.floats(0.0, 1.0))
def test_flag_quality__confidence_is_a_half_to_one_and_a_reason_is_given(
    level: float, contrast: float, detail_half: float
) -> None:
    image = {name: level for name in SOUND if name.startswith("brightness")}
    for flags in flagged(image | {"contrast": contrast, "detail_half": detail_half}).values():
        assert ((flags.confidence >= 0.5) & (flags.confidence <= 1.0)).all()
        assert flags.reason(0).endswith(".")
