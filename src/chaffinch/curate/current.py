"""The decisions of a workspace as they hold for the samples that are there, and appending what answers them.

Whoever folds a log starts here; the review server, which follows a log, asks `attach.is_about` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.curate.attach import Attached, attach
from chaffinch.curate.state import SubjectState, fold
from chaffinch.errors import StaleLogError
from chaffinch.records import Decision
from chaffinch.storage.decisions import AppendResult, DecisionLog, open_log
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.samples import RowGatherer, present_samples, rows_of_keys

CONTENT_COLUMNS = ["pixels_digest", "bytes_digest"]
"""Columns of `samples` that tell a picture; `Decision.content_digest` is the first that is known."""

MAX_TRIES = 5
"""Times that something is worked out anew because others decided about the same."""

MAX_APPENDS = 100
"""Times that something is appended anew because others decided about other images."""

T = TypeVar("T")


def current_states(root: Path) -> dict[str, SubjectState]:
    """Return the state of every sample or object that somebody spoke about, by key.

    Raises:
        WorkspaceError: If no scan has ended yet, or the log cannot be read.
    """
    folder = WorkspaceFolder(root)
    return fold(current_decisions(folder, folder.published()).log)


def current_decisions(
    folder: WorkspaceFolder, generation: Generation, *, is_here: np.ndarray | None = None
) -> Attached:
    """Read the log; decisions about moved samples follow them, those about other content are left out.

    Args:
        folder: The workspace.
        generation: What was scanned.
        is_here: `present_samples`, where it is at hand.

    Raises:
        WorkspaceError: If the log cannot be read.

    Cost: 12 us an event, and one pass over the keys; over the contents too where a key is gone.
    """
    is_here = present_samples(folder, generation) if is_here is None else is_here
    log = list(open_log(folder.root).read())
    files = folder.files(generation, "samples")
    keys = list(dict.fromkeys(entry.decision.key for entry in log))
    rows = rows_of_keys(files, keys)
    places = np.flatnonzero((rows >= 0) & is_here[rows])
    found = contents_of(RowGatherer(files, CONTENT_COLUMNS), rows[places])
    contents = {keys[place]: content for place, content in zip(places.tolist(), found, strict=True)}
    if len(contents) < len(keys):
        wanted = {e.decision.content_digest for e in log if e.decision.key not in contents}
        texts = pa.array(sorted(filter(None, wanted)), pa.string())
        contents |= _with_content(folder, generation, is_here, wanted=texts)
    return attach(log, contents)


def append_answer(
    log: DecisionLog, decisions: Sequence[Decision], *, seq: int, outvoted_by: str | None = None
) -> AppendResult:
    """Append decisions that follow from the first `seq` events of a log.

    Args:
        log: The log.
        decisions: What follows.
        seq: Events that were read.
        outvoted_by: Origin whose later events are no matter, since they count for more anyway.

    Raises:
        StaleLogError: If somebody else spoke about one of the subjects since; nothing is saved then.
        WorkspaceError: If the log cannot be written.
    """
    keys = {decision.key for decision in decisions}
    for _ in range(MAX_APPENDS):
        try:
            return log.append(decisions, if_seq=seq)
        except StaleLogError:
            later = list(log.read(after_seq=seq))
        said = {entry.decision.key for entry in later if entry.decision.origin != outvoted_by}
        if not keys.isdisjoint(said):
            break
        seq = later[-1].seq
    raise StaleLogError(log.head().seq)


def until_current(attempt: Callable[[], T]) -> T:
    """Return what an attempt to read a log and append what follows comes to; anew where it came too late.

    Raises:
        StaleLogError: If others were quicker each time.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return attempt()
        except StaleLogError:
            continue
    return attempt()


def contents_of(samples: RowGatherer, sample_ids: np.ndarray) -> list[tuple[str, ...]]:
    """Return the digests of each sample, those that are known.

    Args:
        samples: Of `CONTENT_COLUMNS`.
        sample_ids: Shape (N,), int64.

    Cost: 1 us a sample.
    """
    if not len(sample_ids):
        return []
    return _contents(samples.take(sample_ids))


def _contents(rows: pa.Table | pa.RecordBatch) -> list[tuple[str, ...]]:
    pairs = zip(*(rows.column(name).to_pylist() for name in CONTENT_COLUMNS), strict=True)
    return [tuple(filter(None, pair)) for pair in pairs]


def _with_content(
    folder: WorkspaceFolder, generation: Generation, is_here: np.ndarray, *, wanted: pa.Array
) -> dict[str, tuple[str, ...]]:
    """Return key and digests of the samples with one of these contents."""
    found: dict[str, tuple[str, ...]] = {}
    columns = ["sample_id", "key", *CONTENT_COLUMNS]
    for batch in folder.batches(generation, "samples", columns=columns, rows=1 << 16):
        pixels, data = (pc.is_in(batch.column(name), value_set=wanted) for name in CONTENT_COLUMNS)
        is_there = pa.array(is_here[batch.column("sample_id").to_numpy()])
        hits = batch.filter(pc.and_(is_there, pc.or_(pixels, data)))
        found.update(zip(hits.column("key").to_pylist(), _contents(hits), strict=True))
    return found
