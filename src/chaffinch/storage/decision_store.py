"""Where the decision log is kept: tables, engine, write transactions, for SQLite and PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from chaffinch.errors import MissingExtraError, WorkspaceError
from chaffinch.storage.decision_rows import COLUMNS

URL_VARIABLE = "CHAFFINCH_DECISIONS_URL"
"""Environment variable that names the database of a shared log."""

SQLITE_NAME = "decisions.sqlite"
"""The log of a workspace that nobody shares, below the workspace."""

URL_NAME = "decisions.url"
"""Text file below the workspace whose one line names the database; the environment wins over it."""

WAIT_S = 60
"""How long a writer waits for the others."""

_INTEGERS = ("seq", "version")
_MAY_BE_EMPTY = ("finding_id", "content_digest", "new_label", "undo_of", "findings")
_METADATA = sa.MetaData()


def _column(name: str) -> sa.Column[Any]:
    kind = sa.BigInteger() if name in _INTEGERS else sa.Text()
    is_key = name in ("log", "seq")
    return sa.Column(name, kind, primary_key=is_key, nullable=name in _MAY_BE_EMPTY, autoincrement=False)


DECISIONS = sa.Table(
    "decisions",
    _METADATA,
    *(_column(name) for name in COLUMNS),
    sa.UniqueConstraint("log", "event_id"),
    sa.Index("decisions_batch", "log", "batch_id"),
    sqlite_with_rowid=False,
)

HEADS = sa.Table(
    "decision_heads",
    _METADATA,
    sa.Column("log", sa.Text(), primary_key=True),
    sa.Column("seq", sa.BigInteger(), nullable=False),
    sa.Column("head", sa.Text(), nullable=False),
)
"""The end of each log; changed in the transaction that appends. Taking it makes appending serial."""


def stored_url(root: Path) -> sa.URL | None:
    """Return the database that the environment or the workspace names; None for the file of its own.

    Raises:
        WorkspaceError: If it is no database that can be used.
        MissingExtraError: If it is PostgreSQL and its driver is not installed.
    """
    file = root / URL_NAME
    text = os.environ.get(URL_VARIABLE, "").strip()
    where = URL_VARIABLE if text else str(file)
    if not text and file.exists():
        text = file.read_text(encoding="utf-8").strip()
    if not text:
        return None
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError) as error:
        # The text may hold a password, so it is not shown.
        raise WorkspaceError("is no URL of a database", where=where, hint=_EXAMPLE) from error
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise WorkspaceError(
            f"names a {url.get_backend_name()} database; decisions are shared on PostgreSQL",
            where=where,
            hint=_EXAMPLE,
        )
    return url.set(drivername="postgresql+psycopg")


_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


def _create_sqlite(path: Path) -> None:
    """Make an empty log file if there is none; of several processes that try, one wins and all go on."""
    if path.exists():
        return
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    engine = sa.create_engine(sa.URL.create("sqlite", database=name), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            # The mode is kept in the file; switching it later would need the file to itself.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            _METADATA.create_all(connection)
            connection.commit()
        temporary.chmod(0o644)
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink(missing_ok=True)


def open_engine(url: sa.URL, *, path: Path | None) -> sa.Engine:
    """Return an engine whose tables are there; it holds no connection between uses.

    Args:
        url: The database.
        path: Its file, made if it is not there; None for a server.

    Raises:
        MissingExtraError: If the database's driver is not installed.
        SQLAlchemyError: If the database cannot be reached.
    """
    if path is not None:
        _create_sqlite(path)
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": WAIT_S})
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        return engine
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "psycopg", extra="postgres", needed_for="a decision log on PostgreSQL"
        ) from error
    if not sa.inspect(engine).has_table(HEADS.name):
        _create_on_server(engine)
    return engine


def _create_on_server(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        # Of several first users one makes the tables; the lock is dropped with the transaction.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _TABLES_LOCK})
        _METADATA.create_all(connection)


_TABLES_LOCK = 0x636861666669
"""Number of the advisory lock under which the tables are made; 'chaffi' in ASCII."""


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    # An event that was saved stays saved when the power fails.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-65536")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection in a transaction that writes; saved at the end, or nothing of it is."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A reader that turns into a writer can be refused; one that begins as a writer waits its turn.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


def insert_rows(connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of `COLUMNS` at the price of the driver alone; SQLAlchemy's own way costs as much again."""
    statement = sa.insert(DECISIONS).values({name: sa.bindparam(name) for name in COLUMNS})
    compiled = statement.compile(dialect=connection.dialect)
    text = str(compiled)
    if compiled.positional:
        connection.exec_driver_sql(text, list(rows))
    else:
        connection.exec_driver_sql(text, [dict(zip(COLUMNS, row, strict=True)) for row in rows])


def plain_text(error: SQLAlchemyError) -> str:
    """Return what the database said, in one line, without the statement and its values."""
    original = getattr(error, "orig", None)
    return " ".join(str(original if original is not None else error).split())
