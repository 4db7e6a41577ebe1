"""Flags images of bad quality from the numbers that the scan stored; opens none.

What it finds: `corrupt`: files that do not decode. `blur`: no direction in which fine detail is left, by
defocus, motion or enlargement. `dark`, `bright`: under- and overexposed, next to nothing in them being
bright, or dark. `low_information`: hardly any contrast, as in a frame of one colour. `grayscale`: without
colour in a dataset that is in colour. `odd_size`, `odd_aspect_ratio`: far smaller, larger or longer than
the dataset's.
Why it matters: such images teach a model nothing, or a shortcut where they gather in one class; a test set
with them measures something else than the task.
False alarms: what is meant to be so. Night shots and fog pass unless they are near black or near uniform;
white grounds pass while something dark stands before them; drawings, documents and silhouettes have crisp
edges and contrast, and pass. A smooth thing that fills the picture counts as `blur`, and so may
radiographs. Limits for `blur`, `dark`, `bright` and `low_information` are absolute: a dataset where
everything is dark is dark. `grayscale`, `odd_size` and `odd_aspect_ratio` compare with the dataset itself;
one of images in many sizes, or half gray, has no odd ones.
Source: limits were fit on the tuning half of benchmarks/quality/quality_issues.py so that of 1,000 clean
photographs about 4 are flagged by each; docs/performance.md has the holdout half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

BLUR_LIMIT = 0.13
"""Largest `detail` that counts as blurry, where the shorter side has `TINY_SIDE` pixels or more."""
TINY_BLUR_LIMIT = 0.105
"""The same below: in tiny pictures one tile holds everything, so that detail and contrast are further
apart."""
TINY_SIDE = 64
"""Pixels of the shorter side."""
MIN_BLUR_CONTRAST = 0.02
"""Below this contrast there is nothing that could be sharp."""

DARK_LIMIT = 0.24
"""Largest geometric mean of mean and 95th percentile of luma that counts as dark, 0..1. The mean alone takes
a lit thing at night for dark, the percentile alone a moonless night with one lamp for bright."""
BRIGHT_LIMIT = 0.74
"""Smallest geometric mean of mean and 5th percentile of luma that counts as bright, 0..1."""
EXPOSURE_LIMIT = 0.96
"""Smallest sum of mean luma and share of clipped pixels that counts as bright, 0..2. Only pixels that lost a
channel count as clipped: a white ground is at the end with all three."""
MIN_EXPOSED_BRIGHTNESS = 0.7
"""And the mean must be above this: drawings in pure colours have lost channels too."""
FULL_EXPOSURE = 1.4
"""The same at which it is certain."""

CONTRAST_LIMIT = 0.06
"""Largest standard deviation of luma, 0..0.5, that counts as low information. Entropy would take documents
and line drawings for empty."""
EXPOSED_CONTRAST_LIMIT = 0.01
"""The same where the image is dark or bright already, which explains a lack of contrast short of
uniformity."""

SATURATION_LIMIT = 0.004
"""Largest mean spread of the channels, 0..1, that counts as gray: one level of 255."""
MAX_GRAY_SHARE = 0.2
"""Where more of the dataset than this is gray, gray is normal."""

SMALL_RATIO, LARGE_RATIO = 5.0, 10.0
"""An image is odd if its side (the square root of its area) is this many times below or above the median.
Looser above, since reducing an image loses nothing that the others have."""
ELONGATION_RATIO = 3.0
"""An image is odd if it is this many times longer, or higher, than the median shape."""
MIN_DEVIATIONS = 5.0
"""And if the logarithm of either lies this many robust standard deviations from the median: among images of
all sizes none is odd."""
_MAD_TO_DEVIATION = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""


@dataclass(frozen=True, slots=True, eq=False)
class QualityNumbers:
    """Quality numbers of N images that decode; the columns of `records.Quality`, as float64 of shape (N,)."""

    sample_id: np.ndarray
    """Shape (N,), int64."""
    width: np.ndarray
    """Pixels."""
    height: np.ndarray
    """Pixels."""
    brightness_mean: np.ndarray
    brightness_p5: np.ndarray
    brightness_p95: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    clipped_share: np.ndarray
    sharpness_tile: np.ndarray
    detail_half: np.ndarray
    detail_quarter: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class QualityFlags:
    """The images that one rule flags. F images."""

    issue_type: str
    """Singular issue word."""
    method: str
    """Name of the number that decides."""
    sample_id: np.ndarray
    """Shape (F,), int64, ascending."""
    confidence: np.ndarray
    """Shape (F,), float64: 0.5 at the limit, towards 1 the further the number lies behind it."""
    facts: Mapping[str, np.ndarray]
    """Shape (F,) each: the numbers that the sentence and the evidence name."""
    sentence: str
    """Format string over the facts."""

    def evidence(self, row: int) -> dict[str, object]:
        """Return the facts of one image."""
        return {"measure": self.method, **{name: round(float(v[row]), 6) for name, v in self.facts.items()}}

    def reason(self, row: int) -> str:
        """Return the sentence about one image."""
        return self.sentence.format(**{name: float(values[row]) for name, values in self.facts.items()})


def detail(numbers: QualityNumbers) -> np.ndarray:
    """Return shape (N,): how much fine detail an image has in its blurriest direction; sharp ones about 0.5.

    Low is blurry. A weighted geometric mean of `sharpness_tile` (weight 1, which strong blur lowers most),
    `detail_half` and `detail_quarter` (weight 2 each, which do not depend on what is shown).
    """
    product = np.sqrt(numbers.sharpness_tile) * numbers.detail_half * numbers.detail_quarter
    found: np.ndarray = np.maximum(product, 0.0) ** (1 / 2.5)
    return found


def flag_quality(numbers: QualityNumbers) -> list[QualityFlags]:
    """Apply every rule but that of broken files; those that flag nothing are left out.

    Cost: linear; 2 million images a second.
    """
    if not len(numbers.sample_id):
        return []
    rules: list[Callable[[QualityNumbers], QualityFlags]] = [
        _blur,
        _dark,
        _bright,
        _low_information,
        _odd_size,
        _odd_aspect_ratio,
        _grayscale,
    ]
    found = [rule(numbers) for rule in rules]
    return [flags for flags in found if len(flags.sample_id)]


def _flags(
    numbers: QualityNumbers,
    issue_type: str,
    method: str,
    *,
    is_flagged: np.ndarray,
    confidence: np.ndarray,
    facts: Mapping[str, np.ndarray | float],
    sentence: str,
) -> QualityFlags:
    rows = np.flatnonzero(is_flagged)
    whole = {name: np.broadcast_to(values, is_flagged.shape)[rows] for name, values in facts.items()}
    return QualityFlags(issue_type, method, numbers.sample_id[rows], confidence[rows], whole, sentence)


def _below(value: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    """Return how sure it is that a value is too low: 0.5 at its limit, 1 at zero."""
    sure: np.ndarray = 1.0 - 0.5 * np.clip(value / limit, 0.0, 1.0)
    return sure


def _blur(numbers: QualityNumbers) -> QualityFlags:
    is_tiny = np.minimum(numbers.width, numbers.height) < TINY_SIDE
    limit = np.where(is_tiny, TINY_BLUR_LIMIT, BLUR_LIMIT)
    value = detail(numbers)
    return _flags(
        numbers,
        "blur",
        "detail",
        is_flagged=(value < limit) & (numbers.contrast >= MIN_BLUR_CONTRAST),
        confidence=_below(value, limit),
        facts={
            "detail": value,
            "limit": limit,
            "sharpness_tile": numbers.sharpness_tile,
            "detail_half": numbers.detail_half,
            "detail_quarter": numbers.detail_quarter,
        },
        sentence="Little fine detail: {detail:.3f} in its blurriest direction (limit {limit:.3f}; sharp "
        "pictures have about 0.5); of the detail at half its size {detail_half:.0%} is left at full size.",
    )


def _darkness(numbers: QualityNumbers) -> np.ndarray:
    level: np.ndarray = np.sqrt(numbers.brightness_mean * numbers.brightness_p95)
    return level


def _lightness(numbers: QualityNumbers) -> np.ndarray:
    level: np.ndarray = np.sqrt(numbers.brightness_mean * numbers.brightness_p5)
    return level


def _dark(numbers: QualityNumbers) -> QualityFlags:
    value = _darkness(numbers)
    return _flags(
        numbers,
        "dark",
        "brightness",
        is_flagged=value < DARK_LIMIT,
        confidence=_below(value, DARK_LIMIT),
        facts={
            "brightness": value,
            "limit": DARK_LIMIT,
            "brightness_mean": numbers.brightness_mean,
            "brightness_p95": numbers.brightness_p95,
        },
        sentence="Dark: brightness {brightness_mean:.2f} on average, and 95 % of its pixels are below "
        "{brightness_p95:.2f}; their geometric mean is {brightness:.2f} (limit {limit:.2f}).",
    )


def _bright(numbers: QualityNumbers) -> QualityFlags:
    value, exposure = _lightness(numbers), numbers.brightness_mean + numbers.clipped_share
    overshoot = (exposure - EXPOSURE_LIMIT) / (FULL_EXPOSURE - EXPOSURE_LIMIT)
    by_exposure = 0.5 + 0.5 * np.clip(overshoot, 0.0, 1.0)
    return _flags(
        numbers,
        "bright",
        "brightness",
        is_flagged=_is_bright(numbers),
        confidence=np.maximum(_below(1.0 - value, 1.0 - BRIGHT_LIMIT), by_exposure),
        facts={
            "brightness": value,
            "limit": BRIGHT_LIMIT,
            "exposure": exposure,
            "exposure_limit": EXPOSURE_LIMIT,
            "brightness_mean": numbers.brightness_mean,
            "brightness_p5": numbers.brightness_p5,
            "clipped_share": numbers.clipped_share,
        },
        sentence="Bright: brightness {brightness_mean:.2f} on average, only 5 % of its pixels below "
        "{brightness_p5:.2f} (geometric mean {brightness:.2f}, limit {limit:.2f}), and {clipped_share:.0%} "
        "clipped (with the average {exposure:.2f}, limit {exposure_limit:.2f}).",
    )


def _is_bright(numbers: QualityNumbers) -> np.ndarray:
    is_exposed = numbers.brightness_mean + numbers.clipped_share > EXPOSURE_LIMIT
    is_exposed &= numbers.brightness_mean > MIN_EXPOSED_BRIGHTNESS
    is_bright: np.ndarray = is_exposed | (_lightness(numbers) > BRIGHT_LIMIT)
    return is_bright


def _low_information(numbers: QualityNumbers) -> QualityFlags:
    is_exposed = (_darkness(numbers) < DARK_LIMIT) | _is_bright(numbers)
    limit = np.where(is_exposed, EXPOSED_CONTRAST_LIMIT, CONTRAST_LIMIT)
    return _flags(
        numbers,
        "low_information",
        "contrast",
        is_flagged=numbers.contrast < limit,
        confidence=_below(numbers.contrast, limit),
        facts={"contrast": numbers.contrast, "limit": limit},
        sentence="Next to nothing to see: its brightness varies by {contrast:.3f} only (standard deviation, "
        "0 to 0.5; limit {limit:.2f}).",
    )


def _grayscale(numbers: QualityNumbers) -> QualityFlags:
    is_gray = numbers.saturation < SATURATION_LIMIT
    share = float(is_gray.mean())
    return _flags(
        numbers,
        "grayscale",
        "saturation",
        is_flagged=is_gray & (share <= MAX_GRAY_SHARE),
        confidence=_below(numbers.saturation, SATURATION_LIMIT),
        facts={"saturation": numbers.saturation, "limit": SATURATION_LIMIT, "dataset_share": share},
        sentence="Without colour: its channels differ by {saturation:.4f} on average (limit {limit:.3f}), in "
        "a dataset of which {dataset_share:.1%} is gray.",
    )


def _odd_size(numbers: QualityNumbers) -> QualityFlags:
    side = np.sqrt(numbers.width * numbers.height)
    offset, deviation = _from_median(side)
    bound = np.where(offset < 0, np.log(SMALL_RATIO), np.log(LARGE_RATIO))
    limit = np.maximum(bound, MIN_DEVIATIONS * deviation)
    return _flags(
        numbers,
        "odd_size",
        "side",
        is_flagged=np.abs(offset) > limit,
        confidence=1.0 - 0.5 * limit / np.maximum(np.abs(offset), limit),
        facts={
            "side": side,
            "ratio": np.exp(offset),
            "limit": np.exp(np.sign(offset) * limit),
            "median_side": side / np.exp(offset),
            "width": numbers.width,
            "height": numbers.height,
        },
        sentence="Of odd size: {width:.0f} x {height:.0f} pixels, {ratio:.2f} times the dataset's median "
        "side of {median_side:.0f} (limit {limit:.2f}).",
    )


def _odd_aspect_ratio(numbers: QualityNumbers) -> QualityFlags:
    shape = numbers.width / numbers.height
    offset, deviation = _from_median(shape)
    limit = max(float(np.log(ELONGATION_RATIO)), MIN_DEVIATIONS * deviation)
    return _flags(
        numbers,
        "odd_aspect_ratio",
        "aspect_ratio",
        is_flagged=np.abs(offset) > limit,
        confidence=1.0 - 0.5 * limit / np.maximum(np.abs(offset), limit),
        facts={
            "aspect_ratio": shape,
            "ratio": np.exp(np.abs(offset)),
            "limit": float(np.exp(limit)),
            "median_aspect_ratio": shape / np.exp(offset),
            "width": numbers.width,
            "height": numbers.height,
        },
        sentence="Of odd shape: {width:.0f} x {height:.0f} pixels, {ratio:.1f} times as elongated as the "
        "dataset's median of {median_aspect_ratio:.2f} (limit {limit:.1f}).",
    )


def _from_median(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the logarithm of each value over the median, shape (N,), and the robust deviation of it."""
    logs = np.log(values)
    offset: np.ndarray = logs - np.median(logs)
    return offset, float(np.median(np.abs(offset))) * _MAD_TO_DEVIATION
