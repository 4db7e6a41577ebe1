"""The vectors that findings may rest on: those of images that are there.

The workspace keeps the vector of a file that is gone, so that one that comes back needs no embedding. Until
then nothing may be said about such an image, nor be concluded from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chaffinch.pipeline.columns import load_is_ok
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.vectors import EmbedderInfo, embedder_info, has_vector, read_vectors


@dataclass(frozen=True, slots=True, eq=False)
class UsableVectors:
    """Vectors of an embedder, and whose of them count. N samples, D dimensions."""

    info: EmbedderInfo
    """Whose they are."""
    vectors: np.ndarray
    """Shape (N, D), float16: all of them, mapped."""
    is_ok: np.ndarray
    """Shape (N,), bool: the image is there and decodes."""
    sample_ids: np.ndarray
    """Shape (R,), int64, rising: images that are there and have a vector."""

    @property
    def n_without(self) -> int:
        """Images that are there and have no vector."""
        return int(self.is_ok.sum()) - len(self.sample_ids)

    def own(self) -> np.ndarray:
        """Return shape (R, D), float16: the vectors of `sample_ids`."""
        # Where all samples take part the memory map serves as it is; else theirs are copied.
        return self.vectors if len(self.sample_ids) == len(self.vectors) else self.vectors[self.sample_ids]


def usable_vectors(
    folder: WorkspaceFolder, generation: Generation, embedder: str | None
) -> UsableVectors | None:
    """Return the vectors of an embedder, by default the one used last; None if there are none.

    Raises:
        WorkspaceError: If a table is damaged.
    """
    info = embedder_info(generation, embedder)
    if info is None:
        return None
    vectors = read_vectors(folder, generation, info.name)
    is_ok = load_is_ok(folder, generation)
    return UsableVectors(info, vectors, is_ok, np.flatnonzero(is_ok & has_vector(vectors)))
