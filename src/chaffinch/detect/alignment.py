"""Compiled comparison of two small pictures that may be crops or framed copies of each other.

Pictures are patches (patches.py): squashed to squares. The *part* lies somewhere within the *whole*:
coarse_alignment.py tells about where, small steps from there find the place at which both correlate best, and
there they are compared in luma, colour and tile by tile.
"""

from __future__ import annotations

import numpy as np

from chaffinch.detect.coarse_alignment import SMALLEST_PART
from chaffinch.detect.patches import PATCH_PX
from chaffinch.jit import fast_kernel, kernel

COARSE_LOSS = 0.10
"""By how much a fit on a coarser grid may lie below the final one. Of 116 copies among the crops of
benchmarks/whole_run.py, the worst lay .02 below the limit on 16 pixels and .07 below its own on 32, and the
part was never the picture that fitted worse by as much."""
TILES_A_SIDE = 4
"""Tiles along each side of a patch."""
TILE_DEVIATION = 3.0
"""A tile whose luma deviates less than this (0..255) in both pictures shows nothing."""

ALIGNED = np.dtype(
    [
        ("is_aligned", np.bool_),
        ("is_part_second", np.bool_),
        ("share", np.float64),
        ("luma", np.float64),
        ("colour", np.float64),
        ("agreement", np.float64),
        ("n_tiles", np.int64),
        ("rim", np.float64),
    ]
)
"""What `align_pairs` says of a pair: whether it fits at all, which of both is the part, its smaller side as a
share of the whole's, the correlations of luma and of colour (mean of R, G and B), lower quartile and number
of the tiles, and the deviation of the whole's luma around the part."""

_FIRST_STEP, _LAST_STEP = 0.03, 0.003
"""Steps of the fine search, as shares of the whole's side."""
_MIN_VARIANCE = 1e-6
_TILE_NOISE = 1e-3
_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
_NEXT = np.uint64(1)
_MIDDLE = np.float32(128)
"""Taken off values before they are squared and summed in 32 bits."""


@fast_kernel
def _read_line(whole: np.ndarray, y: float, line: np.ndarray) -> None:
    """Read a row of a picture between its pixels, less `_MIDDLE`; `y` counts pixels."""
    y = min(max(y, 0.0), whole.shape[0] - 1.0)
    y0 = min(int(y), whole.shape[0] - 2)
    share = np.float32(y - y0)
    for x in range(line.shape[0]):
        line[x] = whole[y0, x] + share * (whole[y0 + 1, x] - whole[y0, x]) - _MIDDLE


@fast_kernel
def _reading_columns(n: int, side: int, left: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return between which of `n` columns `side` ones are read: the first, and the share of the second."""
    # Unsigned, because numba guards every signed index against being negative.
    first, share = np.empty(side, np.uint64), np.empty(side, np.float32)
    for column in range(side):
        x = min(max((left + (column + 0.5) / side * width) * n - 0.5, 0.0), n - 1.0)
        before = min(int(x), n - 2)
        first[column] = np.uint64(before)
        share[column] = np.float32(x - before)
    return first, share


@fast_kernel
def _correlation_at(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> float:
    """Correlate the part with the whole's region at a place, read between pixels."""
    side, n_whole = part.shape[0], whole.shape[0]
    first, share = _reading_columns(n_whole, side, place[1], place[3])
    line = np.empty(n_whole, np.float32)
    s_w, s_p, s_ww, s_pp, s_wp = 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(side):
        _read_line(whole, (place[2] + (row + 0.5) / side * place[4]) * n_whole - 0.5, line)
        w, p, ww, pp, wp = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for column in range(side):
            x = first[column]
            value = line[x] + share[column] * (line[x + _NEXT] - line[x])
            other = part[row, column] - _MIDDLE
            w += value
            p += other
            ww += value * value
            pp += other * other
            wp += value * other
        s_w, s_p = s_w + float(w), s_p + float(p)
        s_ww, s_pp, s_wp = s_ww + float(ww), s_pp + float(pp), s_wp + float(wp)
    n = side * side
    spread = (s_ww - s_w * s_w / n) * (s_pp - s_p * s_p / n)
    return (s_wp - s_w * s_p / n) / np.sqrt(spread) if spread > (n * _MIN_VARIANCE) ** 2 else 0.0


@kernel
def _is_inside(place: np.ndarray) -> bool:
    slack = 1e-9
    right, bottom = place[1] + place[3], place[2] + place[4]
    inside = place[1] >= -slack and place[2] >= -slack and right <= 1 + slack and bottom <= 1 + slack
    return bool(inside) and max(place[3], place[4]) >= SMALLEST_PART


@kernel
def _moved(place: np.ndarray, move: int, step: float) -> np.ndarray:
    """Return a place moved or resized by a step, within the whole; there are eight such moves."""
    moved = place.copy()
    amount = step if move % 2 == 0 else -step
    if move < 4:
        moved[1 + move // 2] += amount
    else:
        # Grow or shrink around the centre; then, in the last two moves, around the opposite corner.
        moved[3:] *= 1 + amount
        if move < 6:
            moved[1:3] -= (moved[3:] - place[3:]) / 2
    moved[3:] = np.minimum(moved[3:], 1.0)
    moved[1:3] = np.minimum(np.maximum(moved[1:3], 0.0), 1.0 - moved[3:])
    return moved


@kernel
def _refined(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Improve a place by small moves and changes of size until none helps."""
    best = place.copy()
    best[0] = _correlation_at(whole, part, best)
    step = _FIRST_STEP
    while step >= _LAST_STEP:
        before = best[0]
        for move in range(8):
            trial = _moved(best, move, step)
            # At the edges of the whole most moves lead nowhere.
            is_new = _is_inside(trial) and np.abs(trial[1:] - best[1:]).max() > 0
            trial[0] = _correlation_at(whole, part, trial) if is_new else -1.0
            if trial[0] > best[0] + 1e-6:
                best = trial
        if best[0] == before:
            step /= 2
    return best


@fast_kernel
def _planes(patch: np.ndarray) -> np.ndarray:
    """Return luma, R, G and B of a patch: shape (4, 64, 64), float32."""
    out = np.empty((4, PATCH_PX, PATCH_PX), dtype=np.float32)
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            red, green = np.float32(patch[y, x, 0]), np.float32(patch[y, x, 1])
            blue = np.float32(patch[y, x, 2])
            out[0, y, x] = _RED * red + _GREEN * green + _BLUE * blue
            out[1, y, x], out[2, y, x], out[3, y, x] = red, green, blue
    return out


@fast_kernel
def _region(plane: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Read a place of a plane, between pixels, as a plane of its own, less `_MIDDLE`."""
    side = len(plane)
    first, share = _reading_columns(side, side, place[1], place[3])
    out, line = np.empty((side, side), dtype=np.float32), np.empty(side, np.float32)
    for row in range(side):
        _read_line(plane, (place[2] + (row + 0.5) / side * place[4]) * side - 0.5, line)
        for column in range(side):
            x = first[column]
            out[row, column] = line[x] + share[column] * (line[x + _NEXT] - line[x])
    return out


@kernel
def tile_correlations(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Correlate the luma of two patches at a place in each tile that shows something.

    One strong edge makes whole pictures correlate; in tiles, the rest of the picture has its say.

    Args:
        whole: Shape (64, 64), float32.
        part: Shape (64, 64), float32.
        place: Shape (5,): where in the whole the part lies, as `_refined` gives it.

    Returns:
        Shape (T,), float64, -1..1, for the T of 16 tiles whose luma deviates enough.
    """
    region, part = _region(whole, place), part - _MIDDLE
    side = PATCH_PX // TILES_A_SIDE
    found = np.empty(TILES_A_SIDE * TILES_A_SIDE)
    n_shown = 0
    for tile in range(len(found)):
        top, left = tile // TILES_A_SIDE * side, tile % TILES_A_SIDE * side
        deviations, covariance = _tile_moments(region, part, top, left)
        if max(deviations) >= TILE_DEVIATION:
            found[n_shown] = covariance / (deviations[0] * deviations[1] + _TILE_NOISE)
            n_shown += 1
    return found[:n_shown]


@fast_kernel
def _tile_moments(w: np.ndarray, p: np.ndarray, top: int, left: int) -> tuple[tuple[float, float], float]:
    """Return the deviations of two planes within a tile, and their covariance."""
    side = PATCH_PX // TILES_A_SIDE
    s_w, s_p, s_ww, s_pp, s_wp = 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(top, top + side):
        for column in range(left, left + side):
            a, b = np.float64(w[row, column]), np.float64(p[row, column])
            s_w, s_p = s_w + a, s_p + b
            s_ww, s_pp, s_wp = s_ww + a * a, s_pp + b * b, s_wp + a * b
    n = side * side
    mean_w, mean_p = s_w / n, s_p / n
    deviation_w = np.sqrt(max(s_ww / n - mean_w * mean_w, 0.0))
    deviation_p = np.sqrt(max(s_pp / n - mean_p * mean_p, 0.0))
    return (deviation_w, deviation_p), s_wp / n - mean_w * mean_p


@kernel
def _lower_quartile(values: np.ndarray) -> float:
    """Return the lower quartile between neighbours, as `numpy.percentile` does; 1 where there is no value."""
    if len(values) == 0:
        return 1.0
    ordered = np.sort(values)
    place = (len(ordered) - 1) / 4
    low, high = ordered[int(place)], ordered[int(np.ceil(place))]
    quartile: float = low + (high - low) * (place - int(place))
    return quartile


@kernel
def _deviation_outside(grid: np.ndarray, left: int, top: int, right: int, bottom: int) -> float:
    """Return the deviation of what lies outside a box, right and bottom included; inf where nothing does."""
    n, total, squares = 0, 0.0, 0.0
    for y in range(grid.shape[0]):
        for x in range(grid.shape[1]):
            if not (top <= y <= bottom and left <= x <= right):
                value = np.float64(grid[y, x])
                n, total, squares = n + 1, total + value, squares + value * value
    return np.sqrt(max(squares / n - (total / n) ** 2, 0.0)) if n else np.inf


@kernel
def _rim_deviation(grid: np.ndarray, place: np.ndarray) -> float:
    """Return the deviation of the luma outside a place, which is large where there is a picture."""
    side = len(grid)
    left, top = int(np.floor(place[1] * side + 0.25)), int(np.floor(place[2] * side + 0.25))
    right = int(np.ceil((place[1] + place[3]) * side - 0.25))
    bottom = int(np.ceil((place[2] + place[4]) * side - 0.25))
    # Without one more pixel all around, since the picture's edge runs through the pixels of the grid.
    deviation = _deviation_outside(grid, left - 1, top - 1, right, bottom)
    if np.isinf(deviation):
        deviation = _deviation_outside(grid, left, top, right - 1, bottom - 1)
    return deviation


@kernel
def _refine_both(first: np.ndarray, second: np.ndarray, places: np.ndarray) -> None:
    """Refine the places of either picture within the other; one that fits clearly worse stays as it is."""
    # Fine texture misleads the coarse grid: of near ones both are tried.
    fits = places[0, 0], places[1, 0]
    if fits[0] >= fits[1] - COARSE_LOSS:
        places[0] = _refined(first, second, places[0])
    if fits[1] >= fits[0] - COARSE_LOSS:
        places[1] = _refined(second, first, places[1])


@kernel
def align_pairs(
    rgb: np.ndarray, grid: np.ndarray, places: np.ndarray, least: np.ndarray, out: np.ndarray
) -> None:
    """Align the pictures of each pair and correlate them. P pairs.

    Args:
        rgb: Shape (P, 2, 64, 64, 3), uint8; the first of each pair turned as `coarse_places` found.
        grid: Shape (P, 2, 32, 32), float32: their luma.
        places: Shape (P, 2, 5), float64, from `coarse_places`; they are refined.
        least: Shape (P,), float64: correlation that matters; what stays below is not compared to the end.
        out: Shape (P,), of `ALIGNED`; where pictures do not fit, only `is_aligned` is set.

    Cost: 0.2 CPU ms a pair.
    """
    for pair in range(len(out)):
        row = out[pair]
        _refine_both(grid[pair, 0], grid[pair, 1], places[pair])
        row.is_part_second = places[pair, 0, 0] >= places[pair, 1, 0]
        whole, part = (0, 1) if row.is_part_second else (1, 0)
        place = places[pair, whole]
        row.is_aligned = place[0] >= least[pair] - COARSE_LOSS
        if not row.is_aligned:
            continue
        planes_whole, planes_part = _planes(rgb[pair, whole]), _planes(rgb[pair, part])
        row.luma, row.colour = _correlation_at(planes_whole[0], planes_part[0], place), 0.0
        for number in range(1, 4):
            row.colour += _correlation_at(planes_whole[number], planes_part[number], place) / 3
        tiles = tile_correlations(planes_whole[0], planes_part[0], place)
        row.agreement, row.n_tiles = _lower_quartile(tiles), len(tiles)
        row.share, row.rim = min(place[3], place[4]), _rim_deviation(grid[pair, whole], place)
