"""Compiled comparison of two small pictures that may be crops or framed copies of each other.

Pictures are patches: squashed to 64 x 64 RGB, their true aspect kept beside them. One patch (the *part*) is
looked for in the other (the *whole*) at all sizes from 1 down to `SMALLEST_PART`, first at every position on
a coarse grid, then by small steps around the best. The measure is Pearson's correlation, so brightness and
contrast play no part.
"""

from __future__ import annotations

import numpy as np

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

PLANES = np.array(
    [[0.299, 0.587, 0.114], [1, -1, 0], [0.5, 0.5, -1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32
)
"""What is correlated, as weights of R, G, B: luma, red-green, yellow-blue, R, G, B."""
_AXIS = np.linspace(-1, 1, GRID_PX)
_X, _Y = np.tile(_AXIS, GRID_PX), np.repeat(_AXIS, GRID_PX)
_SHADES = np.linalg.qr(np.stack([np.ones_like(_X), _X, _Y, _X * _X, _X * _Y, _Y * _Y], axis=1))[0]

PLACE_FIELDS = 5
"""A place is (correlation, left, top, width, height), the last four as shares of the whole's sides."""


@kernel
def shrink(image: np.ndarray) -> np.ndarray:
    """Squash a picture to a patch by averaging areas.

    Args:
        image: Shape (height, width, 3), uint8.

    Returns:
        Shape (64, 64, 3), uint8.
    """
    height, width = image.shape[:2]
    out = np.empty((PATCH_PX, PATCH_PX, 3), dtype=np.uint8)
    for row in range(PATCH_PX):
        top, bottom = row * height / PATCH_PX, (row + 1) * height / PATCH_PX
        for column in range(PATCH_PX):
            left, right = column * width / PATCH_PX, (column + 1) * width / PATCH_PX
            _average(image, (top, bottom, left, right), out[row, column])
    return out


@kernel
def _average(image: np.ndarray, box: tuple[float, float, float, float], out: np.ndarray) -> None:
    top, bottom, left, right = box
    red, green, blue, total = 0.0, 0.0, 0.0, 0.0
    for y in range(int(top), min(int(np.ceil(bottom)), image.shape[0])):
        share_y = min(bottom, y + 1.0) - max(top, float(y))
        for x in range(int(left), min(int(np.ceil(right)), image.shape[1])):
            share = share_y * (min(right, x + 1.0) - max(left, float(x)))
            red += share * image[y, x, 0]
            green += share * image[y, x, 1]
            blue += share * image[y, x, 2]
            total += share
    out[0] = np.uint8(red / total + 0.5)
    out[1] = np.uint8(green / total + 0.5)
    out[2] = np.uint8(blue / total + 0.5)


@kernel
def gray_grid(patch: np.ndarray) -> np.ndarray:
    """Return the luma of a patch on the search grid: shape (32, 32), float32, 0..255."""
    out = np.empty((GRID_PX, GRID_PX), dtype=np.float32)
    weights = np.array([0.299, 0.587, 0.114]) / 4
    for row in range(GRID_PX):
        for column in range(GRID_PX):
            total = 0.0
            for channel in range(3):
                block = patch[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
                total += weights[channel] * (
                    np.float64(block[0, 0]) + block[0, 1] + np.float64(block[1, 0]) + block[1, 1]
                )
            out[row, column] = total
    return out


@kernel
def _resize(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Shrink a grid by averaging areas, first columns, then rows."""
    narrow = np.zeros((grid.shape[0], width), dtype=np.float32)
    for column in range(width):
        left, right = column * grid.shape[1] / width, (column + 1) * grid.shape[1] / width
        for x in range(int(left), min(int(np.ceil(right)), grid.shape[1])):
            share = np.float32((min(right, x + 1.0) - max(left, float(x))) / (right - left))
            narrow[:, column] += share * grid[:, x]
    out = np.zeros((height, width), dtype=np.float32)
    for row in range(height):
        top, bottom = row * grid.shape[0] / height, (row + 1) * grid.shape[0] / height
        for y in range(int(top), min(int(np.ceil(bottom)), grid.shape[0])):
            share = np.float32((min(bottom, y + 1.0) - max(top, float(y))) / (bottom - top))
            out[row] += share * narrow[y]
    return out


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
def _correlation_at(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> float:
    """Correlate the part with the whole's region at a place, read between pixels."""
    side = part.shape[0]
    last = np.float32(whole.shape[0] - 1)
    s_w, s_p, s_ww, s_pp, s_wp = 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(side):
        y = (place[2] + (row + 0.5) / side * place[4]) * whole.shape[0] - 0.5
        y = min(max(y, 0.0), last)
        y0 = min(int(y), whole.shape[0] - 2)
        fy = y - y0
        for column in range(side):
            x = (place[1] + (column + 0.5) / side * place[3]) * whole.shape[1] - 0.5
            x = min(max(x, 0.0), last)
            x0 = min(int(x), whole.shape[1] - 2)
            fx = x - x0
            upper = whole[y0, x0] + fx * (whole[y0, x0 + 1] - whole[y0, x0])
            lower = whole[y0 + 1, x0] + fx * (whole[y0 + 1, x0 + 1] - whole[y0 + 1, x0])
            value = upper + fy * (lower - upper)
            s_w += value
            s_p += part[row, column]
            s_ww += value * value
            s_pp += part[row, column] * part[row, column]
            s_wp += value * part[row, column]
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


@kernel
def _plane(patch: np.ndarray, weights: np.ndarray) -> np.ndarray:
    out = np.empty((PATCH_PX, PATCH_PX), dtype=np.float32)
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            out[y, x] = (
                weights[0] * patch[y, x, 0] + weights[1] * patch[y, x, 1] + weights[2] * patch[y, x, 2]
            )
    return out


@kernel
def plane_correlations(whole: np.ndarray, part: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Correlate two patches at a place in full resolution, plane by plane of `PLANES`.

    Returns:
        Shape (6,), float64, -1..1; 0 where a plane is constant.
    """
    out = np.empty(len(PLANES))
    for number in range(len(PLANES)):
        weights = PLANES[number]
        out[number] = _correlation_at(_plane(whole, weights), _plane(part, weights), place)
    return out


@kernel
def _region(plane: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Read a place of a plane, between pixels, as a plane of its own."""
    side = len(plane)
    out = np.empty((side, side), dtype=np.float32)
    for row in range(side):
        y = min(max((place[2] + (row + 0.5) / side * place[4]) * side - 0.5, 0.0), side - 1.0)
        y0 = min(int(y), side - 2)
        for column in range(side):
            x = min(max((place[1] + (column + 0.5) / side * place[3]) * side - 0.5, 0.0), side - 1.0)
            x0 = min(int(x), side - 2)
            upper = plane[y0, x0] + (x - x0) * (plane[y0, x0 + 1] - plane[y0, x0])
            lower = plane[y0 + 1, x0] + (x - x0) * (plane[y0 + 1, x0 + 1] - plane[y0 + 1, x0])
            out[row, column] = upper + (y - y0) * (lower - upper)
    return out


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
    w = _tiles(_region(_plane(whole, PLANES[0]), place))
    p = _tiles(_plane(part, PLANES[0]))
    deviation_w, deviation_p = w.std(axis=1), p.std(axis=1)
    shown = np.maximum(deviation_w, deviation_p) >= TILE_DEVIATION
    covariance = (w * p).mean(axis=1)[shown]
    found: np.ndarray = covariance / (deviation_w * deviation_p + _TILE_NOISE)[shown]
    return found


def _tiles(plane: np.ndarray) -> np.ndarray:
    """Cut a plane into tiles, shape (16, 256), each with mean 0."""
    side = PATCH_PX // TILES_A_SIDE
    cut = plane.reshape(TILES_A_SIDE, side, TILES_A_SIDE, side).swapaxes(1, 2)
    flat = cut.reshape(TILES_A_SIDE * TILES_A_SIDE, side * side).astype(np.float64)
    centred: np.ndarray = flat - flat.mean(axis=1, keepdims=True)
    return centred
