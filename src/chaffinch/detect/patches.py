"""Thumbnails made ready for comparing: squashed to a small square, and whether they are flat or gray."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chaffinch.compute.area import area_average
from chaffinch.detect.coarse_alignment import turned
from chaffinch.jit import fast_kernel

PATCH_PX = 64
"""Side of a patch, pixels."""
GRID_PX = 32
"""Side of the grid of their luma, pixels."""

FLAT_DETAIL = 4.0
"""A picture whose luma deviates less than this from a smooth shade (0..255) shows nothing to compare."""
GRAY_DEVIATION = 2.5
"""A picture whose opponent colours are all closer to 0 than this (0..255, root mean square) is gray."""

_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
_AXIS = np.linspace(-1, 1, GRID_PX)
_X, _Y = np.tile(_AXIS, GRID_PX), np.repeat(_AXIS, GRID_PX)
_SHADES = np.linalg.qr(np.stack([np.ones_like(_X), _X, _Y, _X * _X, _X * _Y, _Y * _Y], axis=1))[0]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A thumbnail made ready for comparing."""

    rgb: np.ndarray
    """Shape (64, 64, 3), uint8: the picture squashed."""
    grid: np.ndarray
    """Shape (32, 32), float32: its luma, 0..255."""
    aspect: float
    """Width by height of the picture."""
    is_flat: bool
    """Nothing to be seen."""
    is_gray: bool
    """No colour."""

    @classmethod
    def from_thumb(cls, thumb: np.ndarray) -> Patch:
        """Make a patch of a uint8 RGB picture of any size."""
        rgb = shrink(thumb)
        grid = _luma_grid(rgb)
        return cls(
            rgb,
            grid,
            thumb.shape[1] / thumb.shape[0],
            detail(grid) < FLAT_DETAIL,
            bool(_colourfulness(rgb) < GRAY_DEVIATION),
        )

    def turned(self, orientation: int) -> Patch:
        """Return the picture in one of `ORIENTATIONS`; its aspect stays that of the picture before."""
        if orientation == 0:
            return self
        return replace(self, rgb=turned(self.rgb, orientation), grid=turned(self.grid, orientation))


def shrink(image: np.ndarray) -> np.ndarray:
    """Squash a picture, shape (height, width, 3), uint8, to a patch, (64, 64, 3), by averaging areas."""
    return area_average(np.ascontiguousarray(image), height=PATCH_PX, width=PATCH_PX)


def detail(grid: np.ndarray) -> float:
    """Return how much a picture deviates from a smooth shade (a surface of second degree), 0..128.

    Shades of any two smooth pictures correlate well, so correlation says nothing about them.
    """
    values = grid.reshape(-1).astype(np.float64)
    rest = values - _SHADES @ (_SHADES.T @ values)
    return float(np.sqrt(np.mean(rest * rest)))


@fast_kernel
def _luma_grid(patch: np.ndarray) -> np.ndarray:
    """Return the luma of a patch on the search grid: shape (32, 32), float32, 0..255."""
    luma = np.empty((PATCH_PX, PATCH_PX), np.float32)
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            red, green = np.float32(patch[y, x, 0]), np.float32(patch[y, x, 1])
            luma[y, x] = _RED * red + _GREEN * green + _BLUE * np.float32(patch[y, x, 2])
    out = np.empty((GRID_PX, GRID_PX), dtype=np.float32)
    for row in range(GRID_PX):
        for column in range(GRID_PX):
            y, x = 2 * row, 2 * column
            total = luma[y, x] + luma[y, x + 1] + luma[y + 1, x] + luma[y + 1, x + 1]
            out[row, column] = total / np.float32(4)
    return out


@fast_kernel
def _colourfulness(patch: np.ndarray) -> float:
    """Return the root mean square of a patch's opponent colours, red-green and yellow-blue, 0..360."""
    total = np.int64(0)
    for row in range(PATCH_PX):
        for column in range(PATCH_PX):
            red, green = np.int32(patch[row, column, 0]), np.int32(patch[row, column, 1])
            against, yellow = red - green, red + green - 2 * np.int32(patch[row, column, 2])
            total += 4 * against * against + yellow * yellow
    return float(np.sqrt(total / (4 * PATCH_PX * PATCH_PX)))
