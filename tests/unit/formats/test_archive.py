"""Zip archives: equal to Python's zipfile, the rules of folders, damaged and hostile archives."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import zipfile
from pathlib import Path

import fsspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chaffinch.errors import SourceError
from chaffinch.formats.archive import ZipSource
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.formats.zip_directory import read_directory, read_member


def write_zip(path: Path, *names: str, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, name.encode("utf-8", "surrogateescape"))
    return path


def zipped(path: Path, split: str | None = None) -> ZipSource:
    return ZipSource(str(path), dataset="d", split=split)


def keys(source: ZipSource) -> list[tuple[str, str, str | None]]:
    return [(ref.split, ref.rel_path, ref.given_label) for ref in source.refs()]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_refs__splits_and_bytes(method: int, tmp_path: Path) -> None:
    names = [
        "val/dog/2.jpg",
        "train/dog/1.png",
        "train/cat/b/1.jpg",
        "train/cat/10.jpg",
        "top.jpg",
        "a/x.txt",
    ]
    source = zipped(write_zip(tmp_path / "a.zip", *names, method=method))
    refs = list(source.refs())
    assert [(r.split, r.rel_path, r.given_label) for r in refs] == [
        ("val", "dog/2.jpg", "dog"),
        ("train", "dog/1.png", "dog"),
        ("train", "cat/b/1.jpg", "cat"),
        ("train", "cat/10.jpg", "cat"),
        ("all", "top.jpg", None),
    ]
    assert [f.data for f in fetch(refs)] == [name.encode() for name in names[:5]]
    assert [r.size_bytes for r in refs] == [len(name) for name in names[:5]]
    assert refs[0].image_path == f"{tmp_path}/a.zip/val/dog/2.jpg"
    assert refs[0].uri == f"{tmp_path}/a.zip"
    assert source.ignored == {"not an image": 1}


def test_refs__a_class_may_be_called_train(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "train/a.jpg", "bus/a.jpg")
    assert keys(zipped(path)) == [("all", "train/a.jpg", "train"), ("all", "bus/a.jpg", "bus")]
    assert keys(zipped(path, "test"))[0] == ("test", "train/a.jpg", "train")


def test_refs__names_are_only_names(tmp_path: Path) -> None:
    names = [
        "../../etc/a.jpg",
        "/abs/a.jpg",
        "./dot/a.jpg",
        "new\nline.jpg",
        'q"#,.jpg',
        "Bär/猫.jpg",
        "b\\s.jpg",
    ]
    refs = list(zipped(write_zip(tmp_path / "a.zip", *names)).refs())
    assert [r.rel_path for r in refs] == [
        "\\x2e\\x2e/\\x2e\\x2e/etc/a.jpg",
        "abs/a.jpg",
        "dot/a.jpg",
        "new\nline.jpg",
        'q"#,.jpg',
        "Bär/猫.jpg",
        "b\\s.jpg",
    ]
    assert [f.data for f in fetch(refs)] == [name.encode() for name in names]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_refs__hidden_links_and_folders(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "c/a.jpg", "__MACOSX/c/._a.jpg", "c/.h.jpg", "c/")
    link = zipfile.ZipInfo("c/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "a.jpg")
    source = zipped(path)
    assert keys(source) == [("all", "c/a.jpg", "c")]
    assert source.ignored == {"hidden": 2, "link inside an archive": 1}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refs__of_equal_names_the_last_counts(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, data in (("a.jpg", b"1"), ("b.jpg", b"2"), ("./a.jpg", b"3"), ("a.jpg", b"4")):
            archive.writestr(name, data)
    source = zipped(tmp_path / "a.zip")
    for _ in range(2):
        assert [(f.ref.rel_path, f.data) for f in fetch(list(source.refs()))] == [
            ("b.jpg", b"2"),
            ("a.jpg", b"4"),
        ]
        assert source.ignored == {"replaced by a later member of the same name": 2}


def test_refs__names_in_old_code_pages(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "AAAA.jpg", "BBBB.jpg")
    raw = path.read_bytes().replace(b"AAAA", b"\x81AAA").replace(b"BBBB", "éBB".encode())
    path.write_bytes(raw)
    assert [r.rel_path for r in zipped(path).refs()] == ["üAAA.jpg", "éBB.jpg"]


def test_refs__undecodable_name_marked_utf8(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "é猫.jpg")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xfe"))
    assert [r.rel_path for r in zipped(path).refs()] == ["\\xff\\xfe猫.jpg"]


def test_refs__stamp_changes_with_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "a.jpg")
    (before,) = zipped(path).refs()
    (same,) = zipped(path).refs()
    os.utime(path, ns=(1, 1))
    (after,) = zipped(path).refs()
    assert before == same
    assert before.stamp != after.stamp


def test_refs__behind_a_program_that_unpacks_it(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "a.jpg", "b.jpg")
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    assert [f.data for f in fetch(list(zipped(path).refs()))] == [b"a.jpg", b"b.jpg"]


def test_refs__remote(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "train/c/a.jpg", "val/c/b.jpg", method=zipfile.ZIP_DEFLATED)
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/zips/a.zip", path.read_bytes())
    refs = list(open_source("memory://zips/a.zip").refs())
    assert [(r.uri, r.image_path) for r in refs] == [
        ("memory://zips/a.zip", "memory://zips/a.zip/train/c/a.jpg"),
        ("memory://zips/a.zip", "memory://zips/a.zip/val/c/b.jpg"),
    ]
    assert [f.data for f in fetch(refs)] == [b"train/c/a.jpg", b"val/c/b.jpg"]
    fs.rm("/zips", recursive=True)


def test_fetch__encrypted_member_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    path = write_zip(tmp_path / "a.zip", "a.jpg")
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # the flag in the local header
    path.write_bytes(raw)
    (found,) = fetch(list(zipped(path).refs()))
    assert (found.outcome, found.error) == ("broken", "encrypted member of a zip")


def test_fetch__damaged_members_are_broken(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "a.jpg", "b.jpg", method=zipfile.ZIP_DEFLATED)
    refs = list(zipped(path).refs())
    raw = bytearray(path.read_bytes())
    raw[30 + 5 + 1] ^= 0xFF
    path.write_bytes(raw)
    assert [f.outcome for f in fetch(refs)] == ["broken", "ok"]
    path.write_bytes(raw[: len(raw) // 3])
    assert [f.outcome for f in fetch(refs)] == ["broken", "broken"]
    path.unlink()
    assert [f.outcome for f in fetch(refs)] == ["missing", "missing"]


def test_fetch__unsupported_method_is_broken(tmp_path: Path) -> None:
    (ref,) = zipped(write_zip(tmp_path / "a.zip", "a.jpg", method=zipfile.ZIP_LZMA)).refs()
    (found,) = fetch([ref])
    assert (found.outcome, found.error) == (
        "broken",
        "member of a zip is packed by method 14, which is not supported",
    )


@pytest.mark.parametrize("keep", [0, 10, 40, -1, -22, -30])
def test_refs__cut_off_archive_is_an_error(keep: int, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "a.jpg", "b.jpg")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"a\.zip: .*(cut off|damaged)"):
        list(zipped(path).refs())


def test_refs__damaged_directory_is_an_error(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", "a.jpg", "b.jpg")
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x09\x09"))
    with pytest.raises(SourceError, match=r"a\.zip: the directory of the zip is damaged"):
        list(zipped(path).refs())


def test_read_directory__zip64(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        with archive.open("a.jpg", "w", force_zip64=True) as member:
            member.write(b"abc")
        archive.writestr("b.jpg", b"defg")
    raw = (tmp_path / "a.zip").read_bytes()
    end = raw.rindex(b"PK\x05\x06")
    size, offset = struct.unpack_from("<2L", raw, end + 12)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    found = list(read_directory(io.BytesIO(raw[:end] + record + locator + last)))
    assert [(m.name, m.size_bytes) for m in found] == [("a.jpg", 3), ("b.jpg", 4)]


def test_read_directory__wide_fields() -> None:
    extra = struct.pack("<2H3Q", 1, 24, 7_000_000_000, 6_000_000_000, 5_000_000_000)
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 45, 45, 0, 0, 0, 0, 9, *[0xFFFFFFFF] * 2, 5, 28, 0, 0, 0, 0, 0xFFFFFFFF
    )
    directory = entry + b"a.jpg" + extra
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)
    (member,) = read_directory(io.BytesIO(directory + end))
    assert member[:5] == ("a.jpg", 5_000_000_000, 6_000_000_000, 7_000_000_000, 9)


def test_read_directory__the_zip_program_agrees(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.jpg").write_bytes(bytes(1000) + bytes([n]))
    try:
        subprocess.run(["zip", "-q", "-r", "a.zip", "."], cwd=tmp_path, check=True)
    except FileNotFoundError:
        pytest.skip("the program zip is not installed")
    found = {f.ref.rel_path: f.data for f in fetch(list(zipped(tmp_path / "a.zip").refs()))}
    assert found == {f"{n}.jpg": bytes(1000) + bytes([n]) for n in range(3)}


def test_refs__folders_of_a_zip_made_on_windows(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for host, name in ((0, "train\\cat\\1.jpg"), (10, "val\\cat\\2.jpg"), (3, "val/a\\b.jpg")):
            entry = zipfile.ZipInfo(name)
            entry.create_system = host
            archive.writestr(entry, b"x")
    refs = [(r.split, r.rel_path, r.given_label) for r in zipped(tmp_path / "a.zip").refs()]
    assert refs == [("train", "cat/1.jpg", "cat"), ("val", "cat/2.jpg", "cat"), ("val", "a\\b.jpg", None)]


@settings(max_examples=50, deadline=None)
@example({}, zipfile.ZIP_STORED, b"PK\x05\x06")
@example({"a": b"b"}, zipfile.ZIP_STORED, b"PK\x05\x06" + bytes(30))
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.binary()),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.binary(max_size=40),
)
def test_read_directory__equals_zipfile(members: dict[str, bytes], method: int, comment: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
        archive.comment = comment
        expected = [(i.filename, i.header_offset, i.CRC) for i in archive.infolist() if not i.is_dir()]
    raw = buffer.getvalue()
    found = list(read_directory(io.BytesIO(raw)))
    assert [(m.name, m.offset, m.crc) for m in found] == expected
    for member in found:
        data = read_member(
            lambda offset, size: raw[offset : offset + size],
            offset=member.offset,
            packed_bytes=member.packed_bytes,
            crc=member.crc,
            max_bytes=1000,
        )
        assert data == members[member.name]
