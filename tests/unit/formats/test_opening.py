"""Opening: the kind by what lies there, names, several sources, hints where nothing fits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from chaffinch.errors import IdentityError, SourceError, UsageError
from chaffinch.formats.opening import open_source, open_splits
from chaffinch.formats.source import Source


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def keys(source: Source) -> list[str]:
    return [f"{ref.split}/{ref.rel_path}" for ref in source.refs()]


def test_open__nothing_there_suggests_a_neighbour(tmp_path: Path) -> None:
    put(tmp_path, "imagenet/a.jpg")
    with pytest.raises(SourceError, match="is not there") as caught:
        open_source(f"{tmp_path}/imagnet")
    assert caught.value.hint == f"did you mean '{tmp_path}/imagenet'?"


def test_open__folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    put(tmp_path, "a/b.npy", "a/c.npy")
    with pytest.raises(SourceError, match=r"holds no image \(2 x not an image, such as .*/a/b\.npy\)"):
        open_source(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: holds no image\n"):
        open_source(f"{tmp_path}/empty")


@pytest.mark.parametrize("name", ["a.jpg", "a.npz", "noending"])
def test_open__a_file_that_is_no_dataset(name: str, tmp_path: Path) -> None:
    put(tmp_path, name)
    with pytest.raises(SourceError, match="is no dataset"):
        open_source(f"{tmp_path}/{name}")


def test_open__a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        open_source(f"{tmp_path}/a.zip")


def test_open__images_count_before_the_archives_beside_them(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg", "images.tar")
    source = open_source(str(tmp_path))
    assert keys(source) == ["train/cat/1.jpg", "val/cat/2.jpg"]
    assert source.ignored == {"not an image": 1}


@pytest.mark.parametrize(
    ("location", "dataset", "expected"),
    [
        ("{tmp}/ImageNet 1K/", None, "imagenet_1k"),
        ("{tmp}/ImageNet 1K", "My Birds", "my_birds"),
        ("{tmp}/ImageNet 1K/cat/..", None, "imagenet_1k"),
        ("{tmp}/set/data", None, "set"),
    ],
)
def test_open__dataset_name(location: str, dataset: str | None, expected: str, tmp_path: Path) -> None:
    put(tmp_path, "ImageNet 1K/cat/a.jpg", "set/data/a.jpg")
    assert open_source(location.format(tmp=tmp_path), dataset=dataset).dataset == expected


def test_open__current_folder_is_named_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "birds/a.jpg")
    monkeypatch.chdir(tmp_path / "birds")
    assert open_source(".").dataset == "birds"


def test_open_splits__in_the_usual_order(tmp_path: Path) -> None:
    put(tmp_path, "set/b/cat/1.jpg", "set/b/x.txt", "set/a/train/1.jpg", "set/a/val/x.md", "set/c/1.jpg")
    splits = {"extra": f"{tmp_path}/set/c", "test": f"{tmp_path}/set/b", "train": f"{tmp_path}/set/a"}
    source = open_splits(splits)
    for _ in range(2):
        assert keys(source) == ["train/train/1.jpg", "test/cat/1.jpg", "extra/1.jpg"]
        assert source.ignored == {"not an image": 2}
        assert source.examples == {"not an image": f"{tmp_path}/set/a/val/x.md"}
    assert source.dataset == "set"
    assert source.classes() == []
    assert list(source.objects()) == []


def test_open_splits__impossible_name(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(IdentityError, match="cannot name a split"):
        open_splits({"a/b": str(tmp_path)})


def test_open_splits__home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "pics/a.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    (ref,) = open_splits({"train": "~/pics"}).refs()
    assert ref.image_path == f"{tmp_path}/pics/a.jpg"


@pytest.mark.parametrize(
    "splits",
    [{"train": "a", "val": "b"}, {"train": "{tmp}/set/a", "val": "b"}, {"val": "set/b", "train": "a"}],
)
def test_open__splits_below_the_source(
    splits: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "set/a/1.jpg", "set/b/1.jpg")
    monkeypatch.chdir(tmp_path)
    found = {name: place.format(tmp=tmp_path) for name, place in splits.items()}
    assert keys(open_source("set", splits=found)) == ["train/1.jpg", "val/1.jpg"]


def test_open__split_outside_the_source_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    with pytest.raises(UsageError, match="does not lie in"):
        open_source(f"{tmp_path}/a", splits={"test": f"{tmp_path}/b"})
    with pytest.raises(UsageError, match="one source at most"):
        open_source([f"{tmp_path}/a", f"{tmp_path}/b"], splits={"test": f"{tmp_path}/b"})
    with pytest.raises(UsageError, match="no source"):
        open_source([])


def test_open__several_sources(tmp_path: Path) -> None:
    put(tmp_path, "x/train/cat/1.jpg", "x/val/cat/1.jpg", "y/cat/1.jpg", "z/y/1.jpg")
    source = open_source([f"{tmp_path}/x", f"{tmp_path}/y"])
    assert keys(source) == ["train/x/cat/1.jpg", "val/x/cat/1.jpg", "all/y/cat/1.jpg"]
    assert [ref.given_label for ref in source.refs()] == ["cat"] * 3
    assert keys(open_source([f"{tmp_path}/x/val", f"{tmp_path}/x/train/"])) == [
        "train/cat/1.jpg",
        "val/cat/1.jpg",
    ]
    with pytest.raises(UsageError, match="same name"):
        open_source([f"{tmp_path}/y", f"{tmp_path}/z/y"])


def test_open__import_stays_light() -> None:
    import subprocess
    import sys

    code = "import sys, chaffinch.formats.opening; print({'pyarrow', 'fsspec', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
