"""Embedding vectors in the workspace: one NumPy file per embedder, a row per sample.

Rows are L2-normalised float16, in the order of `sample_id`; a row of zeros stands for a sample without a
vector (broken, missing, or not embedded yet). Readers get a memory map, so that a million rows cost no memory
until they are used. A second file beside it notes from which bytes each row was made, so that the row of a
changed image is known to be stale without looking at a vector.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from chaffinch.errors import WorkspaceError
from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import DAMAGED_HINT, Generation, WorkspaceFolder

VECTORS = "vectors/"
"""What the name of a stored table of vectors begins with; the embedder's name follows."""

EMBEDDERS = "embedders"
"""Key in a generation's `info`: by name, what `EmbedderInfo` says of each embedder with vectors here, the one
used last at the end."""

MAX_NORM_LOSS = 0.01
"""Norms of stored rows differ from 1 by less than this after rounding to float16."""


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """What the workspace knows of the embedder whose vectors it keeps."""

    name: str
    """What users call it; names the table."""
    dim: int
    """Length of a vector."""
    fingerprint: str
    """Differs whenever vectors could: the weights' digest and the preprocessing."""
    semantic_threshold: float | None
    """Smallest cosine at which two pictures are near duplicates; None where it was never calibrated."""
    spec: str = ""
    """What `--embedder` takes to make these vectors again; '' where nothing would."""
    copy_cosine: float | None = None
    """Smallest cosine of a copy as `verified` reckons, which looks for candidates well below; calibrating may
    lower but never raise it, since the pictures decide there. None: `semantic_threshold`."""

    @property
    def candidate_cosine(self) -> float | None:
        """What `verified` takes for the smallest cosine of a copy; None where nothing tells."""
        return self.copy_cosine if self.copy_cosine is not None else self.semantic_threshold

    def calibrated(self, threshold: float) -> EmbedderInfo:
        """Return the same with another `semantic_threshold`."""
        return replace(
            self, semantic_threshold=threshold, copy_cosine=min(self.candidate_cosine or threshold, threshold)
        )


def embedder_names(generation: Generation) -> list[str]:
    """Return the embedders that have vectors here, the one used last at the end."""
    known = generation.info.get(EMBEDDERS, {})
    return [name for name in known if VECTORS + name in generation.tables]


def embedder_info(generation: Generation, name: str | None = None) -> EmbedderInfo | None:
    """Return what is known of an embedder; None if it has no vectors.

    Args:
        generation: The published tables.
        name: Its name, or what `--embedder` took to make the vectors; None takes the one used last.
    """
    infos = [EmbedderInfo(**generation.info[EMBEDDERS][known]) for known in embedder_names(generation)]
    fitting = [info for info in infos if name is None or name in (info.name, info.spec)]
    return fitting[-1] if fitting else None


def read_vectors(folder: WorkspaceFolder, generation: Generation, name: str) -> np.ndarray:
    """Map the vectors of an embedder. N samples, D dimensions.

    Returns:
        Shape (N, D), float16, read-only; rows are of norm 1 within `MAX_NORM_LOSS`, or zeros. `unit_rows`
        turns a block of them into float32 to compute with.

    Raises:
        WorkspaceError: If there are none, or the file is damaged.
    """
    paths = folder.files(generation, VECTORS + name)
    if not paths:
        raise WorkspaceError(
            f"has no vectors of {name!r}",
            where=str(folder.root),
            hint=f"chaffinch scan SOURCE -w {folder.root} --embedder {name}",
        )
    return _load(paths[0], mmap_mode="r")


def _load(path: Path, *, mmap_mode: Literal["r"] | None) -> np.ndarray:
    try:
        loaded: np.ndarray = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"cannot be read: {error}", where=str(path), hint=DAMAGED_HINT) from error
    return loaded


def write_vectors(
    folder: WorkspaceFolder,
    generation: Generation,
    blocks: Iterable[np.ndarray],
    *,
    name: str,
    shape: tuple[int, int],
    digests: np.ndarray | None = None,
) -> dict[str, list[str]]:
    """Write the vectors of an embedder for the generation after `generation`; atomic.

    Args:
        folder: The workspace.
        generation: The one before.
        blocks: Rows in order of `sample_id`, shape (B, D) each, any float type; rows need not be of norm 1.
        name: The embedder.
        shape: Samples and dimensions in all.
        digests: Shape (N,), S16: `bytes_digest` of the image that each row was made from, empty where there
            was none. With them a later scan knows which rows are stale; without, all of them.

    Returns:
        The entry for `Generation.tables`.

    Cost: one block of memory.
    """
    rows = (unit_rows(block).astype("<f2") for block in blocks)
    return write_unit_vectors(folder, generation, rows, name=name, shape=shape, digests=digests)


def write_unit_vectors(
    folder: WorkspaceFolder,
    generation: Generation,
    blocks: Iterable[np.ndarray],
    *,
    name: str,
    shape: tuple[int, int],
    digests: np.ndarray | None = None,
) -> dict[str, list[str]]:
    """Write vectors as `write_vectors` does, from float16 rows that are of norm 1 already, bit for bit."""
    file = folder.table_name(generation, VECTORS + name, suffix=".npy")
    with atomic_path(folder.root / file) as temporary, temporary.open("wb") as raw:
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(raw, header)
        for block in blocks:
            raw.write(np.ascontiguousarray(block, dtype="<f2").data)
    if digests is None:
        return {VECTORS + name: [file]}
    beside = folder.table_name(generation, VECTORS + name, 1, suffix=".npy")
    with atomic_path(folder.root / beside) as temporary:
        temporary.write_bytes(npy_bytes(digests))
    return {VECTORS + name: [file, beside]}


def npy_bytes(*arrays: np.ndarray) -> memoryview:
    """Return arrays as NumPy's files hold them, one after the other.

    By way of memory: writing to a file itself, NumPy does not say that a disk is full.
    """
    content = io.BytesIO()
    for array in arrays:
        np.save(content, array, allow_pickle=False)
    return content.getbuffer()


def vector_digests(folder: WorkspaceFolder, generation: Generation, name: str) -> np.ndarray:
    """Return from which image each row was made.

    Returns:
        Shape (N,), S16: `bytes_digest`; empty where it was made from none, or where nobody noted it.

    Raises:
        WorkspaceError: If there are no vectors of that name, or the file is damaged.
    """
    paths = folder.files(generation, VECTORS + name)
    if len(paths) < 2:
        return np.zeros(len(read_vectors(folder, generation, name)), dtype="S16")
    return _load(paths[1], mmap_mode=None)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows scaled to norm 1, shape (B, D), float32; rows of zeros stay zeros."""
    rows = np.asarray(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    unit: np.ndarray = rows * scale[:, None]
    return unit


def has_vector(vectors: np.ndarray, *, rows: int = 65536) -> np.ndarray:
    """Return shape (N,), bool: which rows of `read_vectors` hold a vector."""
    found = np.zeros(len(vectors), dtype=bool)
    for start in range(0, len(vectors), rows):
        found[start : start + rows] = vectors[start : start + rows].any(axis=1)
    return found
