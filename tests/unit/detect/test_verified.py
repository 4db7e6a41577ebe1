"""Alignment and verified pairs on generated pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from chaffinch.detect import alignment, candidates, patches, verified
from chaffinch.detect.candidates import find_candidates
from chaffinch.detect.comparison import compare
from chaffinch.detect.pair_sets import SampleColumns
from chaffinch.detect.patches import Patch
from chaffinch.detect.verified import KnownPairs, verified_pairs
from chaffinch.records import ORIENTATIONS
from chaffinch.storage.pairs import expand_pairs
from chaffinch.storage.transforms import inverse_transform


def picture(seed: int, *, width: int = 160, height: int = 120) -> Image.Image:
    """A colourful picture with structure at several scales."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).resize(
                (width, height), Image.Resampling.BICUBIC
            ),
            dtype=float,
        )
        for size in (3, 6, 14)
    ]
    return Image.fromarray((np.mean(layers, axis=0) * 1.6 - 76).clip(0, 255).astype(np.uint8))


def patch(image: Image.Image) -> Patch:
    image = image.convert("RGB")
    image.thumbnail((160, 160))
    return Patch.from_thumb(np.asarray(image))


def crop(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    left, top = 0.3 * (1 - share) * width, 0.6 * (1 - share) * height
    return image.crop((round(left), round(top), round(left + share * width), round(top + share * height)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("change", "transform"),
    [
        (lambda i: i, "identity"),
        (lambda i: i.resize((80, 60)), "identity"),
        (lambda i: i.resize((100, 100)), "identity"),
        (lambda i: i.convert("L"), "gray"),
        (lambda i: crop(i, 0.9), "crop"),
        (lambda i: crop(i, 0.7), "crop"),
        (lambda i: ImageOps.expand(i, 10, "black"), "border"),
        (lambda i: crop(i, 0.85).convert("L"), "crop+gray"),
        (lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "flip_horizontal"),
        (lambda i: crop(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.9), "flip_horizontal+crop"),
    ],
)
def test_compare__confirms_copies_and_names_the_transform_both_ways(seed, change, transform):
    original, copy = patch(picture(seed)), patch(change(picture(seed)))
    found = compare(original, copy)
    assert found is not None
    assert found.is_copy()
    assert found.transform == transform
    back = compare(copy, original)
    assert back is not None
    assert back.transform == inverse_transform(transform)


@pytest.mark.parametrize("orientation", range(8))
def test_compare__turns_the_first_picture_as_pillow_does(orientation):
    image = picture(1)
    name = ORIENTATIONS[orientation].upper()
    how = {"FLIP_HORIZONTAL": "FLIP_LEFT_RIGHT", "FLIP_VERTICAL": "FLIP_TOP_BOTTOM"}.get(name, name)
    turned = image if orientation == 0 else image.transpose(Image.Transpose[how])
    found = compare(patch(image), patch(turned), orientation)
    assert found is not None
    assert found.orientation == orientation
    assert found.similarity > 0.99
    assert found.transform == ORIENTATIONS[orientation]


def test_compare__tells_strangers_apart():
    patches = [patch(picture(seed)) for seed in range(12)]
    for i, first in enumerate(patches):
        for second in patches[:i]:
            found = compare(first, second)
            assert found is None or not found.is_copy()


def behind_an_edge(seed: int) -> Image.Image:
    """A faint picture whose lower right is black: one edge outweighs all else."""
    faint = np.asarray(picture(seed).resize((128, 128)), dtype=float) * 0.12 + 170
    rows, columns = np.indices((128, 128))
    faint[rows + columns > 150] = 0
    return Image.fromarray(faint.astype(np.uint8))


def test_compare__one_strong_edge_does_not_make_a_copy():
    first, second = patch(behind_an_edge(1)), patch(behind_an_edge(2))
    found = compare(first, second)
    assert found is not None
    assert found.similarity > 0.95
    assert found.agreement < 0.6
    assert not found.is_copy()
    copy = compare(first, patch(behind_an_edge(1).resize((70, 70))))
    assert copy is not None
    assert copy.is_copy()


def test_tile_correlations__of_hand_made_tiles():
    whole = np.zeros((64, 64), dtype=np.float32)
    whole[:16, :16:2] = 200  # stripes in the first tile
    whole[16:32, :16:2] = 200  # and in the one below
    part = whole.copy()
    part[16:32, :16] = np.roll(whole[16:32, :16], 1, axis=1)  # shifted by one: the opposite
    found = alignment.tile_correlations(whole, part, np.array([1.0, 0.0, 0.0, 1.0, 1.0]))
    assert np.round(found, 3).tolist() == [1.0, -1.0]


def test_compare__flat_pictures_are_no_evidence():
    shade = np.tile(np.linspace(40, 200, 160, dtype=np.uint8)[:, np.newaxis], (100, 1, 3))
    gradient = Patch.from_thumb(np.broadcast_to(shade[:100], (100, 160, 3)).copy())
    gray = Patch.from_thumb(np.full((90, 120, 3), 128, dtype=np.uint8))
    assert gray.is_flat
    assert compare(gray, gray) is None
    ramp = np.broadcast_to(np.linspace(40, 200, 160)[np.newaxis, :, np.newaxis], (100, 160, 3)).astype(
        np.uint8
    )
    assert Patch.from_thumb(ramp.copy()).is_flat
    assert gradient.is_gray


def test_shrink__averages_areas():
    image = np.zeros((128, 192, 3), dtype=np.uint8)
    image[:, ::3] = 90
    image[::2] += 10
    assert (patches.shrink(image) == 35).all()


def test_shrink__enlarges_small_pictures():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    patch_rgb = patches.shrink(image)
    assert patch_rgb[0, 0].tolist() == [0, 1, 2]
    assert patch_rgb[63, 63].tolist() == [9, 10, 11]


@pytest.mark.parametrize(
    ("words", "back"),
    [("identity", "identity"), ("", ""), ("rotate_90+crop", "rotate_270+wider_crop"), ("gray", "colour")],
)
def test_inverse_transform(words, back):
    assert inverse_transform(words) == back
    assert inverse_transform(back) == words


def samples_of(images: list[Image.Image], codes: np.ndarray, content: list[int]) -> SampleColumns:
    words = np.stack([content, content], axis=1).astype(np.uint64)
    return SampleColumns(
        sample_id=np.arange(len(images)),
        is_ok=np.ones(len(images), dtype=bool),
        bytes_digest=words,
        pixels_digest=words,
        phash=codes[:, 0].copy(),
        phash_d4=codes,
    )


def found_pairs(pairs, side=None):
    return {
        (a, b): pairs.transform[e] if not swapped else inverse_transform(pairs.transform[e])
        for block in expand_pairs(pairs, side)
        for e, a, b, swapped in zip(
            block.edge.tolist(),
            block.sample_a.tolist(),
            block.sample_b.tolist(),
            block.is_swapped,
            strict=True,
        )
    }


@pytest.fixture
def collection():
    """Two copies of one picture, its mirror image, a stranger with the same hash, two flat pictures."""
    base = picture(1)
    flat = Image.new("RGB", (160, 120), "white")
    images = [base, base, base.transpose(Image.Transpose.FLIP_LEFT_RIGHT), picture(2), flat, flat]
    codes = np.random.default_rng(0).integers(0, 2**64, (6, 8), dtype=np.uint64)
    codes[1] = codes[0]
    codes[2, 0], codes[2, 1] = codes[0, 1], codes[0, 0]
    codes[3] = codes[0] ^ np.uint64(7)
    codes[5] = codes[4]
    return images, samples_of(images, codes, [1, 1, 2, 3, 4, 5])


def test_verified_pairs__keep_copies_and_drop_strangers_and_flat_pictures(collection):
    images, samples = collection
    asked: list[int] = []

    def thumbs(ids):
        asked.extend(ids)
        return [np.asarray(images[i]) for i in ids]

    pairs = verified_pairs(samples, thumbs=thumbs)
    assert found_pairs(pairs) == {(0, 1): "identity", (0, 2): "flip_horizontal", (1, 2): "flip_horizontal"}
    assert pairs.hamming_distance.tolist() == [0, 0]
    assert sorted(asked) == [0, 2, 3, 4, 5]


def test_verified_pairs__vectors_bring_what_hashes_do_not():
    images = [picture(5), crop(picture(5), 0.72), picture(6), picture(7)]
    codes = np.random.default_rng(1).integers(0, 2**64, (4, 8), dtype=np.uint64)
    samples = samples_of(images, codes, [1, 2, 3, 4])
    thumbs = [np.asarray(image) for image in images]
    vectors = np.array([[1, 0, 0], [0.75, 0.66, 0], [0.72, 0, 0.69], [0, 0, 1]], dtype=np.float16)

    def find(**options):
        return verified_pairs(samples, thumbs=lambda ids: [thumbs[i] for i in ids], **options)

    assert found_pairs(find()) == {}
    pairs = find(vectors=vectors, copy_cosine=0.9)
    assert found_pairs(pairs) == {(0, 1): "crop"}
    assert pairs.hamming_distance.tolist() == [-1]
    side = np.array([0, 1, 1, 1], np.int8)
    assert found_pairs(find(vectors=vectors, copy_cosine=0.9, side=side), side) == {(0, 1): "crop"}
    assert found_pairs(find(vectors=vectors, copy_cosine=0.99)) == {}


def test_find_candidates__become_stricter_where_there_would_be_too_many(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((40, 3)) * 0.3 + [3, 0, 0]).astype(np.float16)
    codes = rng.integers(0, 2**64, (40, 8), dtype=np.uint64)
    samples = samples_of([None] * 40, codes, list(range(1, 41)))
    found = [find_candidates(samples, vectors=vectors, copy_cosine=0.99)]
    monkeypatch.setattr(candidates, "CANDIDATES_PER_UNIT", 40)
    found.append(find_candidates(samples, vectors=vectors, copy_cosine=0.99))
    assert 40 < len(found[0].pairs) < len(found[1].pairs)
    assert set(map(tuple, found[0].pairs.tolist())) < set(map(tuple, found[1].pairs.tolist()))
    assert find_candidates(samples).pairs.shape == (0, 2)


def test_verified_pairs__between_sides(collection):
    images, samples = collection
    side = np.array([0, 0, 1, 1, 0, 1], dtype=np.int8)
    pairs = verified_pairs(samples, thumbs=lambda ids: [np.asarray(images[i]) for i in ids], side=side)
    assert found_pairs(pairs, side) == {(0, 2): "flip_horizontal", (1, 2): "flip_horizontal"}


def test_verified_pairs__turned_by_90_reads_right_from_either_side():
    image = picture(3)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    codes = np.random.default_rng(0).integers(0, 2**64, (2, 8), dtype=np.uint64)
    codes[0, 5], codes[1, 6] = codes[1, 0], codes[0, 0]
    samples = samples_of([image, turned], codes, [1, 2])
    thumbs = [np.asarray(image), np.asarray(turned)]
    for side in (None, np.array([0, 1], np.int8), np.array([1, 0], np.int8)):
        pairs = verified_pairs(samples, thumbs=lambda ids: [thumbs[i] for i in ids], side=side)
        assert pairs.transform == ("rotate_90",)


def test_verified_pairs__blocks_and_a_small_cache_change_nothing(collection, monkeypatch):
    images, samples = collection

    def thumbs(ids):
        return [np.asarray(images[i]) for i in ids]

    expected = verified_pairs(samples, thumbs=thumbs)
    monkeypatch.setattr(verified, "PAIRS_PER_BLOCK", 1)
    monkeypatch.setattr(verified, "CACHED_PATCHES", 1)
    monkeypatch.setattr(verified, "THUMBS_PER_REQUEST", 1)
    told: list[tuple[int, int]] = []
    found = verified_pairs(samples, thumbs=thumbs, watch=lambda done, total: told.append((done, total)))
    assert found.edges.tolist() == expected.edges.tolist()
    assert found.similarity.tolist() == expected.similarity.tolist()
    assert told == sorted(set(told))
    assert {total for _, total in told} == {len(verified.find_candidates(samples).pairs)}


def test_verified_pairs__compare_no_pair_twice(collection, monkeypatch):
    images, samples = collection
    known = KnownPairs()

    def thumbs(ids):
        return [np.asarray(images[i]) for i in ids]

    within = verified_pairs(samples, thumbs=thumbs, known=known)
    monkeypatch.setattr(verified, "compare_pairs", None)  # whoever compares now fails
    again = verified_pairs(samples, thumbs=thumbs, known=known)
    assert found_pairs(again) == found_pairs(within)
    side = np.array([0, 0, 1, 1, 0, 1], dtype=np.int8)
    across = found_pairs(verified_pairs(samples, thumbs=thumbs, side=side, known=known), side)
    assert across == {(0, 2): "flip_horizontal", (1, 2): "flip_horizontal"}
