"""Writes any table of a workspace to one parquet or CSV file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from chaffinch.errors import UsageError
from chaffinch.storage.clusters import JOINED_FIELDS, read_clusters, with_clusters
from chaffinch.storage.confusion import CONFUSION, CONFUSION_SCHEMA
from chaffinch.storage.decision_table import DECISIONS_SCHEMA, export_decisions
from chaffinch.storage.files import atomic_path
from chaffinch.storage.findings import PAIRS_SCHEMA, export_pairs
from chaffinch.storage.folder import Generation, WorkspaceFolder, open_table, with_identity
from chaffinch.storage.issues import ISSUES_SCHEMA
from chaffinch.storage.schema import CLASSES_SCHEMA, INTERNAL_COLUMNS, OBJECTS_SCHEMA, samples_schema

TABLES = ("samples", "objects", "issues", "pairs", "classes", "confusion", "decisions")


def export_table(root: Path, name: str, target: Path) -> int:
    """Write a table of the workspace at `root`; returns the number of rows.

    Raises:
        UsageError: If there is no such table, or the ending is not known.
        WorkspaceError: If no scan has ended yet.
    """
    is_csv = target.suffix == ".csv"
    if not is_csv and target.suffix != ".parquet":
        what = f"cannot write {target.suffix!r}" if target.suffix else "has no ending"
        raise UsageError(what, where=str(target), hint="end the name with .parquet or .csv")
    schema, tables = stream_table(root, name)
    n_rows = 0
    with atomic_path(target) as temporary, _writer(temporary, schema, is_csv=is_csv) as writer:
        for rows in tables:
            writer.write_table(_as_text(rows) if is_csv else rows.cast(schema))
            n_rows += len(rows)
    return n_rows


def stream_table(root: Path, name: str) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the schema of a table and a stream of its rows.

    Raises:
        UsageError: If there is no such table.
        WorkspaceError: If no scan has ended yet.
    """
    if name not in TABLES:
        raise UsageError(f"there is no table {name!r}", hint=f"one of: {', '.join(TABLES)}")
    folder = WorkspaceFolder(root)
    generation = folder.published()
    schema = _schema(folder, generation, name)
    schema = with_identity(schema, name, generation.dataset, pandas=_pandas_types(schema))
    return schema, _rows(folder, generation, name, schema)


def read_exported(root: Path, name: str) -> pa.Table:
    """Return a whole table; raises like `stream_table`."""
    schema, tables = stream_table(root, name)
    return pa.concat_tables([schema.empty_table(), *(rows.cast(schema) for rows in tables)])


def _schema(folder: WorkspaceFolder, generation: Generation, name: str) -> pa.Schema:
    if name == "samples":
        with open_table(folder.files(generation, "samples")[0]) as file:
            stored = file.schema_arrow
        wanted = samples_schema(is_integer_id=stored.field("image_id").type == pa.int64())
        # The table of a scan by an older version may lack columns.
        scanned = [f for f in wanted if f.name in stored.names and f.name not in INTERNAL_COLUMNS]
        return pa.schema([*scanned, *JOINED_FIELDS])
    schemas = {
        "objects": OBJECTS_SCHEMA,
        "issues": ISSUES_SCHEMA,
        "pairs": PAIRS_SCHEMA,
        "classes": CLASSES_SCHEMA,
        CONFUSION: CONFUSION_SCHEMA,
        "decisions": DECISIONS_SCHEMA,
    }
    return schemas[name]


def _pandas_types(schema: pa.Schema) -> str:
    """Return metadata by which pandas reads unsigned numbers as such, also where some are missing.

    Without it a column of hashes with one broken image becomes float64 and loses its last bits.
    """
    names = [f.name for f in schema if f.type == pa.uint64()]
    columns = [
        {"name": n, "field_name": n, "pandas_type": "uint64", "numpy_type": "UInt64", "metadata": None}
        for n in names
    ]
    return json.dumps(
        {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"}
    )


def _rows(
    folder: WorkspaceFolder, generation: Generation, name: str, schema: pa.Schema
) -> Iterator[pa.Table]:
    if name == "pairs":
        yield from export_pairs(folder, generation)
        return
    if name == "decisions":
        yield from export_decisions(folder, generation)
        return
    if name == "samples":
        clusters = read_clusters(folder, generation)
        columns = [column for column in schema.names if column not in clusters.column_names]
        for batch in folder.batches(generation, name, columns=columns):
            yield with_clusters(pa.Table.from_batches([batch]), clusters)
        return
    stored = sorted(t for t in generation.tables if t == name or t.startswith(f"{name}/"))
    for table in stored:
        for batch in folder.batches(generation, table, columns=schema.names):
            yield pa.Table.from_batches([batch])


def _writer(path: Path, schema: pa.Schema, *, is_csv: bool) -> pq.ParquetWriter | pyarrow.csv.CSVWriter:
    if not is_csv:
        return pq.ParquetWriter(path, schema)
    plain = pa.schema([pa.field(f.name, _csv_type(f.type)) for f in schema])
    return pyarrow.csv.CSVWriter(path, plain)


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_binary(kind) or pa.types.is_fixed_size_list(kind) else kind


def _as_text(rows: pa.Table) -> pa.Table:
    """Spell what CSV cannot hold: bytes as hex, lists with ';' between."""
    for number, column in enumerate(rows.schema):
        if pa.types.is_binary(column.type):
            texts = [None if v is None else v.hex() for v in rows.column(number).to_pylist()]
        elif pa.types.is_fixed_size_list(column.type):
            texts = [None if v is None else ";".join(map(str, v)) for v in rows.column(number).to_pylist()]
        else:
            continue
        rows = rows.set_column(number, column.name, pa.array(texts, type=pa.string()))
    return rows
