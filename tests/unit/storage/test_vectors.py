"""Vectors come back as they were written, normalised; what has none is a row of zeros."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from chaffinch.errors import WorkspaceError
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.vectors import (
    EMBEDDERS,
    EmbedderInfo,
    embedder_info,
    embedder_names,
    has_vector,
    read_vectors,
    unit_rows,
    write_vectors,
)

INFO = EmbedderInfo(name="a", dim=2, fingerprint="f", semantic_threshold=0.9)


def published(folder: WorkspaceFolder, blocks: list[list[list[float]]]) -> Generation:
    arrays = [np.array(block) for block in blocks]
    n = sum(map(len, arrays))
    tables = write_vectors(folder, Generation(), iter(arrays), name="a", shape=(n, 2))
    return folder.publish(Generation(), n_samples=n, tables=tables, info={EMBEDDERS: {"a": asdict(INFO)}})


def test_write_vectors__come_back_normalised_and_zeros_stay(tmp_path: Path) -> None:
    folder = WorkspaceFolder.create(tmp_path / "ws")
    generation = published(folder, [[[3.0, 4.0], [0.0, 0.0]], [[0.0, -2.0]]])
    vectors = read_vectors(folder, generation, "a")
    assert vectors.dtype == np.float16
    assert np.allclose(vectors, [[0.6, 0.8], [0, 0], [0, -1]], atol=1e-3)
    assert has_vector(vectors).tolist() == [True, False, True]
    assert embedder_names(generation) == ["a"]
    assert embedder_info(generation) == INFO
    assert embedder_info(generation, "b") is None


def test_read_vectors__absent_or_damaged_is_an_error(tmp_path: Path) -> None:
    folder = WorkspaceFolder.create(tmp_path / "ws")
    generation = published(folder, [[[1.0, 0.0]]])
    with pytest.raises(WorkspaceError, match="no vectors of 'b'"):
        read_vectors(folder, generation, "b")
    folder.files(generation, "vectors/a")[0].write_bytes(b"no array")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        read_vectors(folder, generation, "a")


def test_unit_rows__by_hand() -> None:
    assert unit_rows(np.array([[0.0, 5.0], [0.0, 0.0]], dtype=np.float16)).tolist() == [[0, 1], [0, 0]]
