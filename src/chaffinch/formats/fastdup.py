"""The work_dir of fastdup: CSV files about images that one file numbers.

- ``atrain_features.dat.csv`` gives each number its file name. Unreadable files take a number and stand only
  in ``atrain_features.bad.csv``, so numbers have gaps: the column `index` counts, not the row. Other files
  may write names instead of numbers.
- ``connected_components.csv``: images with a `count` above 0 are duplicates; `min_distance` is the lowest
  similarity within the component.
- ``similarity.csv`` and ``outliers.csv``: the column `distance` holds a *similarity*, higher is closer. An
  outlier is the less like its nearest neighbour, the surer it is one: confidence 1 - similarity.
- ``atrain_stats.csv``: `blur` is the variance of the Laplacian, low is blurry; `mean` is brightness, 0..255.

The last two have no flags of their own; the limits are those of fastdup's summary.
Source: fastdup 2.54, `FastdupController.summary`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from chaffinch.errors import SourceError, TableError
from chaffinch.formats.export_table import ExportTable, TableRow
from chaffinch.records import ExportedIssue, ExportedItem
from chaffinch.taxonomy import normalise_issue_type

NAMES = "atrain_features.dat.csv"
BAD = "atrain_features.bad.csv"
COMPONENTS = "connected_components.csv"
SIMILARITY = "similarity.csv"
OUTLIERS = "outliers.csv"
STATS = "atrain_stats.csv"
FILES = (NAMES, BAD, COMPONENTS, SIMILARITY, OUTLIERS, STATS)
"""What an import keeps and reads; all but the first may be absent."""

BLUR_BELOW = 150.0
"""Variance of the Laplacian on 0..255, lower is blurrier."""
BRIGHT_ABOVE = 253.0
"""Mean brightness, 0..255."""
DARK_BELOW = 4.0
"""Mean brightness, 0..255."""


def fastdup_files(folder: Path) -> list[Path]:
    """Return the files of a work_dir that are read.

    Raises:
        SourceError: If it is no work_dir.
    """
    if not (folder / NAMES).is_file():
        raise SourceError(
            f"is no work_dir of fastdup: it has no {NAMES}",
            where=str(folder),
            hint="name the folder that fastdup.create(work_dir=...) was given",
        )
    return [folder / name for name in FILES if (folder / name).is_file()]


def read_fastdup(folder: Path, *, where: str) -> Iterator[ExportedItem]:
    """Yield the images of a work_dir with what fastdup found in them.

    Args:
        folder: The work_dir, or a copy of the files in `FILES`.
        where: What the user calls it, for messages.

    Raises:
        TableError: With file, row and column where a file cannot be used.

    Cost: memory about 1 KB an image.
    """
    work = _WorkDir(folder, where)
    issues: dict[str, list[ExportedIssue]] = {}
    for finder in (_duplicates, _outliers, _quality, _corrupt):
        for name, issue in finder(work):
            issues.setdefault(name, []).append(issue)
    for place, name in enumerate([*work.names.values(), *work.bad], start=1):
        yield ExportedItem(item_id=None, path=name, place=place, issues=tuple(issues.get(name, ())))


class _WorkDir:
    """The tables of a work_dir and the names behind its numbers."""

    def __init__(self, folder: Path, where: str) -> None:
        self._folder = folder
        self._where = where
        self.names = {row["index"]: row["filename"] for _, row in self.rows(NAMES, ("index", "filename"))}
        self.bad = [row["filename"] for _, row in self.rows(BAD, ("filename",))]
        self._known = set(self.names.values())

    def rows(self, name: str, columns: tuple[str, ...]) -> Iterator[tuple[TableRow, Mapping[str, str]]]:
        """Stream a file's rows by column; nothing if it is not there."""
        if not (self._folder / name).is_file() or not (self._folder / name).stat().st_size:
            return
        table = ExportTable(self._folder / name, where=f"{self._where}/{name}")
        for column in columns:
            if column not in table.columns:
                raise TableError(
                    f"is missing; the columns are {', '.join(table.columns)}",
                    path=table.where,
                    column=column,
                    hint="chaffinch reads the work_dir of fastdup 1 and 2",
                )
        for row in table.rows():
            yield row, dict(zip(table.columns, row.cells, strict=True))

    def name_of(self, text: str, row: TableRow, file: str) -> str:
        """Return the file name that a number, or a name, means."""
        name = self.names.get(text, text if text in self._known else None)
        if name is None:
            raise TableError(
                f"names no image of {NAMES}",
                path=f"{self._where}/{file}",
                row=row.number,
                got=text,
                hint="the files must come from one run of fastdup",
            )
        return name

    def number(self, text: str, row: TableRow, file: str) -> float:
        """Return a cell's number."""
        try:
            return float(text)
        except ValueError:
            raise TableError(
                "is no number",
                path=f"{self._where}/{file}",
                row=row.number,
                got=text,
                hint="run fastdup again",
            ) from None


_Found = Iterator[tuple[str, ExportedIssue]]


def _issue(word: str, confidence: float, reason: str, *, group: str | None = None) -> ExportedIssue:
    return ExportedIssue(
        issue_type=normalise_issue_type(word),
        written_type=word,
        confidence=min(max(confidence, 0.0), 1.0),
        reason=reason,
        group_id=group,
    )


def _duplicates(work: _WorkDir) -> _Found:
    closest: dict[str, tuple[float, str]] = {}
    for row, cells in work.rows(SIMILARITY, ("from", "to", "distance")):
        one, other = (work.name_of(cells[side], row, SIMILARITY) for side in ("from", "to"))
        similarity = work.number(cells["distance"], row, SIMILARITY)
        closest[one] = max(closest.get(one, (-1.0, "")), (similarity, other))
    for row, cells in work.rows(COMPONENTS, ("__id", "component_id", "count", "min_distance")):
        if work.number(cells["count"], row, COMPONENTS) <= 0:
            continue
        name = work.name_of(cells["__id"], row, COMPONENTS)
        lowest = work.number(cells["min_distance"], row, COMPONENTS)
        similarity, other = closest.get(name, (lowest, ""))
        nearest = f", nearest is {other} with similarity {similarity:.4f}" if other else ""
        component = cells["component_id"]
        reason = f"fastdup puts it into component {component} (similarity at least {lowest:.4f}){nearest}."
        yield name, _issue("duplicate", similarity, reason, group=component)


def _outliers(work: _WorkDir) -> _Found:
    for row, cells in work.rows(OUTLIERS, ("from", "to", "distance")):
        name, other = (work.name_of(cells[side], row, OUTLIERS) for side in ("from", "to"))
        similarity = work.number(cells["distance"], row, OUTLIERS)
        reason = f"fastdup finds nothing like it: the nearest, {other}, has similarity {similarity:.4f}."
        yield name, _issue("outlier", 1 - similarity, reason)


def _quality(work: _WorkDir) -> _Found:
    for row, cells in work.rows(STATS, ("index", "blur", "mean")):
        name = work.name_of(cells["index"], row, STATS)
        blur, mean = (work.number(cells[column], row, STATS) for column in ("blur", "mean"))
        if blur < BLUR_BELOW:
            share = 1 - blur / BLUR_BELOW
            reason = f"fastdup's blur score is {blur:.1f} (low is blurry; limit {BLUR_BELOW:.0f})."
            yield name, _issue("blur", 0.5 + share / 2, reason)
        if mean < DARK_BELOW:
            share = 1 - mean / DARK_BELOW
            reason = f"Its mean brightness is {mean:.1f} of 255 (limit {DARK_BELOW:.0f})."
            yield name, _issue("dark", 0.5 + share / 2, reason)
        if mean > BRIGHT_ABOVE:
            share = (mean - BRIGHT_ABOVE) / (255 - BRIGHT_ABOVE)
            reason = f"Its mean brightness is {mean:.1f} of 255 (limit {BRIGHT_ABOVE:.0f})."
            yield name, _issue("bright", 0.5 + share / 2, reason)


def _corrupt(work: _WorkDir) -> _Found:
    for _, cells in work.rows(BAD, ("filename",)):
        error = cells.get("error_code") or "unreadable"
        yield cells["filename"], _issue("corrupt", 1.0, f"fastdup could not read it: {error}.")
