"""Bytes of images: order, outcomes, no blocking, no leaks of open files."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import fsspec
import pytest

from chaffinch.errors import MissingExtraError
from chaffinch.formats import location, reading
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.records import SampleRef


def plain(uri: str, member: str = "", size_bytes: int = -1) -> SampleRef:
    return SampleRef("all", "a.jpg", "a.jpg", uri, member, None, None, size_bytes, "")


def outcome(ref: SampleRef) -> tuple[str, str | None]:
    (found,) = fetch([ref])
    assert (found.data is None) == (found.outcome != "ok")
    return found.outcome, found.error


def test_fetch__plain_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    (tmp_path / "empty.jpg").write_bytes(b"")
    found = list(fetch([plain(f"{tmp_path}/a.jpg"), plain(f"{tmp_path}/empty.jpg")]))
    assert [(f.data, f.outcome, f.error) for f in found] == [(b"abc", "ok", None), (b"", "ok", None)]


def test_fetch__never_waits_for_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert outcome(plain(f"{tmp_path}/pipe.jpg")) == ("broken", "not a regular file")
    assert outcome(plain(f"{tmp_path}/pipe.jpg", "tar:0+3")) == ("broken", "not a regular file")


def test_fetch__other_things_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    server = socket.socket(socket.AF_UNIX)
    server.bind("s.jpg")
    server.close()
    assert outcome(plain(f"{tmp_path}/s.jpg"))[0] == "broken"
    assert outcome(plain(str(tmp_path))) == ("broken", "not a regular file")
    assert outcome(plain("/dev/null")) == ("broken", "not a regular file")
    assert outcome(plain(f"{tmp_path}/nul\0.jpg")) == ("broken", "embedded null byte")
    assert outcome(plain(f"{tmp_path}/{'x' * 300}.jpg")) == ("broken", "File name too long")


def test_fetch__missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for uri in (f"{tmp_path}/none.jpg", f"{tmp_path}/none/a.jpg", f"{tmp_path}/file/a.jpg"):
        assert outcome(plain(uri)) == ("missing", "no such file")
        for member in ("tar:0+3", "zip:0+3+00000000", "parquet:0/0/image"):
            assert outcome(plain(uri, member)) == ("missing", "no such file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_fetch__not_permitted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch(mode=0)
    assert outcome(plain(f"{tmp_path}/a.jpg")) == ("broken", "Permission denied")


def test_fetch__io_error_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")

    def fail(descriptor: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    assert outcome(plain(f"{tmp_path}/a.jpg")) == ("broken", "Input/output error")


def test_fetch__reads_on_after_a_short_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abcdefg")
    read, pread = os.read, os.pread
    monkeypatch.setattr(os, "read", lambda fd, size: read(fd, min(size, 3)))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: pread(fd, min(size, 2), offset))
    assert [f.data for f in fetch([plain(f"{tmp_path}/a.jpg")])] == [b"abcdefg"]
    assert [f.data for f in fetch([plain(f"{tmp_path}/a.jpg", "tar:1+5")])] == [b"bcdef"]


def test_fetch__too_large_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_IMAGE_BYTES", 10)
    (tmp_path / "a.jpg").write_bytes(b"x" * 11)
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("bomb.jpg", b"x" * 11)
    assert outcome(plain(f"{tmp_path}/a.jpg")) == ("skipped", "larger than 10 bytes")
    assert outcome(plain(f"{tmp_path}/a.jpg", "tar:0+11"))[0] == "skipped"
    (ref,) = open_source(f"{tmp_path}/a.zip").refs()
    assert outcome(ref)[0] == "skipped"
    assert outcome(plain("memory://x.jpg", size_bytes=11))[0] == "skipped"


def test_fetch__terabytes_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(1 << 40)
    assert outcome(plain(f"{tmp_path}/a.jpg")) == ("skipped", "larger than 1073741824 bytes")


def test_fetch__unknown_member_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    assert outcome(plain(f"{tmp_path}/a.bin", "rar:1"))[0] == "broken"
    assert outcome(plain(f"{tmp_path}/a.bin", "tar:x+y"))[0] == "broken"
    assert outcome(plain(f"{tmp_path}/a.bin", "tar:1+9")) == (
        "broken",
        "the archive ends after 2 of its 9 bytes",
    )
    assert outcome(plain(f"{tmp_path}/a.bin", "zip:0+1+0"))[0] == "broken"
    assert outcome(plain(f"{tmp_path}/a.bin", "parquet:0/0/image"))[0] == "broken"


def test_fetch__keeps_the_order_over_many_containers(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"{n}.bin").write_bytes(bytes([n]) * 4)
    refs = [
        plain(f"{tmp_path}/{n}.bin", member)
        for _ in range(3)
        for n in range(20)
        for member in ("", "tar:1+2")
    ]
    n_open = len(os.listdir("/proc/self/fd"))
    assert [f.ref for f in fetch(refs)] == refs
    assert [f.data for f in fetch(refs)] == [
        bytes([n]) * size for _ in range(3) for n in range(20) for size in (4, 2)
    ]
    assert len(os.listdir("/proc/self/fd")) == n_open


def test_fetch__closes_when_abandoned(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    n_open = len(os.listdir("/proc/self/fd"))
    found = fetch([plain(f"{tmp_path}/a.bin", "tar:0+1")] * 3)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == n_open


def test_fetch__remote_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/r/a.jpg", b"abc")
    refs = [plain("memory://r/a.jpg"), plain("memory://r/none.jpg"), plain("nosuch://x/a.jpg")]
    found = list(fetch([*refs, *refs[:1] * 40]))
    assert [f.outcome for f in found] == ["ok", "missing", "broken", *["ok"] * 40]
    assert [f.data for f in fetch([plain("memory://r/a.jpg", "tar:1+2")])] == [b"bc"]
    fs.rm("/r", recursive=True)
    assert location.FileStats()("nosuch://x/a.jpg") == location.UNKNOWN


def test_fetch__remote_without_its_package() -> None:
    pytest.importorskip("fsspec")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"chaffinch\[s3\]"):
            list(fetch([plain("s3://bucket/a.jpg")]))
    else:
        pytest.skip("s3fs is installed")


def test_fetch__from_several_threads(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        for n in range(200):
            archive.writestr(f"{n}.jpg", b"%d" % n)
    refs = list(open_source(f"{tmp_path}/a.zip").refs())
    start = threading.Barrier(4)

    def read(part: list[SampleRef]) -> list[bytes | None]:
        start.wait()
        return [f.data for f in fetch(part)]

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(read, [refs[n::4] for n in range(4)]))
    assert parts == [[b"%d" % n for n in range(first, 200, 4)] for first in range(4)]
