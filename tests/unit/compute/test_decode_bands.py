"""A large image, which is copied out of Pillow in bands, decodes as a small one does."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from chaffinch.compute import decode as module
from chaffinch.compute.decode import decode

CASES = [
    ("RGB", "PNG"),
    ("P", "PNG"),
    ("RGBA", "PNG"),
    ("LA", "PNG"),
    ("1", "PNG"),
    ("L", "PNG"),
    ("I", "TIFF"),
    ("CMYK", "TIFF"),
    ("CMYK", "JPEG"),
    ("YCbCr", "TIFF"),
    ("LAB", "TIFF"),
    ("F", "TIFF"),
]


@pytest.mark.parametrize(("mode", "container"), CASES)
def test_decode__bands_change_nothing(monkeypatch: pytest.MonkeyPatch, mode: str, container: str) -> None:
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 256, (50, 40, 3), np.uint8))
    image = Image.frombytes("LAB", (40, 50), random.bytes(6000)) if mode == "LAB" else picture.convert(mode)
    out = io.BytesIO()
    image.save(out, container)
    whole = decode(out.getvalue(), max_pixels=10_000)
    monkeypatch.setattr(module, "_BAND_PIXELS", 120)
    in_bands = decode(out.getvalue(), max_pixels=10_000)
    assert whole.pixels_digest == in_bands.pixels_digest
    assert np.array_equal(whole.luma, in_bands.luma)
    assert np.array_equal(whole.shown, in_bands.shown) and whole.shown.dtype == np.uint8
    is_gray = mode in ("L", "LA", "1", "I", "F")
    assert whole.shown.shape == ((50, 40) if is_gray else (50, 40, 3))
