"""Writes findings as Visual Layer exports them, so that what reads its exports reads ours.

CSV: one row a finding, with the columns of `CSV_COLUMNS`. JSON: schema 1.1, one item an image with its
issues, tags, labels and boxes; issue names are plural as in that tool's files, and `suggested_label`,
`reason` and `split` stand beside its own fields. `visual_layer` reads both back. Items are written as they
come, so memory does not grow with them, and a file is whole or not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from chaffinch.formats.manifest_csv import without_formula
from chaffinch.formats.visual_layer_json import ITEMS_KEY
from chaffinch.records import ExportedIssue, ExportedItem, ExportedTag
from chaffinch.storage.files import atomic_path

SCHEMA_VERSION = "1.1"
CSV_COLUMNS = (
    "image_id",
    "image_path",
    "label",
    "issue_type",
    "confidence",
    "suggested_label",
    "reason",
)
"""Columns of a flat export, as the users' guide has them."""

_WRITTEN = {
    "mislabel": "mislabels",
    "outlier": "outliers",
    "label_outlier": "label_outliers",
    "duplicate": "duplicates",
    "label_conflict": "label_conflicts",
    "leak": "leakage",
}
"""Our word to that of the tool; others are spelled alike."""

_NEEDS_QUOTES = frozenset('",\r\n')


@dataclass(frozen=True, slots=True)
class WrittenMedia:
    """One image as it is written."""

    item: ExportedItem
    """What is said of it."""
    url: str
    """Where the file is."""
    size_bytes: int | None = None
    """Of the encoded image; None where it is not known."""
    width: int | None = None
    """Pixels; None where it is not known."""
    height: int | None = None
    """Pixels; None where it is not known."""


def write_visual_layer_csv(path: Path, media: Iterable[WrittenMedia]) -> int:
    """Write the findings about whole images as a flat export, atomically; returns the number of rows.

    Findings about boxes are left out: a row of this form speaks of an image.
    """
    n_rows = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(CSV_COLUMNS) + "\n")
        for entry in media:
            for cells in _flat_rows(entry.item):
                out.write(",".join(map(_cell, cells)) + "\n")
                n_rows += 1
    return n_rows


def _flat_rows(item: ExportedItem) -> Iterator[tuple[str, ...]]:
    for issue in item.issues:
        if issue.object_number is None:
            yield (
                item.item_id or "",
                item.path or "",
                item.given_label or "",
                issue.issue_type or issue.written_type,
                "" if issue.confidence is None else f"{issue.confidence:.6g}",
                issue.suggested_label or "",
                without_formula(issue.reason or ""),
            )


def _cell(text: str) -> str:
    # Not csv.writer: before Python 3.13 it leaves a lone carriage return unquoted, which splits the row.
    if _NEEDS_QUOTES.isdisjoint(text) and text == text.strip():
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def write_visual_layer_json(path: Path, media: Iterable[WrittenMedia], *, dataset: str, n_items: int) -> int:
    """Write an export of schema 1.1, atomically; returns the number of items.

    Args:
        path: The file.
        media: The images.
        dataset: Name of the dataset.
        n_items: How many images there are, which the head of the file states.
    """
    info = {
        "schema_version": SCHEMA_VERSION,
        "dataset": dataset,
        "description": f"Findings of chaffinch in {dataset}",
        "dataset_url": "",
        # No times: the same findings give the same file.
        "export_time": None,
        "dataset_creation_time": None,
        "exported_by": "chaffinch",
        "total_media_items": n_items,
    }
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f'{{"info": {_json(info)}, "{ITEMS_KEY}": [')
        n_written = _write_items(out, media)
        out.write("\n]}\n")
    return n_written


def _write_items(out: TextIO, media: Iterable[WrittenMedia]) -> int:
    n_written = 0
    for entry in media:
        out.write(f"{',' if n_written else ''}\n{_json(_media_item(entry))}")
        n_written += 1
    return n_written


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _media_item(entry: WrittenMedia) -> dict[str, Any]:
    item = entry.item
    path = item.path or ""
    return {
        "media_id": item.item_id,
        "media_type": item.media_type or "image",
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "file_size": None if entry.size_bytes is None else f"{entry.size_bytes / 1024:.2f}KB",
        "uniqueness_score": item.uniqueness,
        "height": entry.height,
        "width": entry.width,
        "url": entry.url,
        "cluster_id": item.cluster_id,
        "split": item.split,
        "metadata_items": [
            *_findings(item, None),
            *([] if item.given_label is None else [_label(item.given_label)]),
            *(_object(item, number) for number in range(len(item.objects))),
        ],
    }


def _findings(item: ExportedItem, object_number: int | None) -> Iterator[dict[str, Any]]:
    """Yield issues and tags of an image, or of one of its boxes."""
    yield from (_issue(i) for i in item.issues if i.object_number == object_number)
    yield from (_tag(t) for t in item.tags if t.object_number == object_number)


def _metadata(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "properties": {name: v for name, v in properties.items() if v is not None}}


def _issue(issue: ExportedIssue) -> dict[str, Any]:
    word = issue.issue_type or issue.written_type
    return _metadata(
        "issue",
        {
            "issue_type": _WRITTEN.get(word, word),
            "confidence": issue.confidence,
            "suggested_label": issue.suggested_label,
            "reason": issue.reason,
            "duplicate_group_id": issue.group_id,
            "duplicate_threshold": issue.threshold,
        },
    )


def _tag(tag: ExportedTag) -> dict[str, Any]:
    return _metadata("user_tag", {"tag_name": tag.name, "assigned_date": tag.assigned})


def _label(name: str) -> dict[str, Any]:
    return _metadata("image_label", {"original_id": -1, "category_name": name, "source": "User"})


def _object(item: ExportedItem, number: int) -> dict[str, Any]:
    box = item.objects[number]
    properties = {
        "original_id": box.original_id if box.original_id is not None else -1,
        "category_name": box.label,
        "source": box.source or "User",
        "bbox": list(box.bbox_xywh),
        "metadata_items": list(_findings(item, number)),
    }
    return _metadata("object_label", properties)
