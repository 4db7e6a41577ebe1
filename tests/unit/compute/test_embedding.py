"""Pictures to vectors: squashed whole, batch by batch, rows where they belong."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from chaffinch.compute.embedding import Embedder, ShardVectors, embed_fetched, fingerprint_of, squash
from chaffinch.compute.shard import measure_shard
from chaffinch.errors import SchemaError
from chaffinch.records import Fetched, SampleRef
from chaffinch.settings import MeasureSettings
from chaffinch.storage.vectors import EmbedderInfo


def fetched(name: str, data: bytes | None) -> Fetched:
    ref = SampleRef(
        split="all", rel_path=name, image_path=name, uri="", member="", given_label=None,
        source_id=None, size_bytes=-1, stamp="",
    )  # fmt: skip
    return Fetched(ref, data, "ok" if data is not None else "missing", None)


def plain_png(colour: tuple[int, int, int] | int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB" if isinstance(colour, tuple) else "L", (9, 6), colour).save(buffer, "PNG")
    return buffer.getvalue()


def mean_colour(batches: list[int], *, dim: int = 3) -> Embedder:
    """An embedder whose vector is the mean colour; notes the sizes of its batches."""

    def embed(pictures: np.ndarray) -> np.ndarray:
        assert pictures.dtype == np.uint8 and pictures.shape[1:] == (4, 4, 3)
        batches.append(len(pictures))
        return pictures.mean(axis=(1, 2))

    return Embedder(EmbedderInfo("mean", dim, "f", None), side=4, embed=embed, batch=2)


PICTURES = [
    fetched("red.png", plain_png((255, 0, 0))),
    fetched("gone.png", None),
    fetched("blue.png", plain_png((0, 0, 255))),
    fetched("black.png", plain_png((0, 0, 0))),
    fetched("text.png", b"no picture"),
    fetched("gray.png", plain_png(7)),
]


def test_measure_shard__embeds_in_the_same_pass() -> None:
    batches: list[int] = []
    vectors = ShardVectors(mean_colour(batches))
    outcomes = [m.outcome for m in measure_shard(PICTURES, MeasureSettings(), vectors=vectors)]
    rows, found = vectors.finish()
    assert outcomes == ["ok", "missing", "ok", "ok", "broken", "ok"]
    assert rows.tolist() == [0, 2, 3, 5]
    assert found.tolist() == [[255, 0, 0], [0, 0, 255], [0, 0, 0], [7, 7, 7]]
    assert batches == [2, 2]


def test_embed_fetched__gives_the_same_vectors_and_says_of_which_bytes() -> None:
    digests, rows, vectors = embed_fetched(PICTURES, mean_colour([]), max_pixels=100)
    assert [d is not None for d in digests] == [True, False, True, True, True, True]
    assert rows.tolist() == [0, 2, 3, 5]
    assert vectors.tolist() == [[255, 0, 0], [0, 0, 255], [0, 0, 0], [7, 7, 7]]
    assert embed_fetched(PICTURES, mean_colour([]), max_pixels=10)[1].tolist() == []


def test_shard_vectors__refuses_other_shapes_than_promised() -> None:
    vectors = ShardVectors(mean_colour([], dim=5))
    vectors.add(0, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(SchemaError, match=r"mean: gave float64 of shape \(1, 3\) for 1 pictures"):
        vectors.finish()


def test_shard_vectors__what_is_no_number_becomes_zeros() -> None:
    info = EmbedderInfo("nan", 1, "f", None)
    vectors = ShardVectors(Embedder(info, side=4, embed=lambda pictures: np.array([[np.nan], [2.0]])))
    for row in range(2):
        vectors.add(row, np.zeros((4, 4, 3), np.uint8))
    assert vectors.finish()[1].tolist() == [[0], [2]]


def test_squash__averages_areas_when_shrinking() -> None:
    shown = np.zeros((4, 8, 3), np.uint8)
    shown[:, :4] = 200
    assert squash(shown, 2)[:, :, 0].tolist() == [[200, 0], [200, 0]]


def test_squash__is_bilinear_when_growing() -> None:
    gray = np.array([[0, 100]], np.uint8)
    assert squash(gray, 4)[0].tolist() == [[v] * 3 for v in (0, 25, 75, 100)]


def test_fingerprint_of__differs_with_any_value() -> None:
    assert fingerprint_of(a=1, b=2) == fingerprint_of(b=2, a=1) != fingerprint_of(a=1, b=3)
