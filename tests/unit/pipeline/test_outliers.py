"""The step `outliers` on a workspace: what it flags and says, and when it is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from chaffinch.pipeline.find import find
from chaffinch.pipeline.steps import StepReport
from chaffinch.settings import FindSettings
from chaffinch.storage.export import read_exported

MakeWorkspace = Callable[[Mapping[str, int], np.ndarray | None], Path]


def found(root: Path) -> StepReport:
    (done,) = find(root, settings=FindSettings(only=("outliers",)))
    assert done.report is not None
    return done.report


def test_find__tells_outliers_from_label_outliers(make_workspace: MakeWorkspace) -> None:
    rng = np.random.default_rng(0)
    axis = np.repeat([0, 1], 40)
    axis[3], axis[60] = 1, 5
    vectors = np.eye(24)[axis] + rng.normal(0, 0.1, (80, 24))
    vectors[79] = 0
    root = make_workspace({"cat": 40, "dog": 40}, vectors)
    report = found(root)
    assert report.n_flagged == {"outlier": 1, "label_outlier": 1}
    assert report.figures == {"not measured: without a vector": 1}
    rows = {row["issue_type"]: row for row in read_exported(root, "issues").to_pylist()}
    assert rows["outlier"]["key"] == "all/dog/0060.png"
    assert rows["outlier"]["reason"].startswith("Far from all others: ")
    stranger = rows["label_outlier"]
    assert stranger["key"] == "all/cat/0003.png"
    assert stranger["reason"].endswith(
        "0 of its 10 nearest images have its label, 10 are labelled 'dog': a candidate for outlier_invalid."
    )
    evidence = json.loads(stranger["evidence"])
    assert evidence["candidate"] == "outlier_invalid"
    assert [neighbour["label"] for neighbour in evidence["neighbours"]] == ["dog"] * 3
    assert min(rows["outlier"]["confidence"], stranger["confidence"]) > 0.5


def test_find__few_images_are_left_out(make_workspace: MakeWorkspace) -> None:
    assert found(make_workspace({"cat": 3}, np.eye(3))).left_out == "fewer than 30 images have a vector"


def test_find__without_vectors_says_what_brings_them(make_workspace: MakeWorkspace) -> None:
    root = make_workspace({"cat": 3}, None)
    assert found(root).command == f"chaffinch scan SOURCE -w {root} --embedder NAME"
