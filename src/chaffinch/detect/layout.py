"""Places on a plane for a map of all images: like ones lie together, classes form islands.

Some hundreds of landmarks are laid out by t-SNE; every image is then put among those nearest to it, weighted
by how near they are. That is linear in the number of images, and a map of a million looks like
one of a thousand. Distances on the map mean nothing beyond near and far.

Source: L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", JMLR 2008 (perplexity search, early
exaggeration, gradient with momentum); landmarks drawn evenly at random with a seed.
"""

from __future__ import annotations

import numpy as np

from chaffinch.detect.block_workers import products_on_one_thread
from chaffinch.jit import fast_kernel
from chaffinch.storage.vectors import has_vector, unit_rows

N_LANDMARKS = 800
PERPLEXITY = 30.0
N_STEPS = 300
EXAGGERATION, N_EXAGGERATED = 12.0, 100
"""Attraction is this much stronger in the first steps, so that groups find together."""
N_NEAREST = 5
"""Landmarks that place an image."""
SHARPNESS = 20.0
"""Power of the similarity by which a landmark counts: the nearest decides unless others are as near."""
ROWS_PER_BLOCK = 32_768
_MIN_P = 1e-12


def plane_places(vectors: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return where each image lies on the map. N images.

    Args:
        vectors: Shape (N, D), float16, as `storage.vectors.read_vectors` gives it.
        seed: Of the landmarks.

    Returns:
        Shape (N, 2), float32, 0..1 in each direction; NaN for images without a vector.

    Cost: 0.5 CPU s for the landmarks; then N x 800 similarities, 2 CPU s for 100,000 of 384 numbers.
    """
    places = np.full((len(vectors), 2), np.nan, dtype=np.float32)
    here = np.flatnonzero(has_vector(vectors))
    if not len(here):
        return places
    chosen = np.sort(np.random.default_rng(seed).permutation(here)[:N_LANDMARKS])
    landmarks = unit_rows(vectors[chosen])
    with products_on_one_thread():
        laid = _tsne(landmarks)
        for start in range(0, len(here), ROWS_PER_BLOCK):
            rows = here[start : start + ROWS_PER_BLOCK]
            places[rows] = _among(unit_rows(vectors[rows]) @ landmarks.T, laid)
    low, high = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    spread = np.maximum(high - low, 1e-9)
    scaled: np.ndarray = (places - low) / spread
    return scaled


def _among(similarity: np.ndarray, laid: np.ndarray) -> np.ndarray:
    """Return the weighted middle of the nearest landmarks of each row of `similarity`, shape (B, L)."""
    k = min(N_NEAREST, similarity.shape[1])
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    weights = np.maximum(np.take_along_axis(similarity, nearest, axis=1), 1e-3) ** SHARPNESS
    weights /= weights.sum(axis=1, keepdims=True)
    middle: np.ndarray = np.einsum("bk,bkd->bd", weights, laid[nearest])
    return middle


def _tsne(vectors: np.ndarray) -> np.ndarray:
    """Lay out L unit vectors, shape (L, D), on a plane; shape (L, 2), float32."""
    n = len(vectors)
    if n < 4:
        return np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    attraction = _attraction(vectors)
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1].T[:-3:-1]
    # The sign of an axis is the library's choice; fixing it makes the map the same everywhere.
    axes = axes * np.sign(axes[:, np.abs(axes).argmax(axis=1)].diagonal())[:, None]
    laid = (centred @ axes.T).astype(np.float32)
    laid *= 1e-4 / max(float(laid.std()), 1e-9)
    speed, gains = np.zeros_like(laid), np.ones_like(laid)
    rate = max(n / EXAGGERATION, 50.0)
    for step in range(N_STEPS):
        stress = EXAGGERATION if step < N_EXAGGERATED else 1.0
        gradient = _gradient(attraction, np.ascontiguousarray(laid.T), np.float32(stress))
        gains = np.where(np.sign(gradient) == np.sign(speed), gains * 0.8, gains + 0.2).clip(0.01)
        speed = (0.5 if step < N_EXAGGERATED else 0.8) * speed - rate * gains * gradient
        laid = laid + speed
    settled: np.ndarray = laid - laid.mean(axis=0)
    return settled


@fast_kernel
def _gradient(attraction: np.ndarray, laid: np.ndarray, stress: np.float32) -> np.ndarray:
    """Return how the points of a layout should not move: attraction less repulsion, shape (L, 2), float32.

    Threads of a product of matrices this small wait for each other longer than they work, so that all is done
    in one pass over the pairs, on one thread.

    Args:
        attraction: Shape (L, L), float32.
        laid: Shape (2, L), float32.
        stress: Multiplies the attraction.
    """
    n = laid.shape[1]
    forces = np.empty((4, n), np.float32)
    one, total = np.float32(1), 0.0
    for i in range(n):
        pull_x, pull_y, push_x, push_y = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        near = np.float32(0)
        for j in range(n):
            x, y = laid[0, i] - laid[0, j], laid[1, i] - laid[1, j]
            closeness = one / (one + x * x + y * y)
            pull, push = attraction[i, j] * closeness, closeness * closeness
            pull_x += pull * x
            pull_y += pull * y
            push_x += push * x
            push_y += push * y
            near += closeness
        forces[0, i], forces[1, i], forces[2, i], forces[3, i] = pull_x, pull_y, push_x, push_y
        total += float(near - one)  # a point is no neighbour of itself
    return (np.float32(4) * (stress * forces[:2] - forces[2:] / np.float32(total))).T


def _attraction(vectors: np.ndarray) -> np.ndarray:
    """Return the symmetric probabilities that two of the vectors are neighbours, shape (L, L), float32."""
    n = len(vectors)
    distance = np.maximum(2 - 2 * vectors @ vectors.T, 0)
    np.fill_diagonal(distance, np.inf)
    wanted = np.log(min(PERPLEXITY, (n - 1) / 3))
    low, high = np.zeros(n), np.full(n, np.inf)
    beta = np.ones(n)
    shares = np.zeros_like(distance)
    # Halving finds each point's width: so many neighbours count as the perplexity says.
    for _ in range(40):
        shares = np.exp(-(distance - distance.min(axis=1, keepdims=True)) * beta[:, None])
        shares /= shares.sum(axis=1, keepdims=True)
        entropy = -np.sum(shares * np.log(np.maximum(shares, _MIN_P)), axis=1)
        is_wide = entropy > wanted
        low, high = np.where(is_wide, beta, low), np.where(is_wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    both: np.ndarray = np.maximum((shares + shares.T) / (2 * n), _MIN_P).astype(np.float32)
    return both
