"""The issues of whole images as resolving needs them: one sorted table and arrays beside it, no objects.

A million issues as Python objects take gigabytes; `Finding`s are made only for samples that are being
settled, a block at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.curate.answers import Finding
from chaffinch.curate.labels import Labels
from chaffinch.curate.policy_apply import train_split_of
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import DUPLICATE, ISSUES_SCHEMA, LEAK

_COLUMNS = [
    "sample_id",
    "key",
    "object_id",
    "finding_id",
    "issue_type",
    "confidence",
    "suggested_label",
    "group_id",
    "is_original",
    "reason",
    "source",
    "method",
]
_SORTED_BY = [
    ("sample_id", "ascending"),
    ("sureness", "descending"),
    ("issue_type", "ascending"),
    ("source", "ascending"),
    ("finding_id", "ascending"),
]
_SAMPLES_PER_BLOCK = 1 << 14
NO_SIDE, TRAIN_SIDE, TEST_SIDE = 0, 1, 2
_SIDES = tuple(
    frozenset(name for bit, name in ((TRAIN_SIDE, "train"), (TEST_SIDE, "test")) if number & bit)
    for number in range(4)
)


@dataclass(frozen=True, slots=True, eq=False)
class FoundIssues:
    """Issues of the whole images that are there, by sample, surest first. I rows."""

    rows: pa.Table
    """`_COLUMNS` without boxes."""
    sample_id: np.ndarray
    """Shape (I,), int64, rising."""
    is_first: np.ndarray
    """Shape (I,), bool: the surest row of its finding about its sample, which stands for the finding."""
    group: np.ndarray
    """Shape (I,), int64: number of the group of copies, the same for all its members; -1 for none."""
    side: np.ndarray
    """Shape (I,), int8: which sides of leaks the finding is about, as bits."""

    def of_type(self, *issue_types: str) -> np.ndarray:
        """Return shape (I,), bool: the rows of these types."""
        types = self.rows.column("issue_type")
        found: np.ndarray = pc.is_in(types, value_set=pa.array(issue_types, pa.string())).to_numpy()
        return found

    def is_copy(self) -> np.ndarray:
        """Return shape (I,), bool: findings of duplicates that are not the one kept."""
        is_original = pc.fill_null(self.rows.column("is_original"), True).to_numpy()
        found: np.ndarray = self.is_first & self.of_type(DUPLICATE) & ~is_original
        return found

    def findings(self, sample_ids: np.ndarray, labels: Labels) -> Iterator[tuple[Finding, ...]]:
        """Yield the findings of each of these samples, shape (N,), int64, rising."""
        for start in range(0, len(sample_ids), _SAMPLES_PER_BLOCK):
            wanted = sample_ids[start : start + _SAMPLES_PER_BLOCK]
            rows = np.flatnonzero(np.isin(self.sample_id, wanted) & self.is_first)
            made = self._made(rows, labels)
            ends = np.searchsorted(self.sample_id[rows], wanted, side="right")
            first = 0
            for end in ends.tolist():
                yield tuple(made[first:end])
                first = end

    def _made(self, rows: np.ndarray, labels: Labels) -> list[Finding]:
        part = self.rows.take(pa.array(rows))
        spelled = {t: labels.spelled(t) for t in pc.unique(part.column("suggested_label")).to_pylist() if t}
        columns = zip(
            *(part.column(n).to_pylist() for n in ("finding_id", "issue_type", "confidence")),
            *(part.column(n).to_pylist() for n in ("suggested_label", "method", "source", "group_id")),
            part.column("is_original").to_pylist(),
            self.side[rows].tolist(),
            strict=True,
        )
        return [
            Finding(
                finding_id=finding_id,
                issue_type=issue_type,
                confidence=sure or 0.0,
                suggested_label=None if suggested is None else spelled.get(suggested, suggested),
                method=method or "",
                group=None if group is None else f"{source}\t{group}",
                is_original=is_original,
                leak_sides=_SIDES[side],
            )
            for finding_id, issue_type, sure, suggested, method, source, group, is_original, side in columns
        ]


def found_issues(folder: WorkspaceFolder, generation: Generation, is_here: np.ndarray) -> FoundIssues:
    """Read all issues of whole images.

    Args:
        folder: The workspace.
        generation: Its generation.
        is_here: Shape (n_samples,), bool: which samples count.

    Cost: about 250 bytes and 5 us an issue.
    """
    parts: list[pa.RecordBatch] = []
    sides: list[np.ndarray] = [np.empty(0, np.int8)]
    for table in sorted(t for t in generation.tables if t.startswith("issues/")):
        train = train_split_of(table)
        for batch in folder.batches(generation, table, columns=_COLUMNS, rows=1 << 16):
            is_whole = pc.is_null(batch.column("object_id"))
            is_there = pa.array(is_here[batch.column("sample_id").to_numpy()])
            parts.append(batch.filter(pc.and_(is_whole, is_there)))
            sides.append(_sides(parts[-1], train))
    columns = [n for n in _COLUMNS if n != "object_id"]
    schema = pa.schema([ISSUES_SCHEMA.field(name) for name in _COLUMNS])
    rows = pa.Table.from_batches([p.cast(schema) for p in parts], schema=schema).select(columns)
    sureness = pc.fill_null(rows.column("confidence"), 0.0)
    order = pc.sort_indices(rows.append_column("sureness", sureness), sort_keys=_SORTED_BY).to_numpy()
    rows = rows.take(pa.array(order)).combine_chunks()
    return _indexed(rows, np.concatenate(sides)[order])


def _sides(rows: pa.RecordBatch, train: str | None) -> np.ndarray:
    """Return the side of each row: where its table says which split is the train side, that split or not."""
    if train is None:
        return np.full(len(rows), NO_SIDE, dtype=np.int8)
    is_leak = pc.equal(rows.column("issue_type"), LEAK).to_numpy(zero_copy_only=False)
    is_train = pc.starts_with(rows.column("key"), f"{train}/").to_numpy(zero_copy_only=False)
    return np.where(is_leak, np.where(is_train, TRAIN_SIDE, TEST_SIDE), NO_SIDE).astype(np.int8)


def _indexed(rows: pa.Table, side: np.ndarray) -> FoundIssues:
    sample_id = rows.column("sample_id").to_numpy()
    finding = _codes(rows.column("finding_id"))
    point = sample_id * (int(finding.max(initial=0)) + 1) + finding
    _, first, inverse = np.unique(point, return_index=True, return_inverse=True)
    is_first = np.zeros(len(rows), dtype=bool)
    is_first[first] = True
    of_point = np.full(len(first), NO_SIDE, dtype=np.int8)
    np.bitwise_or.at(of_point, inverse, side)
    named = pc.binary_join_element_wise(rows.column("source"), rows.column("group_id"), "\t")
    return FoundIssues(
        rows=rows, sample_id=sample_id, is_first=is_first, group=_codes(named), side=of_point[inverse]
    )


def _codes(texts: pa.ChunkedArray) -> np.ndarray:
    """Return shape (I,), int64: a number for each distinct text; -1 for nulls."""
    encoded = texts.combine_chunks().dictionary_encode()
    codes: np.ndarray = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    return codes
