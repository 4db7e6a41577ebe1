"""The boxes that the page draws: with each image's details, paged with them, in the offline file too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from chaffinch.pipeline import review_boxes
from chaffinch.pipeline.import_export import import_exports
from chaffinch.pipeline.review_columns import ISSUE_NAMES, NO_CLASS
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.pipeline.review_file import write_review_file
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
from chaffinch.serve.guard import LOOPBACK, Access
from chaffinch.storage.decisions import open_log

BOXES = {1: [(10, 1, 2, 20, 30), (11, 0, 0, 5, 5), (12, 4, 4, 9, 9)], 2: [(20, 3, 3, 8, 8)], 3: []}


def found(kind: str, confidence: float, **more: str) -> dict[str, Any]:
    return {
        "type": "issue",
        "properties": {"issue_type": kind, "confidence": confidence, "suggested_label": None, **more},
    }


FOUND = {
    11: [found("mislabels", 0.7, suggested_label="dog")],
    12: [found("outliers", 0.9)],
    20: [found("mislabels", 0.8, suggested_label="dog")],
}


@pytest.fixture(scope="module")
def boxed(
    tmp_path_factory: pytest.TempPathFactory, save_pictures: Callable[[Path, Mapping[str, int]], None]
) -> Path:
    """Return a workspace of three images; of the boxes of two of them another tool found something."""
    folder = tmp_path_factory.mktemp("boxes")
    save_pictures(folder / "images", {f"{n}.png": n for n in BOXES})
    annotations = [
        {"id": i, "image_id": n, "category_id": 7, "bbox": list(box)} for n in BOXES for i, *box in BOXES[n]
    ]
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 40} for n in BOXES],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    scan(folder / "ws", SourceSpec(locations=(str(folder / "coco.json"),), images=str(folder / "images")))
    items = [
        {
            "media_id": str(n),
            "media_type": "image",
            "file_name": f"{n}.png",
            "file_path": f"{n}.png",
            "metadata_items": [
                {
                    "type": "object_label",
                    "properties": {
                        "original_id": str(i),
                        "category_name": "cat",
                        "bbox": list(box),
                        "metadata_items": FOUND.get(i, []),
                    },
                }
                for i, *box in BOXES[n]
            ],
        }
        for n in BOXES
    ]
    export = {"info": {"schema_version": "1.1", "dataset": "coco"}, "media_items": items}
    (folder / "vl.json").write_text(json.dumps(export))
    import_exports(folder / "ws", [folder / "vl.json"], tool="visual-layer")
    return folder / "ws"


def brief(detail: Mapping[str, Any]) -> list[tuple[str, str, list[float], list[tuple[str, str | None]]]]:
    return [
        (
            box["annotation_id"],
            box["given_label"],
            [box[name] for name in ("x", "y", "width", "height")],
            [(finding["issue_type"], finding["suggested_label"]) for finding in box["findings"]],
        )
        for box in detail["boxes"]
    ]


def test_details__boxes_with_their_findings_surest_first(boxed: Path) -> None:
    board = Board(ReviewData(boxed), open_log(boxed))
    app = create_app(board, page="<html></html>", access=Access(LOOPBACK))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        first, second, third = client.get("/api/details", params={"ids": "0,1,2"}).json()["items"]
    assert brief(first) == [
        ("12", "cat", [4.0, 4.0, 9.0, 9.0], [("outlier", None)]),
        ("11", "cat", [0.0, 0.0, 5.0, 5.0], [("mislabel", "dog")]),
        ("10", "cat", [1.0, 2.0, 20.0, 30.0], []),
    ]
    assert (first["findings"], first["n_boxes"]) == ([], 3), "what is found about a box is not of the image"
    assert brief(second) == [("20", "cat", [3.0, 3.0, 8.0, 8.0], [("mislabel", "dog")])]
    assert (third["boxes"], third["n_boxes"]) == ([], 0)


def test_details__of_many_boxes_the_flagged_ones(boxed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_boxes, "MAX_BOXES", 2)
    (detail,) = ReviewData(boxed).details([0])
    assert ([box["annotation_id"] for box in detail["boxes"]], detail["n_boxes"]) == (["12", "11"], 3)


def test_columns__types_found_in_boxes_stand_apart(boxed: Path) -> None:
    data = ReviewData(boxed)
    bit = {name: 1 << place for place, name in enumerate(ISSUE_NAMES)}
    values = data.columns.values
    assert values["box_issues"].tolist() == [bit["mislabel"] | bit["outlier"], bit["mislabel"], 0]
    assert values["issues"].tolist() == [0, 0, 0] and values["suggested"].tolist() == [NO_CLASS] * 3
    assert values["priority"].argsort().tolist() == [2, 1, 0], "the surest finding in a box comes first"


def test_review_file__images_flagged_by_a_box_with_all_their_boxes(boxed: Path, tmp_path: Path) -> None:
    path = tmp_path / "review.html"
    assert [n for _, n in write_review_file(boxed, path, page="<html><head></head></html>")] == [2]
    inside = re.search(r"<script[^>]*>(.*)</script>", path.read_text(), re.DOTALL)
    assert inside is not None
    details = json.loads(inside[1])["details"]
    assert [[box["annotation_id"] for box in d["boxes"]] for d in details] == [["12", "11", "10"], ["20"]]


def test_columns__classes_that_no_image_has_can_be_chosen_too(boxed: Path) -> None:
    data = ReviewData(boxed)
    assert set(data.columns.values["given"].tolist()) == {NO_CLASS}
    assert data.columns.classes == ["cat", "dog"]
