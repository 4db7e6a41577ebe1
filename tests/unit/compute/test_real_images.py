"""Every real image at hand: outcome, mode, size, pixels and hash are those of Pillow and imagehash."""

import io
import os
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from chaffinch.compute.decode import decode
from chaffinch.compute.measure import measure
from chaffinch.records import ORIENTATIONS
from chaffinch.settings import MAX_PIXELS, MeasureSettings

DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", Path(__file__).parents[3] / "../shared/data"))
PILLOW_NAMES = {"FLIP_LEFT_RIGHT": "flip_horizontal", "FLIP_TOP_BOTTOM": "flip_vertical"}
HASHES = MeasureSettings(level="hashes")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA}; set CHAFFINCH_TEST_DATA")


def assert_equal_to_pillow(path: Path) -> None:
    data = path.read_bytes()
    got = measure(data, HASHES, suffix=path.suffix.lower())
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except UnidentifiedImageError:
        assert got.outcome in ("broken", "skipped"), path
        return
    assert (got.format, got.mode, (got.width, got.height)) == (image.format, image.mode, image.size), path
    assert got.phash == int(str(imagehash.phash(image)), 16), path
    if image.mode in ("RGB", "L"):
        pixels = decode(data, max_pixels=MAX_PIXELS).shown
        assert np.array_equal(pixels, np.asarray(image)), path


@pytest.mark.parametrize("folder", ["imagededup-tests", "cleanvision-tests", "imagenet-stubs"])
def test_measure__equals_pillow_and_imagehash_on_the_format_zoo(folder: str) -> None:
    paths = sorted(path for path in (DATA / folder).rglob("*") if path.is_file())
    assert paths
    for path in paths:
        assert_equal_to_pillow(path)


def test_measure__equals_pillow_and_imagehash_on_some_photographs() -> None:
    for path in sorted((DATA / "imagenet-photos").glob("*.JPEG"))[::8]:
        assert_equal_to_pillow(path)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["imagenet-photos", "photos-256", "coco-open-licence", "cifar10-slice"])
def test_measure__equals_pillow_and_imagehash_on_all(folder: str) -> None:
    for path in sorted(path for path in (DATA / folder).rglob("*") if path.is_file()):
        assert_equal_to_pillow(path)


@pytest.mark.slow
def test_measure__orientations_are_those_of_turned_photographs() -> None:
    distances = []
    for path in sorted((DATA / "imagenet-photos").glob("*.JPEG"))[::4]:
        data = path.read_bytes()
        got = measure(data, HASHES).phash_d4
        assert got is not None
        for turn in Image.Transpose:
            name = PILLOW_NAMES.get(turn.name, turn.name.lower())
            turned = Image.open(io.BytesIO(data)).transpose(turn)
            expected = int(str(imagehash.phash(turned)), 16)
            distances.append((int(got[ORIENTATIONS.index(name)]) ^ expected).bit_count())
    assert np.mean(np.array(distances) == 0) > 0.9
    assert max(distances) <= 4
