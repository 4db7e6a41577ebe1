"""The step `clusters` on a workspace: what samples get, and when it is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from chaffinch.pipeline.find import find
from chaffinch.pipeline.steps import StepReport
from chaffinch.settings import FindSettings
from chaffinch.storage.export import read_exported

MakeWorkspace = Callable[[Mapping[str, int], np.ndarray | None], Path]


def found(root: Path) -> StepReport:
    (done,) = find(root, settings=FindSettings(only=("clusters",)))
    assert done.report is not None
    return done.report


def test_find_clusters__samples_get_uniqueness_and_cluster(make_workspace: MakeWorkspace) -> None:
    angle = np.radians([0, 1, 2, 60, 0, 120])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    vectors[4] = 0
    root = make_workspace({"cat": 6}, vectors)
    assert found(root).figures == {"clusters": 1, "images in them": 3}
    rows = read_exported(root, "samples").to_pylist()
    assert [row["cluster_id"] for row in rows] == ["0", "0", "0", None, None, None]
    assert [row["is_representative"] for row in rows] == [False, True, False, None, None, None]
    assert rows[4]["uniqueness"] is None
    assert rows[0]["uniqueness"] < rows[3]["uniqueness"] <= 1


def test_find_clusters__without_vectors_says_what_brings_them(make_workspace: MakeWorkspace) -> None:
    root = make_workspace({"cat": 3}, None)
    assert found(root).command == f"chaffinch scan SOURCE -w {root} --embedder NAME"
