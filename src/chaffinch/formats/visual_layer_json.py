"""Visual Layer exports of schema 1.1, as JSON or as Parquet with the same fields.

An export is `info` and `media_items`; each item has `metadata_items` of several types: issues, user tags,
image labels, boxes (`object_label`, with issues and tags of their own inside), captions, video info. Captions
and video info are passed over: the path of a video frame names its video. The given label is the first image
label whose source is a user; labels that a model gave are no given labels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from chaffinch.errors import SourceError
from chaffinch.formats.json_stream import JsonListReader
from chaffinch.records import ExportedIssue, ExportedItem, ExportedObject, ExportedTag
from chaffinch.taxonomy import normalise_issue_type

ITEMS_KEY = "media_items"
_USER = "user"
_ROUNDING = 1e-6
"""Float32 scores may exceed 1 by this much."""
_PARQUET_ROWS = 2048


def read_json_items(file: BinaryIO, *, where: str, info: dict[str, Any]) -> Iterator[ExportedItem]:
    """Stream the media items of a JSON export; memory does not grow with the file.

    Args:
        file: The export.
        where: Its name, for messages.
        info: Receives what the export says of itself, at the end.

    Raises:
        SourceError: With file, byte and item, where the file is cut off or an item cannot be read.
    """
    reader = JsonListReader(file, where=where, list_key=ITEMS_KEY)
    for number, fields in enumerate(reader, start=1):
        yield item_from_fields(fields, number=number, where=where)
    stated = reader.top_level.get("info")
    info.update(stated if isinstance(stated, dict) else {})


def has_items(parquet: pq.ParquetFile) -> bool:
    """Tell whether a Parquet file holds media items rather than a flat table."""
    return {"media_id", "metadata_items"} <= set(parquet.schema_arrow.names)


def read_parquet_items(parquet: pq.ParquetFile, *, where: str) -> Iterator[ExportedItem]:
    """Stream the media items of a Parquet export; `metadata_items` is a list of structs, or JSON text.

    Raises:
        SourceError: With file and row, where one cannot be read.
    """
    number = 0
    for batch in parquet.iter_batches(_PARQUET_ROWS, use_threads=False):
        for fields in batch.to_pylist():
            number += 1
            yield item_from_fields(_decoded(fields), number=number, where=where)


def _decoded(value: Any) -> Any:
    """Undo what Parquet does to nested fields: missing ones as None, objects as text."""
    if isinstance(value, dict):
        return {key: _decoded(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_decoded(inner) for inner in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def item_from_fields(fields: Any, *, number: int, where: str) -> ExportedItem:
    """Turn one media item into a record.

    Args:
        fields: The item as JSON has it.
        number: Its number in the file, from 1, for messages.
        where: The file, for messages.

    Raises:
        SourceError: If it is no object, or a number in it is none.
    """
    reader = _ItemReader(where, number)
    if not isinstance(fields, Mapping):
        raise reader.fault(f"is {fields!r:.40}, not an object with 'media_id'")
    for entry in reader.entries(fields):
        reader.take(entry, object_number=None)
    return ExportedItem(
        item_id=_text(fields.get("media_id")),
        path=_text(fields.get("file_path")) or _text(fields.get("file_name")),
        given_label=reader.user_label,
        split=_text(fields.get("split")),
        uniqueness=reader.unit(fields.get("uniqueness_score"), "uniqueness_score"),
        cluster_id=_text(fields.get("cluster_id")),
        media_type=_text(fields.get("media_type")),
        place=number,
        issues=tuple(reader.issues),
        objects=tuple(reader.objects),
        tags=tuple(reader.tags),
    )


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


class _ItemReader:
    """Gathers what the metadata of one item says."""

    def __init__(self, where: str, number: int) -> None:
        self._where = where
        self._number = number
        self.user_label: str | None = None
        self.issues: list[ExportedIssue] = []
        self.objects: list[ExportedObject] = []
        self.tags: list[ExportedTag] = []

    def fault(self, what: str) -> SourceError:
        return SourceError(
            what,
            where=f"{self._where} item {self._number}",
            hint="export the dataset again, or mend the item",
        )

    def entries(self, fields: Mapping[str, Any]) -> Sequence[Any]:
        entries = fields.get("metadata_items") or []
        if not isinstance(entries, list):
            raise self.fault(f"'metadata_items' is {entries!r:.40}, not a list")
        return entries

    def take(self, entry: Any, *, object_number: int | None) -> None:
        """Take one metadata item; its fields stand in `properties` or beside it."""
        if not isinstance(entry, Mapping):
            raise self.fault(f"has the metadata {entry!r:.40}, not an object with 'type'")
        inner = entry.get("properties")
        fields = {**entry, **inner} if isinstance(inner, Mapping) else entry
        kind = fields.get("type")
        if kind == "issue":
            self.issues.append(self._issue(fields, object_number))
        elif kind == "user_tag" and fields.get("tag_name"):
            assigned = _text(fields.get("assigned_date"))
            self.tags.append(ExportedTag(str(fields["tag_name"]), assigned, object_number))
        elif kind == "image_label" and object_number is None:
            self._take_label(fields)
        elif kind == "object_label":
            self._take_object(fields)

    def _take_label(self, fields: Mapping[str, Any]) -> None:
        is_user = str(fields.get("source", "")).lower() == _USER
        if is_user and self.user_label is None:
            self.user_label = _text(fields.get("category_name"))

    def _issue(self, fields: Mapping[str, Any], object_number: int | None) -> ExportedIssue:
        word = str(fields.get("issue_type") or "")
        return ExportedIssue(
            issue_type=normalise_issue_type(word),
            written_type=word,
            confidence=self.unit(fields.get("confidence"), "confidence"),
            suggested_label=_text(fields.get("suggested_label")),
            reason=_text(fields.get("reason")),
            group_id=_text(fields.get("duplicate_group_id")),
            threshold=self.unit(fields.get("duplicate_threshold"), "duplicate_threshold"),
            object_number=object_number,
            place=self._number,
        )

    def _take_object(self, fields: Mapping[str, Any]) -> None:
        original_id = _text(fields.get("original_id"))
        self.objects.append(
            ExportedObject(
                original_id=None if original_id == "-1" else original_id,
                label=str(fields.get("category_name") or ""),
                source=_text(fields.get("source")),
                bbox_xywh=self._box(fields.get("bbox")),
            )
        )
        number = len(self.objects) - 1
        for entry in self.entries(fields):
            self.take(entry, object_number=number)

    def _box(self, value: Any) -> tuple[float, float, float, float]:
        numbers = value if isinstance(value, list) else []
        if len(numbers) != 4 or not all(_is_finite(n) for n in numbers):
            raise self.fault(f"the 'bbox' of a box is {value!r:.60}, not [x, y, width, height] in pixels")
        left, top, width, height = map(float, numbers)
        return left, top, width, height

    def unit(self, value: Any, name: str) -> float | None:
        """Return a number of 0..1; a text with a percent sign is taken as such."""
        if value is None or value == "":
            return None
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            number = math.nan
        if not -_ROUNDING <= number <= 1 + _ROUNDING:
            raise self.fault(f"{name!r} is {value!r:.40}, not a number from 0 to 1")
        return min(max(number, 0.0), 1.0)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
