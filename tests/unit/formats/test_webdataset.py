"""Tar shards: samples, labels, splits by name, repeated names, cut-off and compressed archives."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pytest

from chaffinch.errors import SourceError
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.records import SampleRef


def write_tar(
    path: Path, members: Sequence[tuple[str, bytes]], *, tar_format: int = tarfile.GNU_FORMAT
) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tar_format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def keys(refs: Sequence[SampleRef]) -> list[tuple[str, str, str | None]]:
    return [(ref.split, ref.rel_path, ref.given_label) for ref in refs]


def test_refs__labels_from_the_files_beside_an_image(tmp_path: Path) -> None:
    location = write_tar(
        tmp_path / "shard.tar",
        [
            ("0.jpg", b"a"),
            ("0.cls", b"3\n"),
            ("1.json", b'{"label": 7, "caption": "x"}'),
            ("1.png", b"bb"),
            ("2.jpg", b"c"),
            ("2.txt", b"finch"),
            ("3.jpg", b"d"),
            ("3.json", b'{"caption": "x"}'),
            ("3.txt", b"a bird on a branch"),
            ("4.jpg", b"e"),
            ("4.json", b"{cut"),
            ("5.left.jpg", b"f"),
            ("5.right.jpg", b"g"),
            ("5.cls", b"9"),
            ("6.jpg", b"h"),
            ("6.npy", b"z"),
        ],
    )
    source = open_source(location)
    refs = list(source.refs())
    assert keys(refs) == [
        ("all", "0.jpg", "3"),
        ("all", "1.png", "7"),
        ("all", "2.jpg", "finch"),
        ("all", "3.jpg", None),
        ("all", "4.jpg", None),
        ("all", "5.left.jpg", "9"),
        ("all", "5.right.jpg", "9"),
        ("all", "6.jpg", None),
    ]
    assert [f.data for f in fetch(refs)] == [b"a", b"bb", b"c", b"d", b"e", b"f", b"g", b"h"]
    assert [ref.size_bytes for ref in refs] == [1, 2, 1, 1, 1, 1, 1, 1]
    assert refs[0].image_path == f"{location}/0.jpg"
    assert source.ignored == {"not an image": 1, "label that cannot be read": 1}
    assert source.examples["label that cannot be read"] == f"{location}/4.json"


def test_refs__a_packed_image_folder_keeps_splits_and_labels(tmp_path: Path) -> None:
    names = ["./train/cat/1.jpg", "./val/cat/1.jpg", "./readme.md", "./.h/1.jpg", "./x/1.jpg"]
    location = write_tar(tmp_path / "birds.tar", [(name, name.encode()) for name in names])
    source = open_source(location)
    refs = list(source.refs())
    assert source.dataset == "birds"
    assert keys(refs) == [("train", "cat/1.jpg", "cat"), ("val", "cat/1.jpg", "cat"), ("all", "x/1.jpg", "x")]
    assert [f.data for f in fetch(refs)] == [names[0].encode(), names[1].encode(), names[4].encode()]
    assert source.ignored == {"not an image": 1, "hidden": 1}


def test_refs__folder_of_shards(tmp_path: Path) -> None:
    for name in ("val-0000", "train-0001", "train-0000"):
        write_tar(tmp_path / "wds" / f"{name}.tar", [(f"{name}.jpg", name.encode()), (f"{name}.cls", b"1")])
    source = open_source(f"{tmp_path}/wds")
    refs = list(source.refs())
    assert source.dataset == "wds"
    assert keys(refs) == [
        ("train", "train-0000.jpg", "1"),
        ("train", "train-0001.jpg", "1"),
        ("val", "val-0000.jpg", "1"),
    ]
    assert [f.data for f in fetch(refs)] == [b"train-0000", b"train-0001", b"val-0000"]
    split = open_source((), splits={"val": f"{tmp_path}/wds"})
    assert keys(list(split.refs())) == [("val", "val-0000.jpg", "1")]
    with pytest.raises(SourceError, match="splits train, val, none of them 'test'"):
        open_source((), splits={"test": f"{tmp_path}/wds"})


def test_refs__folders_of_shards_are_splits(tmp_path: Path) -> None:
    for name in ("test/0", "train/0"):
        write_tar(tmp_path / f"{name}.tar", [("a.jpg", b"x")])
    assert keys(list(open_source(str(tmp_path)).refs())) == [
        ("train", "a.jpg", None),
        ("test", "a.jpg", None),
    ]


@pytest.mark.parametrize("pattern", ["s-{000..002}.tar", "s-{000,001,002}.tar", "s-*.tar", "s-00[0-2].tar"])
def test_refs__patterns(pattern: str, tmp_path: Path) -> None:
    for n in range(3):
        write_tar(tmp_path / "wds" / f"s-{n:03}.tar", [(f"{n}.jpg", b"x")])
    source = open_source(f"{tmp_path}/wds/{pattern}")
    assert source.dataset == "wds"
    assert [ref.rel_path for ref in source.refs()] == ["0.jpg", "1.jpg", "2.jpg"]


def test_open__missing_shard_of_a_pattern_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "s-0.tar", [("0.jpg", b"x")])
    with pytest.raises(SourceError, match=r"s-1\.tar: is not there"):
        open_source(f"{tmp_path}/s-{{0..1}}.tar")
    with pytest.raises(SourceError, match="matches no file"):
        open_source(f"{tmp_path}/t-*.tar")


def test_refs__a_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    location = write_tar(tmp_path / "s[0]{1}.tar", [("0.jpg", b"x")])
    assert [f.data for f in fetch(list(open_source(location).refs()))] == [b"x"]


def test_refs__repeated_names_lose_nothing(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("0.jpg", b"1"), ("0.jpg", b"2"), ("1.jpg", b"3")])
    write_tar(tmp_path / "b.tar", [("0.jpg", b"4"), ("0.jpg", b"5")])
    refs = list(open_source(str(tmp_path)).refs())
    assert [ref.rel_path for ref in refs] == ["0.jpg", "a.tar/0.jpg", "1.jpg", "b.tar/0.jpg", "b.tar~2/0.jpg"]
    assert [f.data for f in fetch(refs)] == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_refs__odd_names(tar_format: int, tmp_path: Path) -> None:
    names = [
        "long/" * 60 + "a.jpg",
        "a b,c.jpg",
        'q".jpg',
        "new\nline.jpg",
        "猫.jpg",
        "latin\udce9.jpg",
        "#1.jpg",
        "b\\s.jpg",
        "../up.jpg",
        "/abs.jpg",
    ]
    members = [(name, str(n).encode()) for n, name in enumerate(names)]
    refs = list(open_source(write_tar(tmp_path / "a.tar", members, tar_format=tar_format)).refs())
    assert [f.data for f in fetch(refs)] == [data for _, data in members]
    assert [ref.rel_path for ref in refs][3:] == [
        "new\nline.jpg",
        "猫.jpg",
        "latin\\xe9.jpg",
        "#1.jpg",
        "b\\s.jpg",
        "\\x2e\\x2e/up.jpg",
        "abs.jpg",
    ]


def test_refs__links_and_devices_are_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (
            ("l.jpg", tarfile.SYMTYPE),
            ("h.jpg", tarfile.LNKTYPE),
            ("p.jpg", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a.jpg"
            tar.addfile(info)
        folder = tarfile.TarInfo("folder.jpg")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    source = open_source(f"{tmp_path}/a.tar")
    assert list(source.refs()) == []
    assert source.ignored == {"link inside an archive": 2, "not a regular file": 1}


def test_refs__cut_off_shard_keeps_what_is_whole(tmp_path: Path) -> None:
    location = write_tar(tmp_path / "a.tar", [("0.jpg", b"x" * 600), ("1.jpg", b"y" * 600), ("2.jpg", b"z")])
    with open(location, "r+b") as file:
        file.truncate(512 + 1024 + 512 + 100)
    source = open_source(location)
    found = list(fetch(list(source.refs())))
    assert [(f.ref.rel_path, f.outcome) for f in found] == [("0.jpg", "ok"), ("1.jpg", "broken")]
    assert source.ignored == {"archive cut off here": 1}


def test_open__compressed_tar_is_refused_with_a_hint(tmp_path: Path) -> None:
    raw = Path(write_tar(tmp_path / "a.tar", [("0.jpg", b"x")])).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(raw))
    with pytest.raises(SourceError, match="compressed tar") as caught:
        open_source(f"{tmp_path}/a.tar.gz")
    assert "gunzip" in caught.value.hint
    (tmp_path / "b.tar").write_bytes(gzip.compress(raw))
    with pytest.raises(SourceError, match="not an uncompressed tar"):
        list(open_source(f"{tmp_path}/b.tar").refs())


def test_refs__stamp_changes_with_the_shard(tmp_path: Path) -> None:
    location = write_tar(tmp_path / "a.tar", [("0.jpg", b"x")])
    (before,) = open_source(location).refs()
    os.utime(location, ns=(1, 1))
    (after,) = open_source(location).refs()
    assert before.stamp != after.stamp
    assert before.member == after.member == "tar:512+1"


def test_refs__remote_shards(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    for n in range(2):
        location = write_tar(tmp_path / f"{n}.tar", [(f"{n}.jpg", b"%d" % n), (f"{n}.cls", b"c")])
        fs.pipe_file(f"/wds/train-{n}.tar", Path(location).read_bytes())
    for place in ("memory://wds", "memory://wds/train-{0..1}.tar", "memory://wds/*.tar"):
        refs = list(open_source(place).refs())
        assert keys(refs) == [("train", "0.jpg", "c"), ("train", "1.jpg", "c")]
        assert [f.data for f in fetch(refs)] == [b"0", b"1"]
    fs.rm("/wds", recursive=True)
