"""Turns imported exports into rows of `issues` and `objects`, against the samples as they are now.

Runs after every import and after every scan, so that findings of other tools outlive a rescan and are linked
anew. Of several exports of one tool the newest counts where two say the same thing about the same subject;
everything else is joined. What cannot be used is written to ``imports/<tool>_unused.csv`` with its reason.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.formats.export_table import MISSING_TEXTS
from chaffinch.formats.names import SeenNames
from chaffinch.identity import ClassTable, finding_id, object_key
from chaffinch.pipeline.linking import NAMELESS, REASONS, SampleIndex
from chaffinch.records import ClassEntry
from chaffinch.storage.files import atomic_path
from chaffinch.storage.findings import IMPORT_SCOPE, write_issues
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.imports import IMPORTS, StagedImport, staged_batches
from chaffinch.storage.issues import IssueRows
from chaffinch.storage.plan import text_digests
from chaffinch.storage.schema import OBJECTS_SCHEMA
from chaffinch.taxonomy import ISSUE_TYPES

EXAMPLES_PER_REASON = 3
_TEXT_COLUMNS = ["key", "given_label", "pixels_digest", "bytes_digest"]
_UNUSED_HEADER = ["export", "place", "image_id", "image_path", "issue_type", "why"]
_TOOL_NAMES = {"visual-layer": "Visual Layer", "fastdup": "fastdup", "cleanlab": "cleanlab"}


@dataclass(slots=True)
class ImportedFindings:
    """What came of the imports of one tool."""

    tool: str
    """visual-layer, fastdup or cleanlab."""
    tables: dict[str, list[str]] = field(default_factory=dict)
    """Entries for `Generation.tables`."""
    n_items: int = 0
    """Rows of the exports."""
    n_linked: int = 0
    """Rows that mean a sample."""
    issues: Counter[str] = field(default_factory=Counter)
    """Issue rows by type."""
    n_repeated: int = 0
    """Findings that another row, or a newer export, states too."""
    n_objects: int = 0
    """Boxes that became rows of `objects`."""
    unused: Counter[str] = field(default_factory=Counter)
    """Rows that could not be used, by reason."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Some of them."""


def imported_findings(
    folder: WorkspaceFolder, generation: Generation, imports: Sequence[StagedImport]
) -> list[ImportedFindings]:
    """Write the findings of all imports for the generation after `generation`; one result a tool.

    Args:
        folder: The workspace, locked by the caller.
        generation: The generation before, with `tables` that already hold the new `samples`, `classes` and
            `objects`, and the new `n_samples`.
        imports: The imports that count, oldest first.

    Cost: memory about 500 bytes a sample.
    """
    if not imports:
        return []
    samples = _Samples(folder, generation)
    results = []
    for tool in dict.fromkeys(entry.tool for entry in imports):
        own = [entry for entry in reversed(imports) if entry.tool == tool]
        results.append(_Importer(tool, folder, generation, samples=samples).run(own))
    return results


class _Samples:
    """The samples that findings are linked to, and the words for them."""

    def __init__(self, folder: WorkspaceFolder, generation: Generation) -> None:
        self.index = SampleIndex(folder, generation)
        self._texts = folder.read(generation, "samples", columns=_TEXT_COLUMNS).combine_chunks()
        rows = folder.read(generation, "classes").to_pylist()
        self.classes = ClassTable([ClassEntry(**row) for row in rows])
        self._spelling = self._label_spelling()
        names = Counter(text for e in self.classes.entries for text in {e.class_id, e.name})
        self._shared = {text for text, count in names.items() if count > 1}
        self.next_object_id = 0
        self.known_objects: dict[str, int] = {}
        for batch in folder.batches(generation, "objects", columns=["object_id", "key"]):
            self.known_objects.update(
                zip(batch.column("key").to_pylist(), batch.column("object_id").to_pylist(), strict=True)
            )
            self.next_object_id += len(batch)

    def texts(self, sample_ids: np.ndarray) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._texts.take(pa.array(sample_ids)).to_pylist()
        return rows

    def _label_spelling(self) -> str:
        """Return which field of a class the given labels are spelled by."""
        labels = set(pc.unique(self._texts.column("given_label")).to_pylist()) - {None}
        for name in ("class_id", "name", "index"):
            if labels <= {str(getattr(entry, name)) for entry in self.classes.entries}:
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


class _Importer:
    """The imports of one tool, newest first."""

    def __init__(
        self, tool: str, folder: WorkspaceFolder, generation: Generation, *, samples: _Samples
    ) -> None:
        self._folder = folder
        self._generation = generation
        self._samples = samples
        self._result = ImportedFindings(tool)
        self._newer = np.empty(0, "S16")
        self._seen = SeenNames()

    def run(self, imports: Sequence[StagedImport]) -> ImportedFindings:
        """Write the tables and the list of what could not be used."""
        result, scope = self._result, f"{IMPORT_SCOPE}{self._result.tool}"
        linked = {entry.folder: self._samples.index.link(entry) for entry in imports}
        path = self._folder.root / IMPORTS / f"{result.tool}_unused.csv"
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
            self._unused = csv.writer(out)
            self._unused.writerow(_UNUSED_HEADER)
            for entry in imports:
                self._list_unlinked(entry, linked[entry.folder])
            boxes = _Boxes(self._folder, self._samples)
            name = f"objects/{scope}"
            rows = (table for entry in imports for table in boxes.tables(entry, linked[entry.folder]))
            file = self._folder.write_table(self._generation, name, rows, OBJECTS_SCHEMA)
            result.n_objects = boxes.n_written
            if boxes.n_written:
                result.tables[name] = [file]
            else:
                (self._folder.root / file).unlink()
            issues = (part for entry in imports for part in self._issues(entry, linked[entry.folder], boxes))
            result.tables |= write_issues(self._folder, self._generation, scope, issues)
        return result

    def _list_unlinked(self, entry: StagedImport, linked: np.ndarray) -> None:
        start = 0
        for batch in staged_batches(self._folder, entry, "items", columns=["item_id", "path", "place"]):
            part = linked[start : start + len(batch)]
            start += len(batch)
            missed = np.flatnonzero(part < 0)
            for row, item in zip(missed.tolist(), batch.take(pa.array(missed)).to_pylist(), strict=True):
                why = REASONS.get(int(part[row]), REASONS[NAMELESS])
                self._not_used(entry, item["place"], item["item_id"], item["path"], why)
        self._result.n_items += len(linked)
        self._result.n_linked += int((linked >= 0).sum())

    def _not_used(
        self, entry: StagedImport, place: int, /, *texts: str | None, issue_type: str | None = None
    ) -> None:
        *names, why = texts
        self._result.unused[str(why)] += 1
        examples = self._result.examples.setdefault(str(why), [])
        if len(examples) < EXAMPLES_PER_REASON:
            examples.append(f"{entry.name} {place}: {names[-1] or names[0] or ''}")
        self._unused.writerow([entry.name, place, names[0], names[-1], issue_type, why])

    def _issues(self, entry: StagedImport, linked: np.ndarray, boxes: _Boxes) -> Iterator[IssueRows]:
        """Yield the issue rows of one export, a batch at a time."""
        own = [np.empty(0, "S16")]
        for batch in staged_batches(self._folder, entry, "issues"):
            sample_ids = linked[batch.column("item").to_numpy()]
            is_known = np.array([t is not None for t in batch.column("issue_type").to_pylist()], dtype=bool)
            self._list_unknown(entry, batch.filter(pa.array(~is_known)), sample_ids[~is_known])
            usable = np.flatnonzero((sample_ids >= 0) & is_known)
            rows = batch.take(pa.array(usable)).to_pylist()
            found = boxes.ids_of(entry, rows)
            subjects = list(zip(sample_ids[usable].tolist(), found, strict=True))
            own.append(text_digests([_same(s, row) for s, row in zip(subjects, rows, strict=True)]))
            yield self._issue_rows(subjects, rows, is_repeated=np.isin(own[-1], self._newer))
        self._newer = np.union1d(self._newer, np.concatenate(own))

    def _issue_rows(
        self,
        subjects: Sequence[tuple[int, str | None]],
        rows: Sequence[dict[str, Any]],
        *,
        is_repeated: np.ndarray,
    ) -> IssueRows:
        part = IssueRows()
        texts = self._samples.texts(np.array([sample for sample, _ in subjects], dtype=np.int64))
        for number, (subject, row) in enumerate(zip(subjects, rows, strict=True)):
            whole = f"{_same(subject, row)}\0{row['reason']}\0{row['confidence']}"
            if is_repeated[number] or not self._seen.add(whole):
                self._result.n_repeated += 1
            else:
                self._add(part, subject, row, texts[number])
        return part

    def _list_unknown(self, entry: StagedImport, rows: pa.RecordBatch, sample_ids: np.ndarray) -> None:
        texts = iter(self._samples.texts(sample_ids[sample_ids >= 0]))
        for sample_id, row in zip(sample_ids.tolist(), rows.to_pylist(), strict=True):
            key = next(texts)["key"] if sample_id >= 0 else None
            word = row["written_type"]
            why = f"unknown issue type {word!r}"
            self._not_used(entry, row["place"], None, key, why, issue_type=word)

    def _add(
        self, rows: IssueRows, subject: tuple[int, str | None], row: dict[str, Any], text: dict[str, Any]
    ) -> None:
        sample_id, object_id = subject
        kind = row["issue_type"]
        content = text["pixels_digest"] or text["bytes_digest"] or text["key"]
        label = text["given_label"] if ISSUE_TYPES[kind] == "label" else None
        tool = self._result.tool
        suggested = self._samples.suggested(row["suggested_label"])
        evidence = {
            "written_type": row["written_type"],
            "duplicate_group_id": row["group_id"],
            "duplicate_threshold": None if row["threshold"] is None else round(row["threshold"], 6),
            "suggested_label": row["suggested_label"],
            "place": row["place"],
        }
        rows.add(
            (sample_id, text["key"]),
            kind,
            finding_id=finding_id(kind, [content if object_id is None else f"{content}#{object_id}"], label),
            confidence=row["confidence"],
            reason=row["reason"] or _sentence(tool, row),
            evidence={name: value for name, value in evidence.items() if value is not None},
            more={
                "method": tool,
                "source": tool,
                "object_id": object_id,
                "group_id": row["group_id"],
                "suggested_label": suggested,
            },
        )
        self._result.issues[kind] += 1


def _same(subject: tuple[int, str | None], row: dict[str, Any]) -> str:
    """Return a text that two findings share if they say the same thing about the same subject."""
    return f"{subject}\0{row['issue_type']}\0{row['group_id']}\0{row['suggested_label']}"


def _sentence(tool: str, row: dict[str, Any]) -> str:
    """Say in a sentence what a tool claims that gave no reason of its own."""
    numbers = []
    if row["confidence"] is not None:
        numbers.append(f"confidence {row['confidence']:.3f}")
    if row["threshold"] is not None:
        numbers.append(f"group formed at similarity {row['threshold']:.4g}")
    told = f" ({', '.join(numbers)})" if numbers else ""
    return f"{_TOOL_NAMES.get(tool, tool)} flags {row['written_type']}{told}."


class _Boxes:
    """The boxes of a tool's exports: which row of `objects` each one is."""

    def __init__(self, folder: WorkspaceFolder, samples: _Samples) -> None:
        self._folder = folder
        self._samples = samples
        self._ids: dict[str, np.ndarray] = {}
        self._items: dict[str, np.ndarray] = {}
        self._own: dict[int, tuple[float, ...]] = {}
        self.n_written = 0

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
