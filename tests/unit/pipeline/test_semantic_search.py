"""Semantic leaks and duplicates in the same report, tables and stages as the other methods."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chaffinch.detect.pair_sets import SampleColumns
from chaffinch.detect.verified import verified_pairs
from chaffinch.pipeline import pair_search
from chaffinch.pipeline.duplicates import find_duplicates
from chaffinch.pipeline.find import find
from chaffinch.pipeline.leak_report import LeakReport, report_leaks
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import FindSettings, LeakSettings
from chaffinch.storage.export import read_exported
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.pairs import PairSet
from chaffinch.storage.vectors import EMBEDDERS, EmbedderInfo, embedder_info, write_vectors

BETWEEN = ("train", "val")
SEMANTIC = LeakSettings(methods=("semantic",))

VECTORS = {
    "train/a/1.png": (1.0, 0.0, 0.0),
    "train/a/2.png": (0.0, 1.0, 0.0),
    "train/a/3.png": (0.0, 0.96, 0.28),
    "val/a/4.png": (0.96, 0.28, 0.0),
    "val/a/5.png": (0.0, 0.0, 0.0),
}
"""Val 4 is near train 1, train 2 near train 3; val 5 has no vector."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in VECTORS:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
    scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "data"),)))
    return tmp_path / "ws"


def embed(workspace: Path, *, threshold: float | None = 0.9, name: str = "tiny", made: str = "f") -> None:
    folder = WorkspaceFolder(workspace)
    generation = folder.published()
    keys = folder.read(generation, "samples", columns=["key"]).column("key").to_pylist()
    block = np.array([VECTORS[key] for key in keys])
    tables = write_vectors(folder, generation, [block], name=name, shape=block.shape)
    info = asdict(EmbedderInfo(name, 3, made, threshold, spec=f"onnx:{name}.onnx"))
    embedders = {**generation.info.get(EMBEDDERS, {}), name: info}
    folder.publish(
        generation, tables={**generation.tables, **tables}, info={**generation.info, EMBEDDERS: embedders}
    )


def report_rows(report: LeakReport) -> list[str]:
    return report.files[0].read_text().splitlines()[1:]


def test_report_leaks__semantic_with_the_embedders_own_threshold(workspace: Path) -> None:
    embed(workspace)
    report = report_leaks(workspace, BETWEEN, settings=SEMANTIC)
    (row,) = report_rows(report)
    cells = row.split(",")
    assert cells[0].endswith("train/a/1.png") and cells[1].endswith("val/a/4.png")
    assert float(cells[3]) == pytest.approx(0.96, abs=1e-3)
    assert (cells[2], *cells[4:6]) == ("semantic", "semantic_duplicate", "")
    assert "cosine at least 0.9\n" in report.summary_text
    assert "vectors of tiny" in report.summary_text
    assert "1 images without a vector" in report.summary_text
    assert report.summary.left_out == ()


def test_report_leaks__a_named_threshold_wins(workspace: Path) -> None:
    embed(workspace)
    strict = LeakSettings(methods=("semantic",), semantic_threshold=0.99)
    report = report_leaks(workspace, BETWEEN, settings=strict)
    assert report_rows(report) == []
    assert report.was_compared


def test_report_leaks__counts_pairs_at_the_threshold(workspace: Path) -> None:
    embed(workspace)
    # The cosine of the stored vectors, rounded to float16, lies within 0.0001 of 0.96.
    edge = LeakSettings(methods=("semantic",), semantic_threshold=0.96)
    report = report_leaks(workspace, BETWEEN, settings=edge)
    assert "1 pairs within 0.0001 of that cosine" in report.summary_text


def test_report_leaks__stages_merge(workspace: Path) -> None:
    embed(workspace)
    report_leaks(workspace, BETWEEN, settings=SEMANTIC)
    report = report_leaks(workspace, BETWEEN, settings=LeakSettings(methods=("exact", "perceptual")))
    assert [row.split(",")[2] for row in report_rows(report)] == ["semantic"]
    assert "vectors of tiny" in report.summary_text
    issues = read_exported(workspace, "issues").to_pylist()
    assert sorted(row["key"] for row in issues) == ["train/a/1.png", "val/a/4.png"]
    assert {row["method"] for row in issues} == {"semantic"}


def test_report_leaks__drops_pairs_of_vectors_that_were_made_anew(workspace: Path) -> None:
    embed(workspace)
    exact = LeakSettings(methods=("exact",))
    report_leaks(workspace, BETWEEN, settings=SEMANTIC)
    embed(workspace, name="other")
    assert len(report_rows(report_leaks(workspace, BETWEEN, settings=exact))) == 1
    embed(workspace, made="g")
    for _ in range(2):
        report = report_leaks(workspace, BETWEEN, settings=exact)
        assert report_rows(report) == []
        assert [entry.method for entry in report.summary.methods] == ["exact"]
        assert len(read_exported(workspace, "pairs")) == len(read_exported(workspace, "issues")) == 0
    tiny = LeakSettings(methods=("semantic",), embedder="tiny")
    assert len(report_rows(report_leaks(workspace, BETWEEN, settings=tiny))) == 1
    assert len(report_rows(report_leaks(workspace, BETWEEN, settings=exact))) == 1


def test_report_leaks__says_which_rows_it_dropped(workspace: Path) -> None:
    embed(workspace)
    report_leaks(workspace, BETWEEN, settings=SEMANTIC)
    embed(workspace, made="g")
    report = report_leaks(workspace, BETWEEN[::-1], settings=LeakSettings(methods=("exact",)))
    assert report.n_pairs == len(read_exported(workspace, "pairs")) == 0
    report_leaks(workspace, BETWEEN, settings=SEMANTIC)
    embed(workspace, made="h")
    report = report_leaks(workspace, BETWEEN, settings=LeakSettings(methods=("exact",)))
    assert "Rows of semantic are left out: their vectors were made anew since" in report.summary_text


@pytest.mark.parametrize(
    ("threshold", "embedder", "reason", "command"),
    [
        (None, None, "nothing tells at which cosine", "chaffinch calibrate -w"),
        (0.9, "other", "the workspace has none of 'other'", "--embedder other"),
    ],
)
def test_report_leaks__says_what_semantic_lacks(
    workspace: Path, threshold: float | None, embedder: str | None, reason: str, command: str
) -> None:
    embed(workspace, threshold=threshold)
    settings = LeakSettings(methods=("exact", "semantic"), embedder=embedder)
    (left_out,) = report_leaks(workspace, BETWEEN, settings=settings).summary.left_out
    assert reason in left_out.reason
    assert command in left_out.hint


@pytest.mark.parametrize(("threshold", "expected"), [(0.9, ((5, 3), 0.9)), (None, (None, 1.0))])
def test_search_pairs__verified_takes_vectors_whose_threshold_is_known(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, threshold: float | None, expected: object
) -> None:
    embed(workspace, threshold=threshold)
    seen: list[object] = []

    def watched(samples: SampleColumns, **options: Any) -> PairSet:
        vectors = options["vectors"]
        seen.append((None if vectors is None else vectors.shape, options["copy_cosine"]))
        return verified_pairs(samples, **options)

    monkeypatch.setattr(pair_search, "verified_pairs", watched)
    find_duplicates(workspace, settings=LeakSettings(methods=("verified",)))
    assert seen == [expected]


def test_find_duplicates__semantic(workspace: Path) -> None:
    embed(workspace)
    report = find_duplicates(workspace, settings=SEMANTIC)
    assert (report.n_groups, report.n_pairs) == (2, {"semantic": 2})
    rows = read_exported(workspace, "pairs").to_pylist()
    assert sorted((row["key_a"], row["key_b"]) for row in rows) == [
        ("train/a/1.png", "val/a/4.png"),
        ("train/a/2.png", "train/a/3.png"),
    ]


def test_find_duplicates__takes_the_place_of_what_other_methods_found(workspace: Path) -> None:
    embed(workspace)
    find_duplicates(workspace, settings=SEMANTIC)
    missing = LeakSettings(methods=("semantic",), embedder="other")
    find_duplicates(workspace, settings=missing)
    assert len(read_exported(workspace, "pairs")) == 2
    find_duplicates(workspace, settings=LeakSettings(methods=("exact",)))
    assert len(read_exported(workspace, "pairs")) == len(read_exported(workspace, "issues")) == 0


def test_find__says_what_semantic_duplicates_lack(workspace: Path) -> None:
    settings = FindSettings(only=("duplicates",), pairs=LeakSettings(methods=("exact", "semantic")))
    (done,) = find(workspace, settings=settings)
    assert done.report is not None and done.report.left_out is not None
    assert "semantic" in done.report.left_out
    assert "--embedder" in (done.report.command or "")


def test_embedder_info__by_name_or_by_what_made_it(workspace: Path) -> None:
    embed(workspace, name="one")
    embed(workspace, name="two")
    generation = WorkspaceFolder(workspace).published()
    for wanted, name in ((None, "two"), ("one", "one"), ("onnx:one.onnx", "one"), ("onnx:none.onnx", None)):
        info = embedder_info(generation, wanted)
        assert (info.name if info else None) == name
