"""Copies that were cropped, framed, turned, mirrored, recoloured or recompressed, confirmed on thumbnails.

What it finds: candidates whose pHashes are at most `CANDIDATE_RADIUS` bits apart in any of the eight
orientations or, where there are vectors, whose cosine is loosely near; kept where the thumbnails correlate
once one is aligned within the other, as a whole and in three of four tiles; with the transform in words.
Why it matters: the usual rule of 5 bits misses turned copies and many edited ones; a loose rule finds them at
the price of many wrong pairs, and looking at the pictures takes the wrong ones out again.
False alarms: pictures of one scene taken a moment apart, products before the same background, simple logos.
Flat pictures are left out; `exact` finds copies among them.
Misses: without vectors, what the hash does not bring near: crops below about 85 %, wide borders, large
overlays; with them, crops below 62 % of a side.
Source: own measurements, benchmarks/quality/verified_pairs.py; limits were fit on its tuning half.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from chaffinch.detect.candidates import CANDIDATE_RADIUS, Candidates, find_candidates
from chaffinch.detect.comparison import MIN_CORRELATION, Comparison, compare_pairs
from chaffinch.detect.pair_sets import SampleColumns, Units, make_pair_set
from chaffinch.detect.patches import Patch
from chaffinch.settings import n_cores
from chaffinch.storage.pairs import PairSet

MIN_CORRELATION_BY_VECTOR = 0.86
"""Smallest similarity of a pair whose hashes are not near: a wide border fits many frames. In the tuning
half, 97 of 102 such copies reach .85, and no pair of strangers that passes the other limits does."""

PAIRS_PER_BLOCK = 1024
"""Candidates compared between two requests for thumbnails."""
PAIRS_PER_CALL = 64
"""Candidates that a thread compares at a time."""
CACHED_PATCHES = 8192
"""Patches kept at hand, 16 KB each."""
THUMBS_PER_REQUEST = 256
"""Thumbnails asked for at once, about 77 KB each when decoded."""

Watch = Callable[[int, int], None]
"""Told the candidates settled so far, and all of them."""
Thumbs = Callable[[Sequence[int]], Sequence[np.ndarray]]
"""Gives thumbnails by sample id: uint8 RGB of shape (height, width, 3), longer side about 160 px."""


def verified_pairs(
    samples: SampleColumns,
    *,
    thumbs: Thumbs,
    side: np.ndarray | None = None,
    radius: int = CANDIDATE_RADIUS,
    vectors: np.ndarray | None = None,
    copy_cosine: float = 1.0,
    known: KnownPairs | None = None,
    watch: Watch | None = None,
) -> PairSet:
    """Find copies by hash, and by vector where there are some, and confirm each on thumbnails.

    Args:
        samples: The samples.
        thumbs: Gives thumbnails by sample id.
        side: As in `pair_sets.exact_pairs`.
        radius: Largest Hamming distance of a candidate, bits.
        vectors: Shape (n_samples, D), float16, by sample id; None: candidates by hash alone.
        copy_cosine: Smallest cosine at which two of these vectors mean one picture.
        known: What earlier searches over these samples found out; this one adds to it.
        watch: Told now and then how many candidates are settled, and of how many.

    Returns:
        Equal images as one group; similarity is the correlation, the distance that of the candidate (-1
        where the hashes are farther apart), the transform in words.
    """
    candidates = find_candidates(samples, side=side, radius=radius, vectors=vectors, copy_cosine=copy_cosine)
    units, known = candidates.units, known or KnownPairs()
    sample_ids = samples.sample_id[units.first_row]
    cache = _PatchCache(sample_ids, thumbs)
    codes = _codes(candidates, sample_ids)
    new = np.flatnonzero(~known.has(codes))
    known.add(codes[new], dict(_confirmed(candidates, codes, new, cache=cache, watch=watch)))
    own = _own_pairs(units, cache)
    copies = [
        (number, known.copies[code]) for number, code in enumerate(codes.tolist()) if code in known.copies
    ]
    chosen = np.array([number for number, _ in copies], dtype=np.int64)
    return make_pair_set(
        "verified",
        samples,
        units,
        pairs=np.concatenate([np.stack([own, own], axis=1), candidates.pairs[chosen]]),
        similarity=np.concatenate([np.ones(len(own)), [found.similarity for _, found in copies]]),
        hamming_distance=np.concatenate([np.zeros(len(own), np.int64), candidates.distance[chosen]]),
        transform=("identity",) * len(own) + tuple(found.transform for _, found in copies),
    )


class KnownPairs:
    """What searches over the same samples and thumbnails found out, so that no pair is compared twice."""

    def __init__(self) -> None:
        self.copies: dict[int, Comparison] = {}
        """The pairs that are copies, by code."""
        self._codes = np.empty(0, np.int64)

    def has(self, codes: np.ndarray) -> np.ndarray:
        """Tell for each pair, shape (P,), whether it was compared."""
        return np.isin(codes, self._codes)

    def add(self, codes: np.ndarray, copies: Mapping[int, Comparison]) -> None:
        """Note pairs that were compared, shape (P,), and those of them that are copies."""
        self._codes = np.union1d(self._codes, codes)
        self.copies |= copies


def _codes(candidates: Candidates, sample_ids: np.ndarray) -> np.ndarray:
    """Return both samples and the orientation of each candidate as one number, the same in every search."""
    first, second = sample_ids[candidates.pairs].T.astype(np.int64)
    codes: np.ndarray = (first << 34) + (second << 3) + candidates.orientation
    return codes


def _confirmed(
    candidates: Candidates, codes: np.ndarray, numbers: np.ndarray, *, cache: _PatchCache, watch: Watch | None
) -> Iterator[tuple[int, Comparison]]:
    """Compare candidates by their numbers; yield the code of each that is a copy, and how it compares."""
    least = np.where(candidates.distance < 0, MIN_CORRELATION_BY_VECTOR, MIN_CORRELATION)

    def compared(numbers: np.ndarray) -> list[Comparison | None]:
        pairs = [(cache[a], cache[b]) for a, b in candidates.pairs[numbers].tolist()]
        return compare_pairs(pairs, candidates.orientation[numbers], least[numbers])

    with ThreadPoolExecutor(n_cores()) as pool:
        for block in _blocks(candidates, numbers, cache, watch):
            calls = [block[at : at + PAIRS_PER_CALL] for at in range(0, len(block), PAIRS_PER_CALL)]
            found = itertools.chain.from_iterable(pool.map(compared, calls))
            results = zip(codes[block].tolist(), least[block].tolist(), found, strict=True)
            yield from ((code, one) for code, limit, one in results if one and one.is_copy(least=limit))


class _PatchCache:
    """Patches of units, loaded in batches; knows for good which units are flat."""

    def __init__(self, sample_ids: np.ndarray, thumbs: Thumbs) -> None:
        self._sample_ids = sample_ids
        self._thumbs = thumbs
        self._patches: dict[int, Patch] = {}
        self.is_flat = np.zeros(len(sample_ids), dtype=bool)

    def __getitem__(self, unit: int) -> Patch:
        return self._patches[unit]

    def load(self, units: np.ndarray) -> None:
        """Have the patches of these units at hand."""
        missing = [unit for unit in units.tolist() if unit not in self._patches]
        if len(self._patches) + len(missing) > CACHED_PATCHES:
            wanted = set(units.tolist())
            self._patches = {unit: patch for unit, patch in self._patches.items() if unit in wanted}
        for start in range(0, len(missing), THUMBS_PER_REQUEST):
            batch = missing[start : start + THUMBS_PER_REQUEST]
            pictures = self._thumbs(self._sample_ids[batch].tolist())
            for unit, picture in zip(batch, pictures, strict=True):
                self._patches[unit] = Patch.from_thumb(picture)
                self.is_flat[unit] = self._patches[unit].is_flat


def _blocks(
    candidates: Candidates, numbers: np.ndarray, cache: _PatchCache, watch: Watch | None
) -> Iterator[np.ndarray]:
    """Yield candidate numbers block by block, their patches loaded, flat units left out."""
    for start in range(0, len(numbers), PAIRS_PER_BLOCK):
        if watch is not None:
            watch(start, len(numbers))
        block = numbers[start : start + PAIRS_PER_BLOCK]
        # Thousands of flat pictures share a hash: once known to be flat, they are not loaded again.
        block = block[~cache.is_flat[candidates.pairs[block]].any(axis=1)]
        cache.load(np.unique(candidates.pairs[block]))
        yield block[~cache.is_flat[candidates.pairs[block]].any(axis=1)]


def _own_pairs(units: Units, cache: _PatchCache) -> np.ndarray:
    """Return the units that hold a pair by themselves and are not flat."""
    own = np.flatnonzero(units.has_own_pair)
    for start in range(0, len(own), PAIRS_PER_BLOCK):
        cache.load(own[start : start + PAIRS_PER_BLOCK])
    return own[~cache.is_flat[own]]
