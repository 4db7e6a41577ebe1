"""Scan: list what is there, measure what is new, publish one table.

Killed at any moment, the next run measures only the shards that are missing. Nothing is published before
every planned shard is done, so readers see the old table or the new one, never half of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from chaffinch.compute.executor import Failure, LocalExecutor
from chaffinch.compute.measure import warm_up
from chaffinch.errors import SourceError, WorkspaceError
from chaffinch.formats.opening import absolute_places, open_source
from chaffinch.formats.source import Source
from chaffinch.identity import ClassTable
from chaffinch.pipeline.embed import EmbedReport, ShardMeasurer, embedding_shard
from chaffinch.pipeline.embedders import give_vectors, open_vector_maker
from chaffinch.pipeline.imported_findings import ImportedFindings, imported_findings
from chaffinch.pipeline.imported_tags import log_imported_tags
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.scan_counts import count_moved, count_outcomes
from chaffinch.records import OUTCOMES
from chaffinch.settings import MeasureSettings, ScanSettings
from chaffinch.storage.files import remove_temporary_files
from chaffinch.storage.findings import (
    LEAK_SEARCHES,
    PAIR_VECTORS,
    PHASH_THRESHOLDS,
    SEARCH_VECTORS,
    STEPS,
    is_finding,
)
from chaffinch.storage.folder import Generation, WorkspaceFolder, open_table
from chaffinch.storage.imports import IS_FROM_IMPORT, carried_info, staged_imports
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.objects import write_objects
from chaffinch.storage.plan import Planner, ScanPlan
from chaffinch.storage.samples import (
    remove_unused_thumbs,
    settle_image_ids,
    write_samples,
)
from chaffinch.storage.schema import CLASSES_SCHEMA
from chaffinch.storage.shards import (
    forget_pending,
    pending_fingerprint,
    pending_plans,
    read_plan,
    write_shard,
)
from chaffinch.storage.vector_parts import carry_vectors, sample_contents
from chaffinch.storage.vectors import EMBEDDERS


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """How to open a dataset."""

    locations: tuple[str, ...] = ()
    """Folders, files or URLs as the user wrote them."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split name to location, for splits that the user named."""
    dataset: str | None = None
    """Name of the dataset; None takes it from the source."""
    images: str | None = None
    """Folder of the images that an annotation file speaks of."""


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan did and found."""

    dataset: str
    """Name of the dataset."""
    n_samples: int
    """Rows of the table `samples`."""
    n_new: int
    """Images never seen before."""
    n_changed: int
    """Known images that were measured again."""
    n_vanished: int
    """Known images that are not there any more."""
    n_moved: int
    """Vanished images whose bytes lie under a new path now."""
    n_measured: int
    """Images measured in this run."""
    outcomes: dict[str, int]
    """Images by outcome."""
    examples: dict[str, list[tuple[str, str]]]
    """For each outcome but ok, some paths and what is wrong with them."""
    ignored: dict[str, int]
    """Files passed over, by reason."""
    ignored_examples: dict[str, str]
    """A path for each reason."""
    warnings: list[str]
    """What the user should know about ids."""
    splits: list[str]
    """Splits that the source has now."""
    has_dropped_findings: bool
    """Whether findings of an earlier scan do not hold any more and were dropped."""
    embedded: EmbedReport | None
    """What came out of embedding; None if no embedder was named."""
    wall_s: float
    """Seconds on the clock."""
    cpu_s: float
    """CPU seconds of this process."""


def scan(
    root: Path, spec: SourceSpec, *, settings: ScanSettings | None = None, progress: Progress | None = None
) -> ScanReport:
    """Bring the workspace at `root` in step with a source; resumes, and measures only what is new.

    Args:
        root: The workspace folder; made if it is not there.
        spec: What to scan.
        settings: How.
        progress: Who watches.

    Raises:
        SourceError: If the source cannot be read, holds no image, or nothing this workspace knows.
        IdentityError: If two images have the same key.
        LockedError: If another process writes to the workspace.

    Cost: see benchmarks; memory is flat but for about 50 bytes an image.
    """
    started = time.perf_counter(), time.process_time()
    settings = settings or ScanSettings()
    progress = progress or Silent()
    maker = open_vector_maker(settings.embedder) if settings.embedder else None
    spec = replace(spec, dataset=spec.dataset or _known_name(root))
    source = open_source(spec.locations, splits=spec.splits, dataset=spec.dataset, images=spec.images)
    folder = WorkspaceFolder.create(root)
    with writer_lock(root):
        remove_temporary_files(root)
        generation = folder.current()
        measure = _measure_settings(generation, settings)
        known = _scanned(generation)
        plan = _plan(folder, known, source, measure=measure, settings=settings, progress=progress)
        measure_images = embedding_shard(folder, maker, measure)
        n_measured = _measure(folder, plan, measure_images, settings=settings, progress=progress)
        had_findings = any(map(is_finding, generation.tables))
        is_known = (plan.listing_digest, source.dataset) == (generation.listing_digest, generation.dataset)
        if not is_known or pending_plans(folder):
            generation = _publish(folder, generation, plan, source=source, spec=spec, measure=measure)
        forget_pending(folder)
        plan.listing.unlink()
        embedded = None
        if maker is not None:
            generation, embedded = give_vectors(
                folder, generation, maker, settings=settings, progress=progress
            )
    report = _report(folder, generation, plan, source=source, n_measured=n_measured, started=started)
    has_findings = any(map(is_finding, generation.tables))
    return replace(report, embedded=embedded, has_dropped_findings=had_findings and not has_findings)


def _known_name(root: Path) -> str | None:
    """Return what the dataset was called at the last scan; files are named after it."""
    folder = WorkspaceFolder(root)
    return _scanned(folder.current()).dataset or None if folder.is_started() else None


def _scanned(generation: Generation) -> Generation:
    """Return the generation without samples that only exports told of: a scan begins anew with real ones."""
    if IS_FROM_IMPORT not in generation.info:
        return generation
    return replace(generation, dataset="", n_samples=0, listing_digest="", tables={})


def _measure_settings(generation: Generation, settings: ScanSettings) -> MeasureSettings:
    """Return the settings to measure with: a full table also serves who asks for hashes alone."""
    wanted = settings.measure
    if generation.measure == {**asdict(wanted), "level": "full"}:
        return MeasureSettings(**generation.measure)
    return wanted


def _plan(
    folder: WorkspaceFolder,
    generation: Generation,
    source: Source,
    *,
    measure: MeasureSettings,
    settings: ScanSettings,
    progress: Progress,
) -> ScanPlan:
    fingerprint = measure.fingerprint()
    pending = pending_fingerprint(folder)
    if settings.rescan or (pending is not None and pending != fingerprint):
        forget_pending(folder)
    progress.stage("listing", total=None, unit="images")
    trust = not settings.rescan and generation.measure == asdict(measure)
    digest = _digest_of_extras(source)

    def run() -> ScanPlan:
        planner = Planner.open(
            folder, generation, fingerprint=fingerprint, shard_size=settings.shard_size, trust_stamps=trust
        )
        return planner.plan(source.refs(), on_listed=progress.advance, extra_digest=digest)

    had_pending = bool(pending_plans(folder))
    plan = run()
    if plan.n_listed == 0:
        forget_pending(folder)
        raise SourceError(
            "holds no image", where=source.dataset, hint="name the folder that the images are in"
        )
    is_foreign = plan.n_new == plan.n_listed
    if is_foreign and not generation.n_samples and had_pending:
        # A scan of something else was broken off here and nothing of it was published: begin anew.
        forget_pending(folder)
        plan = run()
    elif is_foreign and generation.n_samples:
        forget_pending(folder)
        raise WorkspaceError(
            f"none of the {generation.n_samples} images of this workspace is in the source",
            where=str(folder.root),
            hint="another dataset, or other names of splits, needs another workspace: -w NEW",
        )
    return plan


def _digest_of_extras(source: Source) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for entry in source.classes():
        digest.update(repr(entry).encode("utf-8", "surrogatepass"))
    for item in source.objects():
        digest.update(repr(item).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _measure(
    folder: WorkspaceFolder,
    plan: ScanPlan,
    measure: ShardMeasurer,
    *,
    settings: ScanSettings,
    progress: Progress,
) -> int:
    """Measure the shards of the plan that are not done; returns the number of images."""
    if not plan.shards:
        return 0
    sizes = {number: len(read_plan(folder, number)[0]) for number in plan.shards}
    progress.stage("scanning", total=sum(sizes.values()), unit="images")

    warm_up()

    def work(number: int) -> None:
        sample_ids, refs = read_plan(folder, number)
        measurements = measure(number, sample_ids, refs)
        write_shard(folder, number, sample_ids=sample_ids, measurements=measurements)

    failures: list[tuple[int, Failure]] = []
    for number, result in LocalExecutor(settings.n_workers()).run(plan.shards, work):
        if isinstance(result, Failure):
            failures.append((number, result))
        else:
            progress.advance(sizes[number])
    if failures:
        number, failure = failures[0]
        raise WorkspaceError(
            f"{len(failures)} shards could not be done; the first, {number}, says: {failure.error}",
            where=str(folder.root),
            hint="all others are kept; mend the cause and run the same command again",
        ) from failure.error
    return sum(sizes.values())


def _publish(
    folder: WorkspaceFolder,
    generation: Generation,
    plan: ScanPlan,
    *,
    source: Source,
    spec: SourceSpec,
    measure: MeasureSettings,
) -> Generation:
    """Write the tables of the next generation.

    Findings of ours stay if nothing that they rest on changed; those of other tools are linked anew.
    """
    ids = settle_image_ids(plan)
    published, generation = generation, replace(_scanned(generation), dataset=source.dataset)
    tables = {"samples": write_samples(folder, generation, plan, ids=ids)}
    entries = source.classes() or ClassTable.from_names(plan.labels).entries
    columns = {name: [getattr(e, name) for e in entries] for name in CLASSES_SCHEMA.names}
    rows = pa.table(columns, schema=CLASSES_SCHEMA)
    tables["classes"] = [folder.write_table(generation, "classes", [rows], schema=CLASSES_SCHEMA)]
    files = [folder.root / name for name in tables["samples"]]
    tables["objects"] = [write_objects(folder, generation, source.objects(), samples=files)]
    tables |= carry_vectors(folder, generation, sample_contents(files))
    info = {"id_warnings": ids.warnings, "splits": plan.splits, "content": _content_digest(files, measure)}
    if info["content"] == published.info.get("content"):
        tables |= {name: stored for name, stored in published.tables.items() if is_finding(name)}
        kept = (PHASH_THRESHOLDS, LEAK_SEARCHES, PAIR_VECTORS, SEARCH_VECTORS, STEPS)
        info |= {name: published.info.get(name, {}) for name in kept}
    imported = _imported(folder, replace(generation, tables=tables, n_samples=plan.n_samples))
    tables |= {name: files for result in imported for name, files in result.tables.items()}
    new = folder.publish(
        replace(generation, tables=published.tables),
        source={
            "dataset": spec.dataset,
            **absolute_places(spec.locations, spec.splits, images=spec.images),
        },
        measure=asdict(measure),
        listing_digest=plan.listing_digest,
        n_samples=plan.n_samples,
        next_shard=plan.next_shard,
        tables=tables,
        info={**carried_info(published), **info, EMBEDDERS: published.info.get(EMBEDDERS, {})},
    )
    log_imported_tags(folder.root, (tag for result in imported for tag in result.tags))
    remove_unused_thumbs(folder, new)
    return new


def _content_digest(samples: Sequence[Path], measure: MeasureSettings) -> str:
    """Return a digest of all that findings rest on: which images there are, what they hold, their labels."""
    # The level is left out: it says which numbers there are, and not what they mean.
    meaning = {name: value for name, value in asdict(measure).items() if name != "level"}
    digest = hashlib.blake2b(repr(meaning).encode(), digest_size=16)
    columns = ["key", "outcome", "given_label", "bytes_digest", "pixels_digest"]
    for path in samples:
        with open_table(path) as file:
            for batch in file.iter_batches(columns=columns):
                digest.update(repr(batch.to_pydict()).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _imported(folder: WorkspaceFolder, generation: Generation) -> list[ImportedFindings]:
    """Link the findings of other tools to the samples of `generation`.

    Raises:
        WorkspaceError: If the samples came from exports alone, and none of their images is in the source.
    """
    results = imported_findings(folder, generation, staged_imports(generation))
    if IS_FROM_IMPORT in generation.info and not any(result.n_linked for result in results):
        forget_pending(folder)
        raise WorkspaceError(
            "none of the images of the imported exports is in the source",
            where=str(folder.root),
            hint="scan the folder that the export is about, or use another workspace: -w NEW",
        )
    return results


def _report(
    folder: WorkspaceFolder,
    generation: Generation,
    plan: ScanPlan,
    *,
    source: Source,
    n_measured: int,
    started: tuple[float, float],
) -> ScanReport:
    outcomes, examples = count_outcomes(folder, generation)
    return ScanReport(
        dataset=generation.dataset,
        n_samples=generation.n_samples,
        n_new=plan.n_new,
        n_changed=plan.n_changed,
        n_vanished=len(plan.vanished),
        n_moved=count_moved(folder, generation, plan),
        n_measured=n_measured,
        outcomes={name: outcomes[name] for name in OUTCOMES if outcomes[name]},
        examples=examples,
        ignored=dict(source.ignored),
        ignored_examples=dict(source.examples),
        warnings=list(generation.info.get("id_warnings", [])),
        splits=list(plan.splits),
        has_dropped_findings=False,
        embedded=None,
        wall_s=time.perf_counter() - started[0],
        cpu_s=time.process_time() - started[1],
    )
