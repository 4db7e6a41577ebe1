"""Imports from end to end: linking, merging, rescans, and what is said of rows that cannot be used."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chaffinch.errors import SourceError, WorkspaceError
from chaffinch.pipeline.import_export import (
    CLEANLAB,
    VISUAL_LAYER,
    ImportReport,
    ImportSettings,
    import_exports,
)
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.storage.export import read_exported
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.imports import staged_imports

DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
EXPORTS = DATA / "vl-export"


def issue(kind: str, confidence: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"type": "issue", "properties": {"issue_type": kind, "confidence": confidence, **more}}


def label(name: str) -> dict[str, Any]:
    return {"type": "image_label", "properties": {"category_name": name, "source": "User"}}


def export(path: Path, items: dict[str, list[dict[str, Any]]]) -> Path:
    """Write an export; items are named ``media id|path``."""
    media = [
        {"media_id": name.partition("|")[0], "file_path": name.partition("|")[2], "metadata_items": metadata}
        for name, metadata in items.items()
    ]
    path.write_text(json.dumps({"info": {"dataset": "My Set"}, "media_items": media}))
    return path


def run(root: Path, *files: Path, tool: str = VISUAL_LAYER, **mapping: str) -> ImportReport:
    return import_exports(root, files, tool=tool, settings=ImportSettings(mapping=mapping))


def rows(root: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_exported(root, name).to_pylist()
    return found


def findings(root: Path) -> list[tuple[str, str, float]]:
    return sorted((r["key"], r["issue_type"], round(r["confidence"], 4)) for r in rows(root, "issues"))


def unused(root: Path, tool: str = VISUAL_LAYER) -> list[tuple[str, str]]:
    with (root / "imports" / f"{tool}_unused.csv").open(newline="") as file:
        return [(row["image_path"], row["why"]) for row in csv.DictReader(file)]


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 40, 80)).save(path)


# ------------------------------------------------------------------------------------------ new workspaces


def test_import__images_that_are_not_there_become_samples(tmp_path: Path) -> None:
    items = {
        "a|flat/ILSVRC2012_val_00000001.JPEG": [label("cat"), issue("outliers", 0.75)],
        "b|flat/n01440764_1.JPEG": [label("dog")],
    }
    file, root = export(tmp_path / "e.json", items), tmp_path / "ws"
    report = run(root, file)
    assert (report.dataset, report.n_new_samples, report.findings.n_linked) == ("my_set", 2, 2)
    samples = rows(root, "samples")
    assert [(s["key"], s["image_id"], s["given_label"], s["outcome"]) for s in samples] == [
        ("val/flat/ILSVRC2012_val_00000001.JPEG", "a", "cat", "missing"),
        ("train/flat/n01440764_1.JPEG", "b", "dog", "missing"),
    ]
    (found,) = rows(root, "issues")
    assert (found["sample_id"], found["issue_type"], found["source"]) == (0, "outlier", "visual-layer")
    assert found["reason"] == "Visual Layer flags outliers (confidence 0.750)."
    (entry,) = staged_imports(WorkspaceFolder(root).current())
    assert (root / entry.folder / "raw" / "e.json").read_bytes() == file.read_bytes()
    assert entry.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_import__every_group_of_an_image_with_several_is_kept(tmp_path: Path) -> None:
    groups = [
        issue("duplicates", duplicate_group_id=g, duplicate_threshold=t) for g, t in [("g1", 0.9), ("g2", 1)]
    ]
    root = tmp_path / "ws"
    run(root, export(tmp_path / "e.json", {"a|1.jpg": groups}))
    assert [
        (r["group_id"], json.loads(r["evidence"])["duplicate_threshold"]) for r in rows(root, "issues")
    ] == [
        ("g1", 0.9),
        ("g2", 1.0),
    ]


def test_import__parts_are_joined_and_the_same_file_replaces_its_rows(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    one = export(tmp_path / "one.json", {"a|x/1.jpg": [issue("dark", 0.25)], "b|x/2.jpg": [issue("blur")]})
    two = export(tmp_path / "two.json", {"b|x/2.jpg": [issue("blur")], "c|y/1.jpg": [issue("dark")]})
    run(root, one, two)
    expected = [("all/x/1.jpg", "dark", 0.25), ("all/x/2.jpg", "blur", 0.5), ("all/y/1.jpg", "dark", 0.5)]
    assert findings(root) == expected
    export(one, {"a|x/1.jpg": [issue("dark", 0.75)]})
    report = run(root, one)
    assert (report.n_new_samples, report.n_exports) == (0, 2)
    assert findings(root) == [("all/x/1.jpg", "dark", 0.75), *expected[1:]]
    assert [s["sample_id"] for s in rows(root, "samples")] == [0, 1, 2]
    assert len(list((root / "imports").glob("visual-layer-*"))) == 2


def test_import__of_two_parts_the_newer_word_on_one_finding_counts(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    run(root, export(tmp_path / "one.json", {"a|1.jpg": [issue("dark", 0.25)]}))
    report = run(root, export(tmp_path / "two.json", {"a|1.jpg": [issue("dark", 0.75)]}))
    assert findings(root) == [("all/1.jpg", "dark", 0.75)]
    assert report.findings.n_repeated == 1


def test_import__boxes_keep_their_issues(tmp_path: Path) -> None:
    box = {"category_name": "ear", "source": "User", "bbox": [1, 2, 3, 4]}
    boxes = [
        {"type": "object_label", "properties": {**box, "original_id": 7}},
        {
            "type": "object_label",
            "properties": {**box, "original_id": -1, "metadata_items": [issue("mislabels")]},
        },
    ]
    root = tmp_path / "ws"
    run(root, export(tmp_path / "e.json", {"a|1.jpg": boxes}))
    first, second = rows(root, "objects")
    assert (first["annotation_id"], first["given_label"], first["width"]) == ("7", "ear", 3.0)
    assert [r["object_id"] for r in rows(root, "issues")] == [str(second["object_id"])]


def test_import__ids_that_collide_are_kept_and_told(tmp_path: Path) -> None:
    file, root = tmp_path / "flags.csv", tmp_path / "ws"
    file.write_text("id,path,flag,confidence\n17,train/3/17.jpg,dark,0.5\n17,val/5/17.jpg,blur,0.5\n")
    report = run(root, file)
    assert report.warnings == ["1 image ids of split 'val' also stand in an earlier split"]
    assert findings(root) == [("train/3/17.jpg", "dark", 0.5), ("val/5/17.jpg", "blur", 0.5)]


def test_import__several_rows_of_one_image(tmp_path: Path) -> None:
    file, root = tmp_path / "flags.csv", tmp_path / "ws"
    file.write_text("id,path,flag,confidence\n1,a.jpg,dark,0.5\n1,a.jpg,blur,0.25\n1,a.jpg,dark,0.5\n")
    run(root, file)
    assert findings(root) == [("all/a.jpg", "blur", 0.25), ("all/a.jpg", "dark", 0.5)]


def test_import__a_mapping_is_kept(tmp_path: Path) -> None:
    file, root = tmp_path / "flags.csv", tmp_path / "ws"
    file.write_text("no,id,flag,confidence\n5,9,dark,0.5\n")
    run(root, file, image_id="no")
    run(root, file)
    assert [s["image_id"] for s in rows(root, "samples")] == [5]


def test_import__what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    file, root = tmp_path / "flags.csv", tmp_path / "ws"
    file.write_text("id,path,flag,confidence\n1,a.jpg,martian,0.5\n,,dark,0.5\n")
    run(root, file)
    assert sorted(unused(root)) == [
        ("", "it names no image: neither id nor path"),
        ("all/a.jpg", "unknown issue type 'martian'"),
    ]


def test_import__an_export_at_fault_leaves_the_workspace_as_it_was(tmp_path: Path) -> None:
    good, root = export(tmp_path / "e.json", {"a|1.jpg": [issue("dark")]}), tmp_path / "ws"
    run(root, good)
    before = (root / "CURRENT.json").read_bytes()
    bad = tmp_path / "cut.json"
    bad.write_bytes(good.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"cut.json: the file is cut off: it ends at byte \d+ .* item 1"):
        run(root, bad)
    assert (root / "CURRENT.json").read_bytes() == before
    run(root, good)
    assert len(list((root / "imports").glob("visual-layer-*"))) == 1


def test_import__tags_of_people_become_decisions_once(tmp_path: Path) -> None:
    tags = [{"type": "user_tag", "tag_name": name} for name in ("Mislabel Confirmed", "remove", "mine")]
    file, root = export(tmp_path / "e.json", {"a|1.jpg": tags}), tmp_path / "ws"
    assert run(root, file).n_tags == 2
    assert run(root, file).n_tags == 0
    decisions = [(d["key"], d["tags_added"], d["action"], d["origin"]) for d in rows(root, "decisions")]
    assert decisions == [
        ("all/1.jpg", "mislabel_confirmed", "none", "import"),
        ("all/1.jpg", "remove", "remove", "import"),
    ]
    assert unused(root) == [("all/1.jpg", "the tag 'mine' is none of the taxonomy's")]


# -------------------------------------------------------------------------------------- scanned workspaces


@pytest.fixture
def scanned(tmp_path: Path) -> Path:
    """A workspace of five pictures in ``data/``."""
    for number, name in enumerate(["train/cat/1.png", "train/cat/2.png", "train/dog/2.png", "val/dog/7.png"]):
        picture(tmp_path / "data" / name, 20 * number)
    scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "data"),)))
    return tmp_path / "ws"


def test_import__links_by_path_and_never_guesses(scanned: Path, tmp_path: Path) -> None:
    items = {
        "a|bucket/train/cat/1.png": [issue("dark")],
        "b|2.png": [issue("dark")],
        "c|elsewhere/7.png": [issue("dark")],
        "d|val/dog/8.png": [issue("dark")],
    }
    report = run(scanned, export(tmp_path / "e.json", items))
    assert (report.n_new_samples, report.findings.n_linked) == (0, 2)
    assert findings(scanned) == [("train/cat/1.png", "dark", 0.5), ("val/dog/7.png", "dark", 0.5)]
    reasons = dict(unused(scanned))
    assert reasons["val/dog/8.png"] == "no sample has this id or path"
    assert reasons["2.png"].startswith("several samples fit")


def test_import__two_images_that_only_tails_lead_to_one_sample_are_not_linked(
    scanned: Path, tmp_path: Path
) -> None:
    items = {"a|video1/7.png": [issue("dark")], "b|video2/7.png": [issue("dark")], "c|1.png": [issue("blur")]}
    run(scanned, export(tmp_path / "e.json", items))
    assert findings(scanned) == [("train/cat/1.png", "blur", 0.5)]


def test_import__an_id_that_contradicts_the_path(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "data" / f"{number}.png", 40 * number)
    root, file = tmp_path / "ws", tmp_path / "flags.csv"
    scan(root, SourceSpec(locations=(str(tmp_path / "data"),)))
    file.write_text("id,path,flag,confidence\n1,x/1.png,dark,0.5\n0,x/2.png,dark,0.5\n2,,blur,0.5\n")
    run(root, file)
    assert findings(root) == [("all/1.png", "dark", 0.5), ("all/2.png", "blur", 0.5)]
    assert unused(root) == [("x/2.png", "its id names another image than its path")]


def test_import__of_another_dataset_is_refused(scanned: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="none of the 1 rows means one of the 4 images"):
        run(scanned, export(tmp_path / "e.json", {"z|zebra.png": [issue("dark")]}))
    assert rows(scanned, "issues") == []


def test_import__suggestions_are_spelled_as_the_labels_are(scanned: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("image_path,is_label_issue,label_score,predicted_label\ntrain/cat/1.png,True,0.1,1\n")
    run(scanned, file, tool=CLEANLAB)
    (found,) = rows(scanned, "issues")
    assert (found["suggested_label"], found["source"]) == ("dog", "cleanlab")


def test_scan__keeps_what_was_imported(scanned: Path, tmp_path: Path) -> None:
    items = {"a|train/cat/1.png": [issue("dark")], "b|val/dog/9.png": [issue("blur")]}
    run(scanned, export(tmp_path / "e.json", items))
    picture(tmp_path / "data" / "val" / "dog" / "9.png", 200)
    scan(scanned, SourceSpec(locations=(str(tmp_path / "data"),)))
    assert findings(scanned) == [("train/cat/1.png", "dark", 0.5), ("val/dog/9.png", "blur", 0.5)]


def test_scan__takes_over_a_workspace_made_by_an_import(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    run(root, export(tmp_path / "e.json", {"a|bucket/cat/1.png": [issue("dark")], "b|bucket/cat/2.png": []}))
    picture(tmp_path / "data" / "cat" / "1.png")
    scan(root, SourceSpec(locations=(str(tmp_path / "data"),)))
    assert [(s["key"], s["outcome"]) for s in rows(root, "samples")] == [("all/cat/1.png", "ok")]
    assert findings(root) == [("all/cat/1.png", "dark", 0.5)]
    assert unused(root) == [("bucket/cat/2.png", "no sample has this id or path")]


def test_scan__of_something_else_leaves_an_imported_workspace(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    run(root, export(tmp_path / "e.json", {"a|cat/1.png": [issue("dark")]}))
    picture(tmp_path / "data" / "zebra.png")
    with pytest.raises(WorkspaceError, match="none of the images of the imported exports"):
        scan(root, SourceSpec(locations=(str(tmp_path / "data"),)))
    assert findings(root) == [("all/cat/1.png", "dark", 0.5)]


# ------------------------------------------------------------------------------------------- real exports


@pytest.mark.skipif(not EXPORTS.is_dir(), reason=f"no {EXPORTS}")
def test_import__real_exports(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    report = run(root, *sorted(EXPORTS.glob("*.json")))
    samples = rows(root, "samples")
    assert len(samples) == report.findings.n_linked == 62
    assert sum(s["split"] == "val" for s in samples) == 1
    assert [s["given_label"] for s in samples[:6]] == ["Angora"] * 4 + ["guinea_pig", "Pekinese"]
    raw = "".join(file.read_text() for file in EXPORTS.glob("*.json"))
    groups = set(re.findall(r'"duplicate_group_id": ?"([^"]+)"', raw))
    assert {r["group_id"] for r in rows(root, "issues")} - {None} == groups
    assert all(r["object_id"] for r in rows(root, "issues") if r["issue_type"] == "blur")
