"""Exports of Visual Layer in each of their containers, by hand-written expectations."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.errors import SourceError, TableError, UsageError
from chaffinch.formats.export_columns import parse_mapping
from chaffinch.formats.export_source import ExportRefs, parse_split_rules, split_of
from chaffinch.formats.visual_layer import open_visual_layer
from chaffinch.records import ExportedIssue, ExportedItem, ExportedObject, ExportedTag

ITEM = {
    "media_id": "m-1",
    "media_type": "image",
    "file_name": "1.jpg",
    "file_path": "train/cat/1.jpg",
    "uniqueness_score": 0.25,
    "cluster_id": "c-1",
    "metadata_items": [
        {"type": "issue", "properties": {"issue_type": "duplicates", "confidence": 0.5,
                                         "duplicate_group_id": "g-1", "duplicate_threshold": 0.96}},
        {"type": "issue", "properties": {"issue_type": "duplicates", "confidence": 0.75,
                                         "duplicate_group_id": "g-2", "duplicate_threshold": 0.98}},
        {"type": "user_tag", "tag_name": "keep", "assigned_date": "2026-01-07"},
        {"type": "user_tag", "properties": {"tag_name": "remove"}},
        {"type": "image_label", "properties": {"category_name": "dog", "source": "Model"}},
        {"type": "image_label", "properties": {"category_name": "cat", "source": "User"}},
        {"type": "caption", "properties": {"text": "a cat"}},
        {"type": "object_label", "properties": {
            "original_id": 7, "category_name": "ear", "source": "User", "bbox": [1, 2, 3, 4],
            "metadata_items": [{"type": "issue", "properties": {"issue_type": "Blurry", "confidence": 1}}]}},
    ],
}  # fmt: skip
EXPECTED = ExportedItem(
    item_id="m-1",
    path="train/cat/1.jpg",
    given_label="cat",
    uniqueness=0.25,
    cluster_id="c-1",
    media_type="image",
    place=1,
    issues=(
        ExportedIssue("duplicate", "duplicates", 0.5, group_id="g-1", threshold=0.96, place=1),
        ExportedIssue("duplicate", "duplicates", 0.75, group_id="g-2", threshold=0.98, place=1),
        ExportedIssue("blur", "Blurry", 1.0, object_number=0, place=1),
    ),
    objects=(ExportedObject("7", "ear", "User", (1.0, 2.0, 3.0, 4.0)),),
    tags=(ExportedTag("keep", "2026-01-07"), ExportedTag("remove")),
)


def items(file: Path, **mapping: str) -> list[ExportedItem]:
    return list(open_visual_layer(file, where=file.name, mapping=mapping, saved={}).items)


def table(folder: Path, text: str, **mapping: str) -> list[ExportedItem]:
    file = folder / "flags.csv"
    file.write_bytes(text.encode())
    return items(file, **mapping)


def fault(folder: Path, text: str, **mapping: str) -> str:
    with pytest.raises(SourceError) as error:
        table(folder, text, **mapping)
    return str(error.value)


def test_open_visual_layer__json(tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    file.write_text(json.dumps({"info": {"dataset": "D"}, "media_items": [ITEM]}))
    opened = open_visual_layer(file, where="e.json", mapping={}, saved={})
    assert list(opened.items) == [EXPECTED]
    assert opened.info == {"dataset": "D"}


def test_open_visual_layer__zip_with_metadata_json(tmp_path: Path) -> None:
    file = tmp_path / "e.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("export/metadata.json", json.dumps({"media_items": [ITEM]}))
        archive.writestr("export/images/1.jpg", b"x")
    assert items(file) == [EXPECTED]


@pytest.mark.parametrize("is_text", [True, False])
def test_open_visual_layer__parquet(tmp_path: Path, is_text: bool) -> None:
    file = tmp_path / "e.parquet"
    row = {**ITEM, "metadata_items": json.dumps(ITEM["metadata_items"])} if is_text else ITEM
    pq.write_table(pa.Table.from_pylist([row]), file)
    assert items(file) == [EXPECTED]


def test_open_visual_layer__zip_without_an_export(tmp_path: Path) -> None:
    file = tmp_path / "e.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(SourceError, match="holds no export"):
        items(file)


def test_item__faults_name_the_item(tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    bad = {"type": "issue", "properties": {"issue_type": "blur", "confidence": 97.5}}
    file.write_text(json.dumps({"media_items": [ITEM, {"media_id": "2", "metadata_items": [bad]}]}))
    with pytest.raises(SourceError, match=r"e.json item 2: 'confidence' is 97.5, not a number from 0 to 1"):
        items(file)


def test_table__semicolons_bom_crlf_percent_and_quoted_newlines(tmp_path: Path) -> None:
    text = (
        '\ufeffid;path;class;flag;confidence;reason\r\n007;a/1.jpg;NA;Mislabeled;97,50%;"two\r\nlines; x"\r\n'
    )
    (item,) = table(tmp_path, text)
    assert (item.item_id, item.path, item.given_label, item.place) == ("007", "a/1.jpg", "NA", 2)
    assert item.issues == (ExportedIssue("mislabel", "Mislabeled", 0.975, reason="two\r\nlines; x", place=2),)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0.5", "1.0"], [0.5, 1.0]),
        (["97.5", "0.5"], [0.975, 0.005]),
        (["97.5%", "0.5"], [0.975, 0.005]),
        (["1", "", "1.0000001"], [1.0, None, 1.0]),
    ],
)
def test_table__percentages_are_a_matter_of_the_column(tmp_path: Path, cells, expected) -> None:
    rows = "".join(f"{n},dark,{cell}\n" for n, cell in enumerate(cells))
    found = table(tmp_path, "id,flag,confidence\n" + rows)
    assert [item.issues[0].confidence for item in found] == pytest.approx(expected)


def test_table__a_bad_number_names_line_column_and_text(tmp_path: Path) -> None:
    text = 'id,flag,confidence,reason\n1,dark,0.5,"a\nb"\n2,dark,abc,\n'
    message = fault(tmp_path, text)
    assert message.startswith(
        "flags.csv row 3 column 'confidence': is no number (line 4 of the file), got 'abc'"
    )
    text = "id,flag,vl_confidence\n1,dark,0.5\n2,dark,1.5\n3,dark,0.9\n"
    assert "(called 'vl_confidence'), got '1.5'" in fault(tmp_path, text)


def test_table__a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    message = fault(tmp_path, "id,flg,confidence\n1,dark,0.5\n")
    assert "column 'issue_type': is missing; the columns are 'id', 'flg', 'confidence'" in message
    assert "hint: say which column it is: --map issue_type=flg" in message
    assert "neither an image_id nor an image_path" in fault(tmp_path, "x,flag,confidence\n1,dark,0.5\n")
    assert "--map confidence=- if there is none" in fault(tmp_path, "id,flag\n1,dark\n")
    assert table(tmp_path, "id,flag\n1,dark\n", confidence="-")[0].issues[0].confidence is None


def test_table__map(tmp_path: Path) -> None:
    (item,) = table(tmp_path, "id,number,flag,confidence\n1,2,dark,0.5\n", image_id="number")
    assert item.item_id == "2"
    message = fault(tmp_path, "id,flag,confidence\n1,dark,0.5\n", image_id="idd")
    assert "did you mean --map image_id=id?" in message
    with pytest.raises(UsageError, match="did you mean 'image_id'"):
        parse_mapping(["image_ids=x"])


def test_table__several_words_and_none(tmp_path: Path) -> None:
    found = table(tmp_path, "id,flag,confidence\n1,mislabel;martian,0.5\n2,,\n3,none,\n")
    assert [[i.issue_type for i in item.issues] for item in found] == [["mislabel", None], [], []]


def test_table__too_many_cells(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="row 2: has 4 cells where the header has 3"):
        table(tmp_path, "id,flag,confidence\n1,dark,0.5,x\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("imagenet/ILSVRC2012_val_00000001.JPEG", "val"),
        ("imagenet/n02328150_10770.JPEG", "train"),
        ("imagenet/val/n02328150/n02328150_10770.JPEG", "val"),
        ("COCO_train2014_000000000009.jpg", "train"),
        ("x/holdout-1.jpg", "test"),
        ("x/1.jpg", None),
        (None, None),
    ],
)
def test_split_of(path: str | None, expected: str | None) -> None:
    assert split_of(path, parse_split_rules(["holdout-.=test"])) == expected


def test_export_refs__keys_are_those_of_a_scan_and_stay_unique() -> None:
    refs = ExportRefs()

    def key(item_id: str | None, path: str | None, split: str | None) -> str:
        ref = refs.ref(item_id=item_id, path=path, split=split, given_label=None)
        return f"{ref.split}/{ref.rel_path}"

    assert key("1", "data/train/cat/1.jpg", "train") == "train/cat/1.jpg"
    assert key("2", "other/train/cat/1.jpg", "train") == "train/other/train/cat/1.jpg"
    assert key("3", "a.jpg", None) == "all/a.jpg"
    assert key("4", "a.jpg", None) == "all/a.jpg/4"
    assert key("5", None, None) == "all/5"
    assert key(None, "..\\b.jpg", None) == "all/\\x2e\\x2e/b.jpg"
