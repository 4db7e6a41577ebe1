"""Proves a release from its own bytes, by a way that shares nothing with the one that wrote it.

Every file is read again and compared with `checksums.txt`; manifest, lists, tables and counts must agree; and
the pictures, in each form that the release has them, are scanned anew into a workspace of their own, in which
the searches for leaks and for duplicates are repeated. A release of lists alone is proven on its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from chaffinch.apply.artifacts import (
    CHECKSUMS,
    PICTURES,
    ReleaseRecord,
    file_digest,
    read_checksums,
    read_pictures,
    read_record,
    release_files,
)
from chaffinch.apply.copies import ReleasedPicture
from chaffinch.errors import ChaffinchError, WorkspaceError
from chaffinch.identity import path_text
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.release_plan import FOLDER
from chaffinch.pipeline.verify_forms import SOURCE, Release, Shown, scan_form
from chaffinch.pipeline.verify_lists import SaidByManifest, list_faults, read_said
from chaffinch.pipeline.verify_searches import (
    ResidualPair,
    not_repeated,
    residual_copies,
    residual_leaks,
    vectors_again,
)
from chaffinch.settings import MeasureSettings, ScanSettings


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` found."""

    folder: Path
    """The release."""
    record: ReleaseRecord
    """What it says about itself."""
    n_pictures: int
    """Pictures that are left."""
    faults: tuple[str, ...]
    """Sentences about files that are changed, missing or added, and figures that do not agree."""
    searched: tuple[str, ...]
    """Forms of the pictures in which was searched: folder, hf, filelist, source."""
    leaks: tuple[ResidualPair, ...]
    """All leaks that are left, waived ones too."""
    copies: tuple[ResidualPair, ...]
    """All pairs of duplicates that are left by methods whose copies were removed, waived ones too."""
    not_repeated: tuple[str, ...]
    """Searches that could not be made again, in words."""

    @property
    def has_seen_pictures(self) -> bool:
        """Whether the pictures were read: not those of lists whose source is out of reach."""
        is_empty = self.record.n_samples == self.record.n_removed
        return bool(self.searched) and (self.n_pictures > 0 or is_empty)

    @property
    def unwaived(self) -> list[ResidualPair]:
        """Leaks that are left and that no person keeps."""
        return [leak for leak in self.leaks if leak.waived_by is None]

    @property
    def unwaived_copies(self) -> list[ResidualPair]:
        """Duplicates that are left for no reason that the release names."""
        return [copy for copy in self.copies if copy.waived_by is None]

    @property
    def is_proven(self) -> bool:
        """Whether the release is as it was written, and holds no leak and no duplicate but waived ones."""
        return not self.faults and not self.unwaived and not self.unwaived_copies


def verify(folder: Path, *, workers: int = 0, progress: Progress | None = None) -> VerifyReport:
    """Check a release; reads only, and writes only to a temporary folder.

    Args:
        folder: The release.
        workers: Threads; 0 takes one per core.
        progress: Who watches.

    Raises:
        WorkspaceError: If the folder is no release.

    Cost: two reads and one decode of every picture, in each form that the release has; where searches
    compared vectors, the embedder on each.
    """
    progress, record = progress or Silent(), read_record(folder)
    if not (folder / CHECKSUMS).is_file():
        raise WorkspaceError("is missing", where=str(folder / CHECKSUMS), hint="apply again")
    faults = list(_file_faults(folder, progress))
    pictures, said = _tables(folder, record, faults)
    faults += list_faults(folder, record, said, pictures=pictures)
    release = Release(folder, record, pictures, frozenset(said.removed_keys))
    embedders = vectors_again(record)
    result = _Searches(release, embedders, [], [], {}, {}, not_repeated(record, embedders))
    settings = ScanSettings(measure=MeasureSettings(level="hashes"), workers=workers)
    for form in release.forms():
        with TemporaryDirectory(prefix="chaffinch-verify-") as name:
            result.take(form, Path(name), settings=settings, progress=progress)
    return VerifyReport(
        folder,
        record,
        len(pictures) if result.n_pictures is None else result.n_pictures,
        tuple(dict.fromkeys([*faults, *result.faults])),
        searched=tuple(result.searched),
        leaks=tuple(result.leaks.values()),
        copies=tuple(result.copies.values()),
        not_repeated=tuple(result.left_out),
    )


@dataclass(slots=True)
class _Searches:
    """What the forms of one release yield, taken one after the other."""

    release: Release
    embedders: Mapping[str, str]
    """What makes the vectors that were compared, by fingerprint."""
    faults: list[str]
    searched: list[str]
    leaks: dict[tuple[str, str], ResidualPair]
    """By keys: a pair that several forms hold is one pair, named as in the first."""
    copies: dict[tuple[str, str], ResidualPair]
    left_out: list[str]
    n_pictures: int | None = None

    def take(self, name: str, place: Path, *, settings: ScanSettings, progress: Progress) -> None:
        """Scan one form, hold it against the table, and search in it."""
        try:
            embedders = list(self.embedders.values())
            form = scan_form(
                self.release, name, place, settings=settings, embedders=embedders, progress=progress
            )
        except (ChaffinchError, pa.ArrowException, OSError, ValueError, KeyError) as error:
            # Where the source lies now is not the release's business; that its own files can be read is.
            words = f"{name} cannot be searched: {str(error).splitlines()[0]}"
            (self.left_out if name == SOURCE else self.faults).append(words)
            return
        shown = [] if form is None else [s for s, left in zip(form.shown, form.is_left, strict=True) if left]
        self.faults += _picture_faults(self.release, name, shown)
        self.searched.append(name)
        if self.n_pictures is None:
            self.n_pictures = sum(one.is_there for one in shown)
        if form is not None:
            for leak in residual_leaks(form, self.release.record, progress):
                self.leaks.setdefault(leak.keys, leak)
            for copy in residual_copies(form, self.release.record, progress):
                self.copies.setdefault(copy.keys, copy)


# -------------------------------------------------------------------------------------------------- faults


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


def _tables(
    folder: Path, record: ReleaseRecord, faults: list[str]
) -> tuple[Mapping[str, ReleasedPicture], SaidByManifest]:
    """Read the table of pictures and the manifest; one that cannot be read is a fault, and empty."""
    pictures: Mapping[str, ReleasedPicture] = {}
    said = SaidByManifest()
    manifest = folder / f"{record.dataset}_final_cleaning_manifest.csv"
    for path in (folder / PICTURES, manifest):
        try:
            if path == manifest:
                said = read_said(path)
            else:
                pictures = read_pictures(folder)
        except (ChaffinchError, OSError, KeyError, TypeError, ValueError):
            faults.append(f"cannot be read: {path.name}")
    return pictures, said


def _picture_faults(release: Release, form: str, shown: list[Shown]) -> Iterator[str]:
    """Yield a sentence for each picture that is not as the release's table says."""
    missing = dict(release.pictures)
    for one in shown:
        picture = one.picture
        if picture is None:
            yield f"added{' to the source' if form == SOURCE else ''}: {one.name}"
            continue
        missing.pop(picture.key, None)
        if not one.is_there:
            yield f"missing: {one.name}"
        elif one.bytes_digest != picture.bytes_digest:
            yield f"changed: {one.name}"
        if one.split != picture.split:
            yield f"in split {one.split}, not {picture.split}: {one.name}"
    for picture in missing.values():
        yield f"missing: {picture.path if form == FOLDER else f'{picture.key} ({form})'}"
