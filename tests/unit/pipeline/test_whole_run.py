"""The whole run in one call, and what `status` says after each step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chaffinch.cli.main import with_verb
from chaffinch.pipeline.leak_report import report_leaks
from chaffinch.pipeline.scan import SourceSpec
from chaffinch.pipeline.status import read_status
from chaffinch.pipeline.whole_run import clean, leak_report_path, split_pairs
from chaffinch.settings import LeakSettings, ScanSettings
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.vectors import EMBEDDERS

LIMITED = """
name: careful
version: 1
leaks: {side: test}
max_removed: {overall: 1}
rules:
  - where: issue_type = 'duplicate' and method = 'exact' and not is_original
    action: remove
"""


@pytest.fixture
def data(tmp_path: Path, save_pictures: Callable[..., None]) -> Path:
    """Eight pictures; val/cat/leak.png is train/cat/0.png, train/dog/copy.png is train/dog/3.png."""
    names = {"train/cat/0.png": 0, "train/cat/1.png": 1, "train/dog/3.png": 3, "train/dog/4.png": 4}
    names |= {"val/cat/7.png": 7, "val/dog/8.png": 8, "val/cat/leak.png": 0, "train/dog/copy.png": 3}
    save_pictures(tmp_path / "pets", names)
    return tmp_path / "pets"


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_clean__removes_the_leak_and_the_copy_on_paper_only(data: Path, tmp_path: Path) -> None:
    before = sorted(path.read_bytes() for path in data.rglob("*.png"))
    report = clean(tmp_path / "ws", SourceSpec(locations=(str(data),)))
    assert (report.summary.n_samples, report.summary.n_removed) == (8, 2)
    removed = set(lines(tmp_path / "ws/cleaning/pets_removal_list.txt"))
    assert "cat/leak.png" in removed or "val/cat/leak.png" in removed
    assert len(removed & {"dog/3.png", "dog/copy.png"}) == 1
    assert [page.name for page in report.pages] == ["pets_train_val_leaks_report.html"]
    assert sorted(path.read_bytes() for path in data.rglob("*.png")) == before


def test_clean__again_skips_what_is_up_to_date_and_writes_the_same(data: Path, tmp_path: Path) -> None:
    spec = SourceSpec(locations=(str(data),))
    first = clean(tmp_path / "ws", spec)
    written = {path.name: path.read_bytes() for path in first.files}
    again = clean(tmp_path / "ws", spec)
    assert all(done.report is None or done.report.left_out is not None for done in again.found)
    assert again.found[0].report is None
    assert list(again.leaks.values()) == [None]
    assert again.policy.n_added == 0
    assert {path.name: path.read_bytes() for path in again.files} == written


def calibrate_to(root: Path, threshold: float) -> None:
    """Set the semantic threshold of `descriptor`, as `calibrate` does."""
    folder = WorkspaceFolder(root)
    generation = folder.published()
    known = generation.info[EMBEDDERS]["descriptor"] | {"semantic_threshold": threshold}
    folder.publish(generation, info={**generation.info, EMBEDDERS: {"descriptor": known}})


def test_clean__searches_leaks_again_where_what_they_rest_on_changed(data: Path, tmp_path: Path) -> None:
    root, spec, pair = tmp_path / "ws", SourceSpec(locations=(str(data),)), ("train", "val")

    def is_searched_once(settings: ScanSettings | None = None) -> bool:
        first, again = (clean(root, spec, settings=settings).leaks[pair] for _ in range(2))
        return first is not None and again is None

    assert is_searched_once()
    assert is_searched_once(ScanSettings(embedder="descriptor"))
    calibrate_to(root, 0.5)
    assert is_searched_once()
    report_leaks(root, pair, settings=LeakSettings(phash_threshold=0), output=leak_report_path(root, pair))
    assert is_searched_once()
    report_leaks(root, pair, settings=LeakSettings(methods=("exact",)), output=leak_report_path(root, pair))
    assert clean(root, spec).leaks[pair] is None


def test_clean__stops_where_a_policy_would_remove_too_much(data: Path, tmp_path: Path) -> None:
    policy = tmp_path / "careful.yaml"
    policy.write_text(LIMITED)
    report = clean(tmp_path / "ws", SourceSpec(locations=(str(data),)), policy=policy)
    assert [(e.removed, e.allowed) for e in report.exceeded] == [(2, 1)]
    assert report.files == []
    assert not (tmp_path / "ws/cleaning").exists()


def test_read_status__names_the_next_step(data: Path, tmp_path: Path) -> None:
    clean(tmp_path / "ws", SourceSpec(locations=(str(data),)))
    status = read_status(tmp_path / "ws")
    assert "scan       8 images (8 ok)" in status.lines
    assert "leaks      train to val: done" in status.lines
    assert status.next_command == f"chaffinch apply -w {tmp_path / 'ws'} --to cleaned"


def test_split_pairs__compare_train_with_each_other_split() -> None:
    assert split_pairs(["test", "val", "train"]) == [("train", "val"), ("train", "test")]
    assert split_pairs(["all"]) == []


def test_with_verb__a_dataset_alone_is_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "My Pets").mkdir()
    monkeypatch.chdir(tmp_path)
    assert with_verb(["My Pets"]) == ["clean", "My Pets", "-w", "my_pets-workspace"]
    assert with_verb(["My Pets", "-w", "ws"]) == ["clean", "My Pets", "-w", "ws"]
    for arguments in ([], ["--help"], ["scan", "My Pets", "-w", "ws"], ["frobnicate"]):
        assert with_verb(arguments) == arguments
