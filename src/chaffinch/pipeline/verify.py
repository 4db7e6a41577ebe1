"""Proves a release from its own bytes, by a way that shares nothing with the one that wrote it.

Every file is read again and compared with `checksums.txt`; lists, counts and folders must agree; and the
pictures are scanned anew into a workspace of their own, in which each search for leaks is repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from chaffinch.apply.artifacts import (
    CHECKSUMS,
    LeakSearch,
    ReleaseRecord,
    file_digest,
    read_checksums,
    read_pictures,
    read_record,
    release_files,
)
from chaffinch.apply.copies import IMAGES, ReleasedPicture, class_folder
from chaffinch.errors import WorkspaceError
from chaffinch.identity import path_text
from chaffinch.pipeline.columns import load_sides
from chaffinch.pipeline.pair_search import search_pairs
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.release_plan import FOLDER
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import LeakSettings, MeasureSettings, ScanSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.pairs import PairSet, expand_pairs


@dataclass(frozen=True, slots=True)
class ResidualLeak:
    """Two pictures of a release that are the same, on different sides of a search."""

    first: str
    """Path of the one in the first split, below the release."""
    second: str
    """Path of the one in the second split."""
    methods: tuple[str, ...]
    """Which found it."""
    waived_by: str | None
    """The person who keeps either of them; None: nobody does."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` found."""

    folder: Path
    """The release."""
    record: ReleaseRecord
    """What it says about itself."""
    n_pictures: int
    """Pictures in it."""
    faults: tuple[str, ...]
    """Sentences about files that are changed, missing or added, and figures that do not agree."""
    leaks: tuple[ResidualLeak, ...]
    """All that are left, waived ones too."""
    not_repeated: tuple[str, ...]
    """Searches that could not be made again, in words."""

    @property
    def unwaived(self) -> list[ResidualLeak]:
        """Leaks that are left and that no person keeps."""
        return [leak for leak in self.leaks if leak.waived_by is None]

    @property
    def is_proven(self) -> bool:
        """Whether the release is as it was written, and holds no leak but waived ones."""
        return not self.faults and not self.unwaived


def verify(folder: Path, *, workers: int = 0, progress: Progress | None = None) -> VerifyReport:
    """Check a release; reads only, and writes only to a temporary folder.

    Args:
        folder: The release.
        workers: Threads; 0 takes one per core.
        progress: Who watches.

    Raises:
        WorkspaceError: If the folder is no release, or it holds no pictures.

    Cost: two reads and one decode of every picture.
    """
    progress, record = progress or Silent(), read_record(folder)
    if FOLDER not in record.contents:
        raise WorkspaceError(
            "holds lists and no pictures, so there is nothing to prove",
            where=str(folder),
            hint="chaffinch apply -w WS --to DIR --as lists,folder",
        )
    if not (folder / CHECKSUMS).is_file():
        raise WorkspaceError("is missing", where=str(folder / CHECKSUMS), hint="apply again")
    faults = list(_file_faults(folder, progress))
    is_listed = (folder / "pictures.csv").is_file()
    pictures = read_pictures(folder) if is_listed else {}
    faults += _list_faults(folder, record, pictures)
    settings = ScanSettings(measure=MeasureSettings(level="hashes"), workers=workers)
    with TemporaryDirectory(prefix="chaffinch-verify-") as name:
        leaks, left_out = _residual_leaks(
            folder, record, pictures, workspace=_scanned(folder, Path(name), settings, progress)
        )
    n_pictures = sum(name.startswith(f"{IMAGES}/") for name in release_files(folder))
    return VerifyReport(folder, record, n_pictures, tuple(faults), leaks=tuple(leaks), not_repeated=left_out)


# --------------------------------------------------------------------------------------------------- files


def _file_faults(folder: Path, progress: Progress) -> Iterator[str]:
    """Yield a sentence for each file that is not as it was written."""
    expected = read_checksums(folder)
    there = set(release_files(folder)) - {CHECKSUMS}
    progress.stage("reading", total=len(there), unit="files")
    for name in sorted(there | expected.keys()):
        if name not in there:
            yield f"missing: {path_text(name)}"
            continue
        if name not in expected:
            yield f"added: {path_text(name)}"
        elif not (folder / name).is_file():
            yield f"missing: {path_text(name)} (the link leads nowhere)"
        elif file_digest(folder / name) != expected[name]:
            yield f"changed: {path_text(name)}"
        progress.advance(1)


def _list_faults(
    folder: Path, record: ReleaseRecord, pictures: Mapping[str, ReleasedPicture]
) -> Iterator[str]:
    """Yield a sentence for each way in which lists, table and counts do not agree."""
    n_expected = record.n_samples - record.n_removed - len(record.absent)
    if not len(pictures) == record.n_pictures == n_expected:
        yield (
            f"counts: {record.n_samples:,} images less {record.n_removed:,} removed and "
            f"{len(record.absent):,} absent are {n_expected:,}, but pictures.csv has {len(pictures):,}"
        )
    removal = folder / f"{record.dataset}_removal_list.txt"
    relabel = folder / f"{record.dataset}_relabel_map.json"
    removed = set(removal.read_text(encoding="utf-8").split("\n")) - {""} if removal.is_file() else set()
    labels = _relabel_map(relabel) if relabel.is_file() else {}
    for picture in pictures.values():
        if picture.image_id in removed:
            yield f"removed by the list, yet in the release: {picture.path}"
        label = labels.get(picture.image_id)
        if label is not None and picture.path.split("/")[2:3] != [class_folder(label)]:
            yield f"to be {label} by the relabel map, yet elsewhere: {picture.path}"


def _relabel_map(path: Path) -> dict[str, str]:
    try:
        return {key: str(label) for key, label in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError):
        # It is not as it was written, which the checksums say.
        return {}


# --------------------------------------------------------------------------------------------------- leaks


def _scanned(folder: Path, place: Path, settings: ScanSettings, progress: Progress) -> WorkspaceFolder | None:
    """Scan the pictures of a release into a workspace of their own; None where there are none."""
    images = folder / IMAGES
    splits = sorted(images.iterdir()) if images.is_dir() else []
    places = {split.name: str(split) for split in splits if any(p.is_file() for p in split.rglob("*"))}
    if not places:
        return None
    scan(place, SourceSpec(splits=places, dataset="release"), settings=settings, progress=progress)
    return WorkspaceFolder(place)


def _residual_leaks(
    folder: Path,
    record: ReleaseRecord,
    pictures: Mapping[str, ReleasedPicture],
    *,
    workspace: WorkspaceFolder | None,
) -> tuple[list[ResidualLeak], tuple[str, ...]]:
    if workspace is None:
        return [], ()
    generation = workspace.published()
    paths = _paths(workspace, generation)
    there = {path.split("/")[1] for path in paths}
    found: dict[tuple[int, int], set[str]] = {}
    left_out: list[str] = []
    for search in record.searches:
        left_out += [f"{m} between {' and '.join(search.between)}" for m in search.methods if m == "semantic"]
        methods = tuple(m for m in search.methods if m != "semantic")
        if not methods or not {class_folder(s) for s in search.between} <= there:
            continue
        for pairs, side in _pair_sets(workspace, generation, search, methods):
            _take_pairs(found, pairs, side)
    leaks = []
    for (a, b), methods_found in sorted(
        found.items(), key=lambda item: (paths[item[0][0]], paths[item[0][1]])
    ):
        who = _waived_by([paths[a], paths[b]], pictures, record.waivers)
        leaks.append(ResidualLeak(paths[a], paths[b], tuple(sorted(methods_found)), who))
    return leaks, tuple(left_out)


def _paths(workspace: WorkspaceFolder, generation: Generation) -> list[str]:
    """Return the path of each sample below the release."""
    table = workspace.read(generation, "samples", columns=["split", "rel_path"])
    columns = (table.column(name).to_pylist() for name in ("split", "rel_path"))
    return [f"{IMAGES}/{split}/{rel_path}" for split, rel_path in zip(*columns, strict=True)]


def _pair_sets(
    workspace: WorkspaceFolder, generation: Generation, search: LeakSearch, methods: tuple[str, ...]
) -> Iterator[tuple[PairSet, np.ndarray]]:
    between = (class_folder(search.between[0]), class_folder(search.between[1]))
    side = load_sides(workspace, generation, between)
    settings = LeakSettings(methods=methods, phash_threshold=search.phash_threshold)
    search_again = search_pairs(workspace, generation, settings=settings, side=side, progress=Silent())
    for pairs in search_again.found:
        yield pairs, side


def _take_pairs(found: dict[tuple[int, int], set[str]], pairs: PairSet, side: np.ndarray) -> None:
    for block in expand_pairs(pairs, side):
        for pair in zip(block.sample_a.tolist(), block.sample_b.tolist(), strict=True):
            found.setdefault(pair, set()).add(pairs.method)


def _waived_by(
    paths: Sequence[str], pictures: Mapping[str, ReleasedPicture], waivers: Mapping[str, str]
) -> str | None:
    """Return the person who keeps one of the pictures though it leaks."""
    keys = [pictures[path].key for path in paths if path in pictures]
    return next((waivers[key] for key in keys if key in waivers), None)
