from __future__ import annotations

import csv
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.errors import TableError
from chaffinch.formats import leak_csv
from chaffinch.formats.leak_csv import read_leak_rows, rows_to_keep, similarity_text, write_leak_rows
from chaffinch.records import LEAK_TYPES, LeakPair

EXACT = LeakPair(
    train_image="data/train/cat/1.jpg",
    test_image="data/val/cat/9.jpg",
    method="exact",
    similarity=1.0,
    leak_type="exact_duplicate",
    hamming_distance=None,
    transform="",
    train_label="cat",
    test_label="cat",
    labels_agree=True,
    train_key="train/cat/1.jpg",
    test_key="val/cat/9.jpg",
    train_uri="/data/train/cat/1.jpg",
    test_uri="/data/val/cat/9.jpg",
)
PERCEPTUAL = replace(
    EXACT, method="perceptual", similarity=1 - 2 / 64, leak_type="near_duplicate", hamming_distance=2
)
SEMANTIC = replace(
    EXACT,
    method="semantic",
    similarity=0.97,
    leak_type="semantic_duplicate",
    test_label=None,
    labels_agree=None,
)

# Any text a path can be: the undecodable is already escaped by `identity.path_text`.
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
labels = st.none() | names


@st.composite
def leak_pairs(draw: st.DrawFn) -> LeakPair:
    method = draw(st.sampled_from(list(LEAK_TYPES)))
    distance = draw(st.integers(0, 16)) if method == "perceptual" else None
    similarity = 1 - distance / 64 if distance is not None else draw(st.integers(0, 10**6)) / 10**6
    train_label, test_label = draw(labels), draw(labels)
    return LeakPair(
        train_image=draw(names),
        test_image=draw(names),
        method=method,
        similarity=similarity,
        leak_type=LEAK_TYPES[method],
        hamming_distance=distance,
        transform=draw(st.sampled_from(["", "identity", "rotate_90"])),
        train_label=train_label,
        test_label=test_label,
        labels_agree=None if None in (train_label, test_label) else train_label == test_label,
        train_key="train/" + draw(names),
        test_key="val/" + draw(names),
        train_uri="/" + draw(names),
        test_uri="/" + draw(names),
    )


def order(pair: LeakPair) -> tuple[int, str, str, str, str]:
    method = list(LEAK_TYPES).index(pair.method)
    return method, pair.train_key, pair.test_key, pair.train_image, pair.test_image


def test_write__the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "not yet" / "leaks.csv"
    assert write_leak_rows(path, [PERCEPTUAL, EXACT]) == {"exact": 1, "perceptual": 1}
    assert path.read_bytes().decode() == (
        "train_image,test_image,method,similarity,leak_type,hamming_distance,"
        "train_label,test_label,labels_agree,transform,train_key,test_key,train_uri,test_uri\n"
        "data/train/cat/1.jpg,data/val/cat/9.jpg,exact,1.0,exact_duplicate,,"
        "cat,cat,true,,train/cat/1.jpg,val/cat/9.jpg,/data/train/cat/1.jpg,/data/val/cat/9.jpg\n"
        "data/train/cat/1.jpg,data/val/cat/9.jpg,perceptual,0.96875,near_duplicate,2,"
        "cat,cat,true,,train/cat/1.jpg,val/cat/9.jpg,/data/train/cat/1.jpg,/data/val/cat/9.jpg\n"
    )


def test_write__no_leak_gives_the_header_alone(tmp_path: Path) -> None:
    assert write_leak_rows(tmp_path / "leaks.csv", []) == {}
    frame = pd.read_csv(tmp_path / "leaks.csv")
    assert list(frame.columns) == list(leak_csv.COLUMNS) and len(frame) == 0


@given(st.lists(leak_pairs(), max_size=12))
def test_round_trip__any_file_name(tmp_path_factory: pytest.TempPathFactory, pairs: list[LeakPair]) -> None:
    path = tmp_path_factory.mktemp("leaks") / "leaks.csv"
    counts = write_leak_rows(path, pairs)
    assert sum(counts.values()) == len(pairs)
    back = list(read_leak_rows(path))
    assert sorted(map(repr, back)) == sorted(map(repr, pairs))
    assert back == sorted(back, key=order)
    with path.open(encoding="utf-8", newline="") as file:
        by_csv = [(row["train_image"], row["test_image"]) for row in csv.DictReader(file)]
    assert by_csv == [(p.train_image, p.test_image) for p in back]


@pytest.mark.parametrize(
    "name",
    [
        "a,b.jpg",
        'q"uote".jpg',
        "new\nline.jpg",
        "carriage\rreturn.jpg",
        "both\r\n.jpg",
        "ünï→🐦.jpg",
        " x .jpg",
        "'=1",
    ],
)
def test_round_trip__pandas(tmp_path: Path, name: str) -> None:
    path = tmp_path / "leaks.csv"
    write_leak_rows(path, [replace(PERCEPTUAL, train_image="t/" + name, test_image="v/" + name)])
    frame = pd.read_csv(path)
    assert frame["train_image"].tolist() == ["t/" + name]
    assert frame["test_image"].tolist() == ["v/" + name]
    assert frame["similarity"].tolist() == [0.96875] and frame["hamming_distance"].tolist() == [2]


def test_write__many_runs_sort_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [replace(EXACT, train_key=f"train/{(n * 37) % 100:03}\r.jpg") for n in range(100)]
    write_leak_rows(tmp_path / "whole.csv", pairs)
    monkeypatch.setattr(leak_csv, "RUN_ROWS", 7)
    monkeypatch.setattr(leak_csv, "MAX_RUNS", 3)
    write_leak_rows(tmp_path / "runs.csv", pairs)
    assert (tmp_path / "runs.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert [p.train_key for p in read_leak_rows(tmp_path / "runs.csv")] == [
        f"train/{n:03}\r.jpg" for n in range(100)
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs.csv", "whole.csv"]


def test_write__failure_keeps_the_old_report(tmp_path: Path) -> None:
    path = tmp_path / "leaks.csv"
    write_leak_rows(path, [EXACT])
    before = path.read_bytes()

    def broken() -> object:
        yield PERCEPTUAL
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_leak_rows(path, broken())  # type: ignore[arg-type]
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["leaks.csv"]


def test_stages__other_methods_stay(tmp_path: Path) -> None:
    path = tmp_path / "leaks.csv"
    write_leak_rows(path, [EXACT, PERCEPTUAL])
    nearer = replace(PERCEPTUAL, hamming_distance=0, similarity=1.0)
    write_leak_rows(path, chain(rows_to_keep(path, searched=["perceptual", "semantic"]), [SEMANTIC, nearer]))
    assert list(read_leak_rows(path)) == [EXACT, nearer, SEMANTIC]
    assert list(rows_to_keep(tmp_path / "absent.csv", searched=["exact"])) == []


def test_read__guide_columns_alone(tmp_path: Path) -> None:
    path = tmp_path / "leaks.csv"
    path.write_text(",".join(leak_csv.GUIDE_COLUMNS) + "\na.jpg,b.jpg,semantic,0.97,semantic_duplicate,\n")
    (pair,) = read_leak_rows(path)
    assert (pair.similarity, pair.hamming_distance, pair.train_label, pair.train_key) == (
        0.97,
        None,
        None,
        "",
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,b,md5,1.0,exact_duplicate,", "row 2 column 'method': must be one of exact, perceptual"),
        (
            "a,b,exact,1.0,near_duplicate,",
            "row 2 column 'leak_type': must be 'exact_duplicate' for this method",
        ),
        (
            "a,b,exact,97%,exact_duplicate,",
            "row 2 column 'similarity': must be a number from 0 to 1, got '97%'",
        ),
        ("a,b,exact,nan,exact_duplicate,", "row 2 column 'similarity'"),
        ("a,b,perceptual,1.0,near_duplicate,65", "row 2 column 'hamming_distance'"),
        ("a,b,exact,1.0", "row 2: has 4 fields where the header has 6"),
        ('a,"b', "row 2: cannot be read as CSV"),
        ("a\udcff,b,exact,1.0,exact_duplicate,", "cannot be read as CSV"),
    ],
)
def test_read__broken_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "leaks.csv"
    text = ",".join(leak_csv.GUIDE_COLUMNS) + "\n" + row
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TableError) as caught:
        list(read_leak_rows(path))
    assert str(path) in str(caught.value) and message in str(caught.value)


def test_read__another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("image_id,image_path\n1,a.jpg\n")
    with pytest.raises(TableError, match="is not a leak report"):
        list(read_leak_rows(tmp_path / "x.csv"))


def test_similarity_text() -> None:
    assert [similarity_text(x) for x in (1, 1 - 5 / 64, 0.1 + 0.2, 0.95123456789)] == [
        "1.0",
        "0.921875",
        "0.3",
        "0.951235",
    ]
