"""fastdup's work_dir and cleanlab's tables, hand-made after what the tools write."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.cleanlab import read_cleanlab
from chaffinch.formats.export_table import ExportTable
from chaffinch.formats.fastdup import fastdup_files, read_fastdup
from chaffinch.records import ExportedItem

# Number 2 was unreadable: it is missing from the numbering, so 3 is the third name, not the fourth row.
WORK_DIR = {
    "atrain_features.dat.csv": "index,filename\n0,in/a.jpg\n1,in/b.jpg\n3,in/c.jpg\n4,in/d.jpg\n",
    "atrain_features.bad.csv": "index,filename,error_code,filesize\n2,in/x.jpg,ERROR_CORRUPT_IMAGE,9\n",
    "similarity.csv": "from,to,distance\n0,3,0.970000\n0,1,0.900000\n3,0,0.970000\n",
    "outliers.csv": "from,to,distance\n4,1,0.400000\n",
    "connected_components.csv": (
        "__id,component_id,count,mean_distance,min_distance,max_distance\n"
        "0,5,2,0.97,0.97,0.97\n1,6,0,0,0,0\n3,5,2,0.97,0.97,0.97\n4,7,0,0,0,0\n"
    ),
    "atrain_stats.csv": "index,blur,mean\n0,500,100\n1,75,100\n3,500,2\n4,500,254\n",
}


def make(folder: Path, **changed: str) -> Path:
    for name, text in {**WORK_DIR, **changed}.items():
        (folder / name).write_text(text)
    return folder


def found(items: list[ExportedItem]) -> dict[str | None, list[tuple[str | None, float | None, str | None]]]:
    return {
        item.path or item.item_id: [
            (i.issue_type, None if i.confidence is None else round(i.confidence, 4), i.group_id)
            for i in item.issues
        ]
        for item in items
    }


def test_read_fastdup(tmp_path: Path) -> None:
    items = list(read_fastdup(make(tmp_path), where="work"))
    assert found(items) == {
        "in/a.jpg": [("duplicate", 0.97, "5")],
        "in/b.jpg": [("blur", 0.75, None)],
        "in/c.jpg": [("duplicate", 0.97, "5"), ("dark", 0.75, None)],
        "in/d.jpg": [("outlier", 0.6, None), ("bright", 0.75, None)],
        "in/x.jpg": [("corrupt", 1.0, None)],
    }
    assert "nearest is in/c.jpg with similarity 0.9700" in (items[0].issues[0].reason or "")


def test_read_fastdup__names_instead_of_numbers(tmp_path: Path) -> None:
    folder = make(tmp_path, **{"outliers.csv": "from,to,distance\nin/d.jpg,in/b.jpg,0.25\n"})
    assert found(list(read_fastdup(folder, where="work")))["in/d.jpg"][0] == ("outlier", 0.75, None)


def test_read_fastdup__files_of_two_runs(tmp_path: Path) -> None:
    folder = make(tmp_path, **{"outliers.csv": "from,to,distance\n9,1,0.25\n"})
    with pytest.raises(TableError, match=r"work/outliers.csv row 2: names no image .*, got '9'"):
        list(read_fastdup(folder, where="work"))


def test_fastdup_files__another_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no work_dir of fastdup"):
        fastdup_files(tmp_path)


def cleanlab(folder: Path, text: str) -> list[ExportedItem]:
    file = folder / "issues.csv"
    file.write_text(text)
    return list(read_cleanlab(ExportTable(file, where="issues.csv")))


def test_read_cleanlab__label_issues(tmp_path: Path) -> None:
    text = (
        ",is_label_issue,label_score,given_label,predicted_label\n5,True,0.1,cat,dog\n6,False,0.9,cat,cat\n"
    )
    one, two = cleanlab(tmp_path, text)
    assert (one.item_id, one.path, one.given_label) == ("5", None, "cat")
    assert (one.issues[0].issue_type, one.issues[0].suggested_label) == ("mislabel", "dog")
    assert one.issues[0].confidence == pytest.approx(0.9)
    assert two.issues == ()


def test_read_cleanlab__rows_count_where_nothing_names_the_image(tmp_path: Path) -> None:
    text = "is_label_issue,label_quality\nTrue,0.25\nTrue,0.5\n"
    assert found(cleanlab(tmp_path, text)) == {
        "0": [("mislabel", 0.75, None)],
        "1": [("mislabel", 0.5, None)],
    }


def test_read_cleanlab__all_checks_of_datalab(tmp_path: Path) -> None:
    text = (
        "image_path,is_outlier_issue,outlier_score,is_near_duplicate_issue,near_duplicate_score,is_non_iid_issue\n"
        "a.jpg,True,0.2,True,0.0,True\n"
    )
    assert found(cleanlab(tmp_path, text)) == {
        "a.jpg": [("outlier", 0.8, None), ("duplicate", 1.0, None), (None, None, None)]
    }


def test_read_cleanlab__faults(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="column 'is_label_issue': is missing; the columns are 'id', 'x'"):
        cleanlab(tmp_path, "id,x\n1,2\n")
    with pytest.raises(TableError, match=r"row 2 column 'label_score': is not a number .*got '7'"):
        cleanlab(tmp_path, "id,is_label_issue,label_score\n1,True,7\n")
    with pytest.raises(TableError, match=r"row 2 column 'is_label_issue': is neither .*got 'maybe'"):
        cleanlab(tmp_path, "id,is_label_issue,label_score\n1,maybe,0.5\n")
