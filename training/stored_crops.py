"""The crops that `training.teacher` stored, with what the teacher said about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


class StoredCrops:
    """The crops of several folders as one list. N crops."""

    def __init__(self, folders: Sequence[str]) -> None:
        parts = [Path(folder) for folder in folders]

        def opened(name: str) -> list[np.ndarray]:
            return [np.load(part / f"{name}.npy", mmap_mode="r") for part in parts]

        self._pixels = opened("pixels")
        self._starts = np.cumsum([0, *(len(pixels) for pixels in self._pixels)])
        self.features = np.concatenate(opened("features"))
        """Shape (N, 1280), float16."""
        self.logits = np.concatenate(opened("logits"))
        """Shape (N, 1001), float16."""
        self.photographs = np.concatenate(opened("photographs"))
        """Shape (N,): the row of each crop's photograph."""

    def __len__(self) -> int:
        return int(self._starts[-1])

    def pixels(self, row: int) -> np.ndarray:
        """Return one crop, shape (224, 224, 3), uint8."""
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return np.asarray(self._pixels[part][row - self._starts[part]])
