"""`descriptor`: colours and edges of a picture as one vector; no weights, no download, same on every machine.

The picture is squashed to 64 x 64. Its colours are the means of an 8 x 8 grid, less the picture's own mean
brightness, so that only how colour is spread counts. Its edges are histograms of gradient direction over a
4 x 4 grid, nine directions each, less the mean of their cell, so that only what stands out counts. Both
blocks are of norm 1 before they are joined.

What it is good for: copies of one picture. What it is not: knowing what a picture shows. Tuned on 150
photographs; of 16 kinds of altered copies of 250 others it finds .75 at its threshold, with no pair of
strangers: all that were recompressed, resized, blurred or changed in brightness, .73 of crops to 90 % of a
side, and hardly any of tighter crops, borders and bands (benchmarks/embed.py). Neighbours share a class only
where classes look different as a whole: among 200 kinds of photographs, 1.4 % do. It must not be trusted for
mislabels or outliers of natural photographs.

Source: gradient histograms are those of Dalal and Triggs, Histograms of Oriented Gradients for Human
Detection, 2005, section 6 (nine unsigned directions, values clipped at 0.2), here without overlapping blocks.
"""

from __future__ import annotations

import numpy as np

from chaffinch.compute.embedding import Embedder, fingerprint_of
from chaffinch.jit import kernel
from chaffinch.storage.vectors import EmbedderInfo

NAME = "descriptor"

SIDE = 64
"""Side of the picture that is described, pixels."""

GRID = 8
"""Colour means per side."""

CELLS = 4
"""Histograms per side."""

DIRECTIONS = 9
"""Bins of a histogram, over half a turn."""

EDGE_WEIGHT = np.float32(1.4)
"""Norm of the edge block where that of the colour block is 1; from 0.5 to 3, best on the tuning half."""

MAX_EDGE = np.float32(0.2)
"""Edge values above this, of a block of norm 1, are cut: one strong edge must not outweigh all others."""

N_COLOURS = GRID * GRID * 3
DIM = N_COLOURS + CELLS * CELLS * DIRECTIONS

VERSION = 1
"""Raised whenever a picture would get another vector."""

SEMANTIC_THRESHOLD = 0.85
"""Smallest cosine of near duplicates: the closest of 522,000 pairs of different photographs had 0.82."""


def descriptor_embedder() -> Embedder:
    """Return the embedder `descriptor`, its kernels compiled. Cost: 0.5 ms an image."""
    describe(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    info = EmbedderInfo(
        name=NAME,
        dim=DIM,
        fingerprint=fingerprint_of(name=NAME, version=VERSION),
        semantic_threshold=SEMANTIC_THRESHOLD,
        spec=NAME,
    )
    return Embedder(info, side=SIDE, embed=describe)


def describe(pictures: np.ndarray) -> np.ndarray:
    """Describe pictures. B pictures.

    Args:
        pictures: Shape (B, 64, 64, 3), uint8 RGB.

    Returns:
        Shape (B, 336), float32: 192 colour values, 144 edge values; a block is zeros where a picture has no
        colour or no edge.
    """
    vectors = np.zeros((len(pictures), DIM), np.float32)
    for picture, vector in zip(pictures, vectors, strict=True):
        _add_colours(picture, vector[:N_COLOURS])
        _add_edges(picture, vector[N_COLOURS:])
    colours, edges = vectors[:, :N_COLOURS], vectors[:, N_COLOURS:]
    colours -= colours.mean(axis=1, keepdims=True)
    _normalise(colours)
    _normalise(edges)
    np.minimum(edges, MAX_EDGE, out=edges)
    by_cell = edges.reshape(len(pictures), CELLS * CELLS, DIRECTIONS)
    edges -= np.repeat(by_cell.mean(axis=2), DIRECTIONS, axis=1)
    _normalise(edges)
    edges *= EDGE_WEIGHT
    return vectors


def _normalise(block: np.ndarray) -> None:
    """Scale rows to norm 1 in place; rows whose norm is only rounding become zeros."""
    norms = np.sqrt(np.einsum("ij,ij->i", block, block))[:, None]
    np.divide(block, norms, out=block, where=norms > 1e-3)
    block[norms[:, 0] <= 1e-3] = 0


@kernel
def _add_colours(picture: np.ndarray, colours: np.ndarray) -> None:
    """Add the sums of each grid square's channels to `colours`, shape (192,), scaled to 0..255."""
    step = picture.shape[0] // 8
    share = np.float32(1.0 / (step * step))
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            place = ((y // step) * 8 + x // step) * 3
            for c in range(3):
                colours[place + c] += picture[y, x, c] * share


@kernel
def _add_edges(picture: np.ndarray, edges: np.ndarray) -> None:
    """Add each pixel's gradient to the two nearest directions of its cell's histogram, shape (144,)."""
    side = picture.shape[0]
    luma = np.empty((side, side), np.float32)
    for y in range(side):
        for x in range(side):
            luma[y, x] = 0.299 * picture[y, x, 0] + 0.587 * picture[y, x, 1] + 0.114 * picture[y, x, 2]
    step = side // 4
    for y in range(side):
        for x in range(side):
            across = luma[y, x + 1] - luma[y, x - 1] if 0 < x < side - 1 else np.float32(0.0)
            down = luma[y + 1, x] - luma[y - 1, x] if 0 < y < side - 1 else np.float32(0.0)
            place = ((y // step) * 4 + x // step) * 9
            turn = (np.arctan2(down, across) % np.pi) / np.pi * 9
            first = int(turn)
            rest = turn - first
            size = np.sqrt(across * across + down * down)
            edges[place + first % 9] += size * (1.0 - rest)
            edges[place + (first + 1) % 9] += size * rest
