"""Turns imported exports into rows of `issues` and `objects`, against the samples as they are now.

Runs after every import and after every scan, so that findings of other tools outlive a rescan and are linked
anew. Of several exports of one tool the newest counts where two say the same thing about the same subject;
everything else is joined. What cannot be used is written to ``imports/<tool>_unused.csv`` with its reason.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.formats.names import SeenNames
from chaffinch.identity import finding_id
from chaffinch.pipeline.imported_clusters import imported_clusters
from chaffinch.pipeline.imported_subjects import LinkedBoxes, LinkedSamples
from chaffinch.pipeline.linking import NAMELESS, REASONS
from chaffinch.storage.files import atomic_path
from chaffinch.storage.findings import IMPORT_SCOPE, write_issues
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.imports import IMPORTS, StagedImport, staged_batches
from chaffinch.storage.issues import IssueRows
from chaffinch.storage.plan import text_digests
from chaffinch.storage.schema import OBJECTS_SCHEMA
from chaffinch.taxonomy import ISSUE_TYPES, TAGS

EXAMPLES_PER_REASON = 3
_UNUSED_HEADER = ["export", "place", "image_id", "image_path", "issue_type", "why"]
_TOOL_NAMES = {"visual-layer": "Visual Layer", "fastdup": "fastdup", "cleanlab": "cleanlab"}


@dataclass(frozen=True, slots=True)
class ImportedTag:
    """One tag of the taxonomy that somebody gave in another tool."""

    tool: str
    """visual-layer, fastdup or cleanlab."""
    export: str
    """SHA-256 of the export that says so."""
    key: str
    """Key of the sample or box."""
    content_digest: str | None
    """Of the sample; None where no bytes are at hand."""
    tag: str
    """Word of the taxonomy."""
    assigned: str | None
    """When, as the export writes it."""


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
    tags: list[ImportedTag] = field(default_factory=list)
    """Tags of the taxonomy that people gave in the tool."""
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
    samples = LinkedSamples(folder, generation)
    results = []
    for tool in dict.fromkeys(entry.tool for entry in imports):
        own = [entry for entry in reversed(imports) if entry.tool == tool]
        results.append(_Importer(tool, folder, generation, samples=samples).run(own))
    return results


class _Importer:
    """The imports of one tool, newest first."""

    def __init__(
        self, tool: str, folder: WorkspaceFolder, generation: Generation, *, samples: LinkedSamples
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
            boxes = LinkedBoxes(self._folder, self._samples)
            name = f"objects/{scope}"
            rows = (table for entry in imports for table in boxes.tables(entry, linked[entry.folder]))
            file = self._folder.write_table(self._generation, name, rows, schema=OBJECTS_SCHEMA)
            result.n_objects = boxes.n_written
            if boxes.n_written:
                result.tables[name] = [file]
            else:
                (self._folder.root / file).unlink()
            issues = (part for entry in imports for part in self._issues(entry, linked[entry.folder], boxes))
            result.tables |= write_issues(self._folder, self._generation, issues, scope=scope)
            for entry in imports:
                self._take_tags(entry, linked[entry.folder], boxes)
        linked_imports = [(entry, linked[entry.folder]) for entry in imports]
        result.tables |= imported_clusters(self._folder, self._generation, linked_imports)
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

    def _issues(self, entry: StagedImport, linked: np.ndarray, boxes: LinkedBoxes) -> Iterator[IssueRows]:
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
            yield self._issue_rows(subjects, rows, boxes, is_repeated=np.isin(own[-1], self._newer))
        self._newer = np.union1d(self._newer, np.concatenate(own))

    def _issue_rows(
        self,
        subjects: Sequence[tuple[int, str | None]],
        rows: Sequence[dict[str, Any]],
        boxes: LinkedBoxes,
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
                box_key = None if subject[1] is None else boxes.key(subject[1])
                self._add(part, subject, row, {**texts[number], "box_key": box_key})
        return part

    def _list_unknown(self, entry: StagedImport, rows: pa.RecordBatch, sample_ids: np.ndarray) -> None:
        texts = iter(self._samples.texts(sample_ids[sample_ids >= 0]))
        for sample_id, row in zip(sample_ids.tolist(), rows.to_pylist(), strict=True):
            key = next(texts)["key"] if sample_id >= 0 else None
            word = row["written_type"]
            why = f"unknown issue type {word!r}"
            self._not_used(entry, row["place"], None, key, why, issue_type=word)

    def _take_tags(self, entry: StagedImport, linked: np.ndarray, boxes: LinkedBoxes) -> None:
        """Collect the tags of the taxonomy on linked images, and list the others."""
        for batch in staged_batches(self._folder, entry, "tags"):
            sample_ids = linked[batch.column("item").to_numpy()]
            usable = np.flatnonzero(sample_ids >= 0)
            rows = batch.take(pa.array(usable)).to_pylist()
            texts = self._samples.texts(sample_ids[usable])
            keys = boxes.keys_of(entry, rows, [text["key"] for text in texts])
            for row, text, key in zip(rows, texts, keys, strict=True):
                self._take_tag(entry, row, text, key=key)

    def _take_tag(self, entry: StagedImport, row: dict[str, Any], text: dict[str, Any], *, key: str) -> None:
        tag = re.sub(r"[\s-]+", "_", row["name"].strip().lower())
        if tag not in TAGS:
            why = f"the tag {row['name']!r} is none of the taxonomy's"
            self._not_used(entry, row["place"], None, key, why)
            return
        content = text["pixels_digest"] or text["bytes_digest"]
        self._result.tags.append(ImportedTag(entry.tool, entry.sha256, key, content, tag, row["assigned"]))

    def _add(
        self, rows: IssueRows, subject: tuple[int, str | None], row: dict[str, Any], text: dict[str, Any]
    ) -> None:
        sample_id, object_id = subject
        kind = row["issue_type"]
        content = text["pixels_digest"] or text["bytes_digest"] or text["key"]
        box = "" if text["box_key"] is None else text["box_key"][len(text["key"]) :]
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
            finding_id=finding_id(kind, [content + box], label),
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
