"""Hugging Face Parquet shards: rows, labels, class names, bytes, without reading bytes to plan."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaffinch.errors import SourceError
from chaffinch.formats.opening import open_source
from chaffinch.formats.reading import fetch
from chaffinch.records import ClassEntry, SampleRef

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_shard(
    path: Path,
    images: Sequence[bytes | None],
    labels: Sequence[int],
    *,
    rows_per_group: int = 100,
    names: Sequence[str] | None = ("cat", "dog"),
) -> Path:
    """Write a shard with the types and metadata that `datasets` writes."""
    label = {"names": list(names), "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    features = {"image": {"_type": "Image"}, "label": label}
    schema = pa.schema(
        [("image", IMAGE_TYPE), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    cells = [{"bytes": image, "path": None} for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pq.write_table(pa.table([cells, labels], schema=schema), file, row_group_size=rows_per_group)
    return path


def keys(refs: Sequence[SampleRef]) -> list[tuple[str, str, str | None]]:
    return [(ref.split, ref.rel_path, ref.given_label) for ref in refs]


def write_dataset(root: Path) -> Path:
    for number, split, labels in ((0, "train", [0, 1, 0]), (1, "train", [1]), (0, "val", [1, -1])):
        name = f"{split}-{number:05}-of-0000{2 if split == 'train' else 1}.parquet"
        images = [f"{split}{number}{n}".encode() for n in range(len(labels))]
        write_shard(root / "data" / name, images, labels, rows_per_group=2)
    return root


EXPECTED_KEYS = [
    ("train", "0", "0"),
    ("train", "1", "1"),
    ("train", "2", "0"),
    ("train", "3", "1"),
    ("val", "0", "1"),
    ("val", "1", None),
]
EXPECTED_BYTES = [b"train00", b"train01", b"train02", b"train10", b"val00", b"val01"]


def test_refs__rows_of_a_repository(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "imagenet_1k_resized_256")
    (root / "README.md").write_text("card")
    for place in (str(root), f"{root}/data", f"{root}/data/*.parquet"):
        source = open_source(place)
        refs = list(source.refs())
        assert keys(refs) == EXPECTED_KEYS
        assert [f.data for f in fetch(refs)] == EXPECTED_BYTES
    assert open_source(str(root)).dataset == open_source(f"{root}/data").dataset == "imagenet_1k_resized_256"
    assert refs[3].image_path == f"{root}/data/train-00001-of-00002.parquet/3"
    assert refs[3].member == "parquet:0/0/image.bytes"
    assert {ref.source_id for ref in refs} == {None}
    assert source.classes() == [ClassEntry(0, "0", "cat"), ClassEntry(1, "1", "dog")]


def test_refs__explicit_splits(tmp_path: Path) -> None:
    root = write_dataset(tmp_path)
    chosen = open_source((), splits={"val": str(root), "train": f"{root}/data/train-00001-of-00002.parquet"})
    assert keys(list(chosen.refs())) == [("train", "0", "1"), ("val", "0", "1"), ("val", "1", None)]
    assert [entry.name for entry in chosen.classes()] == ["cat", "dog"]
    with pytest.raises(SourceError, match="holds the splits train, val"):
        open_source((), splits={"test": str(root)})


def test_refs__shards_in_split_folders(tmp_path: Path) -> None:
    write_shard(tmp_path / "test" / "0000.parquet", [b"b"], [1])
    write_shard(tmp_path / "default" / "train" / "0000.parquet", [b"a"], [0])
    assert keys(list(open_source(str(tmp_path)).refs())) == [("train", "0", "0"), ("test", "0", "1")]


def test_refs__reads_no_image_bytes(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.parquet", [os.urandom(100_000)] * 50, [0] * 50)
    raw = bytearray(path.read_bytes())
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    start, size = chunk.dictionary_page_offset or chunk.data_page_offset, chunk.total_compressed_size
    raw[start : start + size] = bytes(size)
    path.write_bytes(raw)
    refs = list(open_source(str(path)).refs())
    assert len(refs) == 50
    assert {f.outcome for f in fetch(refs)} == {"broken"}


def test_refs__other_image_columns(tmp_path: Path) -> None:
    for number, (name, column, leaf) in enumerate(
        [
            ("img", pa.array([{"bytes": b"x", "path": "p"}], IMAGE_TYPE), "img.bytes"),
            ("photo", pa.array([{"bytes": b"x", "path": "p"}], IMAGE_TYPE), "photo.bytes"),
            ("image", pa.array([b"x"], pa.large_binary()), "image"),
        ]
    ):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"hash": pa.array([b"no"]), name: column, "class": ["cat"]}), path)
        refs = list(open_source(str(path)).refs())
        assert keys(refs) == [("all", "0", "cat")]
        assert refs[0].member == f"parquet:0/0/{leaf}"
        assert [f.data for f in fetch(refs)] == [b"x"]


def test_refs__no_names_and_broken_metadata(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.parquet", [b"x"], [5], names=None)
    source = open_source(str(path))
    assert (keys(list(source.refs())), source.classes()) == ([("all", "0", "5")], [])
    table = pq.read_table(path).replace_schema_metadata({"huggingface": "{cut"})
    pq.write_table(table, path)
    assert keys(list(open_source(str(path)).refs())) == [("all", "0", "5")]


def test_fetch__any_order_and_null_cells(tmp_path: Path) -> None:
    images = [b"%d" % n if n % 7 else None for n in range(100)]
    path = write_shard(tmp_path / "a.parquet", images, [0] * 100, rows_per_group=40)
    refs = list(open_source(str(path)).refs())
    order = [99, 3, 2, 41, 40, 0, 50, 50, 7, 8]
    found = list(fetch([refs[n] for n in order]))
    assert [f.data for f in found] == [images[n] for n in order]
    assert {f.outcome for f in found if f.data is None} == {"missing"}


def test_fetch__changed_file_is_broken(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.parquet", [b"x"] * 10, [0] * 10, rows_per_group=5)
    refs = list(open_source(str(path)).refs())
    write_shard(path, [b"y"] * 3, [0] * 3)
    assert [f.outcome for f in fetch(refs)] == ["ok"] * 3 + ["broken"] * 7
    path.write_bytes(b"no parquet")
    assert {f.outcome for f in fetch(refs)} == {"broken"}


def test_fetch__holds_one_row_group(tmp_path: Path) -> None:
    image = os.urandom(40_000)
    images = [image[n:] + image[:n] for n in range(1000)]
    path = write_shard(tmp_path / "a.parquet", images, [0] * 1000, rows_per_group=250)
    del images
    default = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(default)
    pa.set_memory_pool(pool)
    try:
        n_bytes = sum(len(f.data or b"") for f in fetch(list(open_source(str(path)).refs())))
    finally:
        pa.set_memory_pool(default)
    assert n_bytes == 40_000_000
    assert pool.max_memory() < 15_000_000


def test_refs__cut_off_shard_is_an_error(tmp_path: Path) -> None:
    root = write_dataset(tmp_path)
    path = root / "data" / "train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"train-00001-of-00002\.parquet: not a Parquet file, or cut off"):
        list(open_source(str(root)).refs())


def test_refs__shard_without_images_is_an_error(tmp_path: Path) -> None:
    root = write_dataset(tmp_path)
    pq.write_table(pa.table({"x": [1]}), root / "data" / "train-00001-of-00002.parquet")
    with pytest.raises(SourceError, match="has no column of image bytes; its columns are x"):
        list(open_source(str(root)).refs())


def test_classes__splits_that_disagree_are_an_error(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.parquet", [b"x"], [0])
    write_shard(tmp_path / "b.parquet", [b"x"], [0], names=("dog", "cat"))
    source = open_source((), splits={"train": f"{tmp_path}/a.parquet", "val": f"{tmp_path}/b.parquet"})
    with pytest.raises(SourceError, match=r"class 0 is 'cat' \(0\) here and 'dog' \(0\) there"):
        source.classes()


def test_refs__stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.parquet", [b"x", b"y"], [0, 1])
    before = [ref.stamp for ref in open_source(str(path)).refs()]
    assert before == [ref.stamp for ref in open_source(str(path)).refs()]
    os.utime(path, ns=(1, 1))
    after = [ref.stamp for ref in open_source(str(path)).refs()]
    assert len({*before, *after}) == 4


def test_refs__remote_and_odd_paths(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / os.fsdecode(b"od\xe9 #"))
    refs = list(open_source(str(root)).refs())
    assert [f.data for f in fetch(refs)] == EXPECTED_BYTES
    fs = fsspec.filesystem("memory")
    for path in (root / "data").iterdir():
        fs.pipe_file(f"/hf/data/{path.name}", path.read_bytes())
    refs = list(open_source("memory://hf").refs())
    assert keys(refs) == EXPECTED_KEYS
    assert [f.data for f in fetch(refs)] == EXPECTED_BYTES
    fs.rm("/hf", recursive=True)
