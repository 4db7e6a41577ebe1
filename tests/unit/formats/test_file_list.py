"""Lists of images: columns, delimiters, odd paths, ids as written, errors that name the row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.list_rows import split_text_line
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.records import SampleRef


def write_list(root: Path, text: str | bytes, name: str = "list.csv") -> str:
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    (root / name).write_bytes(raw)
    return str(root / name)


def rows(location: str) -> list[tuple[str, str, str | None, str | None]]:
    return [(r.split, r.rel_path, r.given_label, r.source_id) for r in open_source(location).refs()]


def error_of(location: str) -> TableError:
    with pytest.raises(TableError) as caught:
        list(open_source(location).refs())
    assert caught.value.hint
    return caught.value


def test_refs__all_columns(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.jpg").write_bytes(b"abc")
    location = write_list(
        tmp_path,
        "id,path,label,split,note\n007,cat/1.jpg,cat,train,x\n8,cat/2.jpg,,val,\n9,cat/1.jpg,cat,,\n",
    )
    refs = list(open_source(location).refs())
    assert refs[0] == SampleRef(
        "train",
        "cat/1.jpg",
        f"{tmp_path}/cat/1.jpg",
        f"{tmp_path}/cat/1.jpg",
        "",
        "cat",
        "007",
        3,
        refs[0].stamp,
    )
    assert rows(location)[1:] == [("val", "cat/2.jpg", None, "8"), ("all", "cat/1.jpg", "cat", "9")]
    assert [f.outcome for f in fetch(refs)] == ["ok", "missing", "ok"]


@pytest.mark.parametrize(
    "text",
    [
        "image_path,class\na b.jpg,cat\nc.jpg,dog\n",
        "\ufeffimage_path;class\r\na b.jpg;cat\r\nc.jpg;dog\r\n",
        "class\tfilename\ncat\ta b.jpg\n\ndog\tc.jpg",
        '"File Name", "Given_Label", "x"\n"a b.jpg", "cat", "1"\n"c.jpg", "dog", "2, 3"\n',
        "file|target\na b.jpg|cat\nc.jpg|dog\n",
    ],
)
def test_refs__headers_delimiters_and_line_ends(text: str, tmp_path: Path) -> None:
    expected = [("all", "a b.jpg", "cat", None), ("all", "c.jpg", "dog", None)]
    assert rows(write_list(tmp_path, text)) == expected
    assert rows(write_list(tmp_path, text.lstrip("\ufeff").encode("utf-16"), "wide.tsv")) == expected


def test_refs__odd_paths_come_back(tmp_path: Path) -> None:
    names = [
        b"new\nline.jpg",
        b"comma,.jpg",
        b"hash#1.jpg",
        b"back\\slash.jpg",
        b"latin\xe9.jpg",
        "猫.jpg".encode(),
    ]
    names += [b" blank .jpg", b"literal\\xe9.jpg"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    location = write_list(tmp_path, b"path\n" + b"".join(b'"' + name + b'"\n' for name in names))
    assert [f.data for f in fetch(list(open_source(location).refs()))] == names


def test_refs__labels_and_ids_as_written(tmp_path: Path) -> None:
    location = write_list(tmp_path, "path,label,image_id\na.jpg,None,01\nb.jpg,NA,1e3\nc.jpg, x ,-0\n")
    assert [(label, source_id) for _, _, label, source_id in rows(location)] == [
        ("None", "01"),
        ("NA", "1e3"),
        (" x ", "-0"),
    ]


def test_refs__absolute_paths_and_urls(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/urls/a.jpg", b"remote")
    (tmp_path / "b.jpg").write_bytes(b"local")
    location = write_list(tmp_path, f"path\nmemory://urls/a.jpg\n{tmp_path}/b.jpg\nhttp://localhost/c.jpg\n")
    refs = list(open_source(location).refs())
    assert [r.rel_path for r in refs] == [
        "memory:/urls/a.jpg",
        f"{tmp_path}/b.jpg"[1:],
        "http:/localhost/c.jpg",
    ]
    assert [r.image_path for r in refs] == [
        "memory://urls/a.jpg",
        f"{tmp_path}/b.jpg",
        "http://localhost/c.jpg",
    ]
    assert [r.size_bytes for r in refs] == [6, 5, -1]
    assert [f.data for f in fetch(refs[:2])] == [b"remote", b"local"]
    fs.pipe_file("/urls/list.csv", b"path,label\na.jpg,x\n")
    (ref,) = open_source("memory://urls/list.csv").refs()
    assert (ref.uri, ref.given_label, ref.size_bytes) == ("memory://urls/a.jpg", "x", 6)
    fs.rm("/urls", recursive=True)


def test_refs__base_is_the_lists_folder_else_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.jpg").write_bytes(b"here")
    location = write_list(tmp_path / "lists", "path\npics/none.jpg\npics/a.jpg\n")
    monkeypatch.chdir(tmp_path)
    assert [r.image_path for r in open_source(location).refs()] == ["pics/none.jpg", "pics/a.jpg"]
    assert [f.data for f in fetch(list(open_source(location).refs()))] == [None, b"here"]
    (tmp_path / "lists" / "pics").mkdir()
    (tmp_path / "lists" / "pics" / "a.jpg").write_bytes(b"beside")
    refs = list(open_source("lists/list.csv").refs())
    assert [r.image_path for r in refs] == ["lists/pics/none.jpg", "lists/pics/a.jpg"]
    assert [f.data for f in fetch(refs)] == [None, b"beside"]


def test_refs__paths_that_climb_keep_their_file(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"up")
    (ref,) = open_source(write_list(tmp_path / "lists", "path\n../a.jpg\n")).refs()
    assert (ref.rel_path, ref.uri) == ("\\x2e\\x2e/a.jpg", f"{tmp_path}/a.jpg")
    assert [f.data for f in fetch([ref])] == [b"up"]


def test_refs__explicit_split_wins(tmp_path: Path) -> None:
    location = write_list(tmp_path, "path,split\na.jpg,train\nb.jpg,val\n")
    assert [r.split for r in open_source((), splits={"test": location}).refs()] == ["test", "test"]


@pytest.mark.parametrize(
    ("text", "row", "column", "words"),
    [
        ("path\na.jpg\n\n./a.jpg\n", 4, "path", "stands in an earlier row of split 'all' too"),
        ("path,split\na.jpg,x\n,x\n", 3, "path", "names no image"),
        ("path\n/\n", 2, "path", "names no image"),
        ("path,label\na,b.jpg,cat\n", 2, "path", "has 3 fields where the header has 2"),
        ("path,id\na.jpg,1\nb.jpg,\n", 3, "id", "has no id"),
        ("path,id\na.jpg,1\nb.jpg\n", 3, "id", "has no id"),
        ("path,split\na.jpg,train/a\n", 2, "split", "cannot name a split"),
        ('path\na.jpg\n"b.jpg\n', 3, None, "cannot be read"),
        ('path\n"new\nline.jpg"\n\na.jpg\na.jpg\n', 5, "path", "stands in an earlier row"),
    ],
)
def test_refs__bad_row_is_named(text: str, row: int, column: str | None, words: str, tmp_path: Path) -> None:
    error = error_of(write_list(tmp_path, text))
    assert (error.row, error.column) == (row, column)
    assert error.path == f"{tmp_path}/list.csv"
    assert words in error.what


def test_open__no_path_column_names_the_likely_one(tmp_path: Path) -> None:
    error = error_of(write_list(tmp_path, "image_paht;lable\na.jpg;x\n"))
    assert "its columns are 'image_paht', 'lable'" in error.what
    assert error.hint == "rename the column 'image_paht' to 'path'"
    assert error.column == "path"
    assert "its first line must name" in error_of(write_list(tmp_path, "a/1.jpg,3\n")).hint


@pytest.mark.parametrize("text", ["", "path\n", "\n\n"])
def test_open__empty_list_is_an_error(text: str, tmp_path: Path) -> None:
    error_of(write_list(tmp_path, text))
    error_of(write_list(tmp_path, "\n", "list.txt"))


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("a.jpg", "a.jpg", None),
        ("a.jpg 3", "a.jpg", "3"),
        ("my cat.jpg 3", "my cat.jpg", "3"),
        ("my cat.jpg\tblack cat", "my cat.jpg", "black cat"),
        ("a,b.jpg,3", "a,b.jpg", "3"),
        ("my dir.jpg x/cat 1.JPEG  -1 ", "my dir.jpg x/cat 1.JPEG", "-1"),
        ("two.jpg words.png", "two.jpg words.png", None),
        ("n01440764/n01440764_10026 1", "n01440764/n01440764_10026", "1"),
        ("no ending", "no ending", None),
        ("no ending\tcat", "no ending", "cat"),
        ("#1.jpg 0", "#1.jpg", "0"),
        ("a.jpgs 5", "a.jpgs", "5"),
    ],
)
def test_split_text_line__by_hand(line: str, path: str, label: str | None) -> None:
    assert split_text_line(line) == (path, label)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=20).map(lambda s: f"x{s}.jpg"),
    st.sampled_from([" ", "\t", ",", ", ", "  "]),
    st.one_of(st.none(), st.integers().map(str)),
)
def test_split_text_line__any_path_with_a_picture_ending(path: str, between: str, label: str | None) -> None:
    line = path if label is None else f"{path}{between}{label}"
    assert split_text_line(line) == (path, label)


def test_refs__text_list(tmp_path: Path) -> None:
    location = write_list(tmp_path, "\ufeffa b.jpg 3\r\n\r\nlatin\udce9.jpg\t4\r\nc.jpg\r\n", "list.txt")
    assert rows(location) == [
        ("all", "a b.jpg", "3", None),
        ("all", "latin\\xe9.jpg", "4", None),
        ("all", "c.jpg", None, None),
    ]
    assert error_of(write_list(tmp_path, "a.jpg\n\na.jpg\n", "list.txt")).row == 3


def write_parquet(root: Path, columns: dict[str, Sequence[object]]) -> str:
    pq.write_table(pa.table(columns), root / "list.parquet")
    return f"{root}/list.parquet"


def test_refs__parquet_list(tmp_path: Path) -> None:
    columns = {
        "file_name": ["a.jpg", "b.jpg"],
        "label": [3, None],
        "id": [10, 11],
        "subset": ["train", "val"],
    }
    assert rows(write_parquet(tmp_path, columns)) == [
        ("train", "a.jpg", "3", "10"),
        ("val", "b.jpg", None, "11"),
    ]
    assert error_of(write_parquet(tmp_path, {"path": ["a.jpg", None]})).row == 2
    assert error_of(write_parquet(tmp_path, {"x": ["a.jpg"]})).column == "path"
    (tmp_path / "list.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"list\.parquet: not a Parquet file"):
        open_source(f"{tmp_path}/list.parquet")


def test_refs__stamp_follows_the_bytes(tmp_path: Path) -> None:
    location = write_list(tmp_path, "path\na.jpg\n")
    stamps = []
    for data in (None, b"1", b"12"):
        if data:
            (tmp_path / "a.jpg").write_bytes(data)
        stamps += [ref.stamp for ref in open_source(location).refs()]
    assert stamps[0] == ""
    assert len(set(stamps)) == 3
