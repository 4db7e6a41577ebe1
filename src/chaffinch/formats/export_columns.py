"""Which column of somebody's export holds what: the usual names, and what the user says with ``--map``.

Targets are our words, sources are column names as the file has them. A target that the user maps is taken as
mapped; the others are found by `SYNONYMS`, the surest first, in any case, blanks and hyphens being '_'.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaffinch.errors import TableError, UsageError
from chaffinch.formats.export_table import known_columns

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "image_id": ("image_id", "id", "media_id", "img_id", "uuid"),
    "image_path": (
        *("image_path", "path", "file_path", "filepath", "file_name", "filename", "file"),
        *("img_path", "image_filename", "image", "img_filename", "uri"),
    ),
    "label": (
        *("label", "class", "given_label", "class_name", "label_name", "category", "category_name"),
        *("original_label", "target"),
    ),
    "issue_type": ("issue_type", "flag", "vl_flag_type", "issue", "flag_type", "issue_name", "type"),
    "confidence": ("confidence", "vl_confidence", "conf", "score", "confidence_score", "probability"),
    "suggested_label": (
        *("suggested_label", "vl_suggested_label", "suggested_class", "suggestion", "suggested"),
        *("predicted_label", "predicted_class", "correct_label"),
    ),
    "reason": ("reason", "vl_reason", "explanation", "details", "description"),
    "split": ("split", "partition"),
    "group_id": ("group_id", "duplicate_group_id", "group"),
    "uniqueness": ("uniqueness", "uniqueness_score"),
    "cluster_id": ("cluster_id", "cluster"),
    "user_tags": ("user_tags", "tags", "user_tag", "tag_name"),
}
"""Target to the names under which it is known."""

REQUIRED = ("issue_type", "confidence")
"""Targets that a table must have, beside an id or a path."""
ABSENT = "-"
"""``--map TARGET=-``: the table has no such column, and that is known."""


@dataclass(frozen=True, slots=True)
class ExportColumns:
    """Where a table holds what."""

    places: Mapping[str, int]
    """Target to the number of its column; absent targets are left out."""
    names: Mapping[str, str]
    """Target to the column's name as written, for those that the user mapped, now or before."""


def parse_mapping(options: Iterable[str]) -> dict[str, str]:
    """Turn ``TARGET=SOURCE`` options into a mapping.

    Raises:
        UsageError: If one is not of this form, or its target is unknown.
    """
    mapping: dict[str, str] = {}
    for option in options:
        target, equals, source = option.partition("=")
        target = target.strip()
        if not (equals and target and source):
            raise UsageError(
                f"--map takes TARGET=SOURCE, got {option!r}", hint="--map image_id=your_id_column"
            )
        if target not in SYNONYMS:
            close = difflib.get_close_matches(target, SYNONYMS, 1)
            likely = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"--map knows no target {target!r}", hint=f"{likely}The targets are {', '.join(SYNONYMS)}"
            )
        mapping[target] = source
    return mapping


def find_export_columns(
    columns: Sequence[str], *, where: str, mapping: Mapping[str, str], saved: Mapping[str, str]
) -> ExportColumns:
    """Find the columns of a table.

    Args:
        columns: Names as the table has them.
        where: The table, for messages.
        mapping: Target to column name, as the user maps now; `ABSENT` for none.
        saved: The same from earlier imports; an entry whose column is not there is passed over.

    Raises:
        TableError: If a mapped column is not there, or a required one is not found; names the columns that
            are there and the likely one.
    """
    known = known_columns(columns)
    exact = {name: place for place, name in reversed(list(enumerate(columns)))}
    wanted = {t: s for t, s in saved.items() if s == ABSENT or s in exact} | dict(mapping)
    places: dict[str, int] = {}
    for target, words in SYNONYMS.items():
        source = wanted.get(target)
        if source == ABSENT:
            continue
        if source is not None:
            places[target] = _place(source, target, exact, known, where=where)
            continue
        taken = {exact.get(s) for s in wanted.values()}
        found = [known[word] for word in words if word in known and known[word] not in taken]
        if found:
            places[target] = found[0]
    _check(places, columns, wanted, where=where)
    return ExportColumns(places, wanted)


def _place(
    source: str, target: str, exact: Mapping[str, int], known: Mapping[str, int], *, where: str
) -> int:
    place = exact.get(source, known.get(source.strip().lower().replace(" ", "_").replace("-", "_")))
    if place is None:
        close = difflib.get_close_matches(source, exact, 1)
        likely = f"did you mean --map {target}={close[0]}? " if close else ""
        raise TableError(
            f"has no such column, which --map names; its columns are {', '.join(map(repr, exact))}",
            path=where,
            column=source,
            hint=f"{likely}Map one that is there",
        )
    return place


def _check(
    places: Mapping[str, int], columns: Sequence[str], wanted: Mapping[str, str], *, where: str
) -> None:
    free = [name for place, name in enumerate(columns) if place not in places.values()]
    if "image_id" not in places and "image_path" not in places:
        raise _missing("image_id", "has neither an image_id nor an image_path", columns, free, where=where)
    for target in REQUIRED:
        if target not in places and wanted.get(target) != ABSENT:
            raise _missing(target, "is missing", columns, free, where=where)


def _missing(
    target: str, what: str, columns: Sequence[str], free: Sequence[str], *, where: str
) -> TableError:
    words = SYNONYMS[target]
    likely = next((name for name in free if _is_like(name, words)), None)
    absent = f", or --map {target}={ABSENT} if there is none" if target in REQUIRED[1:] else ""
    return TableError(
        f"{what}; the columns are {', '.join(map(repr, columns))}",
        path=where,
        column=target,
        hint=f"say which column it is: --map {target}={likely or 'YOUR_COLUMN'}{absent}",
    )


def _is_like(name: str, words: Sequence[str]) -> bool:
    """Tell whether a column's name looks like one of the words: near in spelling, or sharing a part."""
    plain = name.lower().replace(" ", "_").replace("-", "_")
    parts = set(plain.split("_")) - {""}
    own_parts = {part for word in words for part in word.split("_")} - {"image", "vl", "name", "label"}
    return bool(difflib.get_close_matches(plain, words, 1, 0.7)) or bool(parts & own_parts)
