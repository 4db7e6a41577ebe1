"""The workspace folder: where things lie, and the pointer to the published generation.

::

    CURRENT.json                 the published generation; swapped last, so readers see all of it or none
    lock                         held by the one writer
    plan/000012.parquet          images of a shard that is not published yet
    shards/000012.parquet        its measurements, once done
    thumbs/000012.bin            its thumbnails, one after the other; stays
    embedding/*.npy              vectors that are not published yet
    tables/samples-000003-0.parquet ...

A generation's files are never changed. Those of the last two generations are kept, so that a reader who
has just read the pointer still finds them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.errors import WorkspaceError
from chaffinch.storage.files import FOLDERS, atomic_path, write_json
from chaffinch.storage.schema import SCHEMA_VERSION

WORKSPACE_FORMAT = "chaffinch workspace"
DAMAGED_HINT = "bring the workspace back from a copy, or scan into a new one: -w NEW"


@dataclass(frozen=True, slots=True)
class Generation:
    """What `CURRENT.json` says: the state that readers see."""

    number: int = 0
    """Rises by one with every publication; 0 before the first."""
    dataset: str = ""
    """Name of the dataset, a slug."""
    source: dict[str, Any] = field(default_factory=dict)
    """How the dataset was opened, so that it can be scanned again."""
    measure: dict[str, Any] = field(default_factory=dict)
    """The `MeasureSettings` of every row of `samples`."""
    listing_digest: str = ""
    """Digest of everything the source said at the last scan."""
    n_samples: int = 0
    """Rows of `samples`; the next new sample gets this number."""
    next_shard: int = 0
    """Number of the next shard."""
    tables: dict[str, list[str]] = field(default_factory=dict)
    """Table name to its files below the workspace, in order."""
    info: dict[str, Any] = field(default_factory=dict)
    """What each step noted: warnings about ids, fingerprints of what findings were computed from."""
    previous_files: list[str] = field(default_factory=list)
    """Files of the generation before, kept for readers that still hold it."""


class WorkspaceFolder:
    """Paths of one workspace and its published generation."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path) -> WorkspaceFolder:
        """Open the workspace at `root`; make the folder if it is not there.

        Raises:
            WorkspaceError: If `root` is a file, or a folder that holds something else.
        """
        folder = cls(root)
        if root.exists() and not root.is_dir():
            raise WorkspaceError("is a file", where=str(root), hint="name a folder with -w")
        is_foreign = root.exists() and not folder.is_started() and any(root.iterdir())
        if is_foreign:
            raise WorkspaceError(
                "is not empty and no chaffinch workspace",
                where=str(root),
                hint="name a new or empty folder with -w",
            )
        for name in FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        return folder

    def is_started(self) -> bool:
        """Tell whether a scan has ever begun here."""
        return (self.root / "CURRENT.json").exists() or (self.root / "plan").is_dir()

    def current(self) -> Generation:
        """Return the published generation, an empty one if nothing was published.

        Raises:
            WorkspaceError: If this is no workspace, or one that a newer program wrote.
        """
        path = self.root / "CURRENT.json"
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if not self.is_started():
                raise WorkspaceError(
                    "is no chaffinch workspace",
                    where=str(self.root),
                    hint="chaffinch scan SOURCE -w WS makes one",
                ) from None
            return Generation()
        except (ValueError, OSError) as error:
            raise WorkspaceError(f"cannot be read: {error}", where=str(path), hint=DAMAGED_HINT) from error
        if value.pop("format", None) != WORKSPACE_FORMAT or value.pop("version", 0) > SCHEMA_VERSION:
            raise WorkspaceError(
                "was written by another or a newer program", where=str(path), hint="pip install -U chaffinch"
            )
        return Generation(**value)

    def published(self) -> Generation:
        """Return the published generation.

        Raises:
            WorkspaceError: If no scan has ended yet.
        """
        generation = self.current()
        if generation.number == 0:
            raise WorkspaceError(
                "no scan of this workspace has ended yet",
                where=str(self.root),
                hint="run the same 'chaffinch scan' again: it goes on where it stopped",
            )
        return generation

    def publish(self, generation: Generation, **changes: Any) -> Generation:
        """Make `generation` with `changes` the current one, then clear away what nobody can hold any more."""
        files = [f for names in generation.tables.values() for f in names]
        new = replace(generation, **changes, number=generation.number + 1, previous_files=sorted(set(files)))
        write_json(
            self.root / "CURRENT.json", {"format": WORKSPACE_FORMAT, "version": SCHEMA_VERSION, **asdict(new)}
        )
        keep = {f for names in new.tables.values() for f in names} | set(new.previous_files)
        for path in (self.root / "tables").iterdir():
            if f"tables/{path.name}" not in keep:
                path.unlink(missing_ok=True)
        return new

    def table_name(
        self, generation: Generation, table: str, part: int = 0, *, suffix: str = ".parquet"
    ) -> str:
        """Return the name of a file for `table` in the generation after `generation`, below the root."""
        # Split names may hold characters that file names should not; the digest keeps two such names apart.
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", table)
        if plain != table:
            plain += "-" + hashlib.blake2b(table.encode(), digest_size=4).hexdigest()
        return f"tables/{plain}-{generation.number + 1:06d}-{part}{suffix}"

    def write_table(
        self, generation: Generation, table: str, batches: Iterable[pa.Table], *, schema: pa.Schema
    ) -> str:
        """Write one table of the generation after `generation`; returns its name for `Generation.tables`."""
        name = self.table_name(generation, table)
        schema = with_identity(schema, table, generation.dataset)
        with atomic_path(self.root / name) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for batch in batches:
                writer.write_table(batch.cast(schema))
        return name

    def files(self, generation: Generation, table: str) -> list[Path]:
        """Return the files of a table, in order; empty if the table is not there."""
        return [self.root / name for name in generation.tables.get(table, [])]

    def batches(
        self, generation: Generation, table: str, *, columns: list[str] | None = None, rows: int = 8192
    ) -> Iterator[pa.RecordBatch]:
        """Stream a table in order, `rows` at a time."""
        for path in self.files(generation, table):
            with open_table(path) as file:
                yield from file.iter_batches(batch_size=rows, columns=columns)

    def read(self, generation: Generation, table: str, *, columns: list[str] | None = None) -> pa.Table:
        """Read a table, or some of its columns, into memory.

        Raises:
            WorkspaceError: If the table is not there.
        """
        paths = self.files(generation, table)
        if not paths:
            raise WorkspaceError(f"has no table {table!r} yet", where=str(self.root))
        tables = []
        for path in paths:
            with open_table(path) as file:
                tables.append(file.read(columns=columns))
        return pa.concat_tables(tables)


@contextmanager
def open_table(path: Path, *, metadata: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    """Open a file of a published table; `metadata`, where it is at hand, saves reading the footer.

    Raises:
        WorkspaceError: If it is gone or damaged, on opening or on reading.
    """
    try:
        with pq.ParquetFile(path, metadata=metadata) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        what = "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise WorkspaceError(what, where=str(path), hint=DAMAGED_HINT) from error


def with_identity(schema: pa.Schema, table: str, dataset: str, **more: str) -> pa.Schema:
    """Return `schema` with the table's name, version and dataset in its metadata."""
    metadata = {
        "chaffinch.table": table,
        "chaffinch.version": str(SCHEMA_VERSION),
        "chaffinch.dataset": dataset,
    }
    return schema.with_metadata({**metadata, **more})
