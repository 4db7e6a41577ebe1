"""Clusters beside the samples: whose count, and what samples without one get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chaffinch.errors import SchemaError
from chaffinch.storage.clusters import read_clusters, write_clusters
from chaffinch.storage.findings import is_finding
from chaffinch.storage.folder import Generation, WorkspaceFolder

NOBODY = {"uniqueness": None, "cluster_id": None, "is_representative": None}


def written(folder: WorkspaceFolder, **tables: list[str]) -> Generation:
    return folder.publish(Generation(), n_samples=4, tables=tables)


def test_read_clusters__a_row_for_each_sample(tmp_path: Path) -> None:
    folder = WorkspaceFolder.create(tmp_path / "ws")
    tables = write_clusters(
        folder,
        Generation(),
        sample_id=np.array([1, 3]),
        uniqueness=np.array([0.25, np.nan]),
        cluster_id=["c1", None],
        is_representative=[True, None],
    )
    assert list(tables) == ["clusters/chaffinch"]
    assert read_clusters(folder, written(folder, **tables)).to_pylist() == [
        NOBODY,
        {"uniqueness": 0.25, "cluster_id": "c1", "is_representative": True},
        NOBODY,
        NOBODY,
    ]
    assert read_clusters(folder, written(folder)).to_pylist() == [NOBODY] * 4


@pytest.mark.parametrize("order", [("chaffinch", "fastdup"), ("fastdup", "chaffinch")])
def test_read_clusters__ours_count_before_an_import_and_are_not_mixed(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    folder = WorkspaceFolder.create(tmp_path / "ws")
    tables: dict[str, list[str]] = {}
    for source, sample in zip(order, (0, 1) if order[0] == "chaffinch" else (1, 0), strict=True):
        tables |= write_clusters(
            folder,
            Generation(),
            source=source,
            sample_id=np.array([sample]),
            uniqueness=np.array([0.5]),
            cluster_id=[source],
            is_representative=[None],
        )
    found = read_clusters(folder, written(folder, **tables))
    assert found.column("cluster_id").to_pylist() == ["chaffinch", None, None, None]


def test_is_finding__our_clusters_alone() -> None:
    assert is_finding("clusters/chaffinch")
    assert not is_finding("clusters/import.fastdup")
    assert not is_finding("issues/import.fastdup")


@pytest.mark.parametrize(
    ("sample_id", "uniqueness", "message"),
    [([1, 1], [0.5, 0.5], "one row"), ([1, 0], [0.5, 0.5], "one row"), ([0, 1], [0.5, 1.5], r"0\.\.1")],
)
def test_write_clusters__refuses(
    tmp_path: Path, sample_id: list[int], uniqueness: list[float], message: str
) -> None:
    folder = WorkspaceFolder.create(tmp_path / "ws")
    with pytest.raises(SchemaError, match=message):
        write_clusters(
            folder,
            Generation(),
            sample_id=np.array(sample_id),
            uniqueness=np.array(uniqueness),
            cluster_id=["a", "a"],
            is_representative=[None, None],
        )
