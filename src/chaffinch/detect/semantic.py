"""Pairs of images whose embedding vectors point nearly the same way.

What it finds: `semantic`: images whose vectors have a cosine of at least the threshold: other crops, colours
or compressions of one picture, and pictures of one scene.
Why it matters: hashes miss copies that were cropped, framed or recoloured, and for a model's score another
photograph of the same thing a moment later is as good as a copy.
False alarms: different things that look alike to the model: products on white, drawings in one style. A
threshold means nothing across models; each carries its own, and `chaffinch calibrate` fits it to the data.
Misses: with a model for classification, mirror images and strong crops of small pictures.
Source: complete search by `cosine.cosine_pairs`; measurements in benchmarks/quality/leaks.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chaffinch.detect.codes import group_codes
from chaffinch.detect.cosine import CosinePairs, cosine_pairs
from chaffinch.detect.pair_sets import SampleColumns, Units, make_pair_set, make_units, unique_pairs
from chaffinch.detect.vector_kernels import row_codes
from chaffinch.errors import SchemaError
from chaffinch.storage.pairs import PairSet
from chaffinch.storage.vectors import has_vector


@dataclass(frozen=True, slots=True, eq=False)
class SemanticPairs:
    """What a search by cosine found."""

    pairs: PairSet
    """Samples of equal vector as one group; similarity is the cosine."""
    n_borderline: int
    """Pairs of groups at most `cosine.BORDER` above or below the threshold."""
    n_without_vector: int
    """Images that decode and were asked for, but have no vector: not compared."""


def semantic_pairs(
    samples: SampleColumns, vectors: np.ndarray, *, threshold: float, side: np.ndarray | None = None
) -> SemanticPairs:
    """Find all pairs whose cosine is at least `threshold`.

    Args:
        samples: The samples.
        vectors: Shape (n_samples, D), float16, by sample id, from `storage.vectors.read_vectors`.
        threshold: Cosine, above 0 and at most 1; higher is stricter.
        side: As in `pair_sets.exact_pairs`.

    Raises:
        SchemaError: If there is no row for a sample, or the threshold is out of range.
    """
    units, n_without = vector_units(samples, vectors, side)
    first = samples.sample_id[units.first_row]
    found = near_units(units, first, vectors, threshold=threshold, has_sides=side is not None)
    own = np.flatnonzero(units.has_own_pair)
    n = len(own) + len(found.pairs)
    pairs = make_pair_set(
        "semantic",
        samples,
        units,
        pairs=np.concatenate([np.stack([own, own], axis=1), found.pairs]),
        similarity=np.concatenate([np.ones(len(own), np.float32), found.similarity]),
        hamming_distance=np.full(n, -1),
        transform=("",) * n,
    )
    return SemanticPairs(pairs, found.n_borderline, n_without)


def vector_units(samples: SampleColumns, vectors: np.ndarray, side: np.ndarray | None) -> tuple[Units, int]:
    """Return samples of equal vector as units, and how many that were asked for have no vector."""
    if len(samples.sample_id) and samples.sample_id[-1] >= len(vectors):
        raise SchemaError(
            f"has {len(vectors)} rows, none for sample {samples.sample_id[-1]}", where="vectors"
        )
    is_asked = samples.is_ok if side is None else samples.is_ok & (side >= 0)
    has = has_vector(vectors)[samples.sample_id]
    rows = np.flatnonzero(is_asked & has)
    codes = row_codes(np.asarray(vectors).view(np.uint16), samples.sample_id[rows])
    return make_units(group_codes(codes), rows, side), int((is_asked & ~has).sum())


def near_units(
    units: Units, first: np.ndarray, vectors: np.ndarray, *, threshold: float, has_sides: bool
) -> CosinePairs:
    """Search pairs of different units, the smaller first.

    Args:
        units: What is searched.
        first: Shape (U,), int64: the row of `vectors` that stands for each unit.
        vectors: Shape (N, D), float16.
        threshold: Cosine, above 0 and at most 1.
        has_sides: Whether pairs must lie between the sides.
    """
    if not has_sides:
        found = cosine_pairs(vectors, threshold=threshold, rows=first)
    else:
        found = cosine_pairs(
            vectors, threshold=threshold, rows=first[units.has_second], others=first[units.has_first]
        )
    # Sample ids rise with rows, but units are numbered by their first rows: both rise together.
    pairs = np.searchsorted(first, found.pairs)
    kept, pairs = unique_pairs(pairs, -found.similarity)
    return CosinePairs(pairs, found.similarity[kept], found.n_borderline)
