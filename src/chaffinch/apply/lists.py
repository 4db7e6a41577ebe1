"""Removal lists and relabel maps: what a training script reads to leave out and relabel images.

::

    <dataset>_removal_list.txt            one image id a line
    <dataset>_relabel_map.json            {image_id: new_label}
    <dataset>_<split>_removal_list.txt    the split's own row numbers where file stems are row numbers,
    <dataset>_<split>_relabel_map.json    else image ids
    <dataset>_<split>_removal_rows.txt    rows as torchvision's ImageFolder counts them; image folders only

The same decisions give the same bytes: rows keep the order they come in, and no time stands in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaffinch.errors import IdentityError
from chaffinch.identity import path_from_text
from chaffinch.storage.files import atomic_path, write_json

IMAGE_FOLDER_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Endings that torchvision's ImageFolder takes for images, in any case."""


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """One sample that is removed or relabelled."""

    image_id: str
    """What the user's training script knows it by."""
    split: str
    """Its split."""
    split_row: int | None
    """Its row number in the split; None where file stems are no row numbers."""
    folder_row: int | None
    """Its row in torchvision's ImageFolder of the split; None where it has none."""
    new_label: str | None
    """Label to give; None removes the sample."""

    @property
    def split_id(self) -> str:
        """What a script that reads one split alone knows it by."""
        return self.image_id if self.split_row is None else str(self.split_row)


@dataclass(frozen=True, slots=True)
class ListsSpec:
    """What the lists are about."""

    dataset: str
    """Begins each file's name."""
    splits: tuple[str, ...]
    """All splits, also those of which nothing changes."""
    has_integer_labels: bool
    """Whether labels are numbers, in JSON too."""
    has_folder_rows: bool
    """Whether the splits are image folders with a folder for each class."""
    has_unique_ids: bool
    """Whether no two samples have the same image id; else only the lists of each split are written."""


def write_lists(target: Path, spec: ListsSpec, changed: Sequence[ChangedSample]) -> list[Path]:
    """Write the lists into a folder, each atomically; returns their paths.

    A list of the whole dataset that must not be written, since its ids would mean several images, is removed
    if an earlier run left one.

    Args:
        target: The folder; made if it is not there.
        spec: Names.
        changed: Removed and relabelled samples, in the order of their samples.
    """
    target.mkdir(parents=True, exist_ok=True)
    whole = (target / f"{spec.dataset}_removal_list.txt", target / f"{spec.dataset}_relabel_map.json")
    paths: list[Path] = []
    if spec.has_unique_ids:
        _write_lines(whole[0], (c.image_id for c in changed if c.new_label is None))
        _write_map(whole[1], {c.image_id: c.new_label for c in changed if c.new_label is not None}, spec)
        paths += whole
    else:
        for path in whole:
            path.unlink(missing_ok=True)
    for split in spec.splits:
        paths += _write_split(target, spec, split, own=[c for c in changed if c.split == split])
    return paths


def _write_split(target: Path, spec: ListsSpec, split: str, *, own: Sequence[ChangedSample]) -> list[Path]:
    head = f"{spec.dataset}_{split}"
    removed = [c for c in own if c.new_label is None]
    paths = [target / f"{head}_removal_list.txt", target / f"{head}_relabel_map.json"]
    _write_lines(paths[0], (c.split_id for c in removed))
    _write_map(paths[1], {c.split_id: c.new_label for c in own if c.new_label is not None}, spec)
    if spec.has_folder_rows:
        paths.append(target / f"{head}_removal_rows.txt")
        _write_lines(paths[-1], map(str, sorted(c.folder_row for c in removed if c.folder_row is not None)))
    return paths


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_path(path) as temporary:
        text = "".join(f"{_one_line(line, path)}\n" for line in lines)
        temporary.write_text(text, encoding="utf-8", newline="")


def _one_line(text: str, path: Path) -> str:
    """Return an id that is one line of a list.

    Raises:
        IdentityError: If it holds a line break: a training script would read two ids, neither of them right.
    """
    if "\n" in text or "\r" in text:
        raise IdentityError(
            f"the id {text!r} holds a line break and cannot stand in a list of one id a line",
            where=path.name,
            hint="rename the file and scan again, or keep the image",
        )
    return text


def _write_map(path: Path, labels: Mapping[str, str], spec: ListsSpec) -> None:
    write_json(path, {i: int(label) if spec.has_integer_labels else label for i, label in labels.items()})


def folder_rows(rel_paths: Sequence[str]) -> list[int | None]:
    """Return each image's row in torchvision's ImageFolder of their split; None for those it passes over.

    Classes in order, then folders, then file names, as text sorts; images that lie in no class folder and
    endings other than `IMAGE_FOLDER_SUFFIXES` are passed over.

    Args:
        rel_paths: Paths below the split's root of all images of the split.

    Source: torchvision.datasets.folder.make_dataset, which walks sorted classes and sorted `os.walk`.
    """
    places = []
    for number, rel_path in enumerate(rel_paths):
        folder, slash, name = path_from_text(rel_path).rpartition("/")
        if slash and name.lower().endswith(IMAGE_FOLDER_SUFFIXES):
            places.append((folder.partition("/")[0], folder, name, number))
    rows: list[int | None] = [None] * len(rel_paths)
    for row, (_, _, _, number) in enumerate(sorted(places)):
        rows[number] = row
    return rows
