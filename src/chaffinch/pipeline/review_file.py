"""The review page as one file for a double click, and the way back of what was decided on it.

The page is that of the live server; its data stands in a script element `data` inside it. Decisions are kept
in the reviewer's browser until they are exported, as one JSON object a line after a head; docs/formats.md
defines both. Collecting a file twice is collecting it once, since every event carries an id of its own.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np

from chaffinch.curate.events import Act, Saying, check_reviewer, checked
from chaffinch.curate.labels import Labels
from chaffinch.errors import TableError, UsageError
from chaffinch.pipeline.review_columns import COLUMNS, n_parts, part_bytes
from chaffinch.pipeline.review_data import ReviewData, arguing_neighbours
from chaffinch.records import Decision, How
from chaffinch.storage.decisions import open_log
from chaffinch.storage.files import atomic_path
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.samples import rows_of_keys

MAX_IMAGES = 5000
"""Images of one file; some 30 MB."""

PICTURES_PER_READ = 500

FORMAT, VERSION = "chaffinch decisions", 1
"""What the head of an export says."""

_MARK = re.compile(r'<script type="application/json" id="data" data-dataset="([^"]*)">')
_ID = re.compile(r"[0-9A-Za-z._-]{8,64}")


def write_review_file(root: Path, path: Path, *, page: str) -> Iterator[tuple[Path, int]]:
    """Write the flagged images of a workspace as pages of at most `MAX_IMAGES`, most worth looking at first.

    Args:
        root: The workspace.
        path: The HTML file; further ones are numbered.
        page: The review page.

    Yields:
        Each file as it is written, and its images.

    Raises:
        UsageError: If a page of another dataset stands there.
        WorkspaceError: If no scan has ended yet.
    """
    data = ReviewData(root)
    values = data.columns.values
    flagged = np.flatnonzero(values["issues"] | values["box_issues"])
    by_worth = flagged[np.argsort(-values["priority"][flagged], kind="stable")]
    parts = [by_worth[start : start + MAX_IMAGES] for start in range(0, len(by_worth), MAX_IMAGES)]
    for number, rows in enumerate(parts or [by_worth], start=1):
        file = path if number == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")
        _check_is_own(file, data.generation.dataset)
        rows = np.sort(rows)
        with atomic_path(file) as temporary:
            temporary.write_text(_filled(page, data, rows, part=number), encoding="utf-8")
        yield file, len(rows)


def _check_is_own(file: Path, dataset: str) -> None:
    if not file.exists():
        return
    with file.open(encoding="utf-8", errors="replace") as text:
        found = _MARK.search(text.read(1 << 20))
    if found is None or found[1] != dataset:
        raise UsageError(
            "is not a review page of this dataset and is kept", where=str(file), hint="name another file"
        )


def _filled(page: str, data: ReviewData, rows: np.ndarray, *, part: int) -> str:
    """Return the page with the data of some rows in it."""
    meta = data.meta(reviewer=None, reviewers=[], is_live=False, is_blind=True)
    meta |= {"n": len(rows), "dataset_id": f"{meta['dataset_id']}.{part}"}
    ids = data.sample_ids[rows].tolist()
    details = [{**words, "verdicts": [], "new_label": None, "note": ""} for words in data.details(ids)]
    content = {
        "meta": meta,
        "columns": [base64.b64encode(block).decode() for block in _blocks(data, rows)],
        "details": details,
        "thumbs": dict(_pictures(data, [*ids, *_others(details, ids)])),
    }
    # Inside a script element nothing is a tag but what begins with '<'.
    text = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    dataset = meta["dataset"]
    opening = f'<script type="application/json" id="data" data-dataset="{dataset}">'
    head, end, rest = page.partition("</head>")
    return f"{head}{opening}{text}</script>{end}{rest}"


def _blocks(data: ReviewData, rows: np.ndarray) -> Iterator[bytes]:
    some = {name: data.columns.values[name][rows] for name in COLUMNS if name in data.columns.values}
    undecided = {name: np.zeros(len(rows), np.dtype(COLUMNS[name])) for name in COLUMNS if name not in some}
    for number in range(n_parts(len(rows))):
        yield part_bytes({**some, **undecided}, number)


def _others(details: Sequence[Mapping[str, Any]], ids: Sequence[int]) -> list[int]:
    """Return the partners and neighbours that are shown beside the images and are not among them."""
    partners = {partner["sample_id"] for words in details for partner in words["partners"]}
    neighbours = {near["sample_id"] for words in details for near in arguing_neighbours(words)}
    return sorted((partners | neighbours) - set(ids) - {-1})


def _pictures(data: ReviewData, ids: Sequence[int]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(ids), PICTURES_PER_READ):
        some = ids[start : start + PICTURES_PER_READ]
        found = zip(some, data.thumbnails.encoded(some), strict=True)
        yield from ((str(i), base64.b64encode(data).decode()) for i, data in found if data is not None)


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of an exported file of decisions."""

    saved: int
    """Decisions that are new."""
    already_there: int
    """Decisions that the log had."""
    unattached: tuple[str, ...]
    """Keys of decisions whose image is not under its path here; resolving looks for its content."""


def collect_decisions(root: Path, path: Path) -> Collected:
    """Append the decisions of an exported file to the log, all of them or none.

    Raises:
        TableError: If a line cannot be used; names it.
        WorkspaceError: If the log cannot be written.
    """
    folder = WorkspaceFolder(root)
    generation = folder.published()
    labels = Labels.of(folder, generation)
    lines = _lines(path)
    reviewer = _reviewer(next(lines, (1, {}))[1], path)
    decisions = [_decision(entry, reviewer, labels, path=path, line=line) for line, entry in lines]
    found = open_log(root).append(decisions)
    keys = list(dict.fromkeys(decision.key for decision in decisions))
    ids = rows_of_keys(folder.files(generation, "samples"), keys)
    lost = tuple(key for key, sample_id in zip(keys, ids.tolist(), strict=True) if sample_id < 0)
    return Collected(found.saved, found.already_there, lost)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            what = f"is no JSON object: {error}"
            raise TableError(what, path=str(path), row=number, hint="export the page again") from error
        if not isinstance(value, dict):
            raise TableError("is no JSON object", path=str(path), row=number, hint="export the page again")
        yield number, value


def _reviewer(head: Mapping[str, Any], path: Path) -> str:
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise TableError(
            f"does not begin with the head of {FORMAT!r}, version {VERSION}",
            path=str(path),
            row=1,
            hint="take the file that the page's button Export saves",
        )
    return check_reviewer(str(head.get("reviewer", "")))


def _decision(entry: Mapping[str, Any], reviewer: str, labels: Labels, *, path: Path, line: int) -> Decision:
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
    act = Act(reviewer=reviewer, how=how, batch_id=texts["batch_id"], time_utc=time_utc)
    note = Saying(note=str(entry.get("note", "")))
    event = act.event(
        0,
        texts["key"],
        note if undo_of is not None else _saying(entry, labels, where=place),
        content_digest=entry.get("content_digest"),
        findings=",".join(sorted(map(str, entry.get("findings", ())))),
        undo_of=None if undo_of is None else str(undo_of),
    )
    return replace(event, event_id=texts["event_id"])


def _saying(entry: Mapping[str, Any], labels: Labels, *, where: str) -> Saying:
    """Return what a line says, by the same rules as every decision."""
    label = entry.get("new_label")
    return checked(
        Saying(
            tuple(map(str, entry.get("tags_added", ()))),
            tuple(map(str, entry.get("tags_removed", ()))),
            entry.get("action", "none"),
            None if label is None else labels.checked(str(label), where=where),
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
