"""Quality: flag images of bad quality, and files that do not decode, from what the scan has stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.detect.quality_issues import QualityFlags, QualityNumbers, flag_quality
from chaffinch.identity import finding_id
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.steps import StepReport, noted
from chaffinch.settings import FindSettings
from chaffinch.storage.findings import SCOPE_QUALITY, write_issues
from chaffinch.storage.folder import Generation, WorkspaceFolder, open_table
from chaffinch.storage.issues import IssueRows
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.samples import RowGatherer

CORRUPT = "corrupt"
MANY = 0.2
"""Where a type flags more of the images than this, it describes the dataset rather than odd images in it."""
_NUMBERS = [field.name for field in fields(QualityNumbers)]
_NAMES = ["key", "pixels_digest", "bytes_digest"]
_ROWS = 4096


def find_quality(root: Path, settings: FindSettings, progress: Progress) -> StepReport:
    """Flag images of bad quality and broken files; publish them in place of those found before.

    Args:
        root: The workspace.
        settings: Of all steps; this one has none.
        progress: Who watches.

    Raises:
        WorkspaceError: If no scan has ended yet.
        LockedError: If another process writes to the workspace.

    Cost: memory 100 bytes a sample; 3 s of CPU for a million.
    """
    folder = WorkspaceFolder(root)
    folder.published()
    progress.stage("judging quality", total=None, unit="images")
    with writer_lock(root):
        generation = folder.published()
        numbers = _load_numbers(folder, generation)
        found = flag_quality(numbers)
        broken = _load_broken(folder, generation)
        rows = [*_issue_rows(folder, generation, found), _corrupt_rows(broken)]
        tables = write_issues(folder, generation, rows, scope=SCOPE_QUALITY)
        is_left_out = _is_unmeasured(numbers, generation)
        info = noted(generation, SCOPE_QUALITY, settings, is_left_out=is_left_out)
        folder.publish(generation, tables={**generation.tables, **tables}, info=info)
    counts = {flags.issue_type: len(flags.sample_id) for flags in found}
    _note_many(counts, len(numbers.sample_id), progress)
    if len(broken):
        counts[CORRUPT] = len(broken)
    return _report(counts, is_left_out=is_left_out, root=root)


def _is_unmeasured(numbers: QualityNumbers, generation: Generation) -> bool:
    return not len(numbers.sample_id) and generation.n_samples > 0


def _report(counts: dict[str, int], *, is_left_out: bool, root: Path) -> StepReport:
    if not is_left_out:
        return StepReport(n_flagged=counts)
    return StepReport(
        n_flagged=counts,
        left_out="the scan measured hashes only, or is of an older version; broken files are found",
        command=f"chaffinch scan SOURCE -w {root}",
    )


def _note_many(counts: dict[str, int], n_images: int, progress: Progress) -> None:
    for issue_type, count in counts.items():
        if count > MANY * n_images:
            progress.note(
                f"{issue_type.replace('_', ' ')}: {count:,} of {n_images:,} images; this seems to be what "
                "the dataset is like, so look before a policy removes any"
            )


def _load_numbers(folder: WorkspaceFolder, generation: Generation) -> QualityNumbers:
    """Read the numbers of the images that were measured in full."""
    parts: list[pa.Table] = []
    if _is_measured(folder, generation):
        for batch in folder.batches(generation, "samples", columns=["outcome", *_NUMBERS]):
            is_there = pc.and_(
                pc.equal(batch.column("outcome"), "ok"), pc.is_valid(batch.column(_NUMBERS[-1]))
            )
            parts.append(pa.Table.from_batches([batch.filter(is_there).select(_NUMBERS)]))
    if not parts:
        return QualityNumbers(np.empty(0, np.int64), *(np.empty(0),) * (len(_NUMBERS) - 1))
    whole = pa.concat_tables(parts)
    columns = [whole.column(name).to_numpy().astype(np.float64) for name in _NUMBERS[1:]]
    return QualityNumbers(whole.column("sample_id").to_numpy(), *columns)


def _is_measured(folder: WorkspaceFolder, generation: Generation) -> bool:
    """Tell whether the table has all the columns, which a scan of an older version lacks."""
    with open_table(folder.files(generation, "samples")[0]) as file:
        return set(_NUMBERS) <= set(file.schema_arrow.names)


def _load_broken(folder: WorkspaceFolder, generation: Generation) -> pa.Table:
    """Return sample_id, key, digest and error of the files that do not decode."""
    columns = ["sample_id", "outcome", "error", *_NAMES]
    kept = [
        batch.filter(pc.equal(batch.column("outcome"), "broken"))
        for batch in folder.batches(generation, "samples", columns=columns)
    ]
    return pa.Table.from_batches(kept)


def _issue_rows(
    folder: WorkspaceFolder, generation: Generation, found: Iterable[QualityFlags]
) -> Iterator[IssueRows]:
    names = RowGatherer(folder.files(generation, "samples"), _NAMES)
    for flags in found:
        for start in range(0, len(flags.sample_id), _ROWS):
            yield _block(flags, start, names.take(flags.sample_id[start : start + _ROWS]))


def _block(flags: QualityFlags, start: int, names: pa.Table) -> IssueRows:
    rows = IssueRows()
    for row, name in enumerate(names.to_pylist(), start=start):
        rows.add(
            (int(flags.sample_id[row]), name["key"]),
            flags.issue_type,
            finding_id=finding_id(flags.issue_type, [_content(name)]),
            confidence=float(flags.confidence[row]),
            reason=flags.reason(row),
            evidence=flags.evidence(row),
            more={"method": flags.method},
        )
    return rows


def _corrupt_rows(broken: pa.Table) -> IssueRows:
    rows = IssueRows()
    for sample in broken.to_pylist():
        error = sample["error"] or "it cannot be decoded"
        rows.add(
            (sample["sample_id"], sample["key"]),
            CORRUPT,
            finding_id=finding_id(CORRUPT, [_content(sample)]),
            confidence=1.0,
            reason=f"The file is damaged: {error}.",
            evidence={"measure": "decoding", "error": error},
            more={"method": "decoding"},
        )
    return rows


def _content(sample: dict[str, str | None]) -> str:
    return sample["pixels_digest"] or sample["bytes_digest"] or str(sample["key"])
