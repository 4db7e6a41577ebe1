"""COCO annotation files (`instances_*.json`) with the folder of their images.

The file is read and checked as a whole when the source is opened: an annotation without its image or
category, an id or file name that stands twice, a missing key or a cut-off file is an error that names the
place. Fields that nothing here needs (segmentations above all) are dropped while parsing, so that COCO's
450 MB fit.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaffinch.errors import SourceError
from chaffinch.formats import names
from chaffinch.formats.location import (
    FileStats,
    absolute_uri,
    base_name,
    joined,
    kind_of,
    open_binary,
    trimmed,
    unreadable,
)
from chaffinch.identity import NO_SPLIT, check_split_name, path_text
from chaffinch.records import ClassEntry, ObjectRef, SampleRef

_DROPPED = ("segmentation", "license", "coco_url", "flickr_url", "date_captured")


@dataclass(frozen=True, slots=True)
class CocoTables:
    """The checked content of an annotation file."""

    images: dict[str, str]
    """File name as written of each image, by id as written; in the order of the file."""
    classes: list[ClassEntry]
    """The categories, in the order of the file."""
    boxes: list[tuple[str, str, str, tuple[float, float, float, float]]]
    """Annotation id, image id, category name and box of each annotation, in the order of the file."""


class CocoSource:
    """The images and boxes of a COCO annotation file."""

    def __init__(
        self, location: str, *, dataset: str, images: str | None = None, split: str | None = None
    ) -> None:
        """Read and check an annotation file.

        Args:
            location: The JSON, as the user wrote it.
            dataset: Name of the dataset, a slug.
            images: Folder of the images; None looks for it around the JSON.
            split: Put every image into this split; None: `all`.

        Raises:
            SourceError: If the file cannot be used, or the images' folder cannot be found.
        """
        self.dataset = dataset
        self._split = NO_SPLIT if split is None else check_split_name(split)
        self._tables = read_coco(location)
        self._images = trimmed(_find_images(location, self._tables) if images is None else images)
        if kind_of(self._images) != "folder":
            raise SourceError("is not a folder of images", where=path_text(self._images), hint=_IMAGES_HINT)
        self.ignored: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images in the order of the file."""
        look = FileStats()
        typed, absolute = path_text(self._images), absolute_uri(self._images)
        for image_id, file_name in self._tables.images.items():
            info = look(_join_name(self._images, file_name))
            yield SampleRef(
                split=self._split,
                rel_path=names.clean_name(file_name),
                image_path=_join_name(typed, path_text(file_name)),
                uri=_join_name(absolute, path_text(file_name)),
                member="",
                given_label=None,
                source_id=image_id,
                size_bytes=info.size_bytes,
                stamp=info.stamp,
            )

    def classes(self) -> list[ClassEntry]:
        """Return the categories, in the order of the file."""
        return list(self._tables.classes)

    def objects(self) -> Iterator[ObjectRef]:
        """Stream the annotations in the order of the file."""
        for annotation_id, image_id, name, bbox_xywh in self._tables.boxes:
            yield ObjectRef(
                split=self._split,
                rel_path=names.clean_name(self._tables.images[image_id]),
                annotation_id=annotation_id,
                given_label=name,
                bbox_xywh=bbox_xywh,
            )


def _join_name(folder: str, file_name: str) -> str:
    return file_name if file_name.startswith("/") else joined(folder, file_name)


_IMAGES_HINT = "name the folder of the images with --images DIR"


def read_coco(location: str) -> CocoTables:
    """Read and check an annotation file.

    Raises:
        SourceError: With the byte where the file is cut off, or the id of the image or annotation at fault.
    """
    content = _parse(location)
    where = path_text(location)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise SourceError(
            "has no list 'images', so it is not a COCO annotation file",
            where=where,
            hint="chaffinch reads COCO's instances_*.json; for a list of images use CSV",
        )
    images = _check_images(content["images"], where)
    classes = _check_categories(_list_of(content, "categories", where), where)
    boxes = _check_annotations(_list_of(content, "annotations", where), images, classes, where=where)
    return CocoTables(images, list(classes.values()), boxes)


def _parse(location: str) -> Any:
    try:
        with open_binary(location) as file:
            raw = file.read()
    except OSError as error:
        raise unreadable(location, error) from error
    try:
        text = raw.decode("utf-8-sig")
        return json.loads(text, object_hook=_drop_unused)
    except json.JSONDecodeError as error:
        n_bytes = len(text[: error.pos].encode())
        raise SourceError(
            f"not JSON, or cut off, at line {error.lineno} column {error.colno} "
            f"(byte {n_bytes} of {len(raw)}): {error.msg}",
            where=path_text(location),
            hint="fetch or write the file again",
        ) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"not UTF-8 at byte {error.start}", where=path_text(location), hint="COCO files are UTF-8 JSON"
        ) from error


def _drop_unused(fields: dict[str, Any]) -> dict[str, Any]:
    for key in _DROPPED:
        fields.pop(key, None)
    return fields


def _list_of(content: Mapping[str, Any], key: str, where: str) -> list[Any]:
    entries = content.get(key, [])
    if not isinstance(entries, list):
        raise SourceError(f"{key!r} is not a list", where=where, hint="see cocodataset.org, Data format")
    return entries


def _value(entry: Any, key: str, *, what: str, where: str) -> Any:
    """Return a value of an entry, or say which entry lacks it."""
    if not isinstance(entry, dict) or entry.get(key) is None:
        raise SourceError(f"{what} has no {key!r}", where=where, hint="correct the entry or take it out")
    return entry[key]


def _id_text(value: object, *, what: str, where: str) -> str:
    """Return an id as written."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise SourceError(
            f"{what} is {value!r}, neither a whole number nor a text", where=where, hint="correct the id"
        )
    return str(value)


def _named(kind: str, number: int, entry: Any, *, where: str) -> tuple[str, str]:
    """Return an entry's id, and what to call the entry in messages."""
    value = _value(entry, "id", what=f"{kind} number {number} (from 1)", where=where)
    entry_id = _id_text(value, what=f"the id of {kind} number {number} (from 1)", where=where)
    return entry_id, f"{kind} {entry_id}"


def _check_images(entries: list[Any], where: str) -> dict[str, str]:
    images: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        image_id, what = _named("image", number, entry, where=where)
        file_name = _value(entry, "file_name", what=what, where=where)
        name = names.clean_name(file_name) if isinstance(file_name, str) else ""
        if not name:
            raise SourceError(f"the 'file_name' of {what} is {file_name!r}", where=where, hint="correct it")
        if image_id in images:
            raise SourceError(f"{what} stands there twice", where=where, hint="give each image its own id")
        if name in by_name:
            raise SourceError(
                f"images {by_name[name]} and {image_id} have the same file {path_text(file_name)!r}",
                where=where,
                hint="take one of them out, and move its annotations to the other",
            )
        images[image_id] = file_name
        by_name[name] = image_id
    return images


def _check_categories(entries: list[Any], where: str) -> dict[str, ClassEntry]:
    classes: dict[str, ClassEntry] = {}
    for number, entry in enumerate(entries, start=1):
        category_id, what = _named("category", number, entry, where=where)
        if category_id in classes:
            raise SourceError(f"{what} stands there twice", where=where, hint="give each its own id")
        name = str(_value(entry, "name", what=what, where=where))
        classes[category_id] = ClassEntry(number - 1, category_id, name)
    return classes


def _check_annotations(
    entries: list[Any], images: Mapping[str, str], classes: Mapping[str, ClassEntry], *, where: str
) -> list[tuple[str, str, str, tuple[float, float, float, float]]]:
    boxes = []
    seen: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        annotation_id, what = _named("annotation", number, entry, where=where)
        image_id = str(_value(entry, "image_id", what=what, where=where))
        category_id = str(_value(entry, "category_id", what=what, where=where))
        fault = None
        if annotation_id in seen:
            fault = "stands there twice"
        elif image_id not in images:
            fault = f"belongs to image {image_id}, which is not in the file"
        elif category_id not in classes:
            fault = f"has the category {category_id}, which is not in the file"
        if fault:
            raise SourceError(f"{what} {fault}", where=where, hint="correct the annotation or take it out")
        seen.add(annotation_id)
        box = _box(_value(entry, "bbox", what=what, where=where), what=what, where=where)
        boxes.append((annotation_id, image_id, classes[category_id].name, box))
    return boxes


def _box(value: Any, *, what: str, where: str) -> tuple[float, float, float, float]:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 4 or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
        raise SourceError(
            f"the 'bbox' of {what} is {value!r}",
            where=where,
            hint="a box is [left, top, width, height] in pixels",
        )
    left, top, width, height = map(float, numbers)
    return left, top, width, height


def _find_images(location: str, tables: CocoTables) -> str:
    """Find the folder that holds the first image, in the places where COCO's users keep it."""
    folder = location.rpartition("/")[0] or ("/" if location.startswith("/") else ".")
    stem = base_name(location).rpartition(".")[0]
    above = ".." if folder == "." else folder.rpartition("/")[0] or "."
    subset = stem.rpartition("_")[2]
    candidates = [joined(folder, "images"), folder, joined(folder, subset), joined(above, subset)]
    candidates += [joined(above, "images"), joined(joined(above, "images"), subset)]
    first = next(iter(tables.images.values()), None)
    for candidate in candidates:
        if first is not None and kind_of(_join_name(candidate, first)) == "file":
            return candidate
    raise SourceError(
        "has its images in none of the usual places", where=path_text(location), hint=_IMAGES_HINT
    )
