"""The nearest neighbours of all images, found once for all steps of one run that ask for them.

Finding them is the dearest part of analysing vectors. The file of a published table never changes, so which
file it is and the rows asked for say whether the graph that is at hand is the right one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from chaffinch.detect.knn import KnnGraph, knn_graph
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.vectors import VECTORS

MAX_NEIGHBOURS = 30
"""Neighbours kept for each image; a step that needs fewer takes the nearest of them."""


def neighbour_graph(
    folder: WorkspaceFolder, generation: Generation, name: str, *, rows: np.ndarray, k: int
) -> KnnGraph:
    """Return the k nearest neighbours of some samples among themselves. R rows.

    Args:
        folder: The workspace.
        generation: Its published tables.
        name: The embedder.
        rows: Shape (R,), int64: sample ids, rising; each has a vector.
        k: Neighbours, 1 to `MAX_NEIGHBOURS`.

    Returns:
        Its `neighbours` are places in `rows`.

    Cost: that of `detect.knn.knn_graph` once, then nothing; 360 bytes a row are kept.
    """
    path = folder.files(generation, VECTORS + name)[0]
    # A workspace that was removed and made again has files of the same names.
    stat = path.stat()
    graph = _graph(path, (stat.st_ino, stat.st_mtime_ns), rows.astype(np.int64).tobytes())
    return replace(graph, neighbours=graph.neighbours[:, :k], similarity=graph.similarity[:, :k])


@lru_cache(maxsize=1)
def _graph(path: Path, made: tuple[int, int], row_bytes: bytes) -> KnnGraph:
    vectors: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = np.frombuffer(row_bytes, dtype=np.int64)
    # Where all samples take part the memory map serves as it is; else theirs are copied.
    own = vectors if len(rows) == len(vectors) else vectors[rows]
    return knn_graph(own, k=MAX_NEIGHBOURS)
