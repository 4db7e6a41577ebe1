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

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from chaffinch.detect import alignment
from chaffinch.detect.candidates import CANDIDATE_RADIUS, Candidates, find_candidates
from chaffinch.detect.pair_sets import SampleColumns, Units, make_pair_set
from chaffinch.records import ORIENTATIONS
from chaffinch.settings import n_cores
from chaffinch.storage.pairs import PairSet

MIN_CORRELATION = 0.70
"""Smallest similarity of a pair."""
MIN_CORRELATION_BY_VECTOR = 0.86
"""Smallest similarity of a pair whose hashes are not near: a wide border fits many frames. In the tuning
half, 97 of 102 such copies reach .85, and no pair of strangers that passes the other limits does."""
MIN_AGREEMENT = 0.60
"""Smallest lower quartile of the tiles' correlations. In the tuning half, copies of photographs have .76 and
more, strangers with enough tiles at most .46."""
MIN_TILES = 7
"""Tiles that must show something for the two limits above to be enough."""
MIN_CORRELATION_PLAIN = 0.95
"""Smallest similarity where fewer tiles do; such pictures must also cover each other as they lie."""
MIN_SHARE = 0.55
"""Smallest side of a part, as a share of the whole's; narrower strips fit nearly everywhere."""

FLAT_DETAIL = 4.0
"""A picture whose luma deviates less than this from a smooth shade (0..255) shows nothing to compare."""
GRAY_DEVIATION = 2.5
"""A picture whose opponent colours are all closer to 0 than this (0..255, root mean square) is gray."""
FRAME_DEVIATION = 8.0
"""A rim whose luma deviates less than this (0..255) is a border."""
FULL_SHARE = 0.965
"""A part at least this wide and high (share of the whole) covers it."""
MIRROR_HANDICAP = 0.02
"""Correlation by which the mirror image must fit better than the orientation that the hash names."""
WORTH_REFINING = 0.6
"""Coarse correlation below which no fine search would reach a limit above."""

PAIRS_PER_BLOCK = 1024
"""Candidates compared between two requests for thumbnails."""
CACHED_PATCHES = 8192
"""Patches kept at hand, 16 KB each."""
THUMBS_PER_REQUEST = 256
"""Thumbnails asked for at once, about 77 KB each when decoded."""

_MIRRORED = (1, 0, 3, 2, 6, 7, 4, 5)
"""The orientation that each becomes when its result is flipped left to right."""

Watch = Callable[[int, int], None]
"""Told the candidates settled so far, and all of them."""
Thumbs = Callable[[Sequence[int]], Sequence[np.ndarray]]
"""Gives thumbnails by sample id: uint8 RGB of shape (height, width, 3), longer side about 160 px."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A thumbnail made ready for comparing."""

    rgb: np.ndarray
    """Shape (64, 64, 3), uint8: the picture squashed."""
    grid: np.ndarray
    """Shape (32, 32), float32: its luma."""
    aspect: float
    """Width by height of the picture."""
    is_flat: bool
    """Nothing to be seen."""
    is_gray: bool
    """No colour."""

    @classmethod
    def from_thumb(cls, thumb: np.ndarray) -> Patch:
        """Make a patch of a uint8 RGB picture of any size."""
        rgb = alignment.shrink(np.ascontiguousarray(thumb))
        grid = alignment.gray_grid(rgb)
        red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
        colour = np.sqrt(np.mean((red - green) ** 2 + ((red + green) / 2 - blue) ** 2))
        return cls(
            rgb,
            grid,
            thumb.shape[1] / thumb.shape[0],
            alignment.detail(grid) < FLAT_DETAIL,
            bool(colour < GRAY_DEVIATION),
        )

    def turned(self, orientation: int) -> Patch:
        """Return the patch in one of `ORIENTATIONS`."""
        aspect = 1 / self.aspect if orientation >= 4 else self.aspect
        rgb, grid = (np.ascontiguousarray(_turn(a, orientation)) for a in (self.rgb, self.grid))
        return Patch(rgb, grid, aspect, self.is_flat, self.is_gray)


def _turn(picture: np.ndarray, orientation: int) -> np.ndarray:
    name = ORIENTATIONS[orientation]
    if name in ("transpose", "rotate_90", "rotate_270", "transverse"):
        picture = picture.swapaxes(0, 1)
    if name in ("flip_vertical", "rotate_180", "rotate_90", "transverse"):
        picture = picture[::-1]
    if name in ("flip_horizontal", "rotate_180", "rotate_270", "transverse"):
        picture = picture[:, ::-1]
    return picture


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two pictures compare when aligned as well as can be."""

    luma: float
    """Correlation of the luma, -1..1."""
    colour: float
    """Mean correlation over R, G and B, -1..1; that of the luma where one picture is gray."""
    orientation: int
    """Orientation of the first picture that fits the second; index into `ORIENTATIONS`."""
    is_part_second: bool
    """True where the second lies within the first, false where the first lies within the second."""
    share: float
    """The smaller side of the part, as a share of the whole's; 1 where they cover each other."""
    agreement: float
    """Lower quartile of the tiles' correlations, -1..1; 1 where no tile shows anything."""
    n_tiles: int
    """Tiles that show something, 0..16."""
    transform: str
    """How the second comes out of the first, in words joined by '+'."""

    @property
    def similarity(self) -> float:
        """What the limits apply to, 0..1."""
        return max(0.0, min(self.luma, self.colour))

    def is_copy(self, *, least: float = MIN_CORRELATION) -> bool:
        """Tell whether the pictures show the same thing; `least` is the smallest similarity."""
        if self.share < MIN_SHARE or self.agreement < MIN_AGREEMENT:
            return False
        if self.n_tiles >= MIN_TILES:
            return self.similarity >= least
        is_as_it_lies = self.orientation == 0 and self.share >= FULL_SHARE
        return is_as_it_lies and self.similarity >= MIN_CORRELATION_PLAIN


def compare(first: Patch, second: Patch, orientation: int = 0) -> Comparison | None:
    """Align two pictures and correlate them.

    Args:
        first: The picture that is turned.
        second: The other one.
        orientation: Index into `ORIENTATIONS`; its mirror image is tried as well.

    Returns:
        None where they have nothing in common or where one of them is flat.

    Cost: 0.5 CPU ms for strangers, 1 for copies.
    """
    if first.is_flat or second.is_flat:
        return None
    tries = []
    for turn, handicap in ((orientation, 0.0), (_MIRRORED[orientation], MIRROR_HANDICAP)):
        turned = first.turned(turn)
        places = [_coarse(turned, second), _coarse(second, turned)]
        tries.append((max(places[0][0], places[1][0]) - handicap, turn, turned, places))
    score, turn, turned, places = max(tries, key=lambda t: t[0])
    if score < WORTH_REFINING:
        return None
    # Either may lie within the other, and fine texture misleads the coarse grid: both are refined.
    places = [
        alignment.refine_place(turned.grid, second.grid, places[0]),
        alignment.refine_place(second.grid, turned.grid, places[1]),
    ]
    is_part_second = bool(places[0][0] >= places[1][0])
    place = places[0] if is_part_second else places[1]
    return _compare_at(turned, second, turn=turn, is_part_second=is_part_second, place=place)


def _coarse(whole: Patch, part: Patch) -> np.ndarray:
    return alignment.coarse_place(whole.grid, part.grid, part.aspect / whole.aspect)


def _compare_at(
    turned: Patch, second: Patch, *, turn: int, is_part_second: bool, place: np.ndarray
) -> Comparison:
    whole, part = (turned, second) if is_part_second else (second, turned)
    planes = alignment.plane_correlations(whole.rgb, part.rgb, place)
    share = float(min(place[3], place[4]))
    words = [ORIENTATIONS[turn]] if turn else []
    if share < FULL_SHARE:
        is_framed = _rim_deviation(whole.grid, place) < FRAME_DEVIATION
        words.append(
            ("border_removed" if is_framed else "crop")
            if is_part_second
            else ("border" if is_framed else "wider_crop")
        )
    tiles = alignment.tile_correlations(whole.rgb, part.rgb, place)
    is_one_gray = turned.is_gray or second.is_gray
    if turned.is_gray != second.is_gray:
        words.append("gray" if second.is_gray else "colour")
    return Comparison(
        luma=float(planes[0]),
        colour=float(planes[0] if is_one_gray else planes[3:].mean()),
        orientation=turn,
        is_part_second=is_part_second,
        share=share,
        agreement=float(np.percentile(tiles, 25)) if len(tiles) else 1.0,
        n_tiles=len(tiles),
        transform="+".join(words) or "identity",
    )


def _rim_deviation(grid: np.ndarray, place: np.ndarray) -> float:
    """Return the deviation of the luma outside a place, which is large where there is a picture."""
    side = len(grid)
    left, top = np.floor(place[1:3] * side + 0.25).astype(int)
    right, bottom = np.ceil((place[1:3] + place[3:5]) * side - 0.25).astype(int)
    is_rim = np.ones(grid.shape, dtype=bool)
    # One more pixel all around, since the picture's edge runs through the pixels of the grid.
    is_rim[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = False
    if not is_rim.any():
        is_rim[:] = True
        is_rim[top:bottom, left:right] = False
    return float(grid[is_rim].std()) if is_rim.any() else np.inf


def verified_pairs(
    samples: SampleColumns,
    *,
    thumbs: Thumbs,
    side: np.ndarray | None = None,
    radius: int = CANDIDATE_RADIUS,
    vectors: np.ndarray | None = None,
    copy_cosine: float = 1.0,
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
        watch: Told now and then how many candidates are settled, and of how many.

    Returns:
        Equal images as one group; similarity is the correlation, the distance that of the candidate (-1
        where the hashes are farther apart), the transform in words.
    """
    candidates = find_candidates(samples, side=side, radius=radius, vectors=vectors, copy_cosine=copy_cosine)
    units = candidates.units
    cache = _PatchCache(samples.sample_id[units.first_row], thumbs)
    kept, matches = [np.empty(0, np.int64)], []
    least = np.where(candidates.distance < 0, MIN_CORRELATION_BY_VECTOR, MIN_CORRELATION)
    with ThreadPoolExecutor(n_cores()) as pool:
        for numbers in _blocks(candidates, cache, watch):

            def compared(number: int) -> Comparison | None:
                a, b = candidates.pairs[number].tolist()
                return compare(cache[a], cache[b], int(candidates.orientation[number]))

            # The kernels, most of the work, release the interpreter's lock.
            copies = [
                (n, c)
                for n, c in zip(numbers.tolist(), pool.map(compared, numbers.tolist()), strict=True)
                if c and c.is_copy(least=least[n])
            ]
            kept.append(np.array([n for n, _ in copies], dtype=np.int64))
            matches += [c for _, c in copies]
    own = _own_pairs(units, cache)
    chosen = np.concatenate(kept)
    return make_pair_set(
        "verified",
        samples,
        units,
        pairs=np.concatenate([np.stack([own, own], axis=1), candidates.pairs[chosen]]),
        similarity=np.concatenate([np.ones(len(own)), [m.similarity for m in matches]]),
        hamming_distance=np.concatenate([np.zeros(len(own), np.int64), candidates.distance[chosen]]),
        transform=("identity",) * len(own) + tuple(m.transform for m in matches),
    )


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


def _blocks(candidates: Candidates, cache: _PatchCache, watch: Watch | None) -> Iterator[np.ndarray]:
    """Yield candidate numbers block by block, their patches loaded, flat units left out."""
    n = len(candidates.pairs)
    for start in range(0, n, PAIRS_PER_BLOCK):
        if watch is not None:
            watch(start, n)
        numbers = np.arange(start, min(start + PAIRS_PER_BLOCK, n))
        # Thousands of flat pictures share a hash: once known to be flat, they are not loaded again.
        numbers = numbers[~cache.is_flat[candidates.pairs[numbers]].any(axis=1)]
        cache.load(np.unique(candidates.pairs[numbers]))
        yield numbers[~cache.is_flat[candidates.pairs[numbers]].any(axis=1)]


def _own_pairs(units: Units, cache: _PatchCache) -> np.ndarray:
    """Return the units that hold a pair by themselves and are not flat."""
    own = np.flatnonzero(units.has_own_pair)
    for start in range(0, len(own), PAIRS_PER_BLOCK):
        cache.load(own[start : start + PAIRS_PER_BLOCK])
    return own[~cache.is_flat[own]]
