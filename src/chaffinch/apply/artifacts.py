"""The files of a release besides lists and pictures: what is in it, why, and how to check it.

::

    release.json     what the release is: dataset, contents, searches, waivers
    pictures.csv     one row for each image that stays
    decisions.csv    the decision log, as it stood
    CHANGES.md       what changed and why, for people
    checksums.txt    SHA-256 of every other file; `sha256sum --check checksums.txt` reads it

The same decisions give the same bytes: no time of the run stands in them, only those of the decisions.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from chaffinch.apply.copies import ReleasedPicture
from chaffinch.errors import TableError, WorkspaceError
from chaffinch.formats.manifest_csv import without_formula
from chaffinch.records import LoggedDecision
from chaffinch.storage.files import atomic_path, write_json
from chaffinch.storage.vectors import EmbedderInfo

RECORD, PICTURES, DECISIONS = "release.json", "pictures.csv", "decisions.csv"
CHANGES, CHECKSUMS = "CHANGES.md", "checksums.txt"
RELEASE_FORMAT, RELEASE_VERSION = "chaffinch release", 1
_CHUNK_BYTES = 1 << 20
_DECISION_COLUMNS = (
    "event_id",
    "batch_id",
    "time_utc",
    "reviewer",
    "origin",
    "how",
    "subject",
    "key",
    "finding_id",
    "content_digest",
    "tags_added",
    "tags_removed",
    "action",
    "new_label",
    "note",
    "undo_of",
    "findings",
)


@dataclass(frozen=True, slots=True)
class LeakSearch:
    """A search for leaks that was made, and that `verify` makes again."""

    between: tuple[str, str]
    """Names of the two splits."""
    methods: tuple[str, ...]
    """Those of `settings.METHODS` that ran."""
    phash_threshold: int
    """Largest Hamming distance of a perceptual pair, bits."""
    vectors: Mapping[str, EmbedderInfo] = field(default_factory=dict)
    """By method, whose vectors were compared, with the cosine of a pair as threshold."""


@dataclass(frozen=True, slots=True)
class CopySearch:
    """A search for duplicates of which every copy was removed, and that `verify` makes again."""

    methods: tuple[str, ...]
    """Those of `settings.METHODS` whose copies go, strictest first."""
    phash_threshold: int
    """Largest Hamming distance of a perceptual pair, bits."""
    kept: Mapping[str, str]
    """Keys of pictures that stay beside a copy of themselves, and why."""
    vectors: Mapping[str, EmbedderInfo] = field(default_factory=dict)
    """By method, whose vectors were compared, with the cosine of a pair as threshold."""


@dataclass(frozen=True, slots=True)
class NamedSource:
    """How the dataset was opened; places are absolute, spelled by `identity.path_text`."""

    locations: tuple[str, ...]
    """Folders, files or URLs."""
    splits: Mapping[str, str]
    """Split name to location, for splits that the user named."""
    images: str | None
    """Folder of the images that an annotation file speaks of."""


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """What a release says about itself."""

    dataset: str
    """Begins the names of the lists."""
    contents: tuple[str, ...]
    """lists, and any of folder, hf, filelist."""
    source: NamedSource
    """What was cleaned."""
    splits: tuple[str, ...]
    """All splits of the dataset."""
    n_samples: int
    """Samples before cleaning."""
    n_removed: int
    """Samples that were removed."""
    n_pictures: int
    """Pictures in the release."""
    absent: tuple[str, ...]
    """Keys of samples that stay, but whose files are not there to be copied; sorted."""
    searches: tuple[LeakSearch, ...]
    """Searches for leaks that were made."""
    waivers: Mapping[str, str]
    """Keys of leaking images that a person keeps, and who."""
    copies: CopySearch | None
    """Duplicates of which no copy may be left; None where policies remove none."""
    leak_side: str | None
    """Side whose leaking images go; None: as policies and imports say."""
    adjudicators: tuple[str, ...]
    """Reviewers whose word settles what others disagree about; sorted."""
    decisions_head: str
    """Hash of the last decision."""
    workspace: str = ""
    """Absolute path of the workspace that wrote it, spelled by `identity.path_text`; '' where nobody says."""


def write_record(folder: Path, record: ReleaseRecord) -> None:
    """Write `release.json`."""
    write_json(folder / RECORD, {"format": RELEASE_FORMAT, "version": RELEASE_VERSION, **asdict(record)})


def read_record(folder: Path) -> ReleaseRecord:
    """Read `release.json`.

    Raises:
        WorkspaceError: If the folder is no release, or one of a newer program.
    """
    path = folder / RECORD
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value.pop("format") != RELEASE_FORMAT or value.pop("version") > RELEASE_VERSION:
            raise ValueError("it is of another or a newer program")
        searches = tuple(
            LeakSearch(
                (s["between"][0], s["between"][1]), tuple(s["methods"]), s["phash_threshold"], _vectors(s)
            )
            for s in value.pop("searches")
        )
        value |= {name: tuple(value[name]) for name in ("contents", "splits", "absent", "adjudicators")}
        source, copies = value["source"], value["copies"]
        value["source"] = NamedSource(**{**source, "locations": tuple(source["locations"])})
        value["copies"] = copies and CopySearch(
            **{**copies, "methods": tuple(copies["methods"]), "vectors": _vectors(copies)}
        )
        return ReleaseRecord(searches=searches, **value)
    except FileNotFoundError:
        raise WorkspaceError(
            "is no release", where=str(folder), hint="chaffinch apply -w WS --to DIR writes one"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WorkspaceError(f"cannot be read: {error}", where=str(path)) from error


def _vectors(search: Mapping[str, Any]) -> dict[str, EmbedderInfo]:
    return {method: EmbedderInfo(**info) for method, info in search.get("vectors", {}).items()}


def write_pictures(folder: Path, pictures: Iterable[ReleasedPicture]) -> None:
    """Write `pictures.csv`, in the order given."""
    names = [f.name for f in fields(ReleasedPicture)]
    rows = ([getattr(p, n) or "" for n in names] for p in pictures)
    _write_csv(folder / PICTURES, names, rows)


def read_pictures(folder: Path) -> dict[str, ReleasedPicture]:
    """Read `pictures.csv`, by key; an empty label is read as none.

    Raises:
        TableError: If its columns are others.
    """
    path = folder / PICTURES
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != [f.name for f in fields(ReleasedPicture)]:
            raise TableError("is no table of a release's pictures", path=str(path), row=1)
        return {row["key"]: _picture(row) for row in reader}


def _picture(row: Mapping[str, str]) -> ReleasedPicture:
    labels = {name: row[name] or None for name in ("given_label", "label")}
    return ReleasedPicture(**{**row, **labels})  # type: ignore[arg-type]


def write_decisions(folder: Path, log: Iterable[LoggedDecision]) -> None:
    """Write `decisions.csv`, in the order of the log."""
    _write_csv(folder / DECISIONS, ["seq", *_DECISION_COLUMNS, "prev_hash", "hash"], map(_cells, log))


def _cells(entry: LoggedDecision) -> list[str]:
    cells: list[str] = []
    for name in _DECISION_COLUMNS:
        value: Any = getattr(entry.decision, name)
        text = ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        cells.append(without_formula(text) if name == "note" else text)
    return [str(entry.seq), *cells, entry.prev_hash, entry.hash]


def _write_csv(path: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


# ----------------------------------------------------------------------------------------------- checksums


def write_checksums(folder: Path, known: Mapping[str, str]) -> None:
    """Write `checksums.txt` over every other file of the release.

    Args:
        folder: The release.
        known: Digests that are known already, by path as the system spells it.
    """
    names = [name for name in release_files(folder) if name != CHECKSUMS]
    lines = [_line(known.get(name) or file_digest(folder / name), name) for name in names]
    with atomic_path(folder / CHECKSUMS) as temporary:
        temporary.write_bytes(b"".join(lines))


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the recorded digest of each file, by path as the system spells it.

    Raises:
        TableError: If a line is none of a list of checksums.
    """
    path = folder / CHECKSUMS
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        is_escaped = line.startswith(b"\\")
        digest, gap, name = line.removeprefix(b"\\").partition(b"  ")
        if len(digest) != 64 or not gap:
            raise TableError("is no SHA-256 and path", path=str(path), row=number)
        found[os.fsdecode(_unescaped(name) if is_escaped else name)] = digest.decode("ascii", "replace")
    return found


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def release_files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, sorted; links to folders count as files."""
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        place = Path(root)
        links = [name for name in folders if (place / name).is_symlink()]
        below = place.relative_to(folder)
        yield from (str(below / name) for name in (*names, *links))


def _line(digest: str, name: str) -> bytes:
    plain = os.fsencode(name)
    escaped = plain.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != plain else b"") + digest.encode() + b"  " + escaped + b"\n"


def _unescaped(name: bytes) -> bytes:
    parts = name.split(b"\\\\")
    return b"\\".join(part.replace(b"\\n", b"\n").replace(b"\\r", b"\r") for part in parts)
