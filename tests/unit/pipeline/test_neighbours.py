"""One search serves all steps of a run, and never the wrong one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from chaffinch.pipeline import neighbours
from chaffinch.pipeline.neighbours import neighbour_graph
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.vectors import EMBEDDERS, EmbedderInfo, write_vectors

ANGLES = np.array([0.0, 0.1, 0.3, 1.0, 2.0])


def published(folder: WorkspaceFolder, generation: Generation, angles: np.ndarray) -> Generation:
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    tables = write_vectors(folder, generation, iter([vectors]), name="a", shape=vectors.shape)
    info = asdict(EmbedderInfo(name="a", dim=2, fingerprint="f", semantic_threshold=None))
    return folder.publish(generation, n_samples=len(angles), tables=tables, info={EMBEDDERS: {"a": info}})


def test_neighbour_graph__is_searched_once_for_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []
    search = neighbours.knn_graph
    monkeypatch.setattr(neighbours, "knn_graph", lambda v, **k: searched.append(len(v)) or search(v, **k))
    folder = WorkspaceFolder.create(tmp_path / "ws")
    generation = published(folder, Generation(), ANGLES)
    every, some = np.arange(5), np.array([0, 2, 4])
    assert neighbour_graph(folder, generation, "a", rows=every, k=1).neighbours.tolist() == [
        [1], [0], [1], [2], [3],
    ]  # fmt: skip
    assert neighbour_graph(folder, generation, "a", rows=every, k=2).neighbours[0].tolist() == [1, 2]
    assert searched == [5]
    assert neighbour_graph(folder, generation, "a", rows=some, k=1).neighbours.tolist() == [[1], [0], [1]]
    later = published(folder, generation, ANGLES[::-1])
    assert neighbour_graph(folder, later, "a", rows=every, k=1).neighbours.tolist() == [
        [1], [2], [3], [4], [3],
    ]  # fmt: skip
    assert searched == [5, 3, 5]
