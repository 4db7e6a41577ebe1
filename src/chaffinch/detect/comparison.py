"""Two thumbnails side by side: is one the other cropped, framed, turned, recoloured or recompressed?

The smaller part is aligned within the whole; limits then apply to the correlation in colour and gray, and to
the tiles that show something. Limits were fit on the tuning half of benchmarks/quality/verified_pairs.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chaffinch.detect import alignment
from chaffinch.records import ORIENTATIONS

MIN_CORRELATION = 0.70
"""Smallest similarity of a pair."""
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
COARSE_LOSS = 0.10
"""By how much a fit on a coarser grid may lie below the final one. Of 116 copies among the crops of
benchmarks/whole_run.py, the worst lay .02 below the limit on 16 pixels and .07 below its own on 32, and the
part was never the picture that fitted worse by as much."""

_MIRRORED = (1, 0, 3, 2, 6, 7, 4, 5)
"""The orientation that each becomes when its result is flipped left to right."""


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
        rgb = alignment.shrink(thumb)
        grid = alignment.gray_grid(rgb)
        return cls(
            rgb,
            grid,
            thumb.shape[1] / thumb.shape[0],
            alignment.detail(grid) < FLAT_DETAIL,
            bool(alignment.colourfulness(rgb) < GRAY_DEVIATION),
        )

    def turned(self, orientation: int) -> Patch:
        """Return the patch in one of `ORIENTATIONS`."""
        if orientation == 0:
            return self
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


def compare(
    first: Patch, second: Patch, orientation: int = 0, *, least: float = MIN_CORRELATION
) -> Comparison | None:
    """Align two pictures and correlate them.

    Args:
        first: The picture that is turned.
        second: The other one.
        orientation: Index into `ORIENTATIONS`; its mirror image is tried as well.
        least: Similarity that matters: what clearly stays below is not aligned to the end.

    Returns:
        None where they have nothing in common or where one of them is flat.

    Cost: 0.1 CPU ms for strangers, 0.3 for copies.
    """
    if first.is_flat or second.is_flat:
        return None
    tries = []
    for turn, handicap in ((orientation, 0.0), (_MIRRORED[orientation], MIRROR_HANDICAP)):
        turned = first.turned(turn)
        places = [_coarse(turned, second), _coarse(second, turned)]
        tries.append((max(places[0][0], places[1][0]) - handicap, turn, turned, places))
    score, turn, turned, places = max(tries, key=lambda t: t[0])
    if score < least - COARSE_LOSS:
        return None
    # Either may lie within the other, and fine texture misleads the coarse grid: near ones are both refined.
    pictures = ((turned, second), (second, turned))
    for number, (whole, part) in enumerate(pictures):
        if places[number][0] >= places[1 - number][0] - COARSE_LOSS:
            places[number] = alignment.refine_place(whole.grid, part.grid, places[number])
    is_part_second = bool(places[0][0] >= places[1][0])
    place = places[0] if is_part_second else places[1]
    if place[0] < least - COARSE_LOSS:
        return None
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
        colour=float(planes[0] if is_one_gray else planes[1:].mean()),
        orientation=turn,
        is_part_second=is_part_second,
        share=share,
        agreement=_lower_quartile(tiles) if len(tiles) else 1.0,
        n_tiles=len(tiles),
        transform="+".join(words) or "identity",
    )


def _lower_quartile(values: np.ndarray) -> float:
    """Return the lower quartile between neighbours, as `numpy.percentile` does in ten times as long."""
    ordered = np.sort(values).tolist()
    place = (len(ordered) - 1) / 4
    low, high = ordered[int(place)], ordered[math.ceil(place)]
    return float(low + (high - low) * (place - int(place)))


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
