"""Vectors for every image of a workspace: those made while scanning, and those of images scanned before.

A scan hands each decoded picture to the embedder (`embedding_shard`); `embed_rest` reads the images that have
no vector yet once more, then publishes the table. Killed at any moment, the next run goes on at the part
files that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from chaffinch.compute.embedding import Embedder, ShardVectors, embed_fetched
from chaffinch.compute.executor import Failure, LocalExecutor
from chaffinch.compute.measure import warm_up
from chaffinch.compute.shard import measure_shard
from chaffinch.errors import WorkspaceError
from chaffinch.formats.reading import fetch
from chaffinch.formats.vector_file import VectorFile
from chaffinch.pipeline.progress import Progress
from chaffinch.records import Measurement, SampleRef
from chaffinch.settings import MeasureSettings, ScanSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer
from chaffinch.storage.schema import REF_FIELDS, refs_from
from chaffinch.storage.vector_parts import (
    PartIndex,
    SampleContents,
    digest_array,
    forget_parts,
    fresh_rows,
    merge_parts,
    part_path,
    part_paths,
    sample_contents,
    write_part,
)
from chaffinch.storage.vectors import EMBEDDERS, EmbedderInfo, embedder_info, embedder_names

ShardMeasurer = Callable[[int, list[int], list[SampleRef]], list[Measurement]]
"""Measures a shard, given its number, its sample ids and its images."""


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What came out of embedding a workspace."""

    embedder: str
    """Its name."""
    n_vectors: int
    """Images that are there and embedded now."""
    n_without: int
    """Images that decoded and are not: they have changed since they were scanned."""
    warnings: tuple[str, ...] = ()
    """What was assumed about the embedder, which rows of the user's vectors fit no image."""


def embedding_shard(
    folder: WorkspaceFolder, embedder: Embedder | VectorFile | None, measure: MeasureSettings
) -> ShardMeasurer:
    """Return what measures a shard, and embeds it on the way if there is an `Embedder` to do it."""

    def work(number: int, sample_ids: list[int], refs: list[SampleRef]) -> list[Measurement]:
        if not isinstance(embedder, Embedder):
            return measure_shard(fetch(refs), measure)
        vectors = ShardVectors(embedder)
        measurements = measure_shard(fetch(refs), measure, vectors=vectors)
        digests = digest_array([m.bytes_digest for m in measurements])
        path = part_path(folder, embedder.info, f"shard-{number:06d}")
        _write_part(path, np.array(sample_ids, dtype=np.int64), digests, vectors.finish())
        return measurements

    return work


def embed_rest(
    folder: WorkspaceFolder,
    generation: Generation,
    embedder: Embedder,
    *,
    settings: ScanSettings,
    progress: Progress,
) -> tuple[Generation, EmbedReport]:
    """Embed what has no vector yet and publish the table; the caller holds the lock.

    Cost: about 60 bytes a sample of memory, besides the workers'.
    """
    info = embedder.info
    contents = sample_contents(folder.files(generation, "samples"))
    parts = part_paths(folder, info)
    has = fresh_rows(folder, generation, info, contents=contents) | PartIndex(parts, contents).has()
    missing = np.flatnonzero(contents.is_ok & ~has)
    if len(missing):
        _embed(folder, generation, embedder, missing, settings=settings, progress=progress)
    if part_paths(folder, info) or embedder_names(generation)[-1:] != [info.name]:
        generation = publish_vectors(folder, generation, info, contents=contents)
    has = fresh_rows(folder, generation, info, contents=contents)
    n_without = int((contents.is_ok & ~has).sum())
    return generation, EmbedReport(info.name, int((contents.is_ok & has).sum()), n_without, embedder.warnings)


def publish_vectors(
    folder: WorkspaceFolder, generation: Generation, info: EmbedderInfo, *, contents: SampleContents
) -> Generation:
    """Publish the part files of an embedder, which becomes the last of all, the default of what follows."""
    earlier = embedder_info(generation, info.name)
    if earlier is not None and earlier.fingerprint == info.fingerprint:
        # It may have been calibrated here, on these very images, more than once.
        for threshold in (earlier.candidate_cosine, earlier.semantic_threshold):
            info = info if threshold is None else info.calibrated(threshold)
    tables = generation.tables | merge_parts(folder, generation, info, contents=contents)
    others = {k: v for k, v in generation.info.get(EMBEDDERS, {}).items() if k != info.name}
    embedders = {**others, info.name: asdict(info)}
    new = folder.publish(generation, tables=tables, info={**generation.info, EMBEDDERS: embedders})
    forget_parts(folder, info)
    return new


def _embed(
    folder: WorkspaceFolder,
    generation: Generation,
    embedder: Embedder,
    missing: np.ndarray,
    *,
    settings: ScanSettings,
    progress: Progress,
) -> None:
    """Embed the samples with these numbers, a part file for each few hundred."""
    progress.stage("embedding", total=len(missing), unit="images")
    warm_up()
    max_pixels = MeasureSettings(**generation.measure).max_pixels

    def work(job: _Job) -> None:
        digests, rows, vectors = embed_fetched(fetch(job.refs), embedder, max_pixels=max_pixels)
        _write_part(job.path, job.sample_ids, digest_array(digests), (rows, vectors))

    failures: list[Failure] = []
    jobs = _jobs(folder, generation, embedder, missing, size=settings.shard_size)
    for job, result in LocalExecutor(settings.n_workers()).run(jobs, work):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            progress.advance(len(job.sample_ids))
    if failures:
        raise WorkspaceError(
            f"{len(failures)} parts could not be embedded; the first says: {failures[0].error}",
            where=str(folder.root),
            hint="all others are kept; mend the cause and run the same command again",
        ) from failures[0].error


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """Images to be embedded into one part file."""

    path: Path
    sample_ids: np.ndarray
    refs: list[SampleRef]


def _jobs(
    folder: WorkspaceFolder, generation: Generation, embedder: Embedder, missing: np.ndarray, *, size: int
) -> Iterator[_Job]:
    rows = RowGatherer(folder.files(generation, "samples"), [f.name for f in REF_FIELDS])
    for number, start in enumerate(range(0, len(missing), size), start=_next_number(folder, embedder)):
        sample_ids = missing[start : start + size]
        path = part_path(folder, embedder.info, f"rest-{number:06d}")
        yield _Job(path, sample_ids, refs_from(rows.take(sample_ids)))


def _next_number(folder: WorkspaceFolder, embedder: Embedder) -> int:
    """Return a number above those of the parts that a killed run left, whose rows still count."""
    paths: Iterable[Path] = part_paths(folder, embedder.info)
    return max((int(path.stem.rpartition("-")[2]) + 1 for path in paths), default=0)


def _write_part(
    path: Path, sample_ids: np.ndarray, digests: np.ndarray, found: tuple[np.ndarray, np.ndarray]
) -> None:
    rows, vectors = found
    write_part(path, sample_ids=sample_ids[rows], digests=digests[rows], vectors=vectors)
