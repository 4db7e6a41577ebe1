"""Brings exports of other tools into a workspace: keep the raw file, read it, link it, publish findings.

In a workspace that was scanned, every finding goes to a sample of the scan. In a new one the images of the
export become the samples, with outcome `missing`: tables, tagging and artifacts then work without pictures. A
later scan of the real folder takes over; see `pipeline/scan.py`.

Killed at any moment, the workspace is as before; the next import clears away what was half done.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chaffinch.errors import SourceError, WorkspaceError
from chaffinch.formats.cleanlab import read_cleanlab
from chaffinch.formats.export_source import ExportRefs, SplitRule, split_of
from chaffinch.formats.export_table import ExportTable
from chaffinch.formats.fastdup import fastdup_files, read_fastdup
from chaffinch.formats.names import SeenNames
from chaffinch.formats.visual_layer import OpenedExport, open_visual_layer
from chaffinch.identity import ClassTable, slug
from chaffinch.pipeline.imported_findings import ImportedFindings, imported_findings
from chaffinch.pipeline.imported_tags import log_imported_tags
from chaffinch.pipeline.linking import NOT_FOUND, SampleIndex
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.records import ExportedItem, Measurement, SampleRef
from chaffinch.storage.files import remove_temporary_files
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.imports import (
    IMPORTS,
    IS_FROM_IMPORT,
    StagedImport,
    imports_info,
    keep_raw,
    remove_unused_imports,
    saved_columns,
    stage,
    staged_batches,
    staged_imports,
    with_imports,
)
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.plan import Planner, ScanPlan
from chaffinch.storage.samples import settle_image_ids, write_samples
from chaffinch.storage.schema import CLASSES_SCHEMA, REF_FIELDS, refs_from
from chaffinch.storage.shards import (
    forget_pending,
    pending_fingerprint,
    pending_plans,
    read_plan,
    write_shard,
)

VISUAL_LAYER, FASTDUP, CLEANLAB = "visual-layer", "fastdup", "cleanlab"
"""Tools whose exports can be read; also the `source` of their findings."""

_FINGERPRINT = "imported"
"""Stands in a plan for the settings of a scan: nothing was measured."""
_SHARD_SIZE = 1 << 16
_NO_PICTURE = Measurement(outcome="missing", error="known from an export; no picture was looked for")
_PROGRESS_EVERY = 1000


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How exports are read."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    """Target to column name, for tables with columns of other names."""
    split_rules: Sequence[SplitRule] = ()
    """Which split a path belongs to, before the usual rules."""
    dataset: str | None = None
    """Name of the dataset in a new workspace; None takes it from the export."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did."""

    dataset: str
    """Name of the dataset."""
    imports: list[StagedImport]
    """The exports that were read now."""
    n_exports: int
    """Exports of this tool in the workspace, joined."""
    n_new_samples: int
    """Samples that the exports brought; 0 in a scanned workspace."""
    n_samples: int
    """Rows of `samples`."""
    findings: ImportedFindings
    """What came of all exports of this tool."""
    n_tags: int
    """Tags of people in the tool that are new in the decision log."""
    unused_file: Path
    """CSV with every row that could not be used."""
    warnings: list[str]
    """What the user should know."""
    wall_s: float
    """Seconds on the clock."""
    cpu_s: float
    """CPU seconds of this process."""


def import_exports(
    root: Path,
    locations: Sequence[Path],
    *,
    tool: str,
    settings: ImportSettings | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import exports of one tool, joined with those imported before; the same file again replaces its rows.

    Args:
        root: The workspace folder; made if it is not there.
        locations: Files, or work_dirs of fastdup.
        tool: `VISUAL_LAYER`, `FASTDUP` or `CLEANLAB`.
        settings: How.
        progress: Who watches.

    Raises:
        SourceError: If an export cannot be read; the workspace stays as it was.
        WorkspaceError: If a scan of the workspace was broken off.
        LockedError: If another process writes to the workspace.

    Cost: see benchmarks/results/import_export.json.
    """
    started = time.perf_counter(), time.process_time()
    settings, progress = settings or ImportSettings(), progress or Silent()
    for location in locations:
        if not location.exists():
            raise SourceError("is not there", where=str(location), hint="check the path of the export")
    folder = WorkspaceFolder.create(root)
    with writer_lock(root):
        remove_temporary_files(root)
        run = _Run(folder, tool, settings=settings, progress=progress)
        run.check_pending()
        run.read(locations)
        report = run.publish(started)
    return report


class _Run:
    """One import, under the workspace's lock."""

    def __init__(
        self, folder: WorkspaceFolder, tool: str, *, settings: ImportSettings, progress: Progress
    ) -> None:
        self._folder = folder
        self._tool = tool
        self._settings = settings
        self._progress = progress
        self._generation = folder.current()
        self._is_own = not self._generation.n_samples or IS_FROM_IMPORT in self._generation.info
        self._known = staged_imports(self._generation)
        self._new: list[StagedImport] = []
        self._names: list[str] = []
        self._warnings: list[str] = []

    def check_pending(self) -> None:
        """Refuse to import into a scan that was broken off, and clear away an import that was.

        Raises:
            WorkspaceError: If shards of a scan are waiting.
        """
        pending = pending_fingerprint(self._folder)
        if pending not in (None, _FINGERPRINT):
            raise WorkspaceError(
                "a scan of this workspace was broken off",
                where=str(self._folder.root),
                hint="run the same 'chaffinch scan' again to its end, then import",
            )
        forget_pending(self._folder)
        remove_unused_imports(self._folder, self._known)

    # ------------------------------------------------------------------------------------------- reading

    def read(self, locations: Sequence[Path]) -> None:
        """Keep each export as it is and read it into plain tables."""
        for location in locations:
            self._progress.stage(f"reading {location.name}", total=None, unit="items")
            files = fastdup_files(location) if self._tool == FASTDUP else [location]
            entry, copies = keep_raw(self._folder, files, tool=self._tool, location=location)
            opened = self._open(copies, where=str(location))
            n_items, n_issues = stage(self._folder, entry, self._watched(opened.items))
            if not n_items:
                raise SourceError("holds no image", where=str(location), hint="export the dataset again")
            self._note(opened, location, n_items)
            self._new.append(
                replace(
                    entry,
                    kind=opened.kind,
                    columns=dict(opened.columns),
                    n_items=n_items,
                    n_issues=n_issues,
                )
            )

    def _open(self, copies: Sequence[Path], *, where: str) -> OpenedExport:
        if self._tool == FASTDUP:
            return OpenedExport("folder", read_fastdup(copies[0].parent, where=where), {}, {})
        if self._tool == CLEANLAB:
            return OpenedExport("table", read_cleanlab(ExportTable(copies[0], where=where)), {}, {})
        own = [entry for entry in [*self._known, *self._new] if entry.tool == self._tool]
        return open_visual_layer(
            copies[0], where=where, mapping=self._settings.mapping, saved=saved_columns(own)
        )

    def _watched(self, items: Iterator[ExportedItem]) -> Iterator[ExportedItem]:
        """Pass items on with their split settled, telling the progress."""
        rules = self._settings.split_rules
        for number, item in enumerate(items, start=1):
            split = item.split or split_of(item.path, rules)
            yield item if split == item.split else replace(item, split=split)
            if number % _PROGRESS_EVERY == 0:
                self._progress.advance(_PROGRESS_EVERY)

    def _note(self, opened: OpenedExport, location: Path, n_items: int) -> None:
        self._names.append(str(opened.info.get("dataset") or location.stem))
        stated = opened.info.get("total_media_items")
        if isinstance(stated, int) and stated != n_items:
            self._warnings.append(
                f"{location.name} says that it holds {stated:,} items, and holds {n_items:,}"
            )

    # ---------------------------------------------------------------------------------------- publishing

    def publish(self, started: tuple[float, float]) -> ImportReport:
        """Link everything, write samples where they come from exports, and publish."""
        imports = with_imports(self._known, self._new)
        before, n_new = self._generation, 0
        self._progress.stage("linking", total=None, unit="items")
        generation = before
        if self._is_own:
            generation, n_new = self._with_samples(before)
        results = imported_findings(self._folder, generation, imports)
        own = self._own(results)
        tables = {
            name: files
            for name, files in generation.tables.items()
            if not name.startswith(("issues/import.", "objects/import.", "clusters/import."))
        }
        for result in results:
            tables |= result.tables
        self._folder.publish(
            replace(generation, tables=before.tables),
            tables=tables,
            info={**generation.info, IMPORTS: imports_info(imports)},
        )
        n_tags = log_imported_tags(self._folder.root, (tag for result in results for tag in result.tags))
        forget_pending(self._folder)
        remove_unused_imports(self._folder, imports)
        (self._folder.root / "listing.parquet").unlink(missing_ok=True)
        return ImportReport(
            dataset=generation.dataset,
            imports=self._new,
            n_exports=sum(entry.tool == self._tool for entry in imports),
            n_new_samples=n_new,
            n_samples=generation.n_samples,
            findings=own,
            n_tags=n_tags,
            unused_file=self._folder.root / IMPORTS / f"{self._tool}_unused.csv",
            warnings=self._warnings,
            wall_s=time.perf_counter() - started[0],
            cpu_s=time.process_time() - started[1],
        )

    def _own(self, results: Sequence[ImportedFindings]) -> ImportedFindings:
        """Return what came of this tool's exports.

        Raises:
            WorkspaceError: If not one row of them means a sample.
        """
        own = next(result for result in results if result.tool == self._tool)
        if not own.n_linked:
            why, examples = next(iter(own.examples.items()))
            raise WorkspaceError(
                f"none of the {own.n_items:,} rows means one of the {self._generation.n_samples:,} images "
                f"here ({why}), such as {examples[0]}",
                where=str(self._folder.root),
                hint="is this the workspace of that dataset? A new one takes the export's images: -w NEW",
            )
        return own

    def _with_samples(self, before: Generation) -> tuple[Generation, int]:
        """Write the samples of the next generation: those known, and the images of new exports."""
        planner = Planner.open(
            self._folder, before, fingerprint=_FINGERPRINT, shard_size=_SHARD_SIZE, trust_stamps=False
        )
        refs = ExportRefs()
        digest = hashlib.blake2b("".join(e.sha256 for e in self._new).encode()).hexdigest()
        plan = planner.plan(self._refs(before, refs), on_listed=self._progress.advance, extra_digest=digest)
        if not plan.n_samples:
            raise SourceError(
                "names no image, neither by id nor by path",
                where=", ".join(entry.location for entry in self._new),
                hint="say which column does: --map image_path=YOUR_COLUMN",
            )
        for number in pending_plans(self._folder):
            sample_ids, _ = read_plan(self._folder, number)
            blank = [_NO_PICTURE] * len(sample_ids)
            write_shard(self._folder, number, sample_ids=sample_ids, measurements=blank)
        if refs.n_renamed:
            self._warnings.append(
                f"{refs.n_renamed:,} images share their path with another; their keys hold the id as well"
            )
        return self._written(before, plan), plan.n_new

    def _written(self, before: Generation, plan: ScanPlan) -> Generation:
        name = self._settings.dataset or before.dataset or slug(self._names[0])
        generation = replace(before, dataset=name)
        ids = settle_image_ids(plan)
        self._warnings += ids.warnings
        samples = write_samples(self._folder, generation, plan, ids=ids)
        entries = ClassTable.from_names(plan.labels).entries
        columns = {name: [getattr(e, name) for e in entries] for name in CLASSES_SCHEMA.names}
        rows = pa.table(columns, schema=CLASSES_SCHEMA)
        classes = self._folder.write_table(generation, "classes", [rows], schema=CLASSES_SCHEMA)
        return replace(
            generation,
            n_samples=plan.n_samples,
            next_shard=plan.next_shard,
            listing_digest=plan.listing_digest,
            tables={**before.tables, "samples": samples, "classes": [classes]},
            info={
                **before.info,
                IS_FROM_IMPORT: True,
                "id_warnings": ids.warnings,
                "splits": plan.splits,
            },
        )

    def _refs(self, before: Generation, refs: ExportRefs) -> Iterator[SampleRef]:
        """Yield the samples that are there, then the images of the new exports that are none of them."""
        columns = [f.name for f in REF_FIELDS]
        for batch in self._folder.batches(before, "samples", columns=columns):
            for ref in refs_from(pa.Table.from_batches([batch])):
                refs.take_note(ref)
                yield ref
        index = SampleIndex(self._folder, before)
        seen = SeenNames()
        for entry in self._new:
            # One tool names an image in one way only; a likeness of tails would join two of its images.
            linked = index.link(entry, by_tail=entry.tool != VISUAL_LAYER)
            yield from self._new_refs(entry, linked == NOT_FOUND, refs, seen)

    def _new_refs(
        self, entry: StagedImport, is_new: np.ndarray, refs: ExportRefs, seen: SeenNames
    ) -> Iterator[SampleRef]:
        start = 0
        columns = ["item_id", "path", "split", "given_label", "is_path_unique"]
        for batch in staged_batches(self._folder, entry, "items", columns=columns):
            wanted = np.flatnonzero(is_new[start : start + len(batch)])
            start += len(batch)
            yield from (refs.ref(**row) for row in _subjects(batch.take(pa.array(wanted)).to_pylist(), seen))


def _subjects(rows: list[dict[str, Any]], seen: SeenNames) -> Iterator[dict[str, Any]]:
    """Yield the first row of each image: an id is enough where the export says so, else id and path."""
    for row in rows:
        is_settled = row.pop("is_path_unique") and row["item_id"] is not None
        if seen.add(row["item_id"] if is_settled else f"{row['item_id']}\0{row['path']}"):
            yield row
