"""The image paths of a tagging manifest, and leak flags added to it.

A leak report must spell paths as the manifest does, since the users' guide merges the two by string
equality (step 3.3). `read_manifest_rows` streams the spelling; `path_matching.PathMatcher` finds the sample
that each row means. `add_leaks_to_manifest` does that step itself: it changes nothing but `user_tags` and
`user_action` of leaking rows, and every other row keeps its bytes. Row numbers are those a spreadsheet
shows: the header is row 1.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaffinch.errors import TableError
from chaffinch.storage.files import atomic_path

LEAK_TAG = "train_test_leak"
"""Tag that the guide's step 3.3 adds."""

_REMOVE = "remove"
_KEEP = "keep"
_DELIMITERS = (",", ";", "\t")
_BOM = "\ufeff"
_MISSING_TEXTS = frozenset(("", "nan", "na", "n/a", "null", "none", "<na>"))
"""What pandas writes or reads as a missing value, in lower case; none of them is a tag."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a manifest."""

    row: int
    """Row number; the header is row 1, a row with line breaks in quotes counts once."""
    image_path: str
    """As written there."""
    split: str | None
    """As written there; None where the manifest has no such column or leaves it empty."""


@dataclass(frozen=True, slots=True)
class AddedLeaks:
    """What `add_leaks_to_manifest` did."""

    n_rows: int
    """Rows of the manifest."""
    n_leaking: int
    """Rows whose image leaks."""
    n_changed: int
    """Leaking rows that were given the tag or the action just now."""
    kept: tuple[ManifestRow, ...]
    """Leaking rows that a person decided to keep: left as they are."""
    n_without_row: int
    """Leaking images that the manifest does not list."""


# ------------------------------------------------------------------------------------------------- reading


def read_manifest_rows(path: Path) -> Iterator[ManifestRow]:
    """Stream the image paths of a manifest CSV: with or without BOM, separated by comma, semicolon or tab.

    Raises:
        TableError: With file, row and column, where the table cannot be read or has no `image_path`.
    """
    with _open_records(path) as records:
        at_path = records.place("image_path")
        at_split = records.header.index("split") if "split" in records.header else None
        for record in records:
            split = record.fields[at_split] if at_split is not None else None
            yield ManifestRow(record.row, record.fields[at_path], split or None)


@dataclass(frozen=True, slots=True)
class _Record:
    row: int
    fields: list[str]
    raw: str
    """The same record as it stands in the file, line end included; blank lines before it too."""


@dataclass(slots=True)
class _Records:
    """The records of an open CSV, each with its own text, so that untouched ones can be copied."""

    path: Path
    lines: Iterator[str]
    consumed: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    raw_header: str = ""
    delimiter: str = ","
    row: int = 1

    def read_header(self) -> None:
        first = next(self.lines, "")
        self.delimiter = max(_DELIMITERS, key=first.count)
        self.lines = _chain(first, self.lines)
        self.header = next(self._reader(), [])
        self.raw_header = self._take()
        if self.header and self.header[0].startswith(_BOM):
            # Python's csv takes quotes behind a byte order mark for text.
            self.header[0] = self.header[0].removeprefix(_BOM).strip('"')

    def place(self, column: str) -> int:
        if self.header.count(column) != 1:
            what = "is missing" if column not in self.header else "is there more than once"
            raise TableError(
                f"{what}; the columns are {', '.join(self.header)}",
                path=str(self.path),
                row=1,
                column=column,
                hint="a tagging manifest has image_path, user_tags and user_action",
            )
        return self.header.index(column)

    def __iter__(self) -> Iterator[_Record]:
        for fields in self._reader():
            self.row += 1
            if not fields:
                continue
            if len(fields) != len(self.header):
                raise TableError(
                    f"has {len(fields)} fields where the header has {len(self.header)}",
                    path=str(self.path),
                    row=self.row,
                    hint="quote fields that hold the separator or a line break",
                )
            yield _Record(self.row, fields, self._take())

    def remainder(self) -> str:
        """Return blank lines behind the last record."""
        return self._take()

    def _reader(self) -> Iterator[list[str]]:
        try:
            yield from csv.reader(self._recorded(), delimiter=self.delimiter, strict=True)
        except csv.Error as error:
            raise TableError(
                f"cannot be read as CSV ({error})",
                path=str(self.path),
                row=self.row + 1,
                hint="a quote may be open: quotes inside a quoted field are doubled",
            ) from error

    def _recorded(self) -> Iterator[str]:
        for line in self.lines:
            self.consumed.append(line)
            yield line

    def _take(self) -> str:
        text = "".join(self.consumed)
        self.consumed.clear()
        return text


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


@contextmanager
def _open_records(path: Path) -> Iterator[_Records]:
    # Undecodable bytes pass through as surrogates, so that a copied row keeps them.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        records = _Records(path, iter(file))
        records.read_header()
        yield records


# ------------------------------------------------------------------------------------------------ flagging


def add_leaks_to_manifest(
    path: Path, leaking_images: Collection[str], *, output: Path | None = None
) -> AddedLeaks:
    """Tag leaking images in a manifest and mark them for removal, as step 3.3 of the users' guide does.

    Rows whose `image_path` is among `leaking_images` get the tag train_test_leak once and the action remove,
    except where a person's action is keep: those stay and are listed. Doing it twice changes nothing more.
    Other rows keep their bytes, as do unknown columns.

    Args:
        path: The manifest CSV.
        leaking_images: Test images of the leak report (column `test_image`), spelled as in the manifest.
        output: Where to write the result; None replaces the manifest. Written atomically.

    Raises:
        TableError: With file, row and column, where the manifest cannot be used; nothing is written then.
    """
    # A link stays a link: what it leads to is written.
    target = path.resolve() if output is None else output
    leaking = frozenset(leaking_images)
    listed: set[str] = set()
    kept: list[ManifestRow] = []
    n_rows = n_leaking = n_changed = 0
    with (
        _open_records(path) as records,
        atomic_path(target) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
    ):
        columns = _LeakColumns(records)
        out.write(records.raw_header)
        for record in records:
            n_rows += 1
            image = record.fields[columns.image_path]
            if image not in leaking:
                out.write(record.raw)
                continue
            n_leaking += 1
            listed.add(image)
            if columns.is_kept(record.fields):
                kept.append(ManifestRow(record.row, image, None))
            is_changed = columns.flag(record.fields)
            n_changed += is_changed
            out.write(columns.text(record) if is_changed else record.raw)
        out.write(records.remainder())
        shutil.copymode(path, temporary)
    return AddedLeaks(n_rows, n_leaking, n_changed, tuple(kept), len(leaking - listed))


class _LeakColumns:
    """Where a manifest keeps what a leak changes."""

    def __init__(self, records: _Records) -> None:
        self.image_path = records.place("image_path")
        self._tags = records.place("user_tags")
        self._action = records.place("user_action")
        self._delimiter = records.delimiter

    def is_kept(self, fields: Sequence[str]) -> bool:
        return fields[self._action].strip().lower() == _KEEP

    def flag(self, fields: list[str]) -> bool:
        """Flag a row in place unless it is kept; tell whether that changed anything."""
        if self.is_kept(fields):
            return False
        before = (fields[self._tags], fields[self._action])
        fields[self._tags] = _with_leak_tag(before[0])
        fields[self._action] = _REMOVE
        return before != (fields[self._tags], fields[self._action])

    def text(self, record: _Record) -> str:
        """Spell a changed record with the separator and line end of its file."""
        # The csv module keeps lone carriage returns and line feeds quoted when the line end holds both.
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self._delimiter, lineterminator="\r\n").writerow(record.fields)
        end = record.raw[len(record.raw.rstrip("\r\n")) :]
        blank_before = record.raw[: len(record.raw) - len(record.raw.lstrip("\r\n"))]
        return blank_before + out.getvalue().removesuffix("\r\n") + end


def _with_leak_tag(tags: str) -> str:
    if tags.strip().lower() in _MISSING_TEXTS:
        return LEAK_TAG
    if LEAK_TAG in _split_tags(tags):
        return tags
    return f"{tags},{LEAK_TAG}"


def _split_tags(tags: str) -> Iterable[str]:
    return (tag.strip() for tag in tags.split(","))
