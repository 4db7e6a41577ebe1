"""The final manifest of a resolution, a few thousand rows at a time.

Most images have no finding and no decision: their rows come out of columns as they are. The texts of the
others are made one by one and put in their places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.curate.resolve import Settled
from chaffinch.curate.state import NOTHING, SubjectState
from chaffinch.formats.manifest_csv import ROWS_PER_BATCH, UNDECIDED
from chaffinch.pipeline.found_issues import FoundIssues
from chaffinch.pipeline.resolve import Resolution

_FLAGS = ("vl_flag_type", "vl_confidence", "vl_suggested_label", "vl_reason")
_SAID = (
    *("user_tags", "user_action", "new_label", "reviewer_name"),
    *("reviewed_at", "notes", "resolution"),
)
OTHER_CONTENT = "decided about with other content"
"""`resolution` of a sample that was decided about before its picture was replaced."""


def manifest_tables(resolution: Resolution, *, is_whole: bool) -> Iterator[pa.Table]:
    """Yield the rows of the final manifest, in order of the samples, as text columns without nulls.

    Args:
        resolution: What happens to the samples.
        is_whole: Labels are whole numbers: then every row has the label that goes out as `new_label`.
    """
    columns = ["sample_id", "key", "image_id", "image_path", "split", "given_label", "split_row"]
    samples = resolution.samples.select(columns)
    for start in range(0, len(samples), ROWS_PER_BATCH):
        part = samples.slice(start, ROWS_PER_BATCH).combine_chunks()
        label = _text(part.column("given_label"))
        yield pa.table(
            {
                "image_id": _text(part.column("image_id")),
                "image_path": _text(part.column("image_path")),
                "dataset": pa.repeat(resolution.dataset, len(part)),
                "split": _text(part.column("split")),
                "label": label,
                "split_row": _text(part.column("split_row")),
                "key": _text(part.column("key")),
                **_flags(resolution.issues, part.column("sample_id").to_numpy()),
                **_said(resolution, part.column("key").to_pylist(), label if is_whole else None),
            }
        )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(column.cast(pa.string()), "")


def _flags(issues: FoundIssues, sample_ids: np.ndarray) -> dict[str, pa.Array]:
    """Return the columns about findings: all types, and what the surest one says; samples rise."""
    first, last = np.searchsorted(issues.sample_id, [sample_ids[0], sample_ids[-1] + 1]).tolist()
    rows = issues.rows.slice(first, last - first)
    owners, starts = np.unique(issues.sample_id[first:last], return_index=True)
    columns = (
        rows.column(name).to_pylist() for name in ("issue_type", "confidence", "suggested_label", "reason")
    )
    types, confidences, labels, reasons = columns
    made = [
        (
            ";".join(dict.fromkeys(types[a:b])),
            "" if confidences[a] is None else f"{confidences[a]:.6g}",
            next(filter(None, labels[a:b]), ""),
            reasons[a] or "",
        )
        for a, b in pairwise([*starts.tolist(), last - first])
    ]
    return _placed(_FLAGS, made, np.searchsorted(sample_ids, owners), rest=[""] * 4, n=len(sample_ids))


def _said(resolution: Resolution, keys: Sequence[str], labels: pa.ChunkedArray | None) -> dict[str, pa.Array]:
    """Return the columns about decisions; `labels` are the given ones where they go out in every row."""
    settled, states, reopened = resolution.settled, resolution.states, frozenset(resolution.reopened)
    spoken = [p for p, key in enumerate(keys) if key in settled or key in states or key in reopened]
    made = [
        _words(settled.get(key, Settled(key)), states.get(key, NOTHING), is_reopened=key in reopened)
        for key in map(keys.__getitem__, spoken)
    ]
    places = np.array(spoken, dtype=np.int64)
    columns = _placed(_SAID, made, places, rest=["", UNDECIDED, *[""] * 5], n=len(keys))
    if labels is not None:
        # Whole-number labels go out in every row, so that the column stays one of numbers.
        new = columns["new_label"]
        columns["new_label"] = pc.if_else(pc.equal(new, ""), labels.combine_chunks(), new)
    return columns


def _placed(
    names: Sequence[str], made: Sequence[Sequence[str]], places: np.ndarray, *, rest: Sequence[str], n: int
) -> dict[str, pa.Array]:
    """Return columns of `n` rows with the texts that were made in their places and `rest` elsewhere."""
    mask = np.zeros(n, dtype=bool)
    mask[places] = True
    columns: Mapping[int, Sequence[str]] = dict(enumerate(zip(*made, strict=True)))
    return {
        name: pc.replace_with_mask(
            pa.repeat(rest[number], n), pa.array(mask), pa.array(columns.get(number, ()), pa.string())
        )
        for number, name in enumerate(names)
    }


def _words(settled: Settled, state: SubjectState, *, is_reopened: bool) -> tuple[str, ...]:
    return (
        ",".join(state.tags),
        settled.action,
        settled.new_label or "",
        ", ".join(settled.who) or state.reviewer,
        state.reviewed_at,
        state.note,
        _outcome(settled) or (OTHER_CONTENT if is_reopened else ""),
    )


def _outcome(settled: Settled) -> str:
    if settled.disagreement:
        return f"open: {settled.disagreement}"
    if settled.action == "remove":
        return f"removed for {', '.join(settled.reasons)}"
    if settled.waiver is not None:
        return f"leak waived by {settled.waiver.who}"
    if settled.lacks_label:
        return "to be relabelled, without a label"
    return "" if settled.action in ("none", "keep") else settled.action
