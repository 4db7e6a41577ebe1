"""The step `mislabels` on a workspace: what it flags, shows and publishes, and what it leaves out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chaffinch.errors import SourceError
from chaffinch.pipeline.find import find
from chaffinch.pipeline.mislabels import labelled_samples
from chaffinch.pipeline.steps import StepReport
from chaffinch.pipeline.usable_vectors import UsableVectors
from chaffinch.settings import FindSettings
from chaffinch.storage.export import read_exported
from chaffinch.storage.vectors import EmbedderInfo

MakeWorkspace = Callable[[Mapping[str, int], np.ndarray | None], Path]
SETTINGS = FindSettings(only=("mislabels",))


def found(root: Path) -> StepReport:
    (done,) = find(root, settings=SETTINGS)
    assert done.report is not None
    return done.report


@pytest.fixture
def planted(make_workspace: MakeWorkspace) -> Path:
    """Two classes of 20; the third cat has the vector of a dog. A class of 2, and a dog without a vector."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [20, 20, 2])
    truth[2] = 1
    vectors = np.eye(3, 16)[truth] + rng.normal(0, 0.15, (42, 16))
    vectors[39] = 0
    return make_workspace({"cat": 20, "dog": 20, "emu": 2}, vectors)


def test_find__flags_and_shows_who_says_so(planted: Path) -> None:
    report = found(planted)
    assert report.n_flagged["mislabel"] == 1
    assert report.left_out is None
    assert report.figures["not judged: with a label but no vector"] == 1
    assert report.figures["not judged: of classes below 5 images"] == 2
    (row,) = (r for r in read_exported(planted, "issues").to_pylist() if r["issue_type"] == "mislabel")
    assert row["key"] == "all/cat/0002.png"
    assert row["suggested_label"] == "dog"
    assert row["confidence"] > 0.5
    assert row["reason"].startswith("Labelled 'cat', but looks like 'dog': of its 30 nearest images")
    evidence = json.loads(row["evidence"])
    assert len(evidence["for"]) == 5
    assert {neighbour["label"] for neighbour in evidence["for"]} == {"dog"}
    assert {neighbour["label"] for neighbour in evidence["against"]} <= {"cat"}
    assert evidence["for"][0]["similarity"] >= evidence["for"][1]["similarity"]


def test_find__again_gives_the_same_rows(planted: Path) -> None:
    found(planted)
    first = read_exported(planted, "issues")
    found(planted)
    assert read_exported(planted, "issues").equals(first)


def test_find__without_vectors_says_what_brings_them(make_workspace: MakeWorkspace, tmp_path: Path) -> None:
    report = found(make_workspace({"cat": 6, "dog": 6}, None))
    assert report.left_out == "it compares embedding vectors, and there are none"
    assert report.command == f"chaffinch scan SOURCE -w {tmp_path / 'ws'} --embedder NAME"


def test_find__without_two_classes_is_left_out(make_workspace: MakeWorkspace) -> None:
    report = found(make_workspace({"cat": 6, "dog": 2}, np.random.default_rng(0).normal(size=(8, 4))))
    assert report.left_out == "there are not two labels with at least 5 images each"


def test_labelled_samples__none_of_a_dataset_without_labels() -> None:
    info = EmbedderInfo("test", dim=2, fingerprint="1", semantic_threshold=None)
    every = UsableVectors(info, np.ones((3, 2), np.float16), np.ones(3, bool), np.arange(3))
    samples = labelled_samples(np.full(3, -1), [], every)
    assert len(samples.sample_ids) == 0
    assert samples.left_out == {"not judged: without a label": 3}


def test_find__confused_classes_are_a_table(make_workspace: MakeWorkspace) -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(5), 20)
    truth[[0, 1, 2, 3, 20, 21, 22, 23]] = [1, 1, 1, 1, 0, 0, 0, 0]
    vectors = np.eye(5, 16)[truth] + rng.normal(0, 0.1, (100, 16))
    root = make_workspace(dict.fromkeys("abcde", 20), vectors)
    assert found(root).n_flagged["mislabel"] == 8
    (row,) = read_exported(root, "confusion").to_pylist()
    assert (row["class_a"], row["class_b"], row["n_a"], row["n_b"]) == ("a", "b", 20, 20)
    assert (row["n_a_like_b"], row["n_b_like_a"]) == (4, 4)
    assert row["expected"] == 2.0
    assert len(json.loads(row["examples"])) == 5


def probabilities(n: int) -> np.ndarray:
    """Return probabilities of cat and dog for n of each; the third cat is a dog to the model."""
    probs = np.tile([0.9, 0.1], (2 * n, 1))
    probs[n:] = [0.2, 0.8]
    probs[2] = [0.05, 0.95]
    return probs


def test_find__by_predicted_probabilities(make_workspace: MakeWorkspace, tmp_path: Path) -> None:
    root = make_workspace({"cat": 10, "dog": 10}, None)
    np.save(tmp_path / "p.npy", probabilities(10))
    (done,) = find(root, settings=replace(SETTINGS, pred_probs=str(tmp_path / "p.npy")))
    assert done.report is not None
    assert done.report.n_flagged["mislabel"] == 1
    (row,) = read_exported(root, "issues").to_pylist()
    assert (row["key"], row["suggested_label"]) == ("all/cat/0002.png", "dog")
    assert row["confidence"] == pytest.approx(0.95)
    assert row["method"] == "confident learning"
    assert "the model gives 'dog' a probability of 0.95 and 'cat' 0.05" in row["reason"]


def test_find__by_a_table_of_some_images(make_workspace: MakeWorkspace, tmp_path: Path) -> None:
    root = make_workspace({"cat": 10, "dog": 10}, None)
    probs = probabilities(10)
    lines = ["dog,key,cat", *(f"{probs[i, 1]},all/cat/{i:04}.png,{probs[i, 0]}" for i in range(10))]
    lines += [f"{probs[i, 1]},all/dog/{i:04}.png,{probs[i, 0]}" for i in range(10, 18)]
    (tmp_path / "p.csv").write_text("\n".join(lines))
    (done,) = find(root, settings=replace(SETTINGS, pred_probs=str(tmp_path / "p.csv")))
    assert done.report is not None
    assert done.report.n_flagged["mislabel"] == 1
    assert done.report.figures["not judged: without predicted probabilities"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,cat,dog\nall/x.png,1,0\n", "row 2 column 'key': names no sample, got 'all/x.png'"),
        (
            "key,cat,dog\nall/cat/0000.png,1,0\nall/cat/0000.png,1,0\n",
            "row 3 column 'key': stands there twice",
        ),
        ("key,cat,emu\nall/cat/0000.png,1,0\n", "column 'emu': is no class of this dataset"),
    ],
)
def test_find__a_table_that_does_not_fit_is_refused(
    make_workspace: MakeWorkspace, tmp_path: Path, text: str, message: str
) -> None:
    root = make_workspace({"cat": 2, "dog": 2}, None)
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(SourceError) as raised:
        find(root, settings=replace(SETTINGS, pred_probs=str(tmp_path / "p.csv")))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 2), "has 3 rows, the workspace 4 samples"), ((4, 3), "has 3 columns, the dataset 2 classes")],
)
def test_find__an_array_of_another_shape_is_refused(
    make_workspace: MakeWorkspace, tmp_path: Path, shape: tuple[int, int], message: str
) -> None:
    root = make_workspace({"cat": 2, "dog": 2}, None)
    np.save(tmp_path / "p.npy", np.full(shape, 1 / shape[1]))
    with pytest.raises(SourceError, match=message):
        find(root, settings=replace(SETTINGS, pred_probs=str(tmp_path / "p.npy")))
