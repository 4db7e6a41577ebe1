"""One row of the decision log: its columns, its hash, and the way from a `Decision` and back.

The hash of a row is SHA-256 over the hash of the row before (64 ASCII characters) and the canonical JSON
array of `HASHED_COLUMNS`: in that order, no blanks, null where empty, UTF-8, nothing escaped but what JSON
asks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from json.encoder import encode_basestring
from sys import intern
from typing import Any

from chaffinch.records import Decision

VERSION = 1
"""Of the payload; raised when a column changes its meaning."""

FIRST_HASH = "0" * 64
"""`prev_hash` of the first row."""

HASHED_COLUMNS = (
    "log",
    "seq",
    "version",
    "event_id",
    "batch_id",
    "time_utc",
    "reviewer",
    "how",
    "subject",
    "key",
    "finding_id",
    "content_digest",
    "tags_added",
    "tags_removed",
    "action",
    "new_label",
    "note",
    "undo_of",
    "origin",
    "findings",
)
"""Every column but `prev_hash` and `hash`; all are part of the hash."""

COLUMNS = (*HASHED_COLUMNS, "prev_hash", "hash")
"""All columns, in the order of a row."""

SEQ = COLUMNS.index("seq")
_WORDS = ("reviewer", "how", "subject", "action", "new_label", "origin")
"""Columns with few values in many rows."""
_DECISION_FIELDS = tuple(f.name for f in fields(Decision) if not f.name.startswith("tags_"))


def row_hash(values: Sequence[Any], *, prev_hash: str) -> str:
    """Return the hash, 64 hex digits, of the row whose `HASHED_COLUMNS` have these values."""
    # Ten times as fast as the encoder of `json`, which is made for nested values.
    items = ["null" if v is None else encode_basestring(v) if isinstance(v, str) else str(v) for v in values]
    payload = f"{prev_hash}[{','.join(items)}]"
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()


def chained_rows(
    decisions: Iterable[Decision], *, log: str, seq: int, prev_hash: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that continue a chain, as values of `COLUMNS`.

    Args:
        decisions: What to append, in order.
        log: Name of the log.
        seq: That of the last row so far; 0 for an empty log.
        prev_hash: Hash of that row.
    """
    for decision in decisions:
        seq += 1
        values = (
            log,
            seq,
            VERSION,
            decision.event_id,
            decision.batch_id,
            decision.time_utc,
            _storable(decision.reviewer),
            decision.how,
            decision.subject,
            _storable(decision.key),
            decision.finding_id,
            decision.content_digest,
            ",".join(decision.tags_added),
            ",".join(decision.tags_removed),
            decision.action,
            None if decision.new_label is None else _storable(decision.new_label),
            _storable(decision.note),
            decision.undo_of,
            _storable(decision.origin),
            decision.findings,
        )
        digest = row_hash(values, prev_hash=prev_hash)
        yield (*values, prev_hash, digest)
        prev_hash = digest


def _storable(text: str) -> str:
    """Replace what no database takes as text: NUL and lone surrogates."""
    if text.isprintable():
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode()


def decision_from(values: Sequence[Any]) -> Decision:
    """Return the decision that a row holds, given as values of `HASHED_COLUMNS`; others may follow."""
    row = dict(zip(HASHED_COLUMNS, values, strict=False))
    row |= {name: intern(row[name]) for name in _WORDS if row[name] is not None}
    return Decision(
        **{name: row[name] for name in _DECISION_FIELDS},
        tags_added=_tags(row["tags_added"]),
        tags_removed=_tags(row["tags_removed"]),
    )


def sharing_texts(values: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """Return the values of a row; those that the row before has too are its objects, held once.

    Thousands of events of one batch differ in little but the key and the id.
    """
    return [old if new == old else new for new, old in zip(values, before, strict=True)]


@lru_cache(maxsize=1024)
def _tags(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def row_fault(values: Sequence[Any], *, seq: int, prev_hash: str) -> str:
    """Say what is wrong with a row that should be number `seq` behind `prev_hash`; '' if nothing is."""
    *hashed, written_prev_hash, written_hash = values
    if hashed[SEQ] != seq:
        return f"is missing, or event {hashed[SEQ]} was put there: events were deleted, inserted or moved"
    if written_prev_hash != prev_hash:
        return "does not follow the event before it: one of the two was changed, moved or inserted"
    if written_hash != row_hash(hashed, prev_hash=prev_hash):
        return "was changed after it was written"
    return ""
