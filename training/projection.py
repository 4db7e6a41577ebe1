"""The projection of the teacher's features that vectors of `chaffinch-s` begin as and are trained towards.

The roots of the features are projected, not the features: a few loud channels would otherwise outvote the
rest. Nothing is centred, and no direction is stretched: both made copies harder to tell from strangers
(docs/LOG.md has the figures).

Source: Arandjelovic and Zisserman, Three things everyone should know to improve object retrieval, 2012,
section 3 (roots before comparing).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.network import (
    N_DIMENSIONS,
    SMALLEST_FEATURE,
    Network,
    load_projection,
    load_teacher_weights,
)


@dataclass(frozen=True, slots=True)
class Projection:
    """Directions in which the roots of features are long."""

    directions: np.ndarray
    """Shape (256, 1280), one row a direction, of norm 1 and at right angles to the others."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Project features, (N, 1280), to (N, 256), float32."""
        projected: np.ndarray = roots(features) @ self.directions.T
        return projected


def roots(features: np.ndarray) -> np.ndarray:
    """Return the roots of features, float32."""
    drawn: np.ndarray = np.sqrt(np.maximum(features.astype(np.float32), SMALLEST_FEATURE))
    return drawn


def fit_projection(features: np.ndarray, *, n_dimensions: int = N_DIMENSIONS) -> Projection:
    """Fit the projection that keeps most of the roots' squared length.

    Args:
        features: Shape (N, 1280), N crops.
        n_dimensions: Directions kept.
    """
    drawn = roots(features).astype(np.float64)
    _, directions = np.linalg.eigh(drawn.T @ drawn / len(drawn))
    kept = directions[:, : -n_dimensions - 1 : -1]
    return Projection(np.ascontiguousarray(kept.T, dtype=np.float32))


def untrained_network(teacher: Path, projection: Projection) -> Network:
    """Return the network before any training: the teacher's weights and a projection of its features."""
    network = Network()
    load_teacher_weights(network, teacher)
    load_projection(network, projection.directions)
    return network
