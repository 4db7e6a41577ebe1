"""COCO annotation files: images, boxes, classes, and faults that name the entry."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from chaffinch.errors import SourceError
from chaffinch.formats.coco import CocoSource
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.records import ClassEntry, ObjectRef


def content() -> dict[str, Any]:
    return {
        "info": {},
        "images": [
            {"id": 9, "file_name": "b/9.jpg", "width": 4, "height": 3},
            {"id": "007", "file_name": "a 7.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 18, "bbox": [0, 1.5, 2, 3], "segmentation": [[1, 2]]},
            {"id": 3, "image_id": "007", "category_id": 1, "bbox": [0, 0, 1, 1]},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
    }


def write(root: Path, value: object) -> str:
    (root / "instances.json").write_text(json.dumps(value))
    for name in ("images/b/9.jpg", "images/a 7.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return f"{root}/instances.json"


def test_source__images_boxes_and_classes(tmp_path: Path) -> None:
    location = write(tmp_path, content())
    source = open_source(location, images=f"{tmp_path}/images/", dataset="COCO 2017")
    refs = list(source.refs())
    assert source.dataset == "coco_2017"
    assert [(r.split, r.rel_path, r.source_id, r.given_label, r.image_path) for r in refs] == [
        ("all", "b/9.jpg", "9", None, f"{tmp_path}/images/b/9.jpg"),
        ("all", "a 7.jpg", "007", None, f"{tmp_path}/images/a 7.jpg"),
    ]
    assert [f.data for f in fetch(refs)] == [b"images/b/9.jpg", b"images/a 7.jpg"]
    assert source.classes() == [ClassEntry(0, "18", "dog"), ClassEntry(1, "1", "person")]
    assert list(source.objects()) == [
        ObjectRef("all", "b/9.jpg", "1", "dog", (0.0, 1.5, 2.0, 3.0)),
        ObjectRef("all", "a 7.jpg", "3", "person", (0.0, 0.0, 1.0, 1.0)),
    ]


def test_source__explicit_splits(tmp_path: Path) -> None:
    location = write(tmp_path, content())
    source = open_source((), splits={"val": location}, images=f"{tmp_path}/images")
    assert {ref.split for ref in source.refs()} == {item.split for item in source.objects()} == {"val"}


@pytest.mark.parametrize(
    ("json_path", "image_path"),
    [
        ("instances.json", "images/1.jpg"),
        ("instances.json", "1.jpg"),
        ("annotations/instances_val2017.json", "val2017/1.jpg"),
        ("annotations/instances_val2017.json", "images/val2017/1.jpg"),
        ("instances_val2017.json", "val2017/1.jpg"),
    ],
)
def test_source__finds_the_images(
    json_path: str, image_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (json_path, image_path):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / image_path).write_bytes(b"x")
    (tmp_path / json_path).write_text('{"images": [{"id": 1, "file_name": "1.jpg"}]}')
    monkeypatch.chdir(tmp_path)
    for location in (json_path, f"{tmp_path}/{json_path}"):
        (ref,) = open_source(location).refs()
        assert ref.uri == f"{tmp_path}/{image_path}"
        assert ".." not in ref.image_path


def test_source__missing_images(tmp_path: Path) -> None:
    location = write(tmp_path, content())
    (tmp_path / "images" / "a 7.jpg").unlink()
    found = list(fetch(list(open_source(location).refs())))
    assert [f.outcome for f in found] == ["ok", "missing"]
    with pytest.raises(SourceError, match="is not a folder of images"):
        open_source(location, images=f"{tmp_path}/none")
    (tmp_path / "images" / "b" / "9.jpg").unlink()
    with pytest.raises(SourceError, match="in none of the usual places") as caught:
        open_source(location)
    assert "--images DIR" in caught.value.hint


@pytest.mark.parametrize(
    ("table", "entry", "words"),
    [
        (
            "annotations",
            {"id": 5, "image_id": 8, "category_id": 1, "bbox": [0, 0, 1, 1]},
            "annotation 5 belongs to image 8,",
        ),
        (
            "annotations",
            {"id": 5, "image_id": 9, "category_id": 2, "bbox": [0, 0, 1, 1]},
            "annotation 5 has the category 2,",
        ),
        (
            "annotations",
            {"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]},
            "annotation 3 stands there twice",
        ),
        ("annotations", {"id": 5, "image_id": 9, "category_id": 1}, "annotation 5 has no 'bbox'"),
        ("annotations", {"id": 5, "category_id": 1, "bbox": [0, 0, 1, 1]}, "annotation 5 has no 'image_id'"),
        ("annotations", {"image_id": 9}, r"annotation number 3 \(from 1\) has no 'id'"),
        (
            "annotations",
            {"id": 5, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1]},
            "the 'bbox' of annotation 5 is",
        ),
        (
            "annotations",
            {"id": 5, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, "x"]},
            "the 'bbox' of annotation 5 is",
        ),
        ("annotations", 7, r"annotation number 3 \(from 1\) has no 'id'"),
        ("images", {"id": 9, "file_name": "c.jpg"}, "image 9 stands there twice"),
        ("images", {"id": 10, "file_name": "./b/9.jpg"}, "images 9 and 10 have the same file './b/9.jpg'"),
        ("images", {"id": 10}, "image 10 has no 'file_name'"),
        ("images", {"id": 1.5, "file_name": "c.jpg"}, r"the id of image number 3 \(from 1\) is 1.5"),
        ("images", {"id": 10, "file_name": ""}, "the 'file_name' of image 10 is ''"),
        ("categories", {"id": 18, "name": "cat"}, "category 18 stands there twice"),
        ("categories", {"id": 19}, "category 19 has no 'name'"),
    ],
)
def test_source__faults_name_the_entry(table: str, entry: object, words: str, tmp_path: Path) -> None:
    value = content()
    value[table].append(entry)
    with pytest.raises(SourceError, match=rf"instances\.json: {words}") as caught:
        open_source(write(tmp_path, value))
    assert caught.value.hint


def test_source__nan_box_is_a_fault(tmp_path: Path) -> None:
    value = content()
    value["annotations"][0]["bbox"][0] = float("nan")
    with pytest.raises(SourceError, match="the 'bbox' of annotation 1 is"):
        open_source(write(tmp_path, value))


def test_source__cut_off_file_names_the_byte(tmp_path: Path) -> None:
    location = write(tmp_path, {"note": "ä", **content()})
    raw = (tmp_path / "instances.json").read_bytes()[:100]
    (tmp_path / "instances.json").write_bytes(raw)
    with pytest.raises(SourceError, match=r"instances\.json: not JSON, or cut off, at line 1 .*of 100\)"):
        open_source(location)
    (tmp_path / "instances.json").write_bytes(b'{"\xff"}')
    with pytest.raises(SourceError, match="not UTF-8 at byte 2"):
        open_source(location)


@pytest.mark.parametrize("value", [[], {"media_items": []}, {"images": {}}, {"images": [], "annotations": 1}])
def test_source__other_json_is_an_error(value: object, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"instances\.json: "):
        open_source(write(tmp_path, value))


def test_source__real_photographs() -> None:
    default = Path(__file__).parents[4] / "shared" / "data"
    root = Path(os.environ.get("CHAFFINCH_TEST_DATA", default)) / "coco-open-licence"
    if not root.is_dir():
        pytest.skip("real images are not here; name them with CHAFFINCH_TEST_DATA")
    source = CocoSource(f"{root}/instances.json", dataset="coco", images=f"{root}/images")
    found = list(fetch(list(source.refs())))
    assert len(found) == 156
    assert {f.outcome for f in found} == {"ok"}
    assert all(f.ref.size_bytes == len(f.data or b"") for f in found)
    boxes = list(source.objects())
    assert len(boxes) == 1363
    assert {box.given_label for box in boxes} <= {entry.name for entry in source.classes()}
    assert {box.rel_path for box in boxes} <= {f.ref.rel_path for f in found}
