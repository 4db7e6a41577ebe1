"""The descriptor: what each block holds, what it does not see, and that copies lie closer than strangers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.compute.descriptor import DIM, N_COLOURS, SIDE, describe, descriptor_embedder
from chaffinch.compute.embedding import squash


def blocky(seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    return squash(blocks, SIDE)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_describe__colours_are_relative_to_the_mean() -> None:
    left_red = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    left_red[0, :, : SIDE // 2, 0] = 240
    grid = describe(left_red)[0, :N_COLOURS].reshape(8, 8, 3)
    # 32 of 192 values are 240, so the mean is 40; the rest is scaled to norm 1.
    unit = np.sqrt(32 * 200**2 + 160 * 40**2)
    assert np.allclose(grid[0, 0], np.array([200, -40, -40]) / unit, atol=1e-6)
    assert np.allclose(grid[7, 7], np.array([-40, -40, -40]) / unit, atol=1e-6)


def test_describe__an_edge_counts_in_its_cell_and_direction() -> None:
    picture = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    picture[0, :, 40:] = 255  # a vertical edge in the third of four columns of cells: gradient to the right
    edges = describe(picture)[0, N_COLOURS:].reshape(4, 4, 9)
    assert (edges[:, [0, 1, 3]] == 0).all()
    assert (edges[:, 2].argmax(axis=1) == 0).all()
    assert np.isclose(np.linalg.norm(edges), 1.4, atol=1e-5)


def test_describe__flat_gray_has_no_direction() -> None:
    flat = np.full((2, SIDE, SIDE, 3), 77, np.uint8)
    assert not describe(flat).any()
    assert describe(np.empty((0, SIDE, SIDE, 3), np.uint8)).shape == (0, DIM)


@given(st.integers(0, 1000))
def test_describe__brighter_copies_are_close_and_strangers_are_not(seed: int) -> None:
    picture, stranger = blocky(seed), blocky(seed + 5000)
    brighter = (picture * 0.7 + 40).astype(np.uint8)
    first, copy, other = describe(np.stack([picture, brighter, stranger]))
    assert cosine(first, copy) > 0.97
    assert cosine(first, other) < 0.75


def test_describe__does_not_depend_on_the_batch() -> None:
    pictures = np.stack([blocky(seed) for seed in range(3)])
    assert np.array_equal(describe(pictures)[1], describe(pictures[1:2])[0])


def test_descriptor_embedder__says_what_it_is() -> None:
    embedder = descriptor_embedder()
    assert (embedder.info.name, embedder.info.dim, embedder.side) == ("descriptor", DIM, 64)
    assert embedder.info.spec == "descriptor"
