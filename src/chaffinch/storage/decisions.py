"""The decision log: an append-only, hash-chained table in SQLite or PostgreSQL; one code for both.

By default it is ``decisions.sqlite`` in the workspace, in WAL mode and outside the workspace's writer lock,
so that people decide while a scan or search runs. `URL_VARIABLE`, or the one line of ``WS/decisions.url``,
names a PostgreSQL database that several people share; there each dataset has a log of its own.

Every row carries the hash of the row before, and the log's head is kept beside the rows: an edit, a deletion,
an insertion or another order is found by `DecisionLog.audit`. docs/formats.md defines the hash. Appending is
serial: a transaction takes the head first (``BEGIN IMMEDIATE``; ``FOR UPDATE`` on PostgreSQL).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from chaffinch.errors import StaleLogError, WorkspaceError
from chaffinch.records import Decision, LoggedDecision
from chaffinch.storage.decision_rows import (
    COLUMNS,
    FIRST_HASH,
    HASHED_COLUMNS,
    SEQ,
    chained_rows,
    decision_from,
    row_fault,
    sharing_texts,
)
from chaffinch.storage.decision_store import (
    DECISIONS,
    HEADS,
    SQLITE_NAME,
    URL_NAME,
    URL_VARIABLE,
    insert_rows,
    open_engine,
    plain_text,
    stored_url,
    writing,
)
from chaffinch.storage.folder import WorkspaceFolder

__all__ = ["URL_VARIABLE", "AppendResult", "AuditReport", "DecisionLog", "Head", "open_log"]

ROWS_PER_FETCH = 5_000
IDS_PER_QUERY = 5_000
"""Event ids looked up at a time; both databases take at least 32,000 parameters."""


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What `DecisionLog.append` did."""

    saved: int
    """Events that are new."""
    already_there: int
    """Events whose id the log had."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain."""

    seq: int
    """Number of events."""
    hash: str
    """Hash of the last one; 64 zeros for an empty log."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `DecisionLog.audit` found."""

    n_decisions: int
    """Events read before the chain ended or broke."""
    head: Head
    """The head as recorded."""
    broken_seq: int | None
    """First event that is not as it was written; None where all are."""
    what: str
    """What is wrong with it; '' where nothing is."""

    @property
    def is_intact(self) -> bool:
        """Whether every event is as it was written."""
        return self.broken_seq is None


class DecisionLog:
    """The log of one dataset. Cheap to make; connects when first used."""

    def __init__(self, url: sa.URL, *, name: str, path: Path | None = None) -> None:
        """Name a log.

        Args:
            url: Where the database is.
            name: Which of its logs.
            path: The SQLite file, made at the first append; None for a server.
        """
        self._url = url
        self._name = name
        self._path = path
        self._engine: sa.Engine | None = None

    def append(self, decisions: Iterable[Decision], *, if_seq: int | None = None) -> AppendResult:
        """Add events in order, all of them or none; those that the log has already are passed over.

        Args:
            decisions: The events.
            if_seq: Add them only while the log has this many events: what they answer was read from those.

        Raises:
            StaleLogError: If the log has grown meanwhile; nothing is saved then.
            WorkspaceError: If the database cannot be reached or written; nothing is saved then.

        Cost: about 10 us of CPU an event.
        """
        given = list({decision.event_id: decision for decision in decisions}.values())
        if not given:
            return AppendResult(0, 0)
        with self._connected(for_writing=True) as connection:
            head = _locked_head(connection, self._name)
            if if_seq is not None and head.seq != if_seq:
                raise StaleLogError(head.seq)
            known = _known_ids(connection, self._name, [d.event_id for d in given])
            new = [d for d in given if d.event_id not in known]
            if new:
                rows = list(chained_rows(new, log=self._name, seq=head.seq, prev_hash=head.hash))
                insert_rows(connection, rows)
                place = HEADS.c.log == self._name
                last = {"seq": head.seq + len(rows), "head": rows[-1][-1]}
                connection.execute(sa.update(HEADS).where(place).values(last))
        return AppendResult(len(new), len(given) - len(new))

    def read(
        self, *, after_seq: int = 0, batch_id: str | None = None, with_hashes: bool = False
    ) -> Iterator[LoggedDecision]:
        """Stream events in their order.

        Args:
            after_seq: Only later ones.
            batch_id: Only those of one batch.
            with_hashes: Give the hashes of the chain too, which only copies of the log need.

        Cost: some 15 us an event; a list of them some 700 bytes each, with hashes 220 more.
        """
        names = COLUMNS if with_hashes else HASHED_COLUMNS
        values: Sequence[Any] = [None] * len(names)
        for row in self._rows(names, after_seq=after_seq, batch_id=batch_id):
            values = sharing_texts(row, values)
            hashes = values[len(HASHED_COLUMNS) :] or ("", "")
            yield LoggedDecision(values[SEQ], decision_from(values), *hashes)

    def head(self) -> Head:
        """Return the end of the chain as recorded."""
        if not self._is_there():
            return Head(0, FIRST_HASH)
        with self._connected() as connection:
            return _head(connection, self._name)

    def audit(self, *, expected_head: str | None = None) -> AuditReport:
        """Compute the chain anew and name the first event that is not as it was written.

        Args:
            expected_head: A head that was noted down earlier; it must still be part of the chain. Without it
                a log that was cut off and whose recorded head was changed too looks intact.
        """
        recorded, last = self.head(), Head(0, FIRST_HASH)
        is_met = expected_head in (None, FIRST_HASH)
        for row in self._rows(COLUMNS):
            fault = row_fault(row, seq=last.seq + 1, prev_hash=last.hash)
            if fault:
                return AuditReport(last.seq, recorded, last.seq + 1, fault)
            last = Head(row[SEQ], row[-1])
            is_met = is_met or last.hash == expected_head
            if last.seq == recorded.seq and last != recorded:
                return AuditReport(last.seq, recorded, last.seq, "is not the event that was recorded last")
        if last.seq < recorded.seq:
            return AuditReport(last.seq, recorded, last.seq + 1, "is missing: events at the end were deleted")
        # Whoever appends while this reads moves the recorded head too.
        if last.seq > recorded.seq and self.head() == recorded:
            return AuditReport(last.seq, recorded, recorded.seq + 1, "was added without the program")
        if not is_met:
            what = f"is missing or was rewritten: the head {expected_head} is not part of the chain"
            return AuditReport(last.seq, recorded, last.seq + 1, what)
        return AuditReport(last.seq, recorded, None, "")

    def _is_there(self) -> bool:
        return self._path is None or self._path.exists()

    def _rows(
        self, names: Sequence[str], *, after_seq: int | None = None, batch_id: str | None = None
    ) -> Iterator[Sequence[Any]]:
        if not self._is_there():
            return
        query = sa.select(*(DECISIONS.c[name] for name in names)).where(DECISIONS.c.log == self._name)
        if after_seq is not None:
            query = query.where(DECISIONS.c.seq > after_seq)
        if batch_id is not None:
            query = query.where(DECISIONS.c.batch_id == batch_id)
        query = query.order_by(DECISIONS.c.seq).limit(ROWS_PER_FETCH)
        page: Sequence[Sequence[Any]] = ()
        # Page by page: nothing is held open while the caller works, and the log only grows at its end.
        while not page or len(page) == ROWS_PER_FETCH:
            later = query.where(DECISIONS.c.seq > page[-1][SEQ]) if page else query
            with self._connected() as connection:
                page = connection.execute(later).all()
            if not page:
                return
            yield from page

    @contextmanager
    def _connected(self, *, for_writing: bool = False) -> Iterator[sa.Connection]:
        try:
            if self._engine is None:
                self._engine = open_engine(self._url, path=self._path)
            with writing(self._engine) if for_writing else self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise WorkspaceError(
                f"the decisions cannot be read or written: {plain_text(error)}",
                where=self._url.render_as_string(hide_password=True),
                hint=f"{URL_VARIABLE}, or {URL_NAME} in the workspace, names a shared database",
            ) from error


def _head(connection: sa.Connection, name: str) -> Head:
    row = connection.execute(sa.select(HEADS.c.seq, HEADS.c.head).where(HEADS.c.log == name)).first()
    return Head(0, FIRST_HASH) if row is None else Head(row.seq, row.head)


def _locked_head(connection: sa.Connection, name: str) -> Head:
    """Return the head and hold it until the transaction ends, so that appending is serial."""
    first = sa.text("INSERT INTO decision_heads VALUES (:log, 0, :head) ON CONFLICT DO NOTHING")
    connection.execute(first, {"log": name, "head": FIRST_HASH})
    query = sa.select(HEADS.c.seq, HEADS.c.head).where(HEADS.c.log == name).with_for_update()
    row = connection.execute(query).one()
    return Head(row.seq, row.head)


def _known_ids(connection: sa.Connection, name: str, event_ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(event_ids), IDS_PER_QUERY):
        part = event_ids[start : start + IDS_PER_QUERY]
        query = sa.select(DECISIONS.c.event_id).where(DECISIONS.c.log == name, DECISIONS.c.event_id.in_(part))
        known.update(connection.execute(query).scalars())
    return known


def open_log(root: Path) -> DecisionLog:
    """Return the decision log of the workspace at `root`; nothing is made before the first append.

    Raises:
        WorkspaceError: If `root` is no workspace, or the database's URL cannot be used.
        MissingExtraError: If PostgreSQL is named and its driver is not installed.
    """
    generation = WorkspaceFolder(root).current()
    url = stored_url(root)
    if url is not None:
        return DecisionLog(url, name=generation.dataset)
    path = root / SQLITE_NAME
    return DecisionLog(sa.URL.create("sqlite", database=str(path)), name="", path=path)
