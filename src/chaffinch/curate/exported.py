"""Reads the decisions that a review page saved on its own: a head, then one JSON object for each decision.

Every decision has an id of its own, so that taking a file twice is taking it once. docs/formats.md is
normative.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast, get_args

from chaffinch.curate.events import Act, Saying, check_reviewer, checked, spelled_time
from chaffinch.errors import TableError, UsageError
from chaffinch.records import Decision, How
from chaffinch.taxonomy import Action

FORMAT, VERSION = "chaffinch decisions", 1
"""What the head says."""

SAMPLES, MANIFEST = "samples", "manifest"
"""What a page shows, and so what its keys are: those of a workspace, or paths (else ids) of a manifest."""

_HINT = "take the file that the page's button Export saves; an edited manifest: chaffinch import manifest"
_ID = re.compile(r"[0-9A-Za-z._-]{8,64}")


class CheckLabel(Protocol):
    """Returns a new label as the given labels are spelled."""

    def __call__(self, text: str, *, where: str) -> str:
        """Return the label; raise `UsageError` if it is none."""
        ...


@dataclass(frozen=True, slots=True)
class ExportedDecision:
    """One line of the file."""

    row: int
    """Line; the head is 1."""
    decision: Decision
    """The decision under the page's key."""
    image_id: str
    """Of the image; '' where the line does not say."""
    image_path: str
    """Of the image; '' where the line does not say."""
    split: str
    """Of the image; '' where the line does not say."""


@dataclass(frozen=True, slots=True)
class ExportedDecisions:
    """A whole file."""

    dataset: str
    """Name of the dataset that was looked at."""
    subjects: str
    """`samples` or `manifest`."""
    lines: tuple[ExportedDecision, ...]
    """The decisions, in the order they were made."""


def is_exported(path: Path) -> bool:
    """Tell whether a file begins like an export of the review page."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.read(1) == "{"
    except OSError:
        return False


def read_exported_decisions(
    path: Path, *, dataset: str, label: CheckLabel, of: Collection[str] = (SAMPLES, MANIFEST)
) -> ExportedDecisions:
    """Read a file of decisions.

    Args:
        path: The file.
        dataset: Name of the dataset that they are wanted for.
        label: Checks and spells new labels.
        of: `subjects` of which the file must be about that dataset; one that names none may be about any.

    Raises:
        TableError: If a line cannot be used, naming it, or the file is about another dataset.
        UsageError: If the file cannot be read, or a line contradicts itself.
    """
    lines = _lines(path)
    head = next(lines, (1, {}))[1]
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise TableError(
            f"does not begin with the head of {FORMAT!r}, version {VERSION}",
            path=str(path),
            row=1,
            hint=_HINT,
        )
    said = _Fields(head, path, 1)
    reviewer = check_reviewer(said.text("reviewer") or "")
    subjects, looked_at = said.text("subjects") or SAMPLES, said.text("dataset") or ""
    if subjects in of and looked_at not in ("", dataset):
        own = json.dumps(dataset, ensure_ascii=False)
        raise TableError(
            f"holds decisions about the dataset {looked_at!r}, not about {dataset!r}",
            path=str(path),
            row=1,
            hint=f'take another file; if it is the same dataset under another name, write "dataset": {own} '
            "into the first line",
        )
    found = tuple(_line(entry, reviewer, label, path=path, line=line) for line, entry in lines)
    return ExportedDecisions(looked_at, subjects, found)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    # Not splitlines: the texts in JSON may hold line ends of Unicode.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise TableError(f"is no JSON object: {error}", path=str(path), row=number, hint=_HINT) from error
        if not isinstance(value, dict):
            raise TableError("is no JSON object", path=str(path), row=number, hint=_HINT)
        yield number, value


def _line(
    entry: Mapping[str, Any], reviewer: str, label: CheckLabel, *, path: Path, line: int
) -> ExportedDecision:
    fields = _Fields(entry, path, line)
    image = {name: fields.word(name) or "" for name in ("image_id", "image_path", "split")}
    return ExportedDecision(line, _decision(fields, reviewer, label), **image)


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a line; each asks for its type. What is `null` is left out."""

    entry: Mapping[str, Any]
    path: Path
    row: int

    @property
    def place(self) -> str:
        """Where the line stands, for a message."""
        return f"{self.path} row {self.row}"

    def fault(self, what: str, name: str) -> TableError:
        """Return the error that names a field and what it holds."""
        value = self.entry.get(name)
        got = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return TableError(what, path=str(self.path), row=self.row, column=name, got=got, hint=_HINT)

    def text(self, name: str) -> str | None:
        """Return a text; None where it is left out."""
        value = self.entry.get(name)
        if value is not None and not isinstance(value, str):
            raise self.fault("is no text", name)
        return value

    def word(self, name: str) -> str | None:
        """Return a text that may be written as a whole number, as ids and labels are."""
        value = self.entry.get(name)
        return str(value) if type(value) is int else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; none where it is left out."""
        value = self.entry.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.fault("is no list of texts", name)
        return tuple(value)

    def needed(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.text(name)
        if not value:
            raise self.fault("is missing", name)
        return value


def _decision(fields: _Fields, reviewer: str, label: CheckLabel) -> Decision:
    event_id, batch_id, key = (fields.needed(name) for name in ("event_id", "batch_id", "key"))
    for name, text in (("event_id", event_id), ("batch_id", batch_id)):
        if not _ID.fullmatch(text):
            raise fields.fault("is no id", name)
    how, undo_of = fields.text("how") or "looked", fields.text("undo_of")
    if how not in get_args(How):
        raise fields.fault("is no way to decide", "how")
    time_utc = _time(fields.needed("time_utc"), where=fields.place)
    who = check_reviewer(fields.text("reviewer") or reviewer)
    act = Act(reviewer=who, how=cast("How", how), batch_id=batch_id, time_utc=time_utc)
    note = Saying(note=fields.text("note") or "")
    return act.event(
        0,
        key,
        note if undo_of is not None else _saying(fields, label),
        content_digest=fields.text("content_digest"),
        findings=",".join(sorted(fields.texts("findings"))),
        undo_of=undo_of,
        event_id=event_id,
    )


def _saying(fields: _Fields, label: CheckLabel) -> Saying:
    """Return what a line says, by the same rules as every decision."""
    new, action = fields.word("new_label"), fields.text("action") or "none"
    return checked(
        Saying(
            fields.texts("tags_added"),
            fields.texts("tags_removed"),
            cast("Action", action),
            None if new is None else label(new, where=fields.place),
            fields.text("note") or "",
        ),
        where=fields.place,
    )


def _time(text: str, *, where: str) -> str:
    """Return a time as the log spells it.

    Raises:
        UsageError: If it is none.
    """
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"time_utc {text!r} is no time", where=where) from error
    return spelled_time(moment)
