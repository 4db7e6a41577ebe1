"""What is written as a Visual Layer export comes back the same through its reader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaffinch.formats.visual_layer import open_visual_layer
from chaffinch.formats.visual_layer_writer import (
    WrittenMedia,
    write_visual_layer_csv,
    write_visual_layer_json,
)
from chaffinch.records import ExportedIssue, ExportedItem, ExportedObject, ExportedTag
from chaffinch.taxonomy import ISSUE_TYPES

ODD = 'träin/a, "b"\nc; None.jpg'


def media(*items: ExportedItem) -> list[WrittenMedia]:
    return [WrittenMedia(item, "file:///x", 2048, 40, 30) for item in items]


def read(path: Path) -> list[ExportedItem]:
    return list(open_visual_layer(path, where=path.name, mapping={}, saved={}).items)


def item(**changes: object) -> ExportedItem:
    plain = ExportedItem(
        item_id="7", path="train/a.jpg", given_label="cat", split="train", media_type="image"
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def issue(kind: str, **more: object) -> ExportedIssue:
    return ExportedIssue(issue_type=kind, written_type=kind, **more)  # type: ignore[arg-type]


def plain(items: list[ExportedItem]) -> list[ExportedItem]:
    """Return items without what tells where they stood and how a word was spelled."""
    return [
        replace(
            one,
            place=0,
            issues=tuple(replace(i, place=0, written_type=str(i.issue_type)) for i in one.issues),
        )
        for one in items
    ]


FULL = item(
    path=ODD,
    given_label="None",
    uniqueness=0.25,
    cluster_id="12",
    issues=(
        issue("mislabel", confidence=0.5, suggested_label='NA, "x"', reason="=two\nlines"),
        issue("duplicate", confidence=1.0, group_id="3"),
        issue("blur", object_number=0),
    ),
    objects=(ExportedObject("91", "dog", "User", (1.0, 2.0, 30.5, 4.0)),),
    tags=(ExportedTag("keep", "2026-01-02T03:04:05"), ExportedTag("remove", None, 0)),
)


def test_json__everything_comes_back(tmp_path: Path) -> None:
    items = [FULL, item(item_id="8", given_label=None)]
    assert write_visual_layer_json(tmp_path / "e.json", media(*items), dataset="d", n_items=2) == 2
    assert plain(read(tmp_path / "e.json")) == items
    whole = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert whole["info"]["schema_version"] == "1.1"
    assert whole["info"]["total_media_items"] == 2
    first = whole["media_items"][0]
    assert (first["file_size"], first["width"], first["height"]) == ("2.00KB", 40, 30)
    assert first["metadata_items"][0]["properties"]["issue_type"] == "mislabels"


def test_json__no_items_at_all(tmp_path: Path) -> None:
    write_visual_layer_json(tmp_path / "e.json", [], dataset="d", n_items=0)
    assert read(tmp_path / "e.json") == []


@pytest.mark.parametrize("kind", ISSUE_TYPES)
def test_both__every_issue_type_is_read_back(tmp_path: Path, kind: str) -> None:
    one = media(item(issues=(issue(kind, confidence=0.5),)))
    write_visual_layer_json(tmp_path / "e.json", one, dataset="d", n_items=1)
    write_visual_layer_csv(tmp_path / "e.csv", one)
    assert read(tmp_path / "e.json")[0].issues[0].issue_type == kind
    assert read(tmp_path / "e.csv")[0].issues[0].issue_type == kind


def test_csv__has_the_guides_columns_and_a_row_a_finding(tmp_path: Path) -> None:
    assert write_visual_layer_csv(tmp_path / "e.csv", media(FULL, item(item_id="8"))) == 2
    text = (tmp_path / "e.csv").read_bytes().decode()
    assert text.startswith("image_id,image_path,label,issue_type,confidence,suggested_label,reason\n")
    first, second = read(tmp_path / "e.csv")
    assert (first.item_id, first.path, first.given_label) == ("7", ODD, "None")
    found = first.issues[0]
    assert (found.confidence, found.suggested_label, found.reason) == (0.5, 'NA, "x"', "'=two\nlines")
    assert second.issues[0].issue_type == "duplicate"


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), max_size=4))
def test_json__any_text_survives(tmp_path: Path, texts: list[tuple[str, str, str, str]]) -> None:
    items = [
        item(path=path, given_label=label, issues=(issue("mislabel", suggested_label=best, reason=reason),))
        for path, label, best, reason in texts
    ]
    write_visual_layer_json(tmp_path / "e.json", media(*items), dataset="d", n_items=len(items))
    assert plain(read(tmp_path / "e.json")) == items
