"""Compiled comparison of two small pictures that may be crops or framed copies of each other.

Pictures are patches: squashed to 64 x 64 RGB, their true aspect kept beside them. One patch (the *part*) is
looked for in the other (the *whole*) at all sizes from 1 down to `SMALLEST_PART`, first at every position on
a coarse grid, then by small steps around the best. The measure is Pearson's correlation, so brightness and
contrast play no part.
"""

from __future__ import annotations

import numpy as np

from chaffinch.compute.area import area_average
from chaffinch.jit import fast_kernel, kernel

PATCH_PX = 64
"""Side of a patch, pixels."""
GRID_PX = 32
"""Side of the grid of the fine search, pixels."""
COARSE_PX = 16
"""Side of the grid of the coarse search, pixels."""
SMALLEST_PART = 0.62
"""Smallest side of the part, as a share of the whole's side. Smaller parts cost precision and are hardly ever
candidates."""
_FIRST_STEP, _LAST_STEP = 0.03, 0.003
"""Steps of the fine search, as shares of the whole's side."""
_MIN_VARIANCE = 1e-6
TILES_A_SIDE = 4
"""Tiles along each side of a patch."""
TILE_DEVIATION = 3.0
"""A tile whose luma deviates less than this (0..255) in both pictures shows nothing."""
_TILE_NOISE = 1e-3

N_PLANES = 4
"""What is correlated: luma, R, G, B."""
_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
_MIDDLE = np.float32(128)
"""Taken off values before they are squared and summed in 32 bits."""
_AXIS = np.linspace(-1, 1, GRID_PX)
_X, _Y = np.tile(_AXIS, GRID_PX), np.repeat(_AXIS, GRID_PX)
_SHADES = np.linalg.qr(np.stack([np.ones_like(_X), _X, _Y, _X * _X, _X * _Y, _Y * _Y], axis=1))[0]

PLACE_FIELDS = 5
"""A place is (correlation, left, top, width, height), the last four as shares of the whole's sides."""


def shrink(image: np.ndarray) -> np.ndarray:
    """Squash a picture, shape (height, width, 3), uint8, to a patch, (64, 64, 3), by averaging areas."""
    return area_average(np.ascontiguousarray(image), height=PATCH_PX, width=PATCH_PX)


@fast_kernel
def gray_grid(patch: np.ndarray) -> np.ndarray:
    """Return the luma of a patch on the search grid: shape (32, 32), float32, 0..255."""
    luma = _planes(patch)[0]
    out = np.empty((GRID_PX, GRID_PX), dtype=np.float32)
    for row in range(GRID_PX):
        for column in range(GRID_PX):
            y, x = 2 * row, 2 * column
            total = luma[y, x] + luma[y, x + 1] + luma[y + 1, x] + luma[y + 1, x + 1]
            out[row, column] = total / np.float32(4)
    return out


@fast_kernel
def colourfulness(patch: np.ndarray) -> float:
    """Return the root mean square of a patch's opponent colours, red-green and yellow-blue, 0..360."""
    total = np.int64(0)
    for row in range(PATCH_PX):
        for column in range(PATCH_PX):
            red, green = np.int32(patch[row, column, 0]), np.int32(patch[row, column, 1])
            against, yellow = red - green, red + green - 2 * np.int32(patch[row, column, 2])
            total += 4 * against * against + yellow * yellow
    return float(np.sqrt(total / (4 * PATCH_PX * PATCH_PX)))


@fast_kernel
def _add_scaled(target: np.ndarray, source: np.ndarray, share: np.float32) -> None:
    for x in range(target.shape[0]):
        target[x] += share * source[x]


@fast_kernel
def _shrink_rows(grid: np.ndarray, height: int) -> np.ndarray:
    """Shrink a grid to fewer rows by averaging areas."""
    out = np.zeros((height, grid.shape[1]), dtype=np.float32)
    for row in range(height):
        top, bottom = row * len(grid) / height, (row + 1) * len(grid) / height
        for y in range(int(top), min(int(np.ceil(bottom)), len(grid))):
            share = (min(bottom, y + 1.0) - max(top, float(y))) / (bottom - top)
            _add_scaled(out[row], grid[y], np.float32(share))
    return out


@kernel
def _resize(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Shrink a grid by averaging areas, first rows, then columns."""
    narrow = _shrink_rows(np.ascontiguousarray(_shrink_rows(grid, height).T), width)
    return np.ascontiguousarray(narrow.T)


def detail(grid: np.ndarray) -> float:
    """Return how much a picture deviates from a smooth shade (a surface of second degree), 0..128.

    Shades of any two smooth pictures correlate well, so correlation says nothing about them.
    """
    values = grid.reshape(-1).astype(np.float64)
    rest = values - _SHADES @ (_SHADES.T @ values)
    return float(np.sqrt(np.mean(rest * rest)))


@kernel
def _sums(grid: np.ndarray) -> np.ndarray:
    """Return shape (33, 33): sums of everything above and to the left."""
    out = np.zeros((grid.shape[0] + 1, grid.shape[1] + 1))
    for y in range(grid.shape[0]):
        row = 0.0
        for x in range(grid.shape[1]):
            row += grid[y, x]
            out[y + 1, x + 1] = out[y, x + 1] + row
    return out


@kernel
def _box_sum(sums: np.ndarray, y: int, x: int, shape: tuple[int, int]) -> float:
    height, width = shape
    total: float = sums[y + height, x + width] - sums[y, x + width] - sums[y + height, x] + sums[y, x]
    return total


@fast_kernel
def _dot(whole: np.ndarray, part: np.ndarray, y: int, x: int) -> np.float32:
    total = np.float32(0)
    for row in range(part.shape[0]):
        for column in range(part.shape[1]):
            total += whole[y + row, x + column] * part[row, column]
    return total


@kernel
def _best_position(
    whole: np.ndarray, part: np.ndarray, sums: np.ndarray, squares: np.ndarray
) -> tuple[float, int, int]:
    """Return correlation, row and column of a part's best position in the whole."""
    n = part.size
    part = part - part.mean()
    norm = np.sqrt(np.float64((part * part).sum()))
    best, best_y, best_x = -1.0, 0, 0
    for y in range(whole.shape[0] - part.shape[0] + 1):
        for x in range(whole.shape[1] - part.shape[1] + 1):
            total = _box_sum(sums, y, x, part.shape)
            variance = _box_sum(squares, y, x, part.shape) - total * total / n
            if variance > n * _MIN_VARIANCE and norm > 0:
                correlation = _dot(whole, part, y, x) / (norm * np.sqrt(variance))
                if correlation > best:
                    best, best_y, best_x = correlation, y, x
    return best, best_y, best_x


@kernel
def coarse_place(whole: np.ndarray, part: np.ndarray, aspect: float) -> np.ndarray:
    """Find where in the whole the part lies, on the grid.

    Args:
        whole: Shape (32, 32), float32, from `gray_grid`.
        part: Shape (32, 32), float32.
        aspect: Width by height of the part's picture, divided by that of the whole's.

    Returns:
        A place; see `PLACE_FIELDS`.
    """
    whole, part = _resize(whole, COARSE_PX, COARSE_PX), _resize(part, COARSE_PX, COARSE_PX)
    sums, squares = _sums(whole), _sums(whole * whole)
    ratio_x, ratio_y = min(1.0, aspect), min(1.0, 1.0 / aspect)
    best = np.array([-1.0, 0.0, 0.0, 1.0, 1.0])
    for size in range(COARSE_PX, int(COARSE_PX * SMALLEST_PART), -1):
        for is_squashed in range(2):
            # A copy may have been squashed to another shape as a whole; otherwise shapes hold.
            if is_squashed and size < COARSE_PX:
                continue
            width = COARSE_PX if is_squashed else max(4, round(size * ratio_x))
            height = COARSE_PX if is_squashed else max(4, round(size * ratio_y))
            correlation, y, x = _best_position(whole, _resize(part, height, width), sums, squares)
            if correlation > best[0]:
                best[0] = correlation
                best[1:] = np.array([x, y, width, height]) / COARSE_PX
    return best


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
    first, share = np.empty(side, np.int64), np.empty(side, np.float32)
    for column in range(side):
        x = min(max((left + (column + 0.5) / side * width) * n - 0.5, 0.0), n - 1.0)
        first[column] = min(int(x), n - 2)
        share[column] = np.float32(x - first[column])
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
            value = line[x] + share[column] * (line[x + 1] - line[x])
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
def refine_place(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Improve a place by small moves and changes of size until none helps."""
    best = place.copy()
    best[0] = _correlation_at(whole, part, best)
    step = _FIRST_STEP
    while step >= _LAST_STEP:
        is_better = False
        for move in range(8):
            trial = best.copy()
            amount = step if move % 2 == 0 else -step
            if move < 4:
                trial[1 + move // 2] += amount
            else:
                # Grow or shrink around the centre; then, in the last two moves, around the opposite corner.
                trial[3:] *= 1 + amount
                if move < 6:
                    trial[1:3] -= (trial[3:] - best[3:]) / 2
            trial[3:] = np.minimum(trial[3:], 1.0)
            trial[1:3] = np.minimum(np.maximum(trial[1:3], 0.0), 1.0 - trial[3:])
            trial[0] = _correlation_at(whole, part, trial)
            if trial[0] > best[0] + 1e-6 and _is_inside(trial):
                best, is_better = trial, True
        if not is_better:
            step /= 2
    return best


@fast_kernel
def _planes(patch: np.ndarray) -> np.ndarray:
    """Return luma, R, G and B of a patch: shape (4, 64, 64), float32."""
    out = np.empty((N_PLANES, PATCH_PX, PATCH_PX), dtype=np.float32)
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            red, green = np.float32(patch[y, x, 0]), np.float32(patch[y, x, 1])
            blue = np.float32(patch[y, x, 2])
            out[0, y, x] = _RED * red + _GREEN * green + _BLUE * blue
            out[1, y, x], out[2, y, x], out[3, y, x] = red, green, blue
    return out


@kernel
def plane_correlations(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Correlate two patches at a place in full resolution, in luma, R, G and B.

    Returns:
        Shape (4,), float64, -1..1; 0 where a plane is constant.
    """
    out = np.empty(N_PLANES)
    planes_whole, planes_part = _planes(whole), _planes(part)
    for number in range(N_PLANES):
        out[number] = _correlation_at(planes_whole[number], planes_part[number], place)
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
            out[row, column] = line[x] + share[column] * (line[x + 1] - line[x])
    return out


@kernel
def tile_correlations(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Correlate the luma of two patches at a place in each tile that shows something.

    One strong edge makes whole pictures correlate; in tiles, the rest of the picture has its say.

    Args:
        whole: Shape (64, 64, 3), uint8.
        part: Shape (64, 64, 3), uint8.
        place: Shape (5,): where in the whole the part lies, as `refine_place` gives it.

    Returns:
        Shape (T,), float64, -1..1, for the T of 16 tiles whose luma deviates enough.
    """
    planes_part = _planes(part)[0] - _MIDDLE
    region = _region(_planes(whole)[0], place)
    side = PATCH_PX // TILES_A_SIDE
    found = np.empty(TILES_A_SIDE * TILES_A_SIDE)
    n_shown = 0
    for tile in range(len(found)):
        top, left = tile // TILES_A_SIDE * side, tile % TILES_A_SIDE * side
        deviations, covariance = _tile_moments(region, planes_part, top, left)
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
