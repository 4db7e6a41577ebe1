"""Forms of a cleaned copy besides folders: Hugging Face shards and lists of files, of any source."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.apply import hf_shards
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.storage.export import read_exported

NAMES = {
    "train/cat/a.png": 1,
    "train/cat/b.png": 2,
    "train/cat/c.png": 3,
    "train/dog/a.png": 4,
    "val/cat/v.png": 1,
    "val/dog/y.png": 7,
}
"""val/cat/v = train/cat/a."""


@pytest.fixture
def source(tmp_path: Path, save_pictures: Callable[..., None]) -> Path:
    save_pictures(tmp_path / "birds", NAMES)
    return tmp_path / "birds"


def scanned(source: Path, workspace: Path) -> dict[str, dict[str, Any]]:
    scan(workspace, SourceSpec(locations=(str(source),)))
    return {row["key"]: row for row in read_exported(workspace, "samples").to_pylist()}


def packed(kind: str, source: Path, target: Path) -> Path:
    """Return a dataset of another kind with the same pictures and labels."""
    data = {name: (source / name).read_bytes() for name in NAMES}
    if kind == "zip":
        with zipfile.ZipFile(target / "birds.zip", "w") as archive:
            for name in NAMES:
                archive.writestr(name, data[name])
        return target / "birds.zip"
    if kind == "tar":
        with tarfile.open(target / "birds.tar", "w") as tar:
            for name in NAMES:
                info = tarfile.TarInfo(name)
                info.size = len(data[name])
                tar.addfile(info, io.BytesIO(data[name]))
        return target / "birds.tar"
    if kind == "list":
        rows = "".join(f"{source / n},{n.split('/')[1]},{n.split('/')[0]}\n" for n in NAMES)
        (target / "birds.csv").write_text(f"path,label,split\n{rows}")
        return target / "birds.csv"
    if kind == "coco":
        images = [{"id": 10 + i, "file_name": n} for i, n in enumerate(NAMES)]
        text = json.dumps({"images": images, "annotations": [], "categories": []})
        (source / "birds.json").write_text(text)
        return source / "birds.json"
    (target / "birds").mkdir()
    for split in ("train", "val"):
        own = [n for n in NAMES if n.startswith(split)]
        image = pa.array([{"bytes": data[n], "path": n} for n in own])
        label = pa.array([("cat", "dog").index(n.split("/")[1]) for n in own])
        pq.write_table(
            pa.table({"image": image, "label": label}), target / "birds" / f"{split}-00000-of-00001.parquet"
        )
    return target / "birds"


def rows_of(release: Path) -> dict[str, dict[str, Any]]:
    shards = sorted((release / "data").glob("*.parquet"))
    return {row["key"]: row for shard in shards for row in pq.read_table(shard).to_pylist()}


def test_apply__hf_shards_hold_the_very_bytes_and_are_scanned_again(
    source: Path, tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    shell = shell_for(tmp_path / "ws")
    shell("scan", source)
    shell("leaks", "--between", "train", "val", "--methods", "exact")
    shell("tag", "--ids", "train/cat/c.png", "--action", "relabel", "--new-label", "dog", "--reviewer", "An")
    shell("policy", "apply")
    shell("apply", "--to", tmp_path / "out", "--as", "hf")
    rows = rows_of(tmp_path / "out")
    assert set(rows) == set(NAMES) - {"val/cat/v.png"}
    assert {key: row["image"]["bytes"] for key, row in rows.items()} == {
        key: (source / key).read_bytes() for key in rows
    }
    assert {key: row["label"] for key, row in rows.items()} == {
        "train/cat/a.png": 0,
        "train/cat/b.png": 0,
        "train/cat/c.png": 1,
        "train/dog/a.png": 1,
        "val/dog/y.png": 1,
    }
    assert rows["val/dog/y.png"]["image_id"] == "dog/y.png"
    assert not (tmp_path / "out" / "images").exists()

    again = scanned(tmp_path / "out" / "data", tmp_path / "again")
    before = scanned(source, tmp_path / "fresh")
    digests = {row["bytes_digest"] for key, row in before.items() if key in rows}
    assert {row["bytes_digest"] for row in again.values()} == digests
    assert {key: row["given_label"] for key, row in again.items()} == {
        "train/0": "0",
        "train/1": "0",
        "train/2": "1",
        "train/3": "1",
        "val/0": "1",
    }
    classes = read_exported(tmp_path / "again", "classes").to_pylist()
    assert [row["name"] for row in classes] == ["cat", "dog"]
    check = subprocess.run(["sha256sum", "--quiet", "-c", "checksums.txt"], cwd=tmp_path / "out", check=False)
    assert check.returncode == 0


@pytest.mark.parametrize("kind", ["zip", "tar", "list", "coco", "parquet"])
def test_apply__hf_takes_any_source(
    kind: str, source: Path, tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    (tmp_path / "packed").mkdir()
    place = packed(kind, source, tmp_path / "packed")
    shell = shell_for(tmp_path / "ws")
    shell("scan", place)
    shell("apply", "--to", tmp_path / "out", "--as", "hf")
    rows = rows_of(tmp_path / "out")
    assert sorted(row["image"]["bytes"] for row in rows.values()) == sorted(
        (source / name).read_bytes() for name in NAMES
    )
    first = next(iter(rows.values()))
    assert ("label" in first) == (kind != "coco")
    if kind != "coco":
        assert sorted(row["label"] for row in rows.values()) == [0, 0, 0, 0, 1, 1]


def test_apply__hf_cuts_shards_and_row_groups(
    source: Path, tmp_path: Path, shell_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf_shards, "GROUP_ROWS", 2)
    monkeypatch.setattr(hf_shards, "SHARD_BYTES", 1)
    shell = shell_for(tmp_path / "ws")
    shell("scan", source)
    shell("apply", "--to", tmp_path / "out", "--as", "hf")
    assert [path.name for path in sorted((tmp_path / "out" / "data").iterdir())] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
        "val-00000-of-00001.parquet",
    ]
    again = scanned(tmp_path / "out" / "data", tmp_path / "again")
    assert sorted(again) == [*(f"train/{i}" for i in range(4)), "val/0", "val/1"]


def test_apply__hf_is_what_datasets_reads(
    source: Path, tmp_path: Path, shell_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    shell = shell_for(tmp_path / "ws")
    shell("scan", source)
    shell("apply", "--to", tmp_path / "out", "--as", "lists,hf")
    for found in (
        datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")),
        datasets.load_dataset(
            "parquet",
            data_files={s: str(tmp_path / f"out/data/{s}-*.parquet") for s in ("train", "val")},
            cache_dir=str(tmp_path / "cache"),
        ),
    ):
        assert {split: len(rows) for split, rows in found.items()} == {"train": 4, "val": 2}
        assert isinstance(found["train"].features["image"], datasets.Image)
        assert found["train"].features["label"].names == ["cat", "dog"]
        row = found["train"][3]
        assert (row["label"], row["image_id"], row["image"].size) == (1, "dog/a.png", (40, 40))


def test_apply__a_list_of_files_points_at_the_source(
    source: Path, tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    shell = shell_for(tmp_path / "ws")
    shell("scan", source)
    tagged = ("--action", "remove", "--reviewer", "An")
    shell("tag", "--ids", "train/cat/a.png", *tagged)
    shell("apply", "--to", tmp_path / "out", "--as", "filelist")
    with (tmp_path / "out" / "birds_train_files.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "path": str(source / "train/cat/b.png"),
        "label": "cat",
        "image_id": "cat/b.png",
        "key": "train/cat/b.png",
    }
    assert [Path(row["path"]).name for row in rows] == ["b.png", "c.png", "a.png"]
    again = scanned(tmp_path / "out" / "birds_train_files.csv", tmp_path / "again")
    assert [row["given_label"] for row in again.values()] == ["cat", "cat", "dog"]


def test_apply__a_list_of_files_leads_into_no_archive(
    source: Path, tmp_path: Path, shell_for: Callable[..., Any]
) -> None:
    shell = shell_for(tmp_path / "ws")
    shell("scan", packed("zip", source, tmp_path))
    text = shell("apply", "--to", tmp_path / "out", "--as", "lists,filelist", status=2)
    assert "6 pictures lie in archives" in text
    assert not (tmp_path / "out").exists()
