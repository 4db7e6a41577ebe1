"""Lists of the pictures that stay, one CSV a split: ``<dataset>_<split>_files.csv``. Nothing is copied.

The first columns are the file's path, as the system has it, and the label that goes out: what a training
script and `chaffinch scan` read. The others lead back to the sample.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaffinch.apply.copies import ReleasedPicture
from chaffinch.errors import TableError
from chaffinch.identity import path_from_text
from chaffinch.storage.files import atomic_path

COLUMNS = ("path", "label", "image_id", "key")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A picture that stays, and where it lies."""

    picture: ReleasedPicture
    """The picture."""
    uri: str
    """Absolute path or URL of its file, spelled by `identity.path_text`."""


def file_list_path(folder: Path, dataset: str, split: str) -> Path:
    """Return the path of a split's list in a release."""
    return folder / f"{dataset}_{split}_files.csv"


def write_file_lists(folder: Path, dataset: str, files: Mapping[str, Sequence[ListedFile]]) -> None:
    """Write a list for each split, rows in the order given.

    Args:
        folder: The release.
        dataset: Begins each file's name.
        files: By split; a split that keeps nothing gets a list without rows.
    """
    for split, listed in files.items():
        _write(file_list_path(folder, dataset, split), listed)


def _write(path: Path, listed: Iterable[ListedFile]) -> None:
    with (
        atomic_path(path) as temporary,
        # A name on disk may be no valid text; the list has its very bytes.
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in listed:
            picture = one.picture
            writer.writerow([path_from_text(one.uri), picture.label or "", picture.image_id, picture.key])


def read_file_list(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a list, by column.

    Raises:
        TableError: If its columns are others.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise TableError("is no list of a release's files", path=str(path), row=1)
        yield from reader
