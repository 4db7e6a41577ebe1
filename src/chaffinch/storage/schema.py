"""Arrow schemas of the workspace's tables; docs/formats.md is the normative text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa

from chaffinch.records import Measurement, Quality, SampleRef

SCHEMA_VERSION = 1

_TEXT = pa.string()

REF_FIELDS = [
    pa.field("split", _TEXT),
    pa.field("rel_path", _TEXT),
    pa.field("image_path", _TEXT),
    pa.field("uri", _TEXT),
    pa.field("member", _TEXT),
    pa.field("given_label", _TEXT),
    pa.field("source_id", _TEXT),
    pa.field("listed_size_bytes", pa.int64()),
    pa.field("stamp", _TEXT),
]
"""What a source says of an image: the columns of `SampleRef`."""

QUALITY_FIELDS = [pa.field(f.name, pa.float32()) for f in fields(Quality)]

MEASURED_FIELDS = [
    pa.field("outcome", _TEXT),
    pa.field("error", _TEXT),
    pa.field("size_bytes", pa.int64()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("format", _TEXT),
    pa.field("mode", _TEXT),
    pa.field("bytes_digest", _TEXT),
    pa.field("pixels_digest", _TEXT),
    pa.field("phash", pa.uint64()),
    pa.field("phash_d4", pa.list_(pa.uint64(), 8)),
    pa.field("micro", pa.binary()),
    pa.field("jpeg_quality", pa.int16()),
    *QUALITY_FIELDS,
]
"""What one decode yields: the columns of `Measurement`."""

THUMB_FIELDS = [
    pa.field("thumb_shard", pa.int32()),
    pa.field("thumb_shard_offset", pa.int64()),
    pa.field("thumb_shard_bytes", pa.int32()),
]
"""Where the thumbnail lies: number of the blob in ``thumbs/``, place in it."""

SHARD_SCHEMA = pa.schema([pa.field("sample_id", pa.int64()), *MEASURED_FIELDS, *THUMB_FIELDS])

LISTING_SCHEMA = pa.schema(
    [pa.field("sample_id", pa.int64()), *REF_FIELDS, pa.field("is_listed", pa.bool_())]
)
"""Every sample that a scan knows, once; `is_listed` is false for the vanished ones."""

PLAN_SCHEMA = pa.schema([pa.field("sample_id", pa.int64()), *REF_FIELDS])
"""The images of one shard."""

INTERNAL_COLUMNS = (
    "rel_path",
    "member",
    "source_id",
    "stamp",
    "listed_size_bytes",
    *[f.name for f in THUMB_FIELDS],
)
"""Columns of `samples` that the program needs for itself; exports leave them out."""


def samples_schema(*, is_integer_id: bool) -> pa.Schema:
    """Return the schema of the published table `samples`."""
    return pa.schema(
        [
            pa.field("sample_id", pa.int64()),
            pa.field("key", _TEXT),
            pa.field("image_id", pa.int64() if is_integer_id else _TEXT),
            pa.field("split_row", pa.int64()),
            *REF_FIELDS,
            *MEASURED_FIELDS,
            *THUMB_FIELDS,
        ]
    )


OBJECTS_SCHEMA = pa.schema(
    [
        pa.field("object_id", pa.int64()),
        pa.field("sample_id", pa.int64()),
        pa.field("key", _TEXT),
        pa.field("annotation_id", _TEXT),
        pa.field("given_label", _TEXT),
        pa.field("x", pa.float64()),
        pa.field("y", pa.float64()),
        pa.field("width", pa.float64()),
        pa.field("height", pa.float64()),
    ]
)

CLASSES_SCHEMA = pa.schema(
    [pa.field("index", pa.int64()), pa.field("class_id", _TEXT), pa.field("name", _TEXT)]
)


def ref_columns(refs: Sequence[SampleRef]) -> dict[str, list[Any]]:
    """Turn refs into columns named as in `REF_FIELDS`."""
    return {
        "split": [r.split for r in refs],
        "rel_path": [r.rel_path for r in refs],
        "image_path": [r.image_path for r in refs],
        "uri": [r.uri for r in refs],
        "member": [r.member for r in refs],
        "given_label": [r.given_label for r in refs],
        "source_id": [r.source_id for r in refs],
        "listed_size_bytes": [r.size_bytes for r in refs],
        "stamp": [r.stamp for r in refs],
    }


def refs_from(table: pa.Table) -> list[SampleRef]:
    """Undo `ref_columns` for a table that has those columns."""
    columns = [table.column(f.name).to_pylist() for f in REF_FIELDS]
    return [
        SampleRef(
            split=split,
            rel_path=rel_path,
            image_path=image_path,
            uri=uri,
            member=member,
            given_label=label,
            source_id=source_id,
            size_bytes=size,
            stamp=stamp,
        )
        for split, rel_path, image_path, uri, member, label, source_id, size, stamp in zip(
            *columns, strict=True
        )
    ]


def measured_columns(measurements: Sequence[Measurement]) -> dict[str, list[Any]]:
    """Turn measurements into columns named as in `MEASURED_FIELDS`."""
    columns: dict[str, list[Any]] = {}
    for column in MEASURED_FIELDS[: -len(QUALITY_FIELDS)]:
        columns[column.name] = [getattr(m, column.name) for m in measurements]
    for column in QUALITY_FIELDS:
        columns[column.name] = [getattr(m.quality, column.name, None) for m in measurements]
    return columns
