"""The same forty pictures through every kind of source give the same outcomes, digests and hashes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

N = 40
LABELS = ("cat", "dog")
MEASURED = (
    "outcome",
    "size_bytes",
    "width",
    "height",
    "format",
    "mode",
    "phash",
    "bytes_digest",
    "pixels_digest",
)

Row = dict[str, Any]


def rel_path(number: int) -> str:
    return f"{LABELS[number % 2]}/{number:03d}.{'png' if number % 3 else 'jpg'}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class folder; one picture is cut off."""
    folder = tmp_path_factory.mktemp("pictures") / "pets"
    random = np.random.default_rng(5)
    for number in range(N):
        path = folder / rel_path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (30 + number, 40, 3), np.uint8)).save(path)
    broken = folder / rel_path(7)
    broken.write_bytes(broken.read_bytes()[:300])
    return folder


def write_list(pictures: Path, path: Path, delimiter: str) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["path", "label", "id"])
        writer.writerows((pictures / rel_path(n), LABELS[n % 2], f"{n:05d}") for n in range(N))
    return path


def make_csv(pictures: Path, folder: Path) -> Path:
    return write_list(pictures, folder / "list.csv", ",")


def make_tsv(pictures: Path, folder: Path) -> Path:
    return write_list(pictures, folder / "list.tsv", "\t")


def make_txt(pictures: Path, folder: Path) -> Path:
    path = folder / "list.txt"
    path.write_text("".join(f"{pictures / rel_path(n)} {LABELS[n % 2]}\n" for n in range(N)))
    return path


def make_parquet_list(pictures: Path, folder: Path) -> Path:
    columns = {
        "image_path": [str(pictures / rel_path(n)) for n in range(N)],
        "label": [LABELS[n % 2] for n in range(N)],
        "image_id": [1000 + n for n in range(N)],
    }
    pq.write_table(pa.table(columns), folder / "list.parquet")
    return folder / "list.parquet"


def make_zip(pictures: Path, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "pets.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(N):
            archive.write(pictures / rel_path(number), rel_path(number))
    return folder / "pets.zip"


def make_tar(pictures: Path, folder: Path) -> Path:
    with tarfile.open(folder / "pets-000000.tar", "w") as archive:
        for number in range(N):
            name = f"{number:05d}"
            path = pictures / rel_path(number)
            for suffix, content in ((path.suffix, path.read_bytes()), (".cls", LABELS[number % 2].encode())):
                member = tarfile.TarInfo(name + suffix)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return folder / "pets-000000.tar"


def make_hf_parquet(pictures: Path, folder: Path) -> Path:
    """Write two shards as the package `datasets` does."""
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(LABELS), "_type": "ClassLabel"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata=metadata,
    )
    data = folder / "hf" / "data"
    data.mkdir(parents=True)
    for shard in range(2):
        numbers = range(shard * N // 2, (shard + 1) * N // 2)
        images = [{"bytes": (pictures / rel_path(n)).read_bytes(), "path": f"{n}.png"} for n in numbers]
        table = pa.table({"image": images, "label": [n % 2 for n in numbers]}, schema=schema)
        pq.write_table(table, data / f"train-{shard:05d}-of-00002.parquet", row_group_size=7)
    return folder / "hf"


def make_coco(pictures: Path, folder: Path) -> Path:
    """Write annotations with ids of their own: two boxes on every other picture."""
    content = {
        "info": {"description": "pets"},
        "images": [
            {"id": 500 + n, "file_name": rel_path(n), "width": 40, "height": 30 + n} for n in range(N)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"id": 9000 + 2 * n + b, "image_id": 500 + n, "category_id": 17 + b, "bbox": [b, 2, 10.5, 12]}
            for n in range(0, N, 2)
            for b in range(2)
        ],
    }
    path = folder / "instances_pets.json"
    path.write_text(json.dumps(content))
    return path


PLAIN: dict[str, Callable[[Path, Path], Path]] = {
    "csv": make_csv,
    "tsv": make_tsv,
    "txt": make_txt,
    "list": make_parquet_list,
    "zip": make_zip,
    "tar": make_tar,
}
"""Sources that declare no classes of their own, so that one workspace can hold all of them."""


def by_bytes(rows: list[Row]) -> dict[str, tuple[Any, ...]]:
    return {row["bytes_digest"]: tuple(row[name] for name in MEASURED) for row in rows}


@pytest.fixture(scope="module")
def together(commands, pictures, table_rows, tmp_path_factory) -> dict[str, list[Row]]:
    """Rows by split of one workspace with the folder and every plain source, each a split of its own."""
    folder = tmp_path_factory.mktemp("sources")
    places = {"folder": pictures} | {kind: make(pictures, folder) for kind, make in PLAIN.items()}
    options = [text for kind, place in places.items() for text in ("--split", f"{kind}={place}")]
    commands.run("scan", *options, "-w", folder / "ws", "--dataset", "Many Pets")
    rows: dict[str, list[Row]] = {kind: [] for kind in places}
    for row in table_rows("samples", folder / "ws"):
        rows[row["split"]].append(row)
    return rows


@pytest.mark.parametrize("kind", PLAIN)
def test_scan__every_source_gives_the_same_measurements(together, kind) -> None:
    assert len(together[kind]) == N
    assert by_bytes(together[kind]) == by_bytes(together["folder"])
    assert sorted(row["outcome"] for row in together[kind]) == ["broken"] + ["ok"] * (N - 1)
    labels = {row["bytes_digest"]: row["given_label"] for row in together["folder"]}
    assert {row["bytes_digest"]: row["given_label"] for row in together[kind]} == labels


def test_scan__coco_objects_and_ids(commands, pictures, together, table_rows, tmp_path) -> None:
    source = make_coco(pictures, tmp_path)
    commands.run("scan", source, "--images", pictures, "--dataset", "coco", "-w", tmp_path / "ws")
    rows = table_rows("samples", tmp_path / "ws")
    assert by_bytes(rows) == by_bytes(together["folder"])
    assert sorted(row["image_id"] for row in rows) == list(range(500, 500 + N))
    target = tmp_path / "objects.csv"
    commands.run("table", "objects", "-w", tmp_path / "ws", "--to", target)
    with target.open(newline="") as file:
        boxes = list(csv.DictReader(file))
    path_of = {str(row["sample_id"]): row["image_path"] for row in rows}
    assert {
        (box["annotation_id"], path_of[box["sample_id"]], box["given_label"], float(box["width"]))
        for box in boxes
    } == {
        (str(9000 + 2 * n + b), str(pictures / rel_path(n)), LABELS[b], 10.5)
        for n in range(0, N, 2)
        for b in range(2)
    }
    assert {(float(box["x"]), float(box["y"]), float(box["height"])) for box in boxes} == {
        (0, 2, 12),
        (1, 2, 12),
    }


def test_scan__hugging_face_rows(commands, pictures, together, table_rows, tmp_path) -> None:
    commands.run("scan", make_hf_parquet(pictures, tmp_path), "-w", tmp_path / "ws")
    rows = table_rows("samples", tmp_path / "ws")
    assert by_bytes(rows) == by_bytes(together["folder"])
    assert [row["image_id"] for row in rows] == list(range(N))
    assert [row["given_label"] for row in rows] == [str(n % 2) for n in range(N)]
    assert {row["split"] for row in rows} == {"train"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("folder", [rel_path(n) for n in range(N)]),
        ("csv", [f"{n:05d}" for n in range(N)]),
        ("list", list(range(1000, 1000 + N))),
        ("zip", [rel_path(n) for n in range(N)]),
        ("rows", list(range(N))),
    ],
)
def test_scan__image_ids_of_each_source_alone(
    commands, pictures, table_rows, tmp_path, kind, expected
) -> None:
    source = PLAIN[kind](pictures, tmp_path) if kind in PLAIN else pictures
    if kind == "rows":
        source = tmp_path / "rows"
        for number in range(N):
            (source / str(number % 2)).mkdir(parents=True, exist_ok=True)
            path = pictures / rel_path(number)
            shutil.copy(path, source / str(number % 2) / f"{number}{path.suffix}")
    commands.run("scan", source, "-w", tmp_path / "ws")
    ids = {row["bytes_digest"]: row["image_id"] for row in table_rows("samples", tmp_path / "ws")}
    assert sorted(ids.values()) == sorted(expected)
    assert {type(i) for i in ids.values()} == {type(expected[0])}
