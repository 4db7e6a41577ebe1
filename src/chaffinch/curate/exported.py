"""Reads the decisions that a review page saved on its own: a head, then one JSON object for each decision.

Every decision has an id of its own, so that taking a file twice is taking it once. docs/formats.md is
normative.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, get_args

from chaffinch.curate.events import Act, Saying, check_reviewer, checked
from chaffinch.errors import TableError, UsageError
from chaffinch.records import Decision, How

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
    reviewer = check_reviewer(str(head.get("reviewer", "")))
    subjects, looked_at = str(head.get("subjects", SAMPLES)), str(head.get("dataset") or "")
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
    image = {name: str(entry.get(name) or "") for name in ("image_id", "image_path", "split")}
    return ExportedDecision(line, _decision(entry, reviewer, label, path=path, line=line), **image)


def _decision(
    entry: Mapping[str, Any], reviewer: str, label: CheckLabel, *, path: Path, line: int
) -> Decision:
    place = f"{path} row {line}"
    names = ("event_id", "batch_id", "key", "time_utc")
    texts = {name: _text(entry, name, path=path, line=line) for name in names}
    for name in ("event_id", "batch_id"):
        if not _ID.fullmatch(texts[name]):
            raise TableError("is no id", path=str(path), row=line, column=name, got=texts[name])
    how, undo_of = entry.get("how", "looked"), entry.get("undo_of")
    if how not in get_args(How):
        raise TableError("is no way to decide", path=str(path), row=line, column="how", got=str(how))
    time_utc = _time(texts["time_utc"], where=place)
    who = check_reviewer(str(entry.get("reviewer") or reviewer))
    act = Act(reviewer=who, how=how, batch_id=texts["batch_id"], time_utc=time_utc)
    note = Saying(note=str(entry.get("note", "")))
    event = act.event(
        0,
        texts["key"],
        note if undo_of is not None else _saying(entry, label, where=place),
        content_digest=entry.get("content_digest"),
        findings=",".join(sorted(map(str, entry.get("findings") or ()))),
        undo_of=None if undo_of is None else str(undo_of),
    )
    return replace(event, event_id=texts["event_id"])


def _saying(entry: Mapping[str, Any], label: CheckLabel, *, where: str) -> Saying:
    """Return what a line says, by the same rules as every decision."""
    new = entry.get("new_label")
    return checked(
        Saying(
            tuple(map(str, entry.get("tags_added", ()))),
            tuple(map(str, entry.get("tags_removed", ()))),
            entry.get("action", "none"),
            None if new is None else label(str(new), where=where),
            str(entry.get("note", "")),
        ),
        where=where,
    )


def _text(entry: Mapping[str, Any], name: str, *, path: Path, line: int) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise TableError("is missing", path=str(path), row=line, column=name, hint="export the page again")
    return value


def _time(text: str, *, where: str) -> str:
    """Return a time as the log spells it.

    Raises:
        UsageError: If it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"time_utc {text!r} is no time", where=where) from error
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
