"""Where-expressions: which samples a person or a policy speaks about, as a read-only SQL expression.

An expression sees one row for each sample and finding (one row with empty finding columns for a sample that
nothing was found in): the columns of `samples` as exported, those of `issues`, `user_tags` (comma between,
'' where none), `user_action` (`none` where nobody decided) and `has_label_conflict` (whether the sample has a
finding of that type, whichever finding the row is about). It is an expression and nothing more: no statement,
no subquery, no file. DuckDB evaluates it in memory over the workspace's tables, with all ways out closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from chaffinch.curate.state import SubjectState
from chaffinch.errors import UsageError
from chaffinch.storage.clusters import CLUSTERS_SCHEMA, clusters_table
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import ISSUES_SCHEMA, LABEL_CONFLICT
from chaffinch.storage.samples import VANISHED
from chaffinch.storage.schema import INTERNAL_COLUMNS

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_REFUSED = {
    "SUBQUERY": "a query inside the expression",
    "WINDOW": "a window function",
    "PARAMETER": "a parameter",
}
"""Classes of DuckDB's syntax tree that an expression may not hold."""

_STATES_SCHEMA = pa.schema(
    [pa.field("key", pa.string()), pa.field("user_tags", pa.string()), pa.field("user_action", pa.string())]
)

_JOINED = f"""
    SELECT s.* EXCLUDE ({", ".join(INTERNAL_COLUMNS)}), c.* EXCLUDE (sample_id, source),
        i.* EXCLUDE (sample_id, key),
        coalesce(d.user_tags, '') AS user_tags, coalesce(d.user_action, 'none') AS user_action,
        l.sample_id IS NOT NULL AS has_label_conflict
    FROM samples s LEFT JOIN clusters c ON c.sample_id = s.sample_id
        LEFT JOIN issues i ON i.sample_id = s.sample_id LEFT JOIN states d ON d.key = s.key
        LEFT JOIN (SELECT DISTINCT sample_id FROM issues WHERE issue_type = '{LABEL_CONFLICT}') l
            ON l.sample_id = s.sample_id
"""

_SELECT = """
    WITH joined AS ({joined}), hits AS (
        SELECT sample_id, count(finding_id) AS n_findings,
            arg_max(suggested_label, coalesce(confidence, 0)) FILTER (suggested_label IS NOT NULL)
                AS suggested_label
        FROM joined WHERE (
{expression}
        ) GROUP BY sample_id
    ), others AS (
        SELECT sample_id, arg_max(suggested_label, coalesce(confidence, 0)) AS suggested_label
        FROM issues WHERE suggested_label IS NOT NULL GROUP BY sample_id
    ), known AS (
        SELECT sample_id, string_agg(DISTINCT finding_id, ',' ORDER BY finding_id) AS findings
        FROM issues GROUP BY sample_id
    )
    SELECT s.sample_id, s.key, CAST(s.image_id AS VARCHAR), s.image_path, s.given_label,
        coalesce(s.pixels_digest, s.bytes_digest), coalesce(h.suggested_label, o.suggested_label),
        h.n_findings, coalesce(k.findings, '')
    FROM hits h JOIN samples s USING (sample_id) LEFT JOIN others o USING (sample_id)
        LEFT JOIN known k USING (sample_id) ORDER BY s.sample_id
"""

_SELECT_FINDINGS = """
    WITH joined AS ({joined}), others AS (
        SELECT sample_id, arg_max(suggested_label, coalesce(confidence, 0)) AS suggested_label
        FROM issues WHERE suggested_label IS NOT NULL GROUP BY sample_id
    ), known AS (
        SELECT sample_id, string_agg(DISTINCT finding_id, ',' ORDER BY finding_id) AS findings
        FROM issues GROUP BY sample_id
    )
    SELECT j.key, j.finding_id, j.method, coalesce(j.pixels_digest, j.bytes_digest),
        coalesce(j.suggested_label, o.suggested_label), coalesce(k.findings, '')
    FROM (SELECT * FROM joined WHERE (
{expression}
    )) j LEFT JOIN others o USING (sample_id) LEFT JOIN known k USING (sample_id)
    WHERE j.object_id IS NULL ORDER BY j.sample_id, j.finding_id
"""


@dataclass(frozen=True, slots=True)
class SelectedFinding:
    """One sample with one of its findings, or with none, that an expression names."""

    key: str
    """Key of the sample."""
    finding_id: str | None
    """The finding; None for a sample that nothing was found in."""
    method: str | None
    """How it was found."""
    content_digest: str | None
    """As in `Selected`."""
    suggested_label: str | None
    """Of this finding, else of the sample's surest one."""
    findings: str
    """As in `Selected`."""


@dataclass(frozen=True, slots=True)
class Selected:
    """One sample that an expression or a list of ids names."""

    sample_id: int
    """Row number in the workspace."""
    key: str
    """Its key."""
    image_id: str
    """Its image id, as text."""
    image_path: str
    """Path as the user wrote it."""
    given_label: str | None
    """Label that it came with."""
    content_digest: str | None
    """`pixels_digest`, else `bytes_digest`; None where no bytes were read."""
    suggested_label: str | None
    """Of the surest of the findings selected, else of the surest of all; None where nothing suggests one."""
    n_findings: int
    """Findings selected."""
    findings: str
    """Ids of all its findings, comma between; see `Decision.findings`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The samples that a list of names means."""

    samples: list[Selected]
    """By `sample_id`."""
    unknown: tuple[str, ...] = ()
    """Names that no sample has."""
    ambiguous: tuple[str, ...] = ()
    """Image ids that several samples have; keys tell them apart."""


class FindingsQuery:
    """The samples, findings and decisions of a workspace, ready to be asked; use as a context manager."""

    def __init__(
        self, folder: WorkspaceFolder, generation: Generation, states: Mapping[str, SubjectState]
    ) -> None:
        self._connection = duckdb.connect(":memory:", config=dict(_CLOSED))
        issues = [
            path
            for name in sorted(generation.tables)
            if name == "issues" or name.startswith("issues/")
            for path in folder.files(generation, name)
        ]
        self._register("samples", pads.dataset([str(p) for p in folder.files(generation, "samples")]))
        self._register("issues", pads.dataset([str(p) for p in issues], schema=ISSUES_SCHEMA))
        stored = clusters_table(generation)
        clusters = [] if stored is None else folder.files(generation, stored)
        self._register("clusters", pads.dataset([str(p) for p in clusters], schema=CLUSTERS_SCHEMA))
        self._register("states", _states_table(states))
        self._connection.execute("SET lock_configuration = true")

    def __enter__(self) -> FindingsQuery:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _register(self, name: str, rows: Any) -> None:
        self._connection.register(name, rows)

    def select(self, expression: str, *, where: str = "--where") -> list[Selected]:
        """Return the samples for which `expression` holds, by `sample_id`.

        Args:
            expression: SQL, such as ``issue_type = 'mislabel' and confidence > 0.9``.
            where: What to call it in an error: an option, or a policy's rule.

        Raises:
            UsageError: If it is no expression, or names a column that is not there.
        """
        return [Selected(*row) for row in self._evaluate(_SELECT, expression, where=where)]

    def select_findings(self, expression: str, *, where: str) -> list[SelectedFinding]:
        """Return the findings of whole images for which `expression` holds, by `sample_id`; as `select`."""
        return [SelectedFinding(*row) for row in self._evaluate(_SELECT_FINDINGS, expression, where=where)]

    def is_about_findings(self, expression: str) -> bool:
        """Tell whether a checked expression names a column of `issues`, not of samples alone."""
        columns = {name.lower() for name in ISSUES_SCHEMA.names} - {"sample_id", "key"}
        tree = _syntax_tree(self._connection, expression)
        return any(
            str(name).lower() in columns
            for part in _parts(tree)
            if part.get("class") == "COLUMN_REF"
            for name in part["column_names"]
        )

    def _evaluate(self, query: str, expression: str, *, where: str) -> list[tuple[Any, ...]]:
        check_expression(self._connection, expression, where=where)
        try:
            return self._connection.execute(query.format(joined=_JOINED, expression=expression)).fetchall()
        except duckdb.Error as error:
            raise _not_understood(error, expression, self.columns(), where=where) from error

    def by_name(self, names: Sequence[str]) -> Selection:
        """Return the samples that have these keys or image ids."""
        wanted = pa.table({"name": list(dict.fromkeys(names))}, schema=pa.schema([("name", pa.string())]))
        self._register("wanted", wanted)
        # A moved file leaves its id to the new place: what vanished is meant only where nobody else is.
        every = "list(DISTINCT s.sample_id)"
        rows = self._connection.execute(
            f"SELECT w.name, coalesce({every} FILTER (s.error IS DISTINCT FROM $gone), {every}) "
            "FROM wanted w JOIN samples s "
            "ON s.key = w.name OR CAST(s.image_id AS VARCHAR) = w.name GROUP BY w.name",
            {"gone": VANISHED},
        ).fetchall()
        found = dict(rows)
        several = [name for name, sample_ids in found.items() if len(sample_ids) > 1]
        unknown = [name for name in wanted.column(0).to_pylist() if name not in found]
        single = np.array([ids[0] for ids in found.values() if len(ids) == 1], dtype=np.int64)
        return Selection(self.by_number(single), tuple(unknown), tuple(several))

    def by_number(self, sample_ids: np.ndarray) -> list[Selected]:
        """Return the samples with these ids, shape (N,) int64, by `sample_id`."""
        self._register("singles", pa.table({"number": sample_ids}))
        query = _SELECT.format(joined=_JOINED, expression="sample_id IN (SELECT number FROM singles)")
        return [Selected(*row) for row in self._connection.execute(query).fetchall()]

    def columns(self) -> list[str]:
        """Return the names that an expression may use."""
        names = self._connection.execute(f"DESCRIBE {_JOINED}").fetchall()
        return [row[0] for row in names]

    def issue_types(self) -> list[str]:
        """Return the issue types that were found."""
        rows = self._connection.execute("SELECT DISTINCT issue_type FROM issues ORDER BY 1").fetchall()
        return [row[0] for row in rows]


def _states_table(states: Mapping[str, SubjectState]) -> pa.Table:
    columns = {
        "key": list(states),
        "user_tags": [",".join(state.tags) for state in states.values()],
        "user_action": [state.action for state in states.values()],
    }
    return pa.table(columns, schema=_STATES_SCHEMA)


def check_expression(connection: duckdb.DuckDBPyConnection, expression: str, *, where: str) -> None:
    """Make sure that a text is one SQL expression.

    Raises:
        UsageError: If it is a statement, several, incomplete, or asks for more than columns and values.
    """
    tree = _syntax_tree(connection, expression)
    if tree.get("error", True) or not expression.strip():
        what = f"is no SQL expression: {tree.get('error_message', 'it cannot be parsed')}"
        raise UsageError(what, where=f"{where} {expression!r}", hint=_EXAMPLE)
    statements = tree["statements"]
    node = statements[0]["node"]
    is_plain = (
        len(statements) == 1
        and node["type"] == "SELECT_NODE"
        and node["from_table"]["type"] == "EMPTY"
        and not node["cte_map"]["map"]
        and not any(node.get(part) for part in _CLAUSES)
    )
    if not is_plain:
        raise UsageError("is more than an expression", where=f"{where} {expression!r}", hint=_EXAMPLE)
    for part in _parts(node["where_clause"]):
        kind = str(part.get("class", ""))
        if kind in _REFUSED:
            what = f"holds {_REFUSED[kind]}; columns, values and operators are allowed"
            raise UsageError(what, where=f"{where} {expression!r}", hint=_EXAMPLE)


_CLAUSES = ("modifiers", "group_expressions", "group_sets", "having", "sample", "qualify")
_EXAMPLE = "such as --where \"issue_type = 'mislabel' and confidence > 0.9\""


def _syntax_tree(connection: duckdb.DuckDBPyConnection, expression: str) -> dict[str, Any]:
    """Return DuckDB's syntax tree of a query with the expression as its condition."""
    text = f"SELECT 1 WHERE (\n{expression}\n)"
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree: dict[str, Any] = json.loads(row[0] if row else "{}")
    return tree


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a syntax tree."""
    stack = [tree]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack += part.values()
        elif isinstance(part, list):
            stack += part


def _not_understood(
    error: duckdb.Error, expression: str, columns: Sequence[str], *, where: str
) -> UsageError:
    text = str(error).splitlines()[0]
    missing = re.search(r'column "([^"]+)" not found', text)
    if missing and f'"{missing[1]}"' in expression:
        hint = f"text stands in single quotes: '{missing[1]}'"
    elif missing:
        hint = f"the columns are {', '.join(columns)}"
    else:
        hint = _EXAMPLE
    return UsageError(f"cannot be evaluated: {text}", where=f"{where} {expression!r}", hint=hint)
