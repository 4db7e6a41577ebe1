"""Scan, duplicates and leaks on a few tiny pictures: what stays, what is refused, what is listed once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.pipeline.duplicates import find_duplicates
from chaffinch.pipeline.leak_report import report_leaks
from chaffinch.pipeline.leaks import scan_pair
from chaffinch.pipeline.scan import ScanReport, SourceSpec, scan
from chaffinch.settings import LeakSettings, ScanSettings
from chaffinch.storage.export import export_table, read_exported

SavePictures = Callable[[Path, dict[str, int]], None]

FAST = LeakSettings(methods=("exact", "perceptual"))


@pytest.fixture
def data(tmp_path: Path, save_pictures: SavePictures) -> Path:
    """Two classes in train and val; val/cat/9.bmp is train/cat/1.bmp, train/dog/9.bmp is train/dog/3.bmp."""
    names = {"train/cat/1.bmp": 1, "train/cat/2.bmp": 2, "train/dog/3.bmp": 3, "train/dog/4.bmp": 4}
    names |= {"val/cat/5.bmp": 5, "val/cat/9.bmp": 1, "train/dog/9.bmp": 3}
    save_pictures(tmp_path / "data", names)
    return tmp_path / "data"


def scanned(data: Path, workspace: Path) -> ScanReport:
    return scan(workspace, SourceSpec(locations=(str(data),)))


def pairs(workspace: Path) -> list[tuple[str, str, str]]:
    rows = read_exported(workspace, "pairs").to_pylist()
    return sorted((row["method"], row["key_a"], row["key_b"]) for row in rows)


def test_scan__notices_a_file_replaced_under_the_same_size_and_time(
    data: Path, tmp_path: Path, save_pictures: SavePictures
) -> None:
    scanned(data, tmp_path / "ws")
    path = data / "train/cat/2.bmp"
    before = path.stat()
    save_pictures(data, {"new.bmp": 77})
    os.utime(data / "new.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    (data / "new.bmp").replace(path)
    assert path.stat().st_size == before.st_size
    assert scanned(data, tmp_path / "ws").n_changed == 1


def test_scan__keeps_findings_that_still_hold(data: Path, tmp_path: Path) -> None:
    (data / "train/cat/dangling.jpg").symlink_to(data / "nowhere.jpg")
    scanned(data, tmp_path / "ws")
    find_duplicates(tmp_path / "ws", settings=FAST)
    found = pairs(tmp_path / "ws")
    again = scanned(data, tmp_path / "ws")
    assert (again.n_measured, again.has_dropped_findings) == (1, False)
    assert pairs(tmp_path / "ws") == found != []


def test_scan__drops_findings_that_do_not_hold_any_more_and_says_so(
    data: Path, tmp_path: Path, save_pictures: SavePictures
) -> None:
    scanned(data, tmp_path / "ws")
    find_duplicates(tmp_path / "ws", settings=FAST)
    save_pictures(data, {"train/dog/9.bmp": 78})
    assert scanned(data, tmp_path / "ws").has_dropped_findings
    assert pairs(tmp_path / "ws") == []


def test_pairs__are_listed_once_where_two_steps_found_them(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    find_duplicates(tmp_path / "ws", settings=FAST)
    report_leaks(tmp_path / "ws", ("train", "val"), settings=FAST)
    expected = [
        (method, *keys)
        for method in ("exact", "perceptual")
        for keys in (("train/cat/1.bmp", "val/cat/9.bmp"), ("train/dog/3.bmp", "train/dog/9.bmp"))
    ]
    assert pairs(tmp_path / "ws") == expected


def test_samples__hashes_survive_pandas_beside_a_broken_image(data: Path, tmp_path: Path) -> None:
    (data / "train/cat/broken.jpg").write_text("no image")
    scanned(data, tmp_path / "ws")
    export_table(tmp_path / "ws", "samples", tmp_path / "samples.parquet")
    frame = pd.read_parquet(tmp_path / "samples.parquet")
    expected = read_exported(tmp_path / "ws", "samples").column("phash").to_pylist()
    assert frame["phash"].dtype == "UInt64"
    assert [None if value is pd.NA else int(value) for value in frame["phash"]] == expected
    assert None in expected


@pytest.mark.parametrize(("train", "test"), [("train", "train"), ("", "val"), ("train", "train/cat")])
def test_scan_pair__one_place_on_both_sides_is_refused(
    data: Path, tmp_path: Path, train: str, test: str
) -> None:
    with pytest.raises(UsageError, match=r"same place|lies in"):
        scan_pair(tmp_path / "ws", str(data / train), str(data / test), dataset=None, settings=ScanSettings())
    assert not (tmp_path / "ws").exists()


def test_scan_pair__takes_a_workspace_that_was_scanned_from_the_folder_above(
    data: Path, tmp_path: Path, save_pictures: SavePictures
) -> None:
    save_pictures(data, {"test/cat/6.bmp": 6})
    scanned(data, tmp_path / "ws")
    places = (str(data / "train"), str(data / "val"))
    assert scan_pair(tmp_path / "ws", *places, dataset=None, settings=ScanSettings()) == ("train", "val")
    outcomes = read_exported(tmp_path / "ws", "samples").column("outcome").to_pylist()
    assert set(outcomes) == {"ok"}


def test_scan_pair__follows_splits_that_were_moved(data: Path, tmp_path: Path) -> None:
    places = (str(data / "train"), str(data / "val"))
    scan_pair(tmp_path / "ws", *places, dataset=None, settings=ScanSettings())
    data.rename(tmp_path / "moved")
    moved = (str(tmp_path / "moved/train"), str(tmp_path / "moved/val"))
    scan_pair(tmp_path / "ws", *moved, dataset=None, settings=ScanSettings())
    rows = read_exported(tmp_path / "ws", "samples").to_pylist()
    assert {row["outcome"] for row in rows} == {"ok"}
    assert all(row["image_path"].startswith(str(tmp_path / "moved")) for row in rows)


def test_scan_pair__does_not_let_another_split_vanish(
    data: Path, tmp_path: Path, save_pictures: SavePictures
) -> None:
    save_pictures(data, {"test/cat/6.bmp": 6})
    scanned(data, tmp_path / "ws")
    shutil.copytree(data, tmp_path / "copy")
    places = (str(tmp_path / "copy/train"), str(tmp_path / "copy/val"))
    with pytest.raises(WorkspaceError, match="holds the splits"):
        scan_pair(tmp_path / "ws", *places, dataset=None, settings=ScanSettings())


def test_report_leaks__counts_only_images_that_are_there(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    (data / "val/cat/9.bmp").unlink()
    scanned(data, tmp_path / "ws")
    summary = report_leaks(tmp_path / "ws", ("train", "val"), settings=FAST).summary
    assert (summary.test.n_images, summary.test.outcomes) == (1, {"ok": 1, "missing": 1})
    assert not summary.has_leaks


def test_report_leaks__says_when_nothing_was_compared(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    semantic = LeakSettings(methods=("semantic",))
    assert not report_leaks(tmp_path / "ws", ("train", "val"), settings=semantic).was_compared
    assert report_leaks(tmp_path / "ws", ("train", "val"), settings=FAST).was_compared


def manifest(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [f"{image},{split},,none" for image, split in rows]
    path.write_text("\n".join(["image_path,split,user_tags,user_action", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("cat/9.bmp", "val"), "cat/9.bmp"),
        (("/old/place/val/cat/9.bmp", ""), "/old/place/val/cat/9.bmp"),
        (("/old/place/val/gone_class/9.bmp", "val"), None),
        (("elsewhere/test/cat/9.bmp", "test"), None),
    ],
)
def test_report_leaks__spells_only_what_the_manifest_really_names(
    data: Path, tmp_path: Path, row: tuple[str, str], expected: str | None
) -> None:
    scanned(data, tmp_path / "ws")
    named = manifest(tmp_path / "manifest.csv", [row])
    report = report_leaks(tmp_path / "ws", ("train", "val"), settings=FAST, manifest=named)
    assert report.leaking_test_images == {expected or f"{data}/val/cat/9.bmp"}


def test_report_leaks__one_spelling_for_two_splits_is_not_taken(data: Path, tmp_path: Path) -> None:
    shutil.move(data / "val/cat/9.bmp", data / "val/cat/1.bmp")
    scanned(data, tmp_path / "ws")
    named = manifest(tmp_path / "manifest.csv", [("cat/1.bmp", "train"), ("cat/1.bmp", "val")])
    report = report_leaks(tmp_path / "ws", ("train", "val"), settings=FAST, manifest=named)
    assert report.leaking_test_images == {f"{data}/val/cat/1.bmp"}
    assert any("could mean several" in note for note in report.summary.notes)


def test_scan__killed_while_it_forgets_another_scan_never_mixes_the_two(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_pictures: SavePictures
) -> None:
    other = tmp_path / "other"
    for number in range(7):
        save_pictures(other, {f"bird/{number}.bmp": 100 + number})

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("chaffinch.pipeline.scan._publish", killed)
        scanned(other, tmp_path / "ws")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("chaffinch.storage.shards.pending_plans", killed)
        scanned(data, tmp_path / "ws")
    scanned(data, tmp_path / "ws")
    scanned(data, tmp_path / "fresh")
    columns = ["key", "bytes_digest"]
    got = read_exported(tmp_path / "ws", "samples").select(columns).to_pylist()
    expected = read_exported(tmp_path / "fresh", "samples").select(columns).to_pylist()
    by_key = {row["key"]: row["bytes_digest"] for row in got}
    assert {row["key"]: by_key[row["key"]] for row in expected} == {
        r["key"]: r["bytes_digest"] for r in expected
    }
