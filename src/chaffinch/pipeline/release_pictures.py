"""Puts the pictures of a release where they belong: a folder by class, Hugging Face shards, lists of files.

Each picture that stays is read once, whatever forms the release has, and not at all where no form needs its
bytes. Memory is about 1 KB a picture, and a row group of each split for shards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import blake3
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.apply.copies import (
    LinkMode,
    NamedPicture,
    ReleasedPicture,
    place_picture,
    release_paths,
)
from chaffinch.apply.file_lists import ListedFile, write_file_lists
from chaffinch.apply.hf_shards import HfClasses, HfShards
from chaffinch.errors import WorkspaceError
from chaffinch.formats.reading import fetch
from chaffinch.identity import order_splits, path_from_text
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.release_plan import FILELIST, FOLDER, HF, ReleasePlan
from chaffinch.pipeline.resolve import Resolution
from chaffinch.records import ClassEntry, Fetched, SampleRef
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.schema import REF_FIELDS, refs_from


@dataclass(frozen=True, slots=True)
class WrittenPictures:
    """What a release holds of pictures."""

    pictures: list[ReleasedPicture] = field(default_factory=list)
    """Those that stay and whose files are there, in the order of their samples."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of files that were digested while they were written, by path as the system spells it."""
    absent: list[str] = field(default_factory=list)
    """Keys of samples that stay, and whose files are not there."""


def write_forms(folder: Path, plan: ReleasePlan, progress: Progress) -> WrittenPictures:
    """Write every form of the pictures that a release is to have, into the folder that is being built.

    Raises:
        WorkspaceError: If a picture that is to be copied is not as it was scanned.
        UsageError: If the file system cannot link in the way asked for.
    """
    contents, resolution = plan.settings.contents, plan.resolution
    progress.stage("copying", total=plan.summary.n_samples - plan.summary.n_removed, unit="images")
    splits = order_splits(resolution.samples.column("split").to_pylist())
    listed: dict[str, list[ListedFile]] = {split: [] for split in splits}
    written = WrittenPictures()
    paths = release_paths(_named(resolution, _formats(plan))) if FOLDER in contents else {}
    with ExitStack() as stack:
        shards = stack.enter_context(_shards(folder, plan, splits)) if HF in contents else None
        for picture, fetched in _stay(plan, paths):
            progress.advance(1)
            if not picture.bytes_digest:
                written.absent.append(picture.key)
                continue
            written.pictures.append(picture)
            listed[picture.split].append(ListedFile(picture, fetched.ref.uri))
            if picture.path:
                digest = _place(folder, picture, fetched, plan.settings.link)
                written.digests[path_from_text(picture.path)] = digest
            if shards is not None:
                shards.add(picture, fetched.data or b"")
        if shards is not None:
            written.digests.update(shards.finish(resolution.dataset))
    if FILELIST in contents:
        write_file_lists(folder, resolution.dataset, listed)
    return written


def _shards(folder: Path, plan: ReleasePlan, splits: list[str]) -> HfShards:
    workspace = WorkspaceFolder(plan.root)
    entries = [ClassEntry(**row) for row in workspace.read(plan.generation, "classes").to_pylist()]
    labels = {picture.label for picture in _named(plan.resolution, {})} - {None}
    return HfShards(
        folder,
        splits=splits,
        classes=HfClasses.of(entries, [label for label in labels if label is not None]),
        has_integer_ids=pa.types.is_integer(plan.resolution.samples.schema.field("image_id").type),
    )


def _formats(plan: ReleasePlan) -> dict[str, str | None]:
    table = WorkspaceFolder(plan.root).read(plan.generation, "samples", columns=["key", "format"])
    return dict(zip(table.column("key").to_pylist(), table.column("format").to_pylist(), strict=True))


def _named(resolution: Resolution, formats: Mapping[str, str | None]) -> Iterator[NamedPicture]:
    """Yield the samples that stay; without a file format where `formats` knows none."""
    columns = (resolution.samples.column(name).to_pylist() for name in ("key", "split", "given_label"))
    for key, split, given in zip(*columns, strict=True):
        if resolution.action(key) != "remove":
            yield NamedPicture(key, split, given, _label(resolution, key, given), formats.get(key))


def _label(resolution: Resolution, key: str, given: str | None) -> str | None:
    settled = resolution.settled.get(key)
    return given if settled is None or settled.new_label is None else settled.new_label


def _stay(plan: ReleasePlan, paths: Mapping[str, str]) -> Iterator[tuple[ReleasedPicture, Fetched]]:
    """Yield each sample that stays, with its bytes where a form needs them, in order of samples."""
    wanted = pa.array([p.key for p in _named(plan.resolution, {})], type=pa.string())
    columns = [*(f.name for f in REF_FIELDS), "key", "image_id", "bytes_digest"]
    is_read = bool({FOLDER, HF} & set(plan.settings.contents))
    for batch in WorkspaceFolder(plan.root).batches(plan.generation, "samples", columns=columns):
        rows = pa.Table.from_batches([batch.filter(pc.is_in(batch.column("key"), wanted))])
        more = [rows.column(name).to_pylist() for name in ("key", "image_id", "bytes_digest")]
        fetched = fetch(refs_from(rows)) if is_read else map(_unread, refs_from(rows))
        for one, key, image_id, digest in zip(fetched, *more, strict=True):
            picture = ReleasedPicture(
                key,
                str(image_id),
                one.ref.split,
                one.ref.given_label,
                _label(plan.resolution, key, one.ref.given_label),
                bytes_digest=digest or "",
                path=paths.get(key, ""),
            )
            _check(one, picture, is_read=is_read)
            yield picture, one


def _unread(ref: SampleRef) -> Fetched:
    return Fetched(ref, None, "ok", None)


def _check(fetched: Fetched, picture: ReleasedPicture, *, is_read: bool) -> None:
    """Refuse a picture that was read and is not as it was scanned: what was decided may not hold for it."""
    if not is_read:
        return
    got = "" if fetched.data is None else blake3.blake3(fetched.data).hexdigest(length=16)
    if got != picture.bytes_digest:
        raise WorkspaceError(
            "is gone since the scan" if fetched.data is None else "has changed since the scan",
            where=fetched.ref.image_path,
            hint="run the same 'chaffinch scan' again, then apply again; nothing was written",
        )


def _place(folder: Path, picture: ReleasedPicture, fetched: Fetched, link: LinkMode) -> str:
    """Put a picture into the folder by class; returns the SHA-256 of its bytes."""
    target = folder / path_from_text(picture.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    data, ref = fetched.data or b"", fetched.ref
    is_file = not ref.member and ref.uri.startswith("/")
    place_picture(data, target, original=ref.uri if is_file else None, mode=link)
    return hashlib.sha256(data).hexdigest()
