"""Image folders: splits, labels, odd names, links, what is passed over."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from chaffinch.errors import SourceError
from chaffinch.formats.folder import FolderSource
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.identity import path_from_text
from chaffinch.records import SampleRef

ODD_NAMES = [
    b"with space.jpg",
    b"comma,.jpg",
    b'quote".jpg',
    b"new\nline.jpg",
    "Bär 猫.jpg".encode(),
    b"latin\xe9.jpg",
    b"literal\\xe9.jpg",
    b"hash#1.jpg",
    b"back\\slash.jpg",
    b"100%.JPG",
    b"[ab]*.jpg",
]


def put(root: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def keys(source: FolderSource) -> list[tuple[str, str, str | None]]:
    return [(ref.split, ref.rel_path, ref.given_label) for ref in source.refs()]


def folder(root: Path, split: str | None = None) -> FolderSource:
    return FolderSource(str(root), dataset="d", split=split)


def test_refs__splits_classes_and_order(tmp_path: Path) -> None:
    put(
        tmp_path,
        "val/dog/2.jpg",
        "train/dog/1.png",
        "train/cat/b/1.jpg",
        "train/cat/10.jpg",
        "train/flat.gif",
    )
    assert keys(folder(tmp_path)) == [
        ("train", "cat/10.jpg", "cat"),
        ("train", "cat/b/1.jpg", "cat"),
        ("train", "dog/1.png", "dog"),
        ("train", "flat.gif", None),
        ("val", "dog/2.jpg", "dog"),
    ]


def test_refs__folders_beside_two_splits_are_all(tmp_path: Path) -> None:
    put(tmp_path, "val/a.jpg", "train/a.jpg", "extra/cat/a.jpg", "top.jpg")
    assert keys(folder(tmp_path)) == [
        ("train", "a.jpg", None),
        ("val", "a.jpg", None),
        ("all", "extra/cat/a.jpg", "extra"),
        ("all", "top.jpg", None),
    ]


def test_refs__a_class_may_be_called_train(tmp_path: Path) -> None:
    put(tmp_path, "train/a.jpg", "bus/a.jpg")
    assert keys(folder(tmp_path)) == [("all", "bus/a.jpg", "bus"), ("all", "train/a.jpg", "train")]


def test_refs__a_single_split_beside_documents(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/a.jpg", "docs/readme.md")
    source = folder(tmp_path)
    assert keys(source) == [("train", "cat/a.jpg", "cat")]
    assert source.ignored == {"not an image": 1}


def test_refs__explicit_split_looks_for_none(tmp_path: Path) -> None:
    put(tmp_path, "train/a.jpg", "val/a.jpg")
    assert keys(folder(tmp_path, "test")) == [("test", "train/a.jpg", "train"), ("test", "val/a.jpg", "val")]


def test_refs__passed_over_files_are_counted_once_per_walk(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.jpg", "cat/.b.jpg", "cat/notes.txt", "__MACOSX/a.jpg", ".git/a.jpg", "b.txt")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    source = folder(tmp_path)
    for _ in range(2):
        assert keys(source) == [("all", "cat/a.jpg", "cat")]
        assert source.ignored == {"hidden": 3, "not an image": 2, "not a regular file": 1}
    assert source.examples["not a regular file"] == f"{tmp_path}/cat/pipe.jpg"
    assert source.examples["not an image"] == f"{tmp_path}/b.txt"


def test_refs__odd_names_come_back(tmp_path: Path) -> None:
    for number, name in enumerate(ODD_NAMES):
        (tmp_path / "c").mkdir(exist_ok=True)
        (tmp_path / "c" / os.fsdecode(name)).write_bytes(b"%d" % number)
    refs = list(folder(tmp_path).refs())
    assert len({ref.rel_path for ref in refs}) == len(ODD_NAMES)
    for ref in refs:
        ref.uri.encode()
        assert ref.uri == f"{tmp_path}/{ref.rel_path}" == ref.image_path
    read = {os.fsencode(path_from_text(f.ref.uri)).rpartition(b"/")[2]: f.data for f in fetch(refs)}
    assert read == {name: b"%d" % number for number, name in enumerate(ODD_NAMES)}


def test_refs__odd_folder_name_is_the_label(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9") / "1.jpg").write_bytes(b"x")
    assert keys(folder(tmp_path)) == [("all", "caf\\xe9/1.jpg", "caf\\xe9")]


def test_refs__dangling_link_is_a_sample(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "nowhere").symlink_to("neither")
    source = folder(tmp_path)
    refs = list(source.refs())
    assert [(r.rel_path, r.size_bytes, r.stamp) for r in refs] == [("gone.jpg", -1, ""), ("self.jpg", -1, "")]
    assert [f.outcome for f in fetch(refs)] == ["missing", "broken"]
    assert source.ignored == {"not an image": 1}


def test_refs__links_to_folders_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "train" / "cat" / "up").symlink_to("..")
    (tmp_path / "train" / "cat" / "root").symlink_to(tmp_path)
    (tmp_path / "train" / "linked.jpg").symlink_to("../elsewhere")
    (tmp_path / "val").symlink_to("train")
    source = folder(tmp_path)
    assert keys(source) == [
        ("train", "cat/a.jpg", "cat"),
        ("train", "linked.jpg/b.jpg", "linked.jpg"),
        ("val", "cat/a.jpg", "cat"),
        ("val", "linked.jpg/b.jpg", "linked.jpg"),
        ("all", "elsewhere/b.jpg", "elsewhere"),
    ]
    assert source.ignored["link to a folder above it"] == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_refs__unreadable_folder_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.jpg", "secret/b.jpg")
    (tmp_path / "secret").chmod(0)
    source = folder(tmp_path)
    try:
        assert keys(source) == [("all", "cat/a.jpg", "cat")]
    finally:
        (tmp_path / "secret").chmod(0o755)
    assert source.examples == {"unreadable folder": f"{tmp_path}/secret"}


def test_refs__folder_that_cannot_be_listed_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "cat/a.jpg", "secret/b.jpg")
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if path.rstrip("/").endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    source = folder(tmp_path)
    assert keys(source) == [("all", "cat/a.jpg", "cat")]
    assert source.ignored == {"unreadable folder": 1}


def test_refs__deeper_than_the_stack(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        here, last = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(last)
    os.close(os.open("a.jpg", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    assert [ref.rel_path for ref in folder(tmp_path).refs()] == ["d/" * 1100 + "a.jpg"]
    subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # shutil.rmtree recurses


def test_refs__same_every_time_whatever_the_order_on_disk(tmp_path: Path) -> None:
    names = [f"c{n % 3}/{n * 7919 % 101}.jpg" for n in range(50)]
    for order, root in ((names, tmp_path / "a"), (names[::-1], tmp_path / "b")):
        put(root, *order)
    first, second = (keys(folder(tmp_path / name)) for name in "ab")
    assert first == second == keys(folder(tmp_path / "a"))
    assert [key[1] for key in first] == sorted(names)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("pics", "pics/a.jpg"),
        ("pics/", "pics/a.jpg"),
        ("./pics//", "./pics/a.jpg"),
        (".", "./pics/a.jpg"),
        ("../{here}/pics", "../{here}/pics/a.jpg"),
        ("{tmp}/pics", "{tmp}/pics/a.jpg"),
    ],
)
def test_refs__image_path_as_typed(
    typed: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "pics/a.jpg")
    monkeypatch.chdir(tmp_path)

    def fill(text: str) -> str:
        return text.format(here=tmp_path.name, tmp=tmp_path)

    (ref,) = FolderSource(fill(typed), dataset="d").refs()
    assert (ref.image_path, ref.uri) == (fill(expected), f"{tmp_path}/pics/a.jpg")


def test_refs__two_dots_behind_a_link_lead_where_the_kernel_goes(tmp_path: Path) -> None:
    put(tmp_path, "real/pics/a.jpg", "real/deep/x")
    (tmp_path / "link").symlink_to("real/deep")
    (ref,) = FolderSource(f"{tmp_path}/link/../pics", dataset="d").refs()
    assert (ref.image_path, ref.uri) == (f"{tmp_path}/link/../pics/a.jpg", f"{tmp_path}/real/pics/a.jpg")


def test_refs__stamp_follows_the_bytes(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")

    def stamps() -> list[str]:
        return [ref.stamp for ref in folder(tmp_path).refs()]

    before = stamps()
    assert stamps() == before
    put(tmp_path, "a.jpg", data=b"longer")
    os.utime(tmp_path / "b.jpg", ns=(1, 1))
    assert all(old != new for old, new in zip(before, stamps(), strict=True))


def test_refs__missing_root(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        list(folder(tmp_path / "none").refs())


@pytest.fixture
def memory() -> Iterator[Callable[[str, bytes], None]]:
    fs = fsspec.filesystem("memory")
    yield lambda path, data: fs.pipe_file(path, data)
    fs.rm("/birds", recursive=True)


def test_refs__remote_folder(memory: Callable[[str, bytes], None]) -> None:
    for name in ("train/finch/1.jpg", "val/finch/2.jpg", "val/finch/odd [1]*#.jpg", "val/notes.txt"):
        memory(f"/birds/{name}", name.encode())
    source = open_source("memory://birds/")
    refs = list(source.refs())
    assert source.dataset == "birds"
    assert source.ignored == {"not an image": 1}
    assert [(r.split, r.rel_path, r.given_label, r.size_bytes) for r in refs] == [
        ("train", "finch/1.jpg", "finch", 17),
        ("val", "finch/2.jpg", "finch", 15),
        ("val", "finch/odd [1]*#.jpg", "finch", 23),
    ]
    assert refs[0].image_path == refs[0].uri == "memory://birds/train/finch/1.jpg"
    assert [f.data for f in fetch(refs)] == [f"{r.split}/{r.rel_path}".encode() for r in refs]
    memory("/birds/train/finch/1.jpg", b"train/finch/x.jpg")
    again = list(source.refs())
    assert again[0].stamp != refs[0].stamp
    assert again[1:] == refs[1:]


def test_refs__file_url_is_a_local_folder(tmp_path: Path) -> None:
    put(tmp_path, "a b.jpg")
    (ref,) = open_source(f"file://{tmp_path}").refs()
    assert (ref.image_path, ref.uri) == (f"file://{tmp_path}/a b.jpg", f"{tmp_path}/a b.jpg")


def read_all(refs: list[SampleRef]) -> int:
    return sum(len(found.data or b"") for found in fetch(refs))


def test_refs__real_formats() -> None:
    default = Path(__file__).parents[4] / "shared" / "data"
    root = Path(os.environ.get("CHAFFINCH_TEST_DATA", default)) / "imagededup-tests"
    if not root.is_dir():
        pytest.skip("real images are not here; name them with CHAFFINCH_TEST_DATA")
    source = folder(root)
    refs = list(source.refs())
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(refs) + source.ignored.total() == len(files)
    assert read_all(refs) == sum(ref.size_bytes for ref in refs)
    assert {ref.given_label for ref in refs if ref.given_label} == {
        path.name for path in root.iterdir() if path.is_dir()
    }
