"""The samples and boxes that imported findings are about, and the words for them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.formats.export_table import MISSING_TEXTS
from chaffinch.identity import ClassTable, object_key
from chaffinch.pipeline.linking import SampleIndex
from chaffinch.records import ClassEntry
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.imports import StagedImport, staged_batches
from chaffinch.storage.schema import OBJECTS_SCHEMA

_TEXT_COLUMNS = ["key", "given_label", "pixels_digest", "bytes_digest"]


class LinkedSamples:
    """The samples that findings are linked to, and the words for them."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation) -> None:
        """Read the samples, classes and boxes of a generation."""
        self.index = SampleIndex(folder, generation)
        self._texts = folder.read(generation, "samples", columns=_TEXT_COLUMNS).combine_chunks()
        rows = folder.read(generation, "classes").to_pylist()
        self.classes = ClassTable([ClassEntry(**row) for row in rows])
        names = Counter(text for e in self.classes.entries for text in {e.class_id, e.name})
        self._shared = {text for text, count in names.items() if count > 1}
        self.next_object_id = 0
        """Number of the next new box."""
        self.known_objects: dict[str, int] = {}
        """Object id by key."""
        for batch in folder.batches(generation, "objects", columns=["object_id", "key"]):
            self.known_objects.update(
                zip(batch.column("key").to_pylist(), batch.column("object_id").to_pylist(), strict=True)
            )
            self.next_object_id += len(batch)
        # Where only boxes have labels, as in COCO, suggestions are spelled as theirs are.
        self._spelling = self._label_spelling(self._texts.column("given_label")) or self._label_spelling(
            _labels_of_boxes(folder, generation)
        )

    def texts(self, sample_ids: np.ndarray) -> list[dict[str, Any]]:
        """Return key, given label and digests of each sample. Shape (N,), int64."""
        rows: list[dict[str, Any]] = self._texts.take(pa.array(sample_ids)).to_pylist()
        return rows

    def _label_spelling(self, given: pa.ChunkedArray) -> str:
        """Return which field of a class the given labels are spelled by; empty if there are none."""
        labels = set(pc.unique(given).to_pylist()) - {None}
        for name in ("class_id", "name", "index"):
            if labels and labels <= {str(getattr(entry, name)) for entry in self.classes.entries}:
                return name
        return ""

    def suggested(self, text: str | None) -> str | None:
        """Spell a suggested label as the given labels are; None for one that two classes share."""
        if text is None:
            return None
        entry = self.classes.resolve(text)
        if entry is not None:
            return str(getattr(entry, self._spelling)) if self._spelling else text
        return None if text in self._shared or text.lower() in MISSING_TEXTS else text


def _labels_of_boxes(folder: WorkspaceFolder, generation: Generation) -> pa.ChunkedArray:
    batches = folder.batches(generation, "objects", columns=["given_label"])
    return pa.chunked_array([batch.column(0) for batch in batches], pa.string())


class LinkedBoxes:
    """The boxes of a tool's exports: which row of `objects` each one is."""

    def __init__(self, folder: WorkspaceFolder, samples: LinkedSamples) -> None:
        """Begin with the boxes that `samples` knows."""
        self._folder = folder
        self._samples = samples
        self._ids: dict[str, np.ndarray] = {}
        self._items: dict[str, np.ndarray] = {}
        self._own: dict[int, tuple[float, ...]] = {}
        self._key_of: dict[int, str] = {}
        self.n_written = 0
        """Boxes that are new."""

    def tables(self, entry: StagedImport, linked: np.ndarray) -> Iterator[pa.Table]:
        """Yield the boxes that are new, as `OBJECTS_SCHEMA`; note the object id of every box."""
        ids: list[int] = []
        items = [np.empty(0, np.int64)]
        for batch in staged_batches(self._folder, entry, "objects"):
            owners = batch.column("item").to_numpy()
            items.append(owners)
            sample_ids = linked[owners]
            keys = iter(self._samples.texts(sample_ids[sample_ids >= 0]))
            new: list[dict[str, Any]] = []
            for sample_id, row in zip(sample_ids.tolist(), batch.to_pylist(), strict=True):
                ids.append(-1 if sample_id < 0 else self._place(row, sample_id, next(keys)["key"], new))
            if new:
                yield pa.Table.from_pylist(new, schema=OBJECTS_SCHEMA)
        self._ids[entry.folder] = np.array(ids, dtype=np.int64)
        self._items[entry.folder] = np.concatenate(items)

    def _place(self, row: dict[str, Any], sample_id: int, key: str, new: list[dict[str, Any]]) -> int:
        """Return the object id of a box; appends it to `new` where it is not known yet."""
        known = self._samples.known_objects
        box = {name: row[name] for name in ("x", "y", "width", "height")}
        annotation_id = row["original_id"]
        if not annotation_id or "#" in annotation_id:
            annotation_id = _made_id(row)
        namesake = known.get(object_key(key, annotation_id), -1)
        if self._own.get(namesake, tuple(box.values())) != tuple(box.values()):
            # Two boxes of one export with one id: each gets its own.
            annotation_id = _made_id(row)
        box_key = object_key(key, annotation_id)
        if box_key in known:
            return known[box_key]
        object_id = self._samples.next_object_id
        self._samples.next_object_id += 1
        known[box_key] = object_id
        self._own[object_id] = tuple(box.values())
        self.n_written += 1
        new.append(
            {
                "object_id": object_id,
                "sample_id": sample_id,
                "key": box_key,
                "annotation_id": annotation_id,
                "given_label": row["label"],
                **box,
            }
        )
        return object_id

    def keys_of(self, entry: StagedImport, rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[str]:
        """Return the key of the image or box that each staged row is about; `keys` are the images'."""
        boxes = self.ids_of(entry, rows)
        return [k if box is None else self.key(box) for k, box in zip(keys, boxes, strict=True)]

    def key(self, object_id: str) -> str:
        """Return the key of a box; call when `tables` has run for every export."""
        if not self._key_of:
            self._key_of = {number: key for key, number in self._samples.known_objects.items()}
        return self._key_of[int(object_id)]

    def ids_of(self, entry: StagedImport, rows: Sequence[dict[str, Any]]) -> list[str | None]:
        """Return the object id, as text, of the box that each staged row is about; None for images."""
        items, ids = self._items[entry.folder], self._ids[entry.folder]
        found: list[str | None] = []
        for row in rows:
            number = row["object_number"]
            first = 0 if number is None else int(np.searchsorted(items, row["item"]))
            found.append(None if number is None else str(int(ids[first + number])))
        return found


def _made_id(row: dict[str, Any]) -> str:
    """Return an id made from a box's place and label; another export of the same box yields the same."""
    text = "\0".join(str(row[name]) for name in ("label", "x", "y", "width", "height"))
    return "box-" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
