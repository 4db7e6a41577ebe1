"""Degrades photographs in known ways: what a detector of bad quality ought to find, at several strengths.

Each plant says which issue types would be right for it. Whether people would call the weaker strengths a
defect is open; they are there to show where detection begins.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True, slots=True)
class Plant:
    """One way to spoil a picture."""

    kind: str
    """What is done."""
    strength: str
    """How much of it."""
    expected: tuple[str, ...]
    """Issue types of which any is right."""
    change: Change
    """The picture before to the picture after; leaves it alone where only the encoded bytes are changed."""
    damage: Callable[[bytes], bytes] | None = None
    """What is done to the encoded bytes."""
    container: str = ""
    """Format to save in; '' takes that of the collection."""


def blurred(sigma: float) -> Change:
    return lambda image, rng: image.filter(ImageFilter.GaussianBlur(sigma))


def convolved(image: Image.Image, kernel: np.ndarray) -> Image.Image:
    """Convolve with a kernel of odd side by way of the Fourier transform, borders repeated."""
    reach = kernel.shape[0] // 2
    pixels = np.pad(np.asarray(image, dtype=np.float32), ((reach, reach), (reach, reach), (0, 0)), "edge")
    shape = pixels.shape[:2]
    spectrum = np.fft.rfft2(pixels, axes=(0, 1)) * np.fft.rfft2(kernel, shape)[..., None]
    whole = np.fft.irfft2(spectrum, shape, axes=(0, 1))[2 * reach :, 2 * reach :]
    return Image.fromarray(whole.clip(0, 255).astype(np.uint8))


def disc(radius: float) -> np.ndarray:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return kernel / kernel.sum()


def streak(length: float, angle: float) -> np.ndarray:
    reach = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for t in np.linspace(-(length - 1) / 2, (length - 1) / 2, 8 * int(length) + 1):
        x, y = reach + t * np.cos(angle), reach + t * np.sin(angle)
        left, top = int(x), int(y)
        kernel[top : top + 2, left : left + 2] += np.outer(
            [1 - (y - top), y - top], [1 - (x - left), x - left]
        )
    return kernel / kernel.sum()


def defocused(radius: float) -> Change:
    return lambda image, rng: convolved(image, disc(radius))


def moved(length: float) -> Change:
    return lambda image, rng: convolved(image, streak(length, float(rng.uniform(0, np.pi))))


def enlarged(factor: float) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        small = image.resize((max(4, round(image.width / factor)), max(4, round(image.height / factor))))
        return small.resize(image.size, Image.Resampling.BICUBIC)

    return change


def mapped(curve: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Send every channel through a curve from 0..1 to 0..1, clipped."""
    levels = (curve(np.arange(256) / 255.0).clip(0, 1) * 255).round().astype(np.uint8).tolist()
    return lambda image, rng: image.point(levels * 3)


def exposed(factor: float) -> Change:
    return mapped(lambda x: x * factor)


def gamma(power: float) -> Change:
    return mapped(lambda x: x**power)


def faded(share: float) -> Change:
    """Compress the range to a share of it around the picture's own mean level."""

    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        level = float(np.asarray(image.convert("L")).mean()) / 255
        return mapped(lambda x: level + (x - level) * share)(image, rng)

    return change


def plain(spread: float) -> Change:
    """Replace the picture by one colour with some noise."""

    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        level = rng.uniform(0, 255, 3)
        noise = rng.normal(0, spread, (image.height, image.width, 3))
        return Image.fromarray((level + noise).clip(0, 255).astype(np.uint8))

    return change


def grayed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.convert("L").convert("RGB")


def unchanged(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image


def shrunk(side: int) -> Change:
    return lambda image, rng: image.resize((side, max(1, round(side * image.height / image.width))))


def strip(ratio: float) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        height = max(1, round(image.width / ratio))
        top = int(rng.integers(0, max(1, image.height - height)))
        return image.crop((0, top, image.width, min(image.height, top + height)))

    return change


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def _plants(small: bool) -> list[Plant]:
    found = []
    for sigma in (0.7, 1, 1.5, 2) if small else (1, 1.5, 2, 3, 4, 6):
        found.append(Plant("gaussian blur", f"{sigma:g} px", ("blur",), blurred(sigma)))
    for length in (3, 5, 7) if small else (5, 9, 15, 25):
        found.append(Plant("motion blur", f"{length} px", ("blur",), moved(length)))
    for radius in (1.5, 2.5) if small else (2, 3, 5, 8):
        found.append(Plant("defocus", f"{radius:g} px", ("blur",), defocused(radius)))
    for factor in (2, 3) if small else (2, 3, 4):
        found.append(Plant("resized up", f"{factor} x", ("blur",), enlarged(factor)))
    for factor in (0.3, 0.2, 0.1, 0.05):
        found.append(Plant("darkened", f"{factor:g} x", ("dark", "low_information"), exposed(factor)))
    for power in (3, 4.5, 6):
        found.append(Plant("darkened by gamma", f"{power:g}", ("dark",), gamma(power)))
    for factor in (2.5, 4, 8):
        found.append(Plant("overexposed", f"{factor:g} x", ("bright", "low_information"), exposed(factor)))
    for power in (0.35, 0.2, 0.1):
        found.append(Plant("lightened by gamma", f"{power:g}", ("bright", "low_information"), gamma(power)))
    for share in (0.2, 0.1, 0.05):
        found.append(Plant("faded", f"to {share:.0%}", ("low_information", "dark", "bright"), faded(share)))
    for spread in (0, 2):
        found.append(
            Plant("one colour", f"noise {spread}", ("low_information", "dark", "bright"), plain(spread))
        )
    return found


def _files() -> list[Plant]:
    found = [
        Plant("gray", "as RGB", ("grayscale",), grayed),
        Plant("gray", "as L", ("grayscale",), lambda image, rng: image.convert("L")),
        Plant("strip", "10:1", ("odd_aspect_ratio",), strip(10)),
        Plant("tiny", "20 px", ("odd_size",), shrunk(20)),
    ]
    for container, shares in (("JPEG", (0.1, 0.5, 0.9, 0.99)), ("PNG", (0.3, 0.9, 0.999))):
        found += [
            Plant(f"{container} cut off", f"at {s:.1%}", ("corrupt",), unchanged, cut(s), container)
            for s in shares
        ]
    return found


PLANTS = _plants(small=False) + _files()
"""For photographs of 256 pixels and more."""

SMALL_PLANTS = [p for p in _plants(small=True) + _files() if p.kind not in ("tiny", "strip")]
"""For pictures of 32 pixels."""


def encode(image: Image.Image, container: str) -> bytes:
    buffer = io.BytesIO()
    options = {"quality": 90} if container == "JPEG" else {"compress_level": 1}
    image.save(buffer, container, **options)
    return buffer.getvalue()
