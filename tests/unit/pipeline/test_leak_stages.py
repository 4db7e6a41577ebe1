"""Leak reports in several stages: what is counted, what holds the workspace, what survives."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chaffinch.errors import LockedError
from chaffinch.formats.leak_csv import read_leak_rows, write_leak_rows
from chaffinch.pipeline.leak_report import LeakReport, report_leaks
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import LeakSettings
from chaffinch.storage.export import read_exported
from chaffinch.storage.lock import writer_lock


def picture(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    blocks.resize((48, 40), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    """One picture twice in train and twice in val, another once in each."""
    data = tmp_path / "data"
    picture(data / "train/1.bmp", 1)
    picture(data / "train/2.bmp", 2)
    for copy in ("train/3.bmp", "val/4.bmp", "val/5.bmp"):
        (data / copy).parent.mkdir(exist_ok=True)
        shutil.copy(data / "train/1.bmp", data / copy)
    shutil.copy(data / "train/2.bmp", data / "val/6.bmp")
    scan(tmp_path / "ws", SourceSpec(locations=(str(data),)))
    return tmp_path / "ws"


def stage(ws: Path, method: str, *, threshold: int = 5) -> LeakReport:
    settings = LeakSettings(methods=(method,), phash_threshold=threshold)
    return report_leaks(ws, ("train", "val"), settings=settings)


def test_report_leaks__counts_rows_that_a_killed_stage_left(
    ws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    report = stage(ws, "exact").files[0]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("chaffinch.pipeline.leak_report.write_leak_summary", killed)
        stage(ws, "perceptual", threshold=3)
    summary = stage(ws, "exact").summary
    written = Counter(row.method for row in read_leak_rows(report))
    assert written == {"exact": 5, "perceptual": 5}
    assert {m.method: (m.count.n_pairs, m.threshold, m.is_kept) for m in summary.methods} == {
        "exact": (5, None, False),
        "perceptual": (5, 3.0, True),
    }


def test_report_leaks__holds_the_workspace_until_all_is_written(
    ws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*args: object) -> object:
        with pytest.raises(LockedError), writer_lock(ws):
            pass
        return write_leak_rows(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("chaffinch.pipeline.leak_report.write_leak_rows", write)
    assert stage(ws, "exact").n_pairs == 5


def test_report_leaks__counts_the_stars_of_earlier_stages(ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaffinch.storage.pairs.MAX_EXPANDED_MEMBERS", 2)
    assert stage(ws, "exact").summary.n_stars == 1
    assert stage(ws, "perceptual").summary.n_stars == 2


def test_finding__of_a_leak_is_the_same_whichever_copies_there_are(ws: Path, tmp_path: Path) -> None:
    def leaks() -> dict[str, str]:
        stage(ws, "exact")
        rows = read_exported(ws, "issues").to_pylist()
        return {row["key"]: row["finding_id"] for row in rows if row["issue_type"] == "leak"}

    before = leaks()
    assert len(before) == 6
    (tmp_path / "data/train/1.bmp").rename(tmp_path / "data/train/0.bmp")
    (tmp_path / "data/val/5.bmp").unlink()
    scan(ws, SourceSpec(locations=(str(tmp_path / "data"),)))
    after = leaks()
    assert {key: after[key] for key in after.keys() & before.keys()} == {
        key: before[key] for key in ("train/2.bmp", "train/3.bmp", "val/4.bmp", "val/6.bmp")
    }


def test_report_leaks__spells_kept_rows_as_a_later_manifest_does(ws: Path, tmp_path: Path) -> None:
    stage(ws, "exact")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("image_path,split,user_tags,user_action\n6.bmp,val,,none\n")
    settings = LeakSettings(methods=("perceptual",))
    report = report_leaks(ws, ("train", "val"), settings=settings, manifest=manifest).files[0]
    spelled = {(row.method, row.test_image) for row in read_leak_rows(report) if row.test_key == "val/6.bmp"}
    assert spelled == {("exact", "6.bmp"), ("perceptual", "6.bmp")}
