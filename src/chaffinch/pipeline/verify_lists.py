"""Holds the tables and lists of a release against each other: manifest, lists, maps, counts."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaffinch.apply.artifacts import ReleaseRecord
from chaffinch.apply.copies import ReleasedPicture, class_folder


@dataclass(slots=True)
class SaidByManifest:
    """What the manifest of a release says, once over. Lists are known by split; '' is the whole dataset."""

    n_rows: int = 0
    """Images before cleaning."""
    removed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Ids of the removed images, in order."""
    labels: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """New label of the relabelled images, by id."""
    removed_keys: set[str] = field(default_factory=set)
    """Keys of the removed images."""
    has_repeated_ids: bool = False
    """Whether an id stands for several images."""


def read_said(path: Path) -> SaidByManifest:
    """Read the final manifest of a release.

    Raises:
        KeyError: If it lacks a column.
    """
    said, ids = SaidByManifest(), set()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            said.n_rows += 1
            said.has_repeated_ids |= row["image_id"] in ids
            ids.add(row["image_id"])
            _take_row(said, row)
    return said


def _take_row(said: SaidByManifest, row: Mapping[str, str]) -> None:
    split, image_id, action = row["split"], row["image_id"], row["user_action"]
    names = {"": image_id, split: row["split_row"] or image_id}
    if action == "remove":
        said.removed_keys.add(row["key"])
        for name, one in names.items():
            said.removed[name].append(one)
    elif action == "relabel":
        for name, one in names.items():
            said.labels[name][one] = row["new_label"]


def list_faults(
    folder: Path, record: ReleaseRecord, said: SaidByManifest, *, pictures: Mapping[str, ReleasedPicture]
) -> Iterator[str]:
    """Yield a sentence for each way in which lists, tables and counts do not agree.

    Args:
        folder: The release.
        record: What it says about itself.
        said: Its manifest.
        pictures: Its table of pictures, by key.
    """
    n_expected = record.n_samples - record.n_removed - len(record.absent)
    if not len(pictures) == record.n_pictures == n_expected:
        yield (
            f"counts: {record.n_samples:,} images less {record.n_removed:,} removed and "
            f"{len(record.absent):,} absent are {n_expected:,}, but pictures.csv has {len(pictures):,}"
        )
    if (said.n_rows, len(said.removed[""])) != (record.n_samples, record.n_removed):
        yield (
            f"counts: {record.n_samples:,} images and {record.n_removed:,} removed by release.json, "
            f"{said.n_rows:,} and {len(said.removed['']):,} by the manifest"
        )
    yield from _differing_lists(folder, record, said)
    removed = set() if said.has_repeated_ids else set(said.removed[""])
    labels = {} if said.has_repeated_ids else said.labels[""]
    for picture in pictures.values():
        if picture.image_id in removed:
            yield f"removed by the list, yet in the release: {picture.path or picture.key}"
        label = labels.get(picture.image_id)
        if label is not None and not _is_under(picture, label):
            yield f"to be {label} by the relabel map, yet elsewhere: {picture.path or picture.key}"


def _is_under(picture: ReleasedPicture, label: str) -> bool:
    """Tell whether a picture goes out under a label, in the table and in the folder of pictures."""
    return picture.label == label and (not picture.path or picture.path.split("/")[2] == class_folder(label))


def _differing_lists(folder: Path, record: ReleaseRecord, said: SaidByManifest) -> Iterator[str]:
    """Yield a sentence for each removal list and relabel map that says another thing than the manifest."""
    for split in ("", *record.splits):
        head = "_".join(filter(None, (record.dataset, split)))
        removal, relabel = folder / f"{head}_removal_list.txt", folder / f"{head}_relabel_map.json"
        if removal.is_file() and removal.read_bytes() != _lines(said.removed[split]):
            yield f"not what the manifest says: {removal.name}"
        if relabel.is_file() and _labels(relabel) != said.labels[split]:
            yield f"not what the manifest says: {relabel.name}"


def _lines(ids: list[str]) -> bytes:
    return "".join(f"{one}\n" for one in ids).encode("utf-8", "surrogatepass")


def _labels(path: Path) -> dict[str, str] | None:
    try:
        return {key: str(label) for key, label in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError):
        return None
