"""Embedders: pictures to vectors, a batch at a time, in the same pass that measures them.

An `Embedder` is a record with one function that several threads may call at once. Whatever a picture's shape,
the whole of it is squashed to the square that the model takes: for copies that beats a centre crop, which
does not see the borders (measured on planted copies of natural photographs).

`ShardVectors` stands between a decoder and an embedder: pictures go in one by one, and no more than a batch
of small ones is ever held.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from blake3 import blake3
from PIL import Image

from chaffinch.compute.area import area_average
from chaffinch.compute.decode import DIGEST_BYTES, UndecodedError, decode
from chaffinch.errors import SchemaError
from chaffinch.records import Fetched
from chaffinch.storage.vectors import EmbedderInfo

Embed = Callable[[np.ndarray], np.ndarray]
"""Shape (B, S, S, 3), uint8 RGB, to shape (B, D), any float type; rows need not be of norm 1."""

BATCH = 8
"""Pictures embedded at a time on a processor: more were not faster (MobileNetV2: 20 to 25 ms an image from 1
to 16), and every worker holds a batch's activations."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """Something that turns pictures into vectors."""

    info: EmbedderInfo
    """What a workspace keeps of it: name, dimensions, fingerprint, threshold."""
    side: int
    """Height and width of the pictures it takes, pixels."""
    embed: Embed
    """Does it; may be called by several threads at once."""
    batch: int = BATCH
    """Pictures it takes at a time, at most."""
    warnings: tuple[str, ...] = ()
    """What was assumed about it, in sentences."""


@dataclass(slots=True)
class ShardVectors:
    """The vectors of one shard as they come; holds one batch of small pictures. S side, D dimensions."""

    embedder: Embedder
    _waiting: list[np.ndarray] = field(default_factory=list)
    _rows: list[int] = field(default_factory=list)
    _vectors: list[np.ndarray] = field(default_factory=list)

    def add(self, row: int, shown: np.ndarray) -> None:
        """Keep the picture of a row, squashed, until its batch is embedded.

        Args:
            row: Position in the shard.
            shown: Shape (H, W, 3), or (H, W) where it is gray, uint8.
        """
        self._waiting.append(squash(shown, self.embedder.side))
        self._rows.append(row)

    def embed_full(self) -> None:
        """Embed what waits if it fills a batch."""
        if len(self._waiting) >= self.embedder.batch:
            self._embed()

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Embed the rest; return the rows embedded, shape (N,), int64, and their vectors, (N, D), float32.

        A vector of zeros stands where the embedder gave no number, or no direction.
        """
        if self._waiting:
            self._embed()
        dim = self.embedder.info.dim
        vectors = np.concatenate([np.empty((0, dim), np.float32), *self._vectors])
        vectors[~np.isfinite(vectors).all(axis=1)] = 0
        return np.array(self._rows, dtype=np.int64), vectors

    def _embed(self) -> None:
        pictures = np.stack(self._waiting)
        self._waiting.clear()
        vectors = np.asarray(self.embedder.embed(pictures))
        expected = (len(pictures), self.embedder.info.dim)
        if vectors.shape != expected or vectors.dtype.kind != "f":
            raise SchemaError(
                f"gave {vectors.dtype} of shape {vectors.shape} for {len(pictures)} pictures",
                where=self.embedder.info.name,
                hint=f"an embedder must return floats of shape {expected}",
            )
        self._vectors.append(vectors.astype(np.float32))


def embedder_from(function: Embed, *, name: str, side: int, version: str = "") -> Embedder:
    """Make an embedder of any function; it is called by one thread at a time.

    Args:
        function: Shape (B, side, side, 3), uint8 RGB, to shape (B, D), floats.
        name: What its vectors are called.
        side: Height and width of the pictures it takes, pixels.
        version: Another text embeds all pictures anew: nobody can see whether a function has changed.

    Raises:
        SchemaError: If it does not give one row of floats for a picture.
    """
    lock = threading.Lock()

    def embed(pictures: np.ndarray) -> np.ndarray:
        with lock:
            return np.asarray(function(pictures))

    probe = embed(np.zeros((1, side, side, 3), np.uint8))
    if probe.ndim != 2 or len(probe) != 1 or probe.dtype.kind != "f":
        raise SchemaError(
            f"gave {probe.dtype} of shape {probe.shape} for one picture",
            where=name,
            hint="an embedder must return floats of shape (B, D) for pictures of shape (B, H, W, 3)",
        )
    fingerprint = fingerprint_of(name=name, side=side, dim=probe.shape[1], version=version)
    info = EmbedderInfo(name, probe.shape[1], fingerprint, semantic_threshold=None)
    return Embedder(info, side=side, embed=embed)


def squash(shown: np.ndarray, side: int) -> np.ndarray:
    """Bring a whole picture to a square: exact area averages, or bilinear where a side is too short for them.

    Args:
        shown: Shape (H, W, 3), or (H, W) where it is gray, uint8.
        side: Height and width of the result, pixels.

    Returns:
        Shape (side, side, 3), uint8.

    Cost: a tenth of the JPEG decode at most.
    """
    rgb = shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
    if min(rgb.shape[:2]) >= side:
        return area_average(np.ascontiguousarray(rgb), height=side, width=side)
    # Pillow's filter is bilinear along a side that grows and widens with the scale along one that shrinks.
    return np.array(Image.fromarray(rgb).resize((side, side), Image.Resampling.BILINEAR))


def embed_fetched(
    fetched: Iterable[Fetched], embedder: Embedder, *, max_pixels: int
) -> tuple[list[str | None], np.ndarray, np.ndarray]:
    """Embed images that were measured before. N images, V of them with a vector, D dimensions.

    Args:
        fetched: The images with their bytes; pulled one by one.
        embedder: What makes the vectors.
        max_pixels: Larger images get none.

    Returns:
        `bytes_digest` of each image, None where its bytes could not be read; rows that were embedded, shape
        (V,), int64; their vectors, shape (V, D), float32.

    Cost: the decode and the embedder; one decoded image and a batch of small ones of memory.
    """
    collected = ShardVectors(embedder)
    digests: list[str | None] = []
    for row, item in enumerate(fetched):
        digests.append(None)
        if item.data is None:
            continue
        digests[-1] = str(blake3(item.data).hexdigest(length=DIGEST_BYTES))
        try:
            collected.add(row, decode(item.data, max_pixels=max_pixels, suffix=item.ref.suffix).shown)
        except (UndecodedError, MemoryError):
            continue  # the scan has noted what is wrong with it
        collected.embed_full()
    return digests, *collected.finish()


def fingerprint_of(**values: Any) -> str:
    """Return 16 hex digits that differ whenever one of the values does: all that vectors rest on."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
