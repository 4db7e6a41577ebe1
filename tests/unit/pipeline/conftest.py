"""Workspaces with chosen vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.vector_parts import sample_contents
from chaffinch.storage.vectors import EMBEDDERS, EmbedderInfo, write_vectors


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[[Mapping[str, int], np.ndarray | None], Path]:
    """Scan one-coloured pictures, so many of each class, and give them vectors in the order of their keys."""

    def make(classes: Mapping[str, int], vectors: np.ndarray | None) -> Path:
        names = [name for name, count in classes.items() for _ in range(count)]
        for number, name in enumerate(names):
            path = tmp_path / f"data/{name}/{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number % 256, number // 256, 7)).save(path)
        scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "data"),), dataset="data"))
        if vectors is not None:
            publish_vectors(WorkspaceFolder(tmp_path / "ws"), vectors)
        return tmp_path / "ws"

    return make


def publish_vectors(folder: WorkspaceFolder, vectors: np.ndarray) -> None:
    generation = folder.published()
    shape = vectors.shape[0], vectors.shape[1]
    info = EmbedderInfo(name="test", dim=shape[1], fingerprint="1", semantic_threshold=None)
    digests = sample_contents(folder.files(generation, "samples")).digests
    tables = write_vectors(folder, generation, [vectors], name="test", shape=shape, digests=digests)
    infos = {**generation.info, EMBEDDERS: {"test": asdict(info)}}
    folder.publish(generation, tables={**generation.tables, **tables}, info=infos)
