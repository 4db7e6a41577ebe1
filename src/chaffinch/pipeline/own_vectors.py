"""Vectors that the user has, matched to the samples by identity and published as an embedder's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from blake3 import blake3

from chaffinch.errors import SourceError
from chaffinch.formats.vector_file import RowNames, VectorFile
from chaffinch.pipeline.embed import EmbedReport, publish_vectors
from chaffinch.pipeline.linking import AMBIGUOUS, REASONS, SampleIndex
from chaffinch.pipeline.progress import Progress
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.vector_parts import (
    forget_parts,
    part_path,
    sample_contents,
    write_part,
)
from chaffinch.storage.vectors import EmbedderInfo

PREFIX = "vectors:"
"""What `--embedder` begins with for vectors that the user has; the file follows."""


def attach_vectors(
    folder: WorkspaceFolder, generation: Generation, file: VectorFile, *, progress: Progress
) -> tuple[Generation, EmbedReport]:
    """Give the samples the vectors of a file; the caller holds the lock.

    Rows find their sample as rows of an export do: by id, by path, by the longest tail of the path that one
    sample alone has. A row that fits none or several is passed over and counted in the report.

    Raises:
        SourceError: If no row fits a sample, or the rows have no names and are not as many as the samples.
    """
    info = EmbedderInfo(
        name=f"{PREFIX}{file.path.stem}",
        dim=file.dim,
        fingerprint=_digest(file.path),
        semantic_threshold=None,
        spec=f"{PREFIX}{file.path.absolute()}",
    )
    contents = sample_contents(folder.files(generation, "samples"))
    sample_of = _samples_of(folder, generation, file, n_samples=len(contents.digests))
    progress.stage("taking vectors", total=file.n_rows, unit="vectors")
    forget_parts(folder, info)
    has = np.zeros(len(contents.digests), dtype=bool)
    for number, (samples, block) in enumerate(_with_samples(file, sample_of)):
        is_found = (samples >= 0) & block.any(axis=1)
        ids = samples[is_found]
        has[ids] = True
        path = part_path(folder, info, f"own-{number:06d}")
        write_part(path, sample_ids=ids, digests=contents.digests[ids], vectors=block[is_found])
        progress.advance(len(block))
    if not has.any():
        raise SourceError(
            "none of its rows fits an image of this workspace",
            where=str(file.path),
            hint="its column key, image_id or image_path must name images as 'chaffinch table samples' does",
        )
    generation = publish_vectors(folder, generation, info, contents=contents)
    n_found, n_without = (int((contents.is_ok & some).sum()) for some in (has, ~has))
    return generation, EmbedReport(info.name, n_found, n_without, tuple(_remarks(file, sample_of)))


def _digest(path: Path) -> str:
    digest = blake3()
    for file in (path, path.with_suffix(".csv"), path.with_suffix(".parquet")):
        if file.exists():
            digest.update_mmap(file)
    return str(digest.hexdigest(length=8))


def _samples_of(
    folder: WorkspaceFolder, generation: Generation, file: VectorFile, *, n_samples: int
) -> np.ndarray:
    """Return shape (n_rows,), int64: the sample of each row, else a key of `REASONS`."""
    if file.names is None:
        if file.n_rows != n_samples:
            raise SourceError(
                f"has {file.n_rows} rows, and the workspace {n_samples} samples",
                where=str(file.path),
                hint=f"name the image of each row in {file.path.with_suffix('.csv').name}: column image_id",
            )
        return np.arange(n_samples, dtype=np.int64)
    names = file.names
    found = SampleIndex(folder, generation).link_rows(names.ids, names.paths, names.splits)
    n_rows_of = np.bincount(found[found >= 0], minlength=n_samples)
    found[(found >= 0) & (n_rows_of[found] > 1)] = AMBIGUOUS
    return found


def _with_samples(file: VectorFile, sample_of: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start = 0
    for block in file.blocks():
        yield sample_of[start : start + len(block)], block
        start += len(block)


def _remarks(file: VectorFile, sample_of: np.ndarray) -> Iterator[str]:
    """Say how many rows fit no sample and why, with one of them."""
    for code, reason in REASONS.items():
        rows = np.flatnonzero(sample_of == code)
        if len(rows) and file.names is not None:
            example = _spelled(file.names, int(rows[0]))
            count = f"{file.path.name}: {len(rows):,} rows not used ({reason})"
            yield f"{count}, such as row {rows[0] + 1}{example}"


def _spelled(names: RowNames, row: int) -> str:
    texts = [text for text in (names.ids[row], names.paths[row]) if text]
    return f" ({', '.join(texts)})" if texts else ""
