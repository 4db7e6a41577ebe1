"""Two thumbnails side by side: is one the other cropped, framed, turned, recoloured or recompressed?

The smaller part is aligned within the whole; limits then apply to the correlation in colour and gray, and to
the tiles that show something. Limits were fit on the tuning half of benchmarks/quality/verified_pairs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.detect.alignment import ALIGNED, COARSE_LOSS, align_pairs
from chaffinch.detect.coarse_alignment import coarse_places
from chaffinch.detect.patches import Patch
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

FRAME_DEVIATION = 8.0
"""A rim whose luma deviates less than this (0..255) is a border."""
FULL_SHARE = 0.965
"""A part at least this wide and high (share of the whole) covers it."""


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
    """Align two pictures and correlate them; see `compare_pairs`."""
    return compare_pairs([(first, second)], np.array([orientation]), np.array([least]))[0]


def compare_pairs(
    pairs: Sequence[tuple[Patch, Patch]], orientation: np.ndarray, least: np.ndarray
) -> list[Comparison | None]:
    """Align two pictures each and correlate them. P pairs.

    Args:
        pairs: The pictures; the first is turned.
        orientation: Shape (P,), int64, indices into `ORIENTATIONS`; the mirror image is tried as well.
        least: Shape (P,), float64: similarity that matters; what clearly stays below is not compared to the
            end.

    Returns:
        None for those that have nothing in common or of which one is flat.

    Cost: 0.05 CPU ms for strangers, 0.2 for what is near; mostly without the interpreter's lock.
    """
    places = np.empty((len(pairs), 2, 5))
    aspects = np.array([[first.aspect, second.aspect] for first, second in pairs])
    turns, scores = coarse_places(_grids(pairs), aspects, orientation, places)
    is_flat = np.array([first.is_flat or second.is_flat for first, second in pairs])
    near = np.flatnonzero(~is_flat & (scores >= least - COARSE_LOSS)).tolist()
    found: list[Comparison | None] = [None] * len(pairs)
    if not near:
        return found
    lying = [(pairs[number][0].turned(int(turns[number])), pairs[number][1]) for number in near]
    rgb = np.stack([np.stack([first.rgb, second.rgb]) for first, second in lying])
    aligned = np.zeros(len(near), ALIGNED)
    align_pairs(rgb, _grids(lying), places[near], least[near], aligned)
    for number, pair, row in zip(near, lying, aligned, strict=True):
        found[number] = _comparison(row, *pair, orientation=int(turns[number])) if row["is_aligned"] else None
    return found


def _grids(pairs: Sequence[tuple[Patch, Patch]]) -> np.ndarray:
    return np.stack([np.stack([first.grid, second.grid]) for first, second in pairs])


def _comparison(row: np.void, first: Patch, second: Patch, *, orientation: int) -> Comparison:
    share = float(row["share"])
    words = [ORIENTATIONS[orientation]] if orientation else []
    if share < FULL_SHARE:
        is_framed = row["rim"] < FRAME_DEVIATION
        words.append(
            ("border_removed" if is_framed else "crop")
            if row["is_part_second"]
            else ("border" if is_framed else "wider_crop")
        )
    if first.is_gray != second.is_gray:
        words.append("gray" if second.is_gray else "colour")
    return Comparison(
        luma=float(row["luma"]),
        colour=float(row["luma"] if first.is_gray or second.is_gray else row["colour"]),
        orientation=orientation,
        is_part_second=bool(row["is_part_second"]),
        share=share,
        agreement=float(row["agreement"]),
        n_tiles=int(row["n_tiles"]),
        transform="+".join(words) or "identity",
    )
