"""Hugging Face Parquet shards, as `datasets` writes them: image bytes in a column, read in place.

An image is a row: its `rel_path` is the row number within the split, over all shards in the order in which
`datasets` reads them, so that it is the index that a training script uses. Planning reads row counts and the
label column, never the image bytes. Class names stand in the schema's metadata under `huggingface`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.errors import SourceError
from chaffinch.formats.location import FileStats, absolute_uri, joined, member_stamp, open_binary, unreadable
from chaffinch.formats.parquet_rows import open_parquet
from chaffinch.formats.shards import Shard
from chaffinch.formats.source import Source
from chaffinch.identity import check_split_name, path_text
from chaffinch.records import ClassEntry, SampleRef

_IMAGE_NAMES = ("image", "img", "jpg", "png", "picture", "bytes")
_LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "cls")
_NO_LABEL = -1
"""What `datasets` writes where a test set has no labels."""


@dataclass(frozen=True, slots=True)
class ImageColumns:
    """Where images and labels stand in a Parquet schema."""

    image: str
    """Path of the binary leaf with the encoded image, parts joined by dots."""
    label: str | None
    """Name of the label column; None where there is none."""
    class_names: tuple[str, ...]
    """Names of the integer labels; empty where the schema does not tell."""


class HfParquetSource(Source):
    """One or more Parquet files that hold encoded images."""

    def __init__(self, shards: Sequence[Shard], *, dataset: str) -> None:
        """Take Parquet files as the source.

        Args:
            shards: The files in the order of their rows, each with its split.
            dataset: Name of the dataset, a slug.
        """
        self.dataset = dataset
        self._shards = list(shards)
        for split in {shard.split for shard in shards}:
            check_split_name(split)
        self.ignored: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def refs(self) -> Iterator[SampleRef]:
        """Stream the rows, shard by shard.

        Raises:
            SourceError: If a shard cannot be read or has no image column; row numbers of later shards would
                be wrong without it.
        """
        rows: Counter[str] = Counter()
        for shard in self._shards:
            for ref in self._shard_refs(shard, first_row=rows[shard.split]):
                rows[shard.split] += 1
                yield ref

    def classes(self) -> list[ClassEntry]:
        """Return the class names in the first shard's metadata, numbered as the labels are."""
        if not self._shards:
            return []
        columns, _ = self._read_schema(self._shards[0])
        return [ClassEntry(n, str(n), name) for n, name in enumerate(columns.class_names)]

    def _read_schema(self, shard: Shard) -> tuple[ImageColumns, int]:
        try:
            with open_binary(shard.location) as file:
                parquet = open_parquet(file)
                return self._columns(shard, parquet), parquet.metadata.num_rows
        except OSError as error:
            raise unreadable(shard.location, error) from error
        except SourceError as error:
            raise _located(error, shard) from error

    def _columns(self, shard: Shard, parquet: pq.ParquetFile) -> ImageColumns:
        columns = find_image_columns(parquet.schema_arrow)
        if columns is None:
            names = ", ".join(parquet.schema_arrow.names)
            raise SourceError(
                f"has no column of image bytes; its columns are {names}",
                where=path_text(shard.location),
                hint="a column of type binary, or struct<bytes: binary, path: string>, must hold the images",
            )
        return columns

    def _shard_refs(self, shard: Shard, *, first_row: int) -> Iterator[SampleRef]:
        typed, uri = path_text(shard.location), absolute_uri(shard.location)
        stamp = FileStats()(shard.location).stamp
        for row, (member, label) in enumerate(self._cells(shard), start=first_row):
            yield SampleRef(
                split=shard.split,
                rel_path=str(row),
                image_path=joined(typed, str(row)),
                uri=uri,
                member=member,
                given_label=label,
                source_id=None,
                size_bytes=-1,
                stamp=member_stamp(stamp, member),
            )

    def _cells(self, shard: Shard) -> Iterator[tuple[str, str | None]]:
        """Yield where each image stands and its label, row group by row group."""
        try:
            with open_binary(shard.location) as file:
                parquet = open_parquet(file)
                columns = self._columns(shard, parquet)
                for group in range(parquet.num_row_groups):
                    for row, label in enumerate(_labels(parquet, group, columns.label)):
                        yield f"parquet:{group}/{row}/{columns.image}", label
        except (OSError, pa.ArrowException) as error:
            raise unreadable(shard.location, error) from error
        except SourceError as error:
            raise _located(error, shard) from error


def find_image_columns(schema: pa.Schema) -> ImageColumns | None:
    """Find the image and label columns of a Parquet schema; None where no column can hold images.

    The features that `datasets` notes in the metadata count first, then types and usual names.
    """
    features = _features(schema)
    declared = [name for name, feature in features.items() if _is_feature(feature, "Image")]
    usual = [name for name in _IMAGE_NAMES if name in schema.names]
    leaves = [_image_leaf(schema, name) for name in [*declared, *usual]]
    # A binary column of another name may be anything; a struct with `bytes` and `path` is an image.
    leaves += [
        _image_leaf(schema, name) for name in schema.names if pa.types.is_struct(schema.field(name).type)
    ]
    image = next((leaf for leaf in leaves if leaf is not None), None)
    if image is None:
        return None
    classes = [name for name, feature in features.items() if _is_feature(feature, "ClassLabel")]
    named = [name for name in _LABEL_NAMES if name in schema.names]
    usable = [name for name in [*classes[:1], *named] if name in schema.names and _is_label(schema, name)]
    label = next((name for name in named if name in classes), None) or next(iter(usable), None)
    class_names = features.get(label, {}).get("names", ()) if label else ()
    return ImageColumns(image, label, tuple(map(str, class_names)))


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _is_feature(feature: object, kind: str) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == kind


def _image_leaf(schema: pa.Schema, name: str) -> str | None:
    if name not in schema.names:
        return None
    kind = schema.field(name).type
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return f"{name}.bytes" if index >= 0 and _is_binary(kind.field(index).type) else None
    return name if _is_binary(kind) else None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _labels(parquet: pq.ParquetFile, group: int, column: str | None) -> Iterator[str | None]:
    n_rows = parquet.metadata.row_group(group).num_rows
    if column is None:
        yield from repeat(None, n_rows)
        return
    for value in parquet.read_row_group(group, columns=[column]).column(0).to_pylist():
        yield None if value is None or value in (_NO_LABEL, "") else str(value)


def _located(error: SourceError, shard: Shard) -> SourceError:
    if error.where:
        return error
    return SourceError(error.what, where=path_text(shard.location), hint=error.hint)
