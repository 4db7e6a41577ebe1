"""Findings in order, the surest of each type first, and how many of each there are.

Only the order is held in memory; rows are read where they are wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.errors import UsageError
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import ISSUES_SCHEMA
from chaffinch.storage.samples import RowGatherer
from chaffinch.taxonomy import ISSUE_TYPES, normalise_issue_type

ORDERS = ("confidence", "sample", "stored")
"""Ways to sort: surest first within a type; by sample; as the steps wrote them."""
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class TypeSummary:
    """What was found of one type."""

    issue_type: str
    """Singular issue word."""
    n_findings: int
    """Findings."""
    n_images: int
    """Images that have one, boxes counted to their image."""
    median_confidence: float | None
    """0..1; None where no finding states one."""
    sources: tuple[str, ...]
    """Who found them, sorted."""


def parse_types(text: str) -> frozenset[str]:
    """Turn a comma list of issue types, in any usual spelling, into ours.

    Raises:
        UsageError: If one is no issue type.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = {word: normalise_issue_type(word) for word in words}
    unknown = [word for word, kind in found.items() if kind is None]
    if unknown or not found:
        what = f"there is no issue type {', '.join(unknown) or text!r}"
        raise UsageError(what, hint=f"the types are {', '.join(ISSUE_TYPES)}")
    return frozenset(kind for kind in found.values() if kind is not None)


def check_order(order: str) -> None:
    """Refuse what is none of `ORDERS`.

    Raises:
        UsageError: If it is none.
    """
    if order not in ORDERS:
        raise UsageError(f"there is no order {order!r}", hint=f"--sort takes {', '.join(ORDERS)}")


class IssueList:
    """The findings of a workspace. Cost: 30 bytes a finding."""

    def __init__(self, root: Path, *, types: Collection[str] = ()) -> None:
        """Read what decides the order.

        Args:
            root: The workspace.
            types: Issue types to keep; empty for all.

        Raises:
            WorkspaceError: If no scan has ended yet.
        """
        folder = WorkspaceFolder(root)
        generation = folder.published()
        tables = sorted(name for name in generation.tables if name.startswith("issues/"))
        head = _head(folder, generation, tables)
        kept = np.arange(len(head))
        if types:
            kept = np.flatnonzero(pc.is_in(head.column("issue_type"), pa.array(sorted(types))).to_numpy())
        self.n_others = len(head) - len(kept)
        """Findings of other types."""
        self._kept, self._head = kept, head.take(pa.array(kept))
        paths = [path for name in tables for path in folder.files(generation, name)]
        self._rows = RowGatherer(paths, ISSUES_SCHEMA.names)

    def __len__(self) -> int:
        return len(self._kept)

    def summary(self) -> list[TypeSummary]:
        """Return what there is of each type, in the taxonomy's order."""
        kinds = self._head.column("issue_type").to_numpy(zero_copy_only=False)
        found = []
        for kind in ISSUE_TYPES:
            rows = self._head.take(pa.array(np.flatnonzero(kinds == kind)))
            if not len(rows):
                continue
            median = pc.approximate_median(rows.column("confidence")).as_py()
            n_images = pc.count_distinct(rows.column("sample_id")).as_py()
            sources = tuple(sorted(pc.unique(rows.column("source")).to_pylist()))
            found.append(TypeSummary(kind, len(rows), n_images, median, sources))
        return found

    def rows(self, *, order: str = "confidence", limit: int = 0) -> Iterator[dict[str, Any]]:
        """Stream findings as rows of the table `issues`.

        Args:
            order: Any of `ORDERS`.
            limit: How many at most; 0 for all.

        Raises:
            UsageError: If there is no such order.
        """
        places = self._kept[self._order(order)]
        places = places[:limit] if limit else places
        for start in range(0, len(places), _ROWS):
            yield from self._rows.take(places[start : start + _ROWS]).to_pylist()

    def _order(self, order: str) -> np.ndarray:
        check_order(order)
        if order == "stored":
            return np.arange(len(self))
        kinds = pc.index_in(self._head.column("issue_type"), pa.array(list(ISSUE_TYPES))).to_numpy()
        unsure = -pc.fill_null(self._head.column("confidence"), 0.0).to_numpy()
        samples = self._head.column("sample_id").to_numpy()
        by_sample = (unsure, kinds, samples)
        by_confidence = (samples, unsure, kinds)
        return np.lexsort(by_sample if order == "sample" else by_confidence)


def _head(folder: WorkspaceFolder, generation: Generation, tables: Collection[str]) -> pa.Table:
    columns = ["sample_id", "issue_type", "confidence", "source"]
    schema = pa.schema([ISSUES_SCHEMA.field(name) for name in columns])
    parts = [
        pa.Table.from_batches([batch]).cast(schema)
        for name in tables
        for batch in folder.batches(generation, name, columns=columns)
    ]
    return pa.concat_tables([schema.empty_table(), *parts]).combine_chunks()
