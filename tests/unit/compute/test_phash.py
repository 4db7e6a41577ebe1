"""The pHash against imagehash itself, on pictures made to be awkward."""

import io
import warnings

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chaffinch.compute.measure import measure
from chaffinch.compute.phash import phash_d4
from chaffinch.compute.resample import luma_plane, small_luma
from chaffinch.records import ORIENTATIONS
from chaffinch.settings import MeasureSettings

HASHES = MeasureSettings(level="hashes")
PILLOW_NAMES = {"flip_horizontal": "FLIP_LEFT_RIGHT", "flip_vertical": "FLIP_TOP_BOTTOM"}


def reference(image: Image.Image) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about palettes with transparency
        return int(str(imagehash.phash(image)), 16)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def scene(width: int = 200, height: int = 150, seed: int = 0) -> Image.Image:
    """A picture with structure at all scales and no symmetry."""
    parts = [
        Image.fromarray(noise(2**k + 1, 2**k + 1, seed + k)).resize((width, height)) for k in range(1, 6)
    ]
    weights = np.array([0.4, 0.25, 0.15, 0.12, 0.08])
    return Image.fromarray(
        np.tensordot(weights, np.stack([np.asarray(p) for p in parts]), 1).astype(np.uint8)
    )


@settings(max_examples=150, deadline=None)
@given(width=st.integers(1, 130), height=st.integers(1, 130), seed=st.integers(0, 99))
def test_small_luma__equals_pillows_lanczos_at_any_size(width: int, height: int, seed: int) -> None:
    pixels = noise(width, height, seed)
    expected = Image.fromarray(pixels).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(small_luma(pixels), np.asarray(expected))


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (32, 32),
        (32, 500),
        (500, 32),
        (1, 1),
        (1, 4000),
        (4000, 1),
        (33, 34),
        (70, 108),
        (70, 109),
        (375, 500),
    ],
)
def test_small_luma__equals_pillows_lanczos_at_odd_sizes(width: int, height: int) -> None:
    pixels = noise(width, height)
    expected = Image.fromarray(pixels).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(small_luma(pixels), np.asarray(expected))


def test_luma_plane__rounds_as_pillow_for_every_level_of_each_channel() -> None:
    levels = np.arange(256, dtype=np.uint8)
    rgb = np.stack([levels, levels[::-1], np.roll(levels, 77)], axis=1).reshape(16, 16, 3)
    out = np.empty((16, 16), np.uint8)
    luma_plane(rgb.reshape(16, -1), out)
    assert np.array_equal(out, np.asarray(Image.fromarray(rgb).convert("L")))


def checkerboard(side: int) -> np.ndarray:
    return np.where(np.add.outer(np.arange(side), np.arange(side)) % 2, 255, 0).astype(np.uint8)


AWKWARD = {
    "black": np.zeros((50, 60), np.uint8),
    "white": np.full((50, 60), 255, np.uint8),
    "one pixel": np.full((1, 1), 77, np.uint8),
    "row": noise(300, 1),
    "column": noise(1, 300),
    "gradient across": np.tile(np.arange(256, dtype=np.uint8), (64, 1)),
    "gradient down": np.tile(np.arange(256, dtype=np.uint8), (64, 1)).T.copy(),
    "checkerboard": checkerboard(64),
    "checkerboard 32": checkerboard(32),
    "mirror image": np.hstack([noise(40, 80), noise(40, 80)[:, ::-1]]),
    "four-fold": np.kron(np.eye(2, dtype=np.uint8), np.full((40, 40), 200, np.uint8)),
    "one bright dot": np.pad(np.full((1, 1), 255, np.uint8), 40),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_phash_d4__equals_imagehash_where_bits_are_rounding_noise(name: str) -> None:
    luma = np.ascontiguousarray(AWKWARD[name])
    assert int(phash_d4(luma)[0]) == reference(Image.fromarray(luma))


def test_phash_d4__flat_picture_has_the_constant_bit_in_every_orientation() -> None:
    assert phash_d4(np.full((40, 40), 9, np.uint8)).tolist() == [1 << 63] * 8


@pytest.mark.parametrize(("position", "name"), list(enumerate(ORIENTATIONS)))
def test_phash_d4__names_the_orientation_that_pillow_makes(position: int, name: str) -> None:
    for seed in range(5):
        image = scene(seed=seed)
        laid = image
        if name != "identity":
            laid = image.transpose(Image.Transpose[PILLOW_NAMES.get(name, name.upper())])
        got = int(phash_d4(np.array(image))[position])
        assert (got ^ reference(laid)).bit_count() <= 2


def test_phash_d4__orientations_of_a_scene_are_eight_different_hashes() -> None:
    assert len(set(phash_d4(np.array(scene())).tolist())) == 8


def in_mode(mode: str) -> Image.Image:
    gray = scene()
    if mode in ("I", "F"):
        return gray.convert(mode)
    if mode == "I;16":
        return Image.fromarray(np.asarray(gray).astype(np.uint16) * 3)
    colour = Image.merge("RGB", [scene(seed=s) for s in (1, 2, 3)])
    if mode == "P-transparent":
        palette = colour.quantize(60)
        palette.info["transparency"] = bytes(range(60))
        return palette
    if mode in ("RGBA", "LA"):
        image = colour.convert(mode)
        image.putalpha(scene(seed=4))
        return image
    return colour.convert(mode)


@pytest.mark.parametrize(
    ("mode", "container"),
    [
        ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("P-transparent", "PNG"), ("RGB", "PNG"),
        ("RGBA", "PNG"), ("I;16", "PNG"), ("I", "TIFF"), ("F", "TIFF"), ("CMYK", "TIFF"), ("CMYK", "JPEG"),
        ("YCbCr", "TIFF"), ("L", "JPEG"), ("RGB", "JPEG"), ("RGBA", "WEBP"), ("P", "GIF"), ("RGB", "BMP"),
    ],
)  # fmt: skip
def test_measure__hash_equals_imagehash_in_every_mode(mode: str, container: str) -> None:
    buffer = io.BytesIO()
    in_mode(mode).save(buffer, container)
    measured = measure(buffer.getvalue(), HASHES)
    image = Image.open(io.BytesIO(buffer.getvalue()))
    assert measured.error is None
    assert measured.phash == reference(image)
    assert measured.mode == image.mode == mode.partition("-")[0]
