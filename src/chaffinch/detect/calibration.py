"""From cosines of known copies and of strangers to the cosine at which two vectors mean one picture.

The threshold is the smallest at which at most a given share of images has a stranger so near. Where copies
lie well above that, it is moved half-way up to them: the strangers of a sample are not the nearest there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LOW_COPIES = 0.05
"""Share of the copies that may lie below a threshold that is moved up."""
ROUNDED_TO = 1000
"""Thresholds are rounded up to a thousandth."""
HIGHEST = 0.999
"""Highest threshold ever chosen: equal pictures in another container differ by less."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a threshold was chosen from. C copies, S strangers."""

    threshold: float
    """Cosine, higher is stricter."""
    max_false_share: float
    """Largest share of images, 0..1, that may have a stranger at or above the threshold."""
    copies: Mapping[str, np.ndarray]
    """By kind: cosines of copies with their originals, float64."""
    strangers: np.ndarray
    """Shape (S,), float64: cosine of each sampled image with its nearest stranger."""

    def recall(self, threshold: float | None = None) -> float:
        """Return the share of copies at or above a threshold, by default the chosen one."""
        return _share(np.concatenate(list(self.copies.values())), self._or_chosen(threshold))

    def recall_by_kind(self) -> dict[str, float]:
        """Return the share of copies of each kind at or above the chosen threshold."""
        return {kind: _share(cosines, self.threshold) for kind, cosines in self.copies.items()}

    def false_share(self, threshold: float | None = None) -> float:
        """Return the share of images whose nearest stranger is at or above a threshold."""
        return _share(self.strangers, self._or_chosen(threshold))

    def precision(self, threshold: float | None = None) -> float:
        """Return the share of copies among all that is near, if each image had one copy; 1 if nothing is."""
        right, wrong = self.recall(threshold), self.false_share(threshold)
        return right / (right + wrong) if right + wrong else 1.0

    def _or_chosen(self, threshold: float | None) -> float:
        return self.threshold if threshold is None else threshold


def calibrate(
    copies: Mapping[str, np.ndarray], strangers: np.ndarray, *, max_false_share: float
) -> Calibration:
    """Choose a threshold.

    Args:
        copies: By kind, cosines of copies with their originals; at least one.
        strangers: Shape (S,): cosine of each sampled image with its nearest stranger; at least one.
        max_false_share: Largest share of images that may have a stranger at or above it, 0..1.
    """
    falling = np.sort(strangers)[::-1]
    n_allowed = int(max_false_share * len(falling))
    # The first stranger that must stay below: the threshold lies above it.
    bound = float(falling[n_allowed]) if n_allowed < len(falling) else -1.0
    low = float(np.quantile(np.concatenate(list(copies.values())), LOW_COPIES))
    chosen = (bound + low) / 2 if low > bound else bound
    rounded = (np.floor(chosen * ROUNDED_TO) + 1) / ROUNDED_TO
    return Calibration(float(np.clip(rounded, 0.001, HIGHEST)), max_false_share, copies, strangers)


def _share(cosines: np.ndarray, threshold: float) -> float:
    return float((cosines >= threshold).mean())
