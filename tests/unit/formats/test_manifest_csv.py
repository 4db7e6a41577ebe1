"""A manifest comes back as it was written, whatever it holds; an edited row is told from an untouched one."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.errors import TableError
from chaffinch.formats.manifest_csv import (
    COLUMNS,
    NOTHING_DECIDED,
    ManifestDecision,
    as_decision,
    decision_hash,
    read_manifest,
    without_formula,
    write_manifest,
)


def row(**texts: str) -> dict[str, str]:
    return {"image_id": "7", "image_path": "train/7.jpg", "label": "3", **texts}


def test_write_manifest__has_the_columns_of_the_guide_in_order(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [row()])
    header, line = (tmp_path / "m.csv").read_text().splitlines()
    assert header == (
        "image_id,image_path,dataset,split,label,vl_flag_type,vl_confidence,vl_suggested_label,vl_reason,"
        "user_tags,user_action,new_label,reviewer_name,reviewed_at,notes,row_hash"
    )
    assert line == f"7,train/7.jpg,,,3,,,,,,none,,,,,{decision_hash(NOTHING_DECIDED)}"


hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(hostile, hostile, hostile)
def test_manifest__any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, path: str, label: str, note: str
) -> None:
    file = tmp_path_factory.mktemp("m") / "m.csv"
    texts = row(image_path=path, label=label, notes=note.replace("'", ""), vl_reason=note)
    write_manifest(file, [texts])
    (line,) = read_manifest(file)
    assert line.image_path == path
    assert line.label == label.strip()
    assert line.decision.notes == texts["notes"]
    assert not line.is_edited


def test_manifest__formulas_are_neutralised_in_notes_and_reasons_only(tmp_path: Path) -> None:
    texts = row(image_path="=cmd.jpg", notes="=1+1", vl_reason="@x", user_action="keep")
    write_manifest(tmp_path / "m.csv", [texts])
    with (tmp_path / "m.csv").open(newline="") as file:
        (written,) = csv.DictReader(file)
    assert (written["image_path"], written["notes"], written["vl_reason"]) == ("=cmd.jpg", "'=1+1", "'@x")
    (line,) = read_manifest(tmp_path / "m.csv")
    assert line.decision.notes == "=1+1"
    assert without_formula("plain") == "plain"


def test_manifest__survives_pandas_and_shows_what_was_edited_there(tmp_path: Path) -> None:
    rows = [
        row(image_id=str(n), new_label="3", user_tags="keep,outlier_valid" if n else "") for n in range(3)
    ]
    write_manifest(tmp_path / "m.csv", rows)
    frame = pd.read_csv(tmp_path / "m.csv")
    frame.loc[frame["image_id"] == 2, "user_action"] = "remove"
    frame.loc[frame["image_id"] == 1, "new_label"] = float("nan")
    frame.to_csv(tmp_path / "m.csv", index=False)
    lines = list(read_manifest(tmp_path / "m.csv"))
    assert [line.is_edited for line in lines] == [False, False, True]
    assert lines[2].decision == ManifestDecision(("keep", "outlier_valid"), "remove", "", "")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"user_action": "none"}, NOTHING_DECIDED),
        ({"user_action": "nan", "user_tags": "nan"}, NOTHING_DECIDED),
        ({"label": "3", "new_label": "3.0"}, NOTHING_DECIDED),
        ({"label": "3", "new_label": "5.0"}, ManifestDecision((), "none", "5", "")),
        ({"user_action": " Relabel "}, ManifestDecision((), "relabel", "", "")),
        ({"label": "v", "new_label": "v2.0"}, ManifestDecision((), "none", "v2.0", "")),
        ({"label": "None", "new_label": "NA"}, ManifestDecision((), "none", "NA", "")),
        ({"user_tags": "b, a,b"}, ManifestDecision(("a", "b"), "none", "", "")),
    ],
)  # fmt: skip
def test_as_decision(texts: dict[str, str], expected: ManifestDecision) -> None:
    assert as_decision(texts) == expected


def test_read_manifest__takes_semicolons_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffimage_id;image_path;user_tags;user_action;mine\n1;a.jpg;;keep;x\n"
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    (line,) = read_manifest(tmp_path / "m.csv")
    assert (line.image_id, line.decision.action, line.is_edited) == ("1", "keep", True)


def test_read_manifest__names_the_missing_column(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image_id,image_path,tags\n1,a,b\n")
    with pytest.raises(TableError, match=r"'user_tags'.*image_id, image_path, tags"):
        list(read_manifest(tmp_path / "m.csv"))


def test_columns__row_hash_is_last() -> None:
    assert COLUMNS[-1] == "row_hash"
