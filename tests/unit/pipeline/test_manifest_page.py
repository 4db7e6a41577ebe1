"""The review page of a manifest: what stands in it, whose file it may replace, how it does without images."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chaffinch.errors import UsageError
from chaffinch.formats.manifest_csv import COLUMNS
from chaffinch.pipeline import review_file
from chaffinch.pipeline.manifest_page import write_manifest_page
from chaffinch.pipeline.review_columns import NO_CLASS
from chaffinch.pipeline.review_manifest import measured
from chaffinch.records import ExportedIssue

HOSTILE = '"></script><script>alert(1)</script>\u202egpj\n.jpg'
BLUR, DUPLICATE = 1 << 6, 1 << 4
"""Bits of these types in the column `issues`: their places in the taxonomy."""


def row(number: int, **texts: str) -> dict[str, str]:
    base = {"image_id": str(number), "image_path": f"pictures/{number}.png", "label": "cat"}
    flags = {"vl_flag_type": "blur", "vl_confidence": "0.9", "user_action": "none"}
    return {**dict.fromkeys(COLUMNS, ""), **base, **flags, **texts}


def written(
    path: Path, rows: Sequence[dict[str, str]], *, dataset: str = "birds", root: Path, **findings: Any
) -> list[Path]:
    return write_manifest_page(
        path,
        [(row["image_path"] or row["image_id"], row) for row in rows],
        findings=findings.get("findings", {}),
        dataset=dataset,
        roots=(root,),
        page="<html><head></head><body></body></html>",
    )


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8").partition('id="data" data-dataset="')[2]
    data: dict[str, Any] = json.loads(text.partition(">")[2].partition("</script>")[0])
    return data


def column(data: dict[str, Any], name: str) -> list[int]:
    """Return a column of a page whose rows fit into one part."""
    (block,) = map(base64.b64decode, data["columns"])
    n, offset = data["meta"]["n"], 0
    codes = {"uint8": "B", "uint16": "H", "uint32": "I", "int32": "i", "float32": "f"}
    for spec in data["meta"]["columns"]:
        size = struct.calcsize(f"<{n}{codes[spec['dtype']]}")
        if spec["name"] == name:
            return list(struct.unpack(f"<{n}{codes[spec['dtype']]}", block[offset : offset + size]))
        offset += -(-size // 8) * 8
    raise AssertionError(f"no column {name}")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (number * 80, 30, 30)).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path


def test_page__holds_words_columns_and_the_pictures_at_hand(pictures: Path) -> None:
    rows = [row(0, vl_suggested_label="dog", vl_reason="soft"), row(5, split="val", image_path="")]
    (page,) = written(pictures / "r.html", rows, root=pictures)
    data = data_of(page)
    assert data["meta"]["subjects"] == "manifest"
    assert (data["meta"]["classes"], data["meta"]["splits"]) == (["cat", "dog"], ["", "val"])
    first, second = data["details"]
    assert (first["key"], first["width"], first["height"]) == ("pictures/0.png", 40, 30)
    assert len(first["content_digest"]) == 32
    (finding,) = first["findings"]
    assert (finding["issue_type"], finding["confidence"], finding["suggested_label"]) == ("blur", 0.9, "dog")
    assert (second["key"], second["width"], second["content_digest"]) == ("5", None, None)
    assert list(data["thumbs"]) == ["0"]
    assert base64.b64decode(data["thumbs"]["0"]).startswith(b"\xff\xd8")
    assert column(data, "sample_id") == [0, 1]
    assert column(data, "suggested") == [1, NO_CLASS]
    assert column(data, "confidence") == [230, 230]


def test_page__findings_of_the_export_each_with_its_words(pictures: Path) -> None:
    issues = [
        ExportedIssue(None, "duplicate", 0.8, group_id="g"),
        ExportedIssue(None, "watermark", 0.5, reason="a mark"),
    ]
    rows = [row(1, vl_flag_type="duplicate;watermark"), row(2, vl_flag_type="blur;dark")]
    found = {("1", "pictures/1.png"): issues}
    data = data_of(*written(pictures / "r.html", rows, root=pictures, findings=found))
    assert data["meta"]["issue_types"][-1] == "watermark"
    last = 1 << (len(data["meta"]["issue_types"]) - 1)
    # Without findings of its own an image has those that its row tells of.
    assert column(data, "issues") == [DUPLICATE | last, BLUR | 1 << 7]
    assert column(data, "group") == [0, -1]
    assert [f["reason"] for f in data["details"][0]["findings"]] == ["", "a mark"]
    assert [f["confidence"] for f in data["details"][1]["findings"]] == [0.9, None]


def test_page__more_words_than_there_are_bits(pictures: Path) -> None:
    rows = [row(n, vl_flag_type=f"odd{n:02}") for n in range(40)]
    data = data_of(*written(pictures / "r.html", rows, root=pictures))
    names = data["meta"]["issue_types"]
    assert (len(names), names[-1], names[15]) == (31, "other", "odd00")
    assert column(data, "issues")[-1] == 1 << 30


def test_page__shows_what_was_decided_before(pictures: Path) -> None:
    decided = {
        "user_tags": "remove,low_quality_blur",
        "user_action": "remove",
        "reviewer_name": "Ana",
        "notes": "soft",
    }
    rows = [row(0, vl_flag_type="", **decided), row(1), row(2, vl_flag_type="")]
    data = data_of(*written(pictures / "r.html", rows, root=pictures))
    assert column(data, "action") == [2, 0]
    assert column(data, "tags") == [1 << 11 | 1 << 6, 0]
    assert column(data, "turn") == [2, 0]
    assert column(data, "new_label") == [0, 0]
    (verdict,) = data["details"][0]["verdicts"]
    assert (verdict["reviewer"], verdict["action"], verdict["note"]) == ("Ana", "remove", "soft")
    assert data["details"][1]["verdicts"] == []


def test_page__no_text_leaves_its_place(pictures: Path) -> None:
    rows = [row(0, image_path=HOSTILE, label="<b>"), row(1, image_path="\udc80.png")]
    (page,) = written(pictures / "r.html", rows, dataset='"><i>birds', root=pictures)
    assert page.read_text(encoding="utf-8").count("<script") == 1
    assert [words["image_path"] for words in data_of(page)["details"]] == [HOSTILE, "\udc80.png"]
    assert written(pictures / "r.html", rows, dataset='"><i>birds', root=pictures) == [page]


def test_page__of_another_dataset_is_kept(pictures: Path) -> None:
    path = pictures / "r.html"
    (first,) = written(path, [row(0)], root=pictures)
    assert written(path, [row(1)], root=pictures) == [first]
    with pytest.warns(UserWarning, match="is the page of another dataset"):
        (other,) = written(path, [row(0)], dataset="My Coco", root=pictures)
    assert other.name == "r_my_coco.html"
    assert data_of(first)["meta"]["dataset"] == "birds"
    other.write_text("somebody's own")
    with pytest.warns(UserWarning), pytest.raises(UsageError, match="is kept"):
        written(path, [row(0)], dataset="My Coco", root=pictures)
    assert other.read_text() == "somebody's own"


def test_page__many_images_make_numbered_files_the_surest_first(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_file, "MAX_IMAGES", 2)
    rows = [row(n, vl_confidence=f"0.{n + 1}") for n in range(5)]
    pages = written(pictures / "r.html", rows, root=pictures)
    assert [page.name for page in pages] == ["r.html", "r_2.html", "r_3.html"]
    assert [[words["image_id"] for words in data_of(page)["details"]] for page in pages] == [
        ["3", "4"],
        ["1", "2"],
        ["0"],
    ]
    assert len({data_of(page)["meta"]["dataset_id"] for page in pages}) == 3


def test_page__keeps_its_name_in_the_browser_while_the_images_are_the_same(pictures: Path) -> None:
    rows = [row(0), row(1, vl_flag_type="")]
    name = data_of(*written(pictures / "r.html", rows, root=pictures))["meta"]["dataset_id"]
    rows[1]["user_action"] = "keep"
    assert data_of(*written(pictures / "r.html", rows, root=pictures))["meta"]["dataset_id"] == name
    rows.reverse()
    assert data_of(*written(pictures / "r.html", rows, root=pictures))["meta"]["dataset_id"] != name


def test_measured__what_is_at_hand(pictures: Path) -> None:
    (pictures / "pictures" / "broken.png").write_bytes(b"no picture")
    names = ["pictures/0.png", "pictures/broken.png", "gone.png", "http://x/y.png", "", "a" * 5000]
    places = dict(enumerate([*names, str(pictures / "pictures" / "1.png"), "~nobody/1.png", "a\0b"]))
    found = measured(places, [pictures])
    assert sorted(found) == [0, 1, 6]
    assert [found[n].thumbnail is not None for n in (0, 1, 6)] == [True, False, True]
