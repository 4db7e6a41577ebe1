"""The projection of the teacher's features that vectors of `chaffinch-s` begin as and are trained towards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.network import N_DIMENSIONS


@dataclass(frozen=True, slots=True)
class Projection:
    """Centred principal directions, partly whitened."""

    mean: np.ndarray
    """Shape (1280,)."""
    directions: np.ndarray
    """Shape (256, 1280), one row a direction."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Project features, (N, 1280), to (N, 256), float32."""
        projected: np.ndarray = (features.astype(np.float32) - self.mean) @ self.directions.T
        return projected


def fit_projection(features: np.ndarray, *, whitening: float, n_dimensions: int = N_DIMENSIONS) -> Projection:
    """Fit the projection. N crops.

    Args:
        features: Shape (N, 1280).
        whitening: Power of each direction's spread that it is divided by: 0 keeps distances, 1 makes all
            directions count the same.
        n_dimensions: Directions kept, by falling spread.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = slice(None, -n_dimensions - 1, -1)
    spreads = np.sqrt(variances[kept])
    # The factor keeps the largest direction as long as it was, so that learning rates mean the same.
    scaled = directions[:, kept] * (spreads[0] / spreads) ** whitening
    return Projection(mean.astype(np.float32), np.ascontiguousarray(scaled.T, dtype=np.float32))
