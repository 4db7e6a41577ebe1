"""`VLTaggingWorkflow` from an export to a manifest; the guide's own blocks are in tests/integration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from chaffinch.errors import ChaffinchError, TableError, UsageError
from chaffinch.pipeline.export_frame import image_findings
from chaffinch.pipeline.tagging_workflow import VLTaggingWorkflow

ROOT = Path(__file__).parents[3]

EXPORT = """image_id,image_path,label,issue_type,confidence,suggested_label,reason
0,data/train/3/0.jpg,3,mislabels,0.97,5,"looks, like 5"
0,data/train/3/0.jpg,3,blur,0.99,,=soft
1,data/train/3/1.jpg,3,mislabel,0.95,,odd
2,data/train/4/2.jpg,4,Mislabeled,0.5,5,unsure
3,data/val/4/3.jpg,4,outliers,0.4,,far
4,data/val/5/4.jpg,5,dark,0.3,,dark
123,data/train/5/123.jpg,5,outlier,0.7,,edge
"""


def workflow_of(path: Path, text: str, **options: Any) -> VLTaggingWorkflow:
    path.write_text(text)
    workflow = VLTaggingWorkflow(path, "d", **options)
    workflow.load_vl_export()
    return workflow


def test_vl_data__has_one_row_for_each_finding_raw_columns_first(tmp_path: Path) -> None:
    data = workflow_of(tmp_path / "e.csv", EXPORT).vl_data
    assert data["vl_flag_type"].tolist() == [
        "mislabel",
        "blur",
        "mislabel",
        "mislabel",
        *["outlier", "dark", "outlier"],
    ]
    assert data["issue_type"].tolist()[:4] == ["mislabels", "blur", "mislabel", "Mislabeled"]
    assert data["image_id"].dtype == "int64"
    assert data["vl_confidence"].tolist() == [0.97, 0.99, 0.95, 0.5, 0.4, 0.3, 0.7]
    assert data["split"].tolist() == ["train", "train", "train", "train", "val", "val", "train"]


def test_manifest__surest_finding_first(tmp_path: Path) -> None:
    manifest = workflow_of(tmp_path / "e.csv", EXPORT).create_tagging_manifest()
    first = manifest.iloc[0]
    assert (first["vl_flag_type"], first["vl_confidence"], first["vl_reason"]) == (
        "blur;mislabel",
        0.99,
        "=soft",
    )
    assert first["vl_suggested_label"] == "5"
    assert manifest["image_id"].tolist() == [0, 1, 2, 3, 4, 123]


def test_export_manifest__neutralises_formulas_and_writes_events(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    assert workflow.add_user_tags_batch([0], ["mislabel_confirmed"], "relabel", reviewer_name="Ana") == 1
    workflow.export_manifest(tmp_path / "m.csv")
    assert (
        ",blur;mislabel,0.99,5,'=soft,mislabel_confirmed,relabel,5,Ana," in (tmp_path / "m.csv").read_text()
    )
    head, event = map(json.loads, (tmp_path / "m.events.jsonl").read_text().splitlines())
    assert head["format"] == "chaffinch events"
    assert len(head["export_sha256"]) == 64
    assert (event["key"], event["action"], event["new_label"]) == ("data/train/3/0.jpg", "relabel", "5")


TEXT_EXPORT = """id,path,class,flag,confidence,suggested_label
007,a/007.png,NA,mislabel,97.50%,None
8,a/8.png,None,mislabel,50%,
8,b/8.png,cat,blur,10%,
,c/9.png,cat,blur,1%,
"""


def test_manifest__texts_stay_what_they_are(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path / "e.csv", TEXT_EXPORT)
    with pytest.warns(UserWarning, match="1 images have an id"):
        manifest = workflow.create_tagging_manifest()
    assert manifest["image_id"].tolist() == ["007", "8", "8", "c/9.png"]
    assert manifest["label"].tolist() == ["NA", "None", "cat", "cat"]
    assert manifest["vl_confidence"].tolist() == [0.975, 0.5, 0.1, 0.01]
    workflow.add_user_tags_batch(["007"], ["relabel"], reviewer_name="Ana")
    assert workflow.tagged_data["new_label"].tolist() == ["None", "", "", ""]


def test_workflow__the_troubleshooting_snippet_works_in_a_subclass(tmp_path: Path) -> None:
    class Mine(VLTaggingWorkflow):
        def create_tagging_manifest(self):  # type: ignore[no-untyped-def]
            # In create_tagging_manifest(), update column mapping:
            manifest = pd.DataFrame({
                'image_id': self.vl_data.get('your_id_column'),
                'image_path': self.vl_data.get('your_path_column'),
                # ... etc
            })  # fmt: skip
            return manifest

    path = tmp_path / "e.csv"
    path.write_text("your_id_column,your_path_column,what\n11,a.jpg,odd\n12,b.jpg,dull\n")
    workflow = Mine(path, "d")
    workflow.load_vl_export()
    workflow.create_tagging_manifest()
    workflow.add_user_tags_batch(image_ids=[12], tags=["remove"], action="remove", reviewer_name="Ana")
    workflow.export_manifest(tmp_path / "m.csv")
    frame = pd.read_csv(tmp_path / "m.csv")
    assert frame["image_id"].tolist() == [11, 12]
    assert frame["user_action"].tolist() == ["none", "remove"]
    with pytest.raises(TableError, match=r"image_id.*--map|your_id_column"):
        workflow_of(path, path.read_text()).create_tagging_manifest()


def test_workflow__columns_can_be_mapped(tmp_path: Path) -> None:
    text = "key,where,class,kind,sure\n1,a.jpg,cat,blur,0.5\n"
    mapping = {"image_id": "key", "image_path": "where", "issue_type": "kind", "confidence": "sure"}
    manifest = workflow_of(tmp_path / "e.csv", text, mapping=mapping).create_tagging_manifest()
    assert manifest.iloc[0][["image_id", "image_path", "vl_flag_type"]].tolist() == [1, "a.jpg", "blur"]


def test_workflow__json_exports_come_in_too() -> None:
    path = ROOT.parent / "shared" / "data" / "vl-export" / "imagenet1k_cluster_sample_schema1.1.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not at hand")
    workflow = VLTaggingWorkflow(path, "imagenet1k")
    data = workflow.load_vl_export()
    manifest = workflow.create_tagging_manifest()
    assert len(manifest) == 6
    assert data["vl_flag_type"].iloc[0] == "outlier"
    assert manifest["label"].iloc[0] == "Angora"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": ["mislabeled"]}, "unknown tag 'mislabeled'"),
        ({"tags": ["keep", "remove"]}, "'keep' contradicts"),
        ({"tags": ["keep"], "reviewer_name": ""}, "name of who makes it"),
    ],
)
def test_add_user_tags_batch__refuses_and_changes_nothing(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    with pytest.raises(UsageError, match=message):
        workflow.add_user_tags_batch(image_ids=[0], **{"reviewer_name": "Ana", **options})
    assert set(workflow.tagged_data["user_action"]) == {"none"}
    assert workflow.events == []


def test_add_user_tags_batch__needs_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="create_tagging_manifest"):
        workflow_of(tmp_path / "e.csv", EXPORT).add_user_tags_batch([1], ["keep"], reviewer_name="Ana")


def test_load_vl_export__names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ChaffinchError, match="no such file"):
        VLTaggingWorkflow(tmp_path / "e.csv", "d").load_vl_export()


def test_add_decisions_from__takes_what_was_edited(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    workflow.export_manifest(tmp_path / "m.csv")
    frame = pd.read_csv(tmp_path / "m.csv", dtype={"user_tags": "str", "notes": "str"})
    frame.loc[0, ["user_tags", "user_action"]] = ["low_quality_blur", "remove"]
    frame.loc[1, "user_action"] = "erase"
    frame.to_csv(tmp_path / "edited.csv", index=False)
    left = workflow.add_decisions_from(tmp_path / "edited.csv", "Ana")
    assert [(r.line.row, r.kind) for r in left] == [(3, "refused")]
    assert workflow.tagged_data.loc[0, "user_tags"] == "low_quality_blur"
    assert len(workflow.events) == 1
    assert len(workflow.add_decisions_from(tmp_path / "edited.csv", "Ana")) == 1
    assert len(workflow.events) == 1


HEAD = {
    "format": "chaffinch decisions",
    "version": 1,
    "dataset": "d",
    "subjects": "manifest",
    "reviewer": "Saeed",
}


def saved_page(path: Path, *lines: dict[str, Any], **head: str) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in ({**HEAD, **head}, *lines)))
    return path


def said(number: int, key: str, action: str = "remove", **fields: Any) -> dict[str, Any]:
    time = f"2026-11-30T06:00:{number:02}.000Z"
    ids = {"event_id": f"event-{number:08}", "batch_id": f"batch-{number:08}"}
    return {**ids, "key": key, "time_utc": time, "action": action, **fields}


def test_add_decisions_from__takes_what_the_page_saved_once(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    page = saved_page(
        tmp_path / "d.jsonl",
        said(1, "data/train/3/0.jpg", "relabel", tags_added=["mislabel_confirmed"]),
        said(2, "data/train/3/1.jpg"),
        said(3, "data/train/3/1.jpg", "none", undo_of="batch-00000002"),
        said(4, "data/val/4/3.jpg", "keep", note="edge"),
        said(5, "elsewhere.jpg"),
    )
    left = workflow.add_decisions_from(page)
    assert [(r.line.row, r.kind, r.reason) for r in left] == [
        (6, "refused", "the manifest has no such image")
    ]
    # Whoever merges an older file of the same page afterwards brings nothing new.
    assert len(workflow.add_decisions_from(page, "somebody else")) == 1
    assert [event.event_id for event in workflow.events] == [f"event-{n:08}" for n in (1, 2, 3, 4)]
    manifest = workflow.tagged_data
    assert manifest["user_action"].tolist() == ["relabel", "none", "none", "keep", "none", "none"]
    assert manifest["reviewer_name"].tolist() == ["Saeed", "", "", "Saeed", "", ""]
    assert manifest["new_label"].tolist() == [5, 3, 4, 4, 5, 5], "a relabel takes the suggestion"
    assert manifest["notes"].tolist()[3] == "edge"


def test_add_decisions_from__the_page_of_a_workspace_by_path(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    line = said(1, "train/3/0.jpg", image_path="data/train/3/0.jpg", image_id="0")
    page = saved_page(tmp_path / "d.jsonl", line, subjects="samples", dataset="other")
    assert workflow.add_decisions_from(page) == []
    assert workflow.tagged_data["user_action"].tolist()[0] == "remove"


@pytest.mark.parametrize(
    ("line", "head", "message"),
    [
        ({}, {"dataset": "other"}, r"row 1.*about the dataset 'other', not about 'd'"),
        ({"event_id": "?"}, {}, "row 3.*event_id.*is no id"),
        ({"tags_added": ["keep"]}, {}, "row 3.*contradicts"),
        ({}, {"reviewer": " "}, "name of who makes it"),
    ],
)
def test_add_decisions_from__a_wrong_line_is_named_and_nothing_taken(
    tmp_path: Path, line: dict[str, Any], head: dict[str, str], message: str
) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    good = said(1, "data/train/3/0.jpg")
    page = saved_page(tmp_path / "d.jsonl", good, said(2, "data/train/3/1.jpg") | line, **head)
    with pytest.raises(ChaffinchError, match=message):
        workflow.add_decisions_from(page)
    assert workflow.events == []
    assert set(workflow.tagged_data["user_action"]) == {"none"}


def test_image_findings__each_with_its_words_the_same_once(tmp_path: Path) -> None:
    text = (
        "image_id,image_path,issue_type,confidence,suggested_label,reason,group_id\n"
        "1,a.jpg,duplicate,0.9,,,wide\n1,,duplicate,0.95,,,narrow\n1,a.jpg,blur,0.99,,soft,\n"
        "2,b.jpg,,,,,\n"
    )
    workflow = workflow_of(tmp_path / "e.csv", text)
    found = image_findings(workflow.vl_data)
    assert list(found) == [("1", "a.jpg")]
    assert [(i.written_type, i.confidence, i.reason, i.group_id) for i in found["1", "a.jpg"]] == [
        ("blur", 0.99, "soft", None),
        ("duplicate", 0.95, None, "narrow"),
    ]


def test_export_manifest__keeps_a_file_that_holds_other_decisions(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path / "e.csv", EXPORT)
    workflow.create_tagging_manifest()
    workflow.add_user_tags_batch([0], ["remove"], reviewer_name="Ana")
    workflow.export_manifest(tmp_path / "m.csv")
    before = (tmp_path / "m.csv").read_text()
    workflow.export_manifest(tmp_path / "m.csv")
    workflow.create_tagging_manifest()
    with pytest.warns(UserWarning, match=r"m\.before-1\.csv"):
        workflow.export_manifest(tmp_path / "m.csv")
    assert (tmp_path / "m.before-1.csv").read_text() == before
    assert not (tmp_path / "m.before-2.csv").exists()
