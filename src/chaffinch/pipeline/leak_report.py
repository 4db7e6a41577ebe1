"""The leak report: search, then write CSV, summary and contact sheet."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from chaffinch.detect.comparison import MIN_CORRELATION
from chaffinch.detect.verified import KnownPairs
from chaffinch.formats.leak_csv import read_leak_rows, write_leak_rows
from chaffinch.formats.manifest_paths import read_manifest_rows
from chaffinch.identity import slug
from chaffinch.pipeline.columns import Thumbnails, load_sides, sides_fingerprint
from chaffinch.pipeline.leak_rows import LeakRows
from chaffinch.pipeline.leaks import keep_leaks
from chaffinch.pipeline.pair_search import PairSearch, search_pairs, vectors_used
from chaffinch.pipeline.pair_vectors import replaced_methods
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.spelling import Spelling, manifest_spelling
from chaffinch.records import LeakPair
from chaffinch.report.contact_sheet import contact_sheet_path, write_contact_sheet
from chaffinch.report.leak_sample import MethodSection, choose_pairs
from chaffinch.report.leak_summary import (
    ClassHits,
    LeakMethod,
    LeakSide,
    LeakSummary,
    ManifestHits,
    read_leak_summary,
    summary_text,
    write_leak_summary,
)
from chaffinch.report.leak_tally import LeakTally
from chaffinch.settings import METHODS, LeakSettings
from chaffinch.storage.findings import PHASH_THRESHOLDS, leak_scope, read_pairs, scopes, with_search_vectors
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.pairs import PairSet, count_stars
from chaffinch.storage.samples import rows_of_keys

DEFAULT_METHODS = ("exact", "perceptual", "verified")
"""Methods searched when none are named."""


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What was written."""

    files: tuple[Path, ...]
    """Report, summary as text and JSON, contact sheet."""
    summary: LeakSummary
    """All figures."""
    summary_text: str
    """The summary to read."""
    n_pairs: int
    """Rows of the report."""
    was_compared: bool
    """Whether some method ran on images of both sides: without that, no leak found means nothing."""
    leaking_test_images: frozenset[str]
    """Test images of the report, spelled as there."""


def check_leak_files(output: Path | None, manifests: Sequence[Path]) -> None:
    """Find before hours of work that the report cannot be written or a manifest not be read.

    Args:
        output: The CSV to write; its folder is made. What is there must be a leak report.
        manifests: Manifests that will be read.

    Raises:
        TableError: If a table is not what it is taken for.
        OSError: If a file or folder cannot be used.
    """
    for manifest in manifests:
        next(read_manifest_rows(manifest), None)
    if output is None:
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(output.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(output.parent))
    if output.exists():
        next(read_leak_rows(output), None)


def report_leaks(
    root: Path,
    between: tuple[str, str],
    *,
    settings: LeakSettings | None = None,
    output: Path | None = None,
    manifest: Path | None = None,
    dataset: str | None = None,
    known: KnownPairs | None = None,
    progress: Progress | None = None,
) -> LeakReport:
    """Search leaks between two splits, keep them in the workspace, and write the report.

    Args:
        root: The workspace.
        between: Train split and test split.
        settings: Methods and thresholds.
        output: The CSV; None takes ``reports/<dataset>_leaks_report.csv`` in the workspace. An earlier report
            of the same images keeps the rows of methods not searched now.
        manifest: Manifest whose spelling is taken; None takes ``<dataset>_tagged_manifest.csv`` beside the
            report, if it is there.
        dataset: Name of the dataset in the names of files; None takes the workspace's.
        known: What earlier searches of the same tables found out about pairs; this one adds to it.
        progress: Who watches.

    Raises:
        UsageError: If there is no such split.
        TableError: If the manifest or the earlier report cannot be read.
        LockedError: If another process writes to the workspace.
    """
    started = time.perf_counter(), time.process_time()
    settings, progress, folder = settings or LeakSettings(), progress or Silent(), WorkspaceFolder(root)
    name = slug(dataset) if dataset else folder.published().dataset
    output = output or root / "reports" / f"{name}_leaks_report.csv"
    load_sides(folder, folder.published(), between)
    with writer_lock(root):
        generation = folder.published()
        side = load_sides(folder, generation, between)
        search = search_pairs(
            folder, generation, settings=settings, side=side, known=known, progress=progress
        )
        generation = _noted(generation, between, settings, search)
        generation = keep_leaks(folder, generation, between, side=side, found=search.found, settings=settings)
        # Still under the lock: two publications by others would remove the tables that are read here.
        writing = _Writing(folder, generation, between, side, output, settings)
        progress.stage("writing the report", total=None, unit="rows")
        spelling = writing.spelling(
            manifest or output.with_name(f"{name}_tagged_manifest.csv"), manifest is not None
        )
        return writing.write(name, search, spelling, started=started)


def _noted(
    generation: Generation, between: tuple[str, str], settings: LeakSettings, search: PairSearch
) -> Generation:
    """Note whose vectors were compared, so that a release can have the same search made again."""
    searched = [pairs.method for pairs in search.found]
    used = vectors_used(generation, settings, search)
    return with_search_vectors(generation, leak_scope(*between), searched=searched, vectors=used)


@dataclass(frozen=True, slots=True, eq=False)
class _Writing:
    """Everything the three files of a report are made from."""

    folder: WorkspaceFolder
    generation: Generation
    between: tuple[str, str]
    side: np.ndarray
    output: Path
    settings: LeakSettings

    def spelling(self, manifest: Path, is_named: bool) -> tuple[Path, Spelling] | None:
        if not is_named and not manifest.exists():
            return None
        return manifest, manifest_spelling(self.folder, self.generation, manifest, splits=self.between)

    def write(
        self,
        name: str,
        search: PairSearch,
        spelling: tuple[Path, Spelling] | None,
        *,
        started: tuple[float, float],
    ) -> LeakReport:
        fingerprint = sides_fingerprint(self.folder, self.generation, self.between)
        earlier = self._earlier(fingerprint)
        rows = LeakRows(
            self.folder, self.generation, side=self.side, spelling=spelling[1].by_sample if spelling else {}
        )
        searched = {pairs.method for pairs in search.found} | self._replaced()
        kept = rows.kept(self.output, searched=searched) if earlier else iter(())
        tally = LeakTally()
        images: set[str] = set()
        every = _noting(images, chain(kept, rows.rows(search.found)))
        write_leak_rows(self.output, tally.watch(every))
        methods = self._methods(search, earlier, tally)
        summary = LeakSummary(
            dataset=name,
            report=self.output.name,
            train=self._side(0, tally.n_train_images),
            test=self._side(1, tally.n_test_images),
            methods=methods,
            n_labels_agree=tally.n_test_labels_agree,
            n_labels_differ=tally.n_test_labels_differ,
            classes=self._classes(tally.class_hits),
            inputs_fingerprint=fingerprint,
            wall_s=time.perf_counter() - started[0],
            cpu_s=time.process_time() - started[1],
            left_out=search.left_out,
            manifest=_manifest_hits(spelling, images),
            n_stars=self._n_stars(search.found, methods),
            notes=(*_notes(spelling), *self._dropped(earlier)),
        )
        files = (self.output, *write_leak_summary(self.output, summary), self._sheet(summary))
        n_pairs = sum(entry.count.n_pairs for entry in summary.methods)
        was_compared = bool(search.found) and summary.train.n_compared > 0 and summary.test.n_compared > 0
        text, leaking = summary_text(summary), frozenset(images)
        return LeakReport(files, summary, text, n_pairs, was_compared, leaking_test_images=leaking)

    def _earlier(self, fingerprint: str) -> LeakSummary | None:
        """Return the summary of the report that is there, if it is about the same images.

        Raises:
            TableError: If what is there is no leak report, and so not to be replaced.
        """
        if not self.output.exists():
            return None
        next(read_leak_rows(self.output), None)
        earlier = read_leak_summary(self.output)
        return earlier if earlier is not None and earlier.inputs_fingerprint == fingerprint else None

    def _replaced(self) -> frozenset[str]:
        """Return the methods whose earlier rows rest on vectors that are not there any more."""
        return replaced_methods(self.generation, self.between)

    def _dropped(self, earlier: LeakSummary | None) -> Iterator[str]:
        known = {entry.method for entry in earlier.methods} if earlier else set()
        for method in sorted(known & self._replaced()):
            yield f"Rows of {method} are left out: their vectors were made anew since. Search it again."

    def _methods(
        self, search: PairSearch, earlier: LeakSummary | None, tally: LeakTally
    ) -> tuple[LeakMethod, ...]:
        """Count the rows written: a stage that was killed may have left some that no summary tells of."""
        noted = {entry.method: entry for entry in (earlier.methods if earlier else ())}
        phash_thresholds = self.generation.info.get(PHASH_THRESHOLDS, {})
        thresholds = {
            "exact": None,
            "perceptual": float(
                phash_thresholds.get(leak_scope(*self.between), self.settings.phash_threshold)
            ),
            "verified": MIN_CORRELATION,
            "semantic": search.semantic.threshold if search.semantic else None,
        }
        searched = {pairs.method for pairs in search.found}
        entries = []
        for method in METHODS:
            count = tally.of_method(method)
            entry = LeakMethod(method, thresholds[method], count)
            if method in searched:
                more = search.semantic.settings() if search.semantic and method == "semantic" else None
                entries.append(replace(entry, settings=more))
            elif method not in self._replaced() and (method in noted or count.n_pairs):
                entries.append(replace(noted.get(method, entry), count=count, is_kept=True))
        return tuple(entries)

    def _n_stars(self, found: Sequence[PairSet], methods: Sequence[LeakMethod]) -> int:
        """Count the groups given as stars, of this stage's methods and of those whose rows were kept."""
        scope = leak_scope(*self.between)
        kept = {entry.method for entry in methods if entry.is_kept}
        stored = [method for place, method in scopes(self.generation) if place == scope and method in kept]
        earlier = (read_pairs(self.folder, self.generation, scope=scope, method=method) for method in stored)
        return sum(count_stars(pairs, self.side) for pairs in chain(found, earlier))

    def _side(self, number: int, n_leaking: int) -> LeakSide:
        split = self.between[number]
        place = self.generation.source.get("splits", {}).get(split)
        outcomes: Counter[str] = Counter()
        for batch in self.folder.batches(self.generation, "samples", columns=["split", "outcome"]):
            own = batch.filter(pc.equal(batch.column("split"), split)).column("outcome")
            outcomes.update({row["values"]: row["counts"] for row in own.value_counts().to_pylist()})
        return LeakSide(f"{split}: {place}" if place else split, dict(outcomes), n_leaking)

    def _classes(self, hits: Mapping[str, int]) -> tuple[ClassHits, ...]:
        totals: Counter[str] = Counter()
        for batch in self.folder.batches(self.generation, "samples", columns=["split", "given_label"]):
            own = batch.filter(pc.equal(batch.column("split"), self.between[1])).column("given_label")
            totals.update({row["values"]: row["counts"] for row in own.value_counts().to_pylist()})
        return tuple(ClassHits(label, n, totals[label]) for label, n in sorted(hits.items()))

    def _sheet(self, summary: LeakSummary) -> Path:
        path = contact_sheet_path(self.output)
        sections = choose_pairs(read_leak_rows(self.output))
        thumbnails = self._thumbnails(sections)
        write_contact_sheet(path, sections, summary=summary, thumbnail=thumbnails.get)
        return path

    def _thumbnails(self, sections: Sequence[MethodSection]) -> dict[str, bytes | None]:
        shown = {key for s in sections for p in s.shown for key in (p.pair.train_key, p.pair.test_key)}
        names = sorted(shown)
        rows = rows_of_keys(self.folder.files(self.generation, "samples"), names).tolist()
        ids = {name: row for name, row in zip(names, rows, strict=True) if row >= 0}
        pictures = Thumbnails(self.folder, self.generation).encoded(list(ids.values()))
        return dict(zip(ids, pictures, strict=True))


def _noting(images: set[str], rows: Iterator[LeakPair]) -> Iterator[LeakPair]:
    for row in rows:
        images.add(row.test_image)
        yield row


def _manifest_hits(spelling: tuple[Path, Spelling] | None, images: set[str]) -> ManifestHits | None:
    if spelling is None:
        return None
    listed = images & set(spelling[1].by_sample.values())
    return ManifestHits(str(spelling[0]), len(listed), len(images))


def _notes(spelling: tuple[Path, Spelling] | None) -> tuple[str, ...]:
    if spelling is None:
        return ()
    manifest = spelling[1]
    notes = []
    if manifest.n_ambiguous:
        notes.append(
            f"{manifest.n_ambiguous:,} rows of the manifest could mean several images: none was guessed."
        )
    if manifest.n_rows and not manifest.by_sample:
        notes.append(
            "No row of the manifest names an image of these splits: it may be that of another dataset."
        )
    return tuple(notes)
