"""Scans of a dataset that changed since: moved files, other folders, other settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from chaffinch.curate.events import Saying
from chaffinch.curate.tagging import plan_tagging
from chaffinch.errors import UsageError
from chaffinch.pipeline.columns import sides_fingerprint
from chaffinch.pipeline.duplicates import find_duplicates
from chaffinch.pipeline.leaks import scan_pair
from chaffinch.pipeline.linking import SampleIndex
from chaffinch.pipeline.release_plan import ReleaseSettings, plan_release
from chaffinch.pipeline.scan import ScanReport, SourceSpec, scan
from chaffinch.settings import LeakSettings, MeasureSettings, ScanSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder


def picture(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    blocks.resize((48, 40), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Row-numbered files of two classes in train."""
    for number in range(4):
        picture(tmp_path / f"data/train/{number // 2}/{number}.bmp", number)
    return tmp_path / "data"


def scanned(data: Path, workspace: Path) -> ScanReport:
    return scan(workspace, SourceSpec(locations=(str(data),)))


def test_image_id__of_a_moved_file_means_the_file_that_is_there(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    (data / "train/0/1.bmp").rename(data / "train/1/1.bmp")
    scanned(data, tmp_path / "ws")
    plan = plan_tagging(tmp_path / "ws", Saying((), (), "remove"), reviewer="Ana", names=["1"])
    assert [sample.key for sample in plan.selected] == ["train/1/1.bmp"]
    folder = WorkspaceFolder(tmp_path / "ws")
    linked = SampleIndex(folder, folder.published()).link_rows(["1", "2"], [None, None], [None, None])
    keys = folder.read(folder.published(), "samples").column("key").to_pylist()
    assert [keys[sample] for sample in linked] == ["train/1/1.bmp", "train/1/2.bmp"]


def test_image_id__of_a_file_that_is_gone_still_names_it(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    (data / "train/1/3.bmp").unlink()
    scanned(data, tmp_path / "ws")
    plan = plan_tagging(tmp_path / "ws", Saying((), (), "remove"), reviewer="Ana", names=["3"])
    assert [sample.key for sample in plan.selected] == ["train/1/3.bmp"]


def test_source__means_the_same_from_another_working_directory(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scan(Path("ws"), SourceSpec(locations=("data",)))
    scan(Path("ws2"), SourceSpec(locations=("data",), splits={"train": "train", "test": "./data/train/0"}))
    monkeypatch.chdir(data)
    source = WorkspaceFolder(tmp_path / "ws").published().source
    assert source == {"dataset": None, "locations": [str(data)], "splits": {}, "images": None}
    source = WorkspaceFolder(tmp_path / "ws2").published().source
    assert source["splits"] == {"train": f"{data}/train", "test": f"{data}/train/0"}
    with pytest.raises(UsageError, match="source is never written to"):
        plan_release(tmp_path / "ws", data / "train/out", ReleaseSettings())


@pytest.mark.parametrize("place", ["", "data/", "./data/"])
def test_scan_pair__spells_images_as_the_folders_are_typed_now(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    picture(data / "val/0/4.bmp", 4)
    scanned(data, tmp_path / "ws")
    monkeypatch.chdir(tmp_path if place else data)
    scan_pair(tmp_path / "ws", f"{place}train/", f"{place}val", dataset=None, settings=ScanSettings())
    folder = WorkspaceFolder(tmp_path / "ws")
    paths = folder.read(folder.published(), "samples").column("image_path").to_pylist()
    assert paths[0] == f"{place or './'}train/0/0.bmp"


@pytest.mark.parametrize(
    ("measure", "is_kept"),
    [
        (MeasureSettings(version=99), False),
        (MeasureSettings(level="hashes"), True),
        (MeasureSettings(), True),
    ],
)
def test_scan__drops_findings_whose_measurements_mean_something_else_now(
    data: Path, tmp_path: Path, measure: MeasureSettings, is_kept: bool
) -> None:
    scanned(data, tmp_path / "ws")
    find_duplicates(tmp_path / "ws", settings=LeakSettings(methods=("exact",)))
    spec, settings = SourceSpec(locations=(str(data),)), ScanSettings(measure=measure, rescan=True)
    assert scan(tmp_path / "ws", spec, settings=settings).has_dropped_findings is not is_kept


def test_scan__takes_a_new_name_of_the_dataset_and_keeps_it(data: Path, tmp_path: Path) -> None:
    scanned(data, tmp_path / "ws")
    spec = SourceSpec(locations=(str(data),), dataset="Pets")
    assert (scan(tmp_path / "ws", spec).dataset, scan(tmp_path / "ws", spec).n_measured) == ("pets", 0)
    picture(data / "train/1/4.bmp", 4)
    assert scanned(data, tmp_path / "ws").dataset == "pets"


def test_scan__shards_of_other_settings_are_not_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("chaffinch.pipeline.scan._publish", killed)
        scanned(data, tmp_path / "ws")
    settings = ScanSettings(measure=MeasureSettings(level="hashes"))
    assert scan(tmp_path / "ws", SourceSpec(locations=(str(data),)), settings=settings).n_measured == 4
    assert micros(tmp_path / "ws") == [False] * 4


def test_scan__measures_again_for_more_and_not_for_less(data: Path, tmp_path: Path) -> None:
    spec, hashes = SourceSpec(locations=(str(data),)), ScanSettings(measure=MeasureSettings(level="hashes"))
    assert scan(tmp_path / "ws", spec, settings=hashes).n_measured == 4
    assert scan(tmp_path / "ws", spec).n_measured == 4
    assert scan(tmp_path / "ws", spec, settings=hashes).n_measured == 0
    assert micros(tmp_path / "ws") == [True] * 4


def micros(workspace: Path) -> list[bool]:
    folder = WorkspaceFolder(workspace)
    table = folder.read(folder.published(), "samples", columns=["micro"])
    return [micro is not None for micro in table.column(0).to_pylist()]


@pytest.mark.parametrize("what", ["box", "class"])
def test_scan__takes_boxes_and_classes_that_alone_have_changed(data: Path, tmp_path: Path, what: str) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "0.bmp", "width": 48, "height": 40}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
    }
    listed, images = tmp_path / "boxes.json", str(data / "train/0")
    spec = SourceSpec(locations=(str(listed),), images=images)
    listed.write_text(json.dumps(coco))
    scan(tmp_path / "ws", spec)
    if what == "box":
        coco["annotations"][0]["bbox"] = [1, 2, 3, 9]
    else:
        coco["categories"][1]["name"] = "fox"
    listed.write_text(json.dumps(coco))
    assert scan(tmp_path / "ws", spec).n_measured == 0
    folder = WorkspaceFolder(tmp_path / "ws")
    (box,) = folder.read(folder.published(), "objects").to_pylist()
    names = folder.read(folder.published(), "classes").column("name").to_pylist()
    assert (box["height"], names) == ((9.0, ["cat", "dog"]) if what == "box" else (4.0, ["cat", "fox"]))


@pytest.mark.parametrize("column", ["key", "outcome", "bytes_digest", "given_label"])
def test_sides_fingerprint__follows_every_fact_of_both_sides_alone(tmp_path: Path, column: str) -> None:
    columns = ["split", "key", "outcome", "bytes_digest", "given_label"]
    schema = pa.schema([pa.field(name, pa.string()) for name in columns])

    def fingerprint(*changed: int) -> str:
        rows = [dict.fromkeys(columns, "x") | {"split": split} for split in ("train", "val", "test")]
        for row in changed:
            rows[row][column] = "y"
        folder = WorkspaceFolder(tmp_path)
        table = pa.Table.from_pylist(rows, schema=schema)
        name = folder.write_table(Generation(), "samples", [table], schema=schema)
        return sides_fingerprint(folder, Generation(tables={"samples": [name]}), ("train", "val"))

    assert fingerprint() == fingerprint(2)
    assert len({fingerprint(), fingerprint(0), fingerprint(1), fingerprint(0, 1)}) == 4
