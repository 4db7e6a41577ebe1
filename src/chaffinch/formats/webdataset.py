"""WebDataset shards and plain tar archives of images, read in place.

The headers are walked once and give each image's offset; its bytes are read by seeking, nothing is unpacked.
Members that follow each other and share their path up to the first dot of the file name are one sample:
`000001.jpg` with `000001.cls`, `.json` or `.txt` beside it. The label is the content of `.cls`; else what
`.json` has under one of `JSON_LABELS`; else, where there is neither, a one-line `.txt`; else the first
folder, as in an image folder. Several images of one sample share its label.

The key is the member's name. Where a name comes again, in another shard or the same, the later one gets the
shard's name before it, so that no image is lost and no earlier key changes. A single tar whose names begin
with folders named like splits is split by them; several shards are split by their file or folder names.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from chaffinch.errors import SourceError
from chaffinch.formats import names
from chaffinch.formats.location import (
    FileStats,
    absolute_uri,
    base_name,
    joined,
    member_stamp,
    open_binary,
    unreadable,
)
from chaffinch.formats.shards import Shard
from chaffinch.formats.source import Source
from chaffinch.identity import NO_SPLIT, check_split_name, path_text
from chaffinch.records import SampleRef

JSON_LABELS = ("label", "cls", "class", "class_id", "target", "given_label")
"""Keys of a sample's `.json` that hold its label; the first one there counts."""

_LABEL_SUFFIXES = (".cls", ".json", ".txt")
_MAX_LABEL_BYTES = 1 << 20
_MAX_TXT_LABEL_CHARS = 200


@dataclass(slots=True)
class _Group:
    """Members that follow each other and share their path up to the first dot of the file name."""

    prefix: str
    images: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, offset and size of each image."""
    texts: dict[str, str] = field(default_factory=dict)
    """Content of the files that may hold a label, by ending."""


class TarSource(Source):
    """One or more uncompressed tar files of images."""

    def __init__(self, shards: Sequence[Shard], *, dataset: str, split: str | None = None) -> None:
        """Take tar files as the source.

        Args:
            shards: The files in the order in which they are read.
            dataset: Name of the dataset, a slug.
            split: Put every image into this split; None: as the shards' names say.
        """
        self.dataset = dataset
        self._shards = list(shards)
        self._split = split
        for name in {split or NO_SPLIT, *(shard.split for shard in shards)}:
            check_split_name(name)
        self._passed_over = names.PassedOver()
        self.ignored = self._passed_over.counts
        self.examples = self._passed_over.examples

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images, shard by shard, in the order of their members.

        Raises:
            SourceError: If a shard cannot be read, or is compressed.
        """
        inner_splits = self._inner_splits()
        self._passed_over.clear()
        seen = names.SeenNames()
        for shard in self._shards:
            yield from self._shard_refs(shard, inner_splits, seen)

    def _inner_splits(self) -> list[str]:
        """Return the top folders that are splits, where a single tar says nothing of its own."""
        if self._split or len(self._shards) != 1 or self._shards[0].split != NO_SPLIT:
            return []
        tops: set[str] = set()
        for group in self._groups(self._shards[0]):
            cleaned = (names.clean_name(name) for name, _, _ in group.images)
            tops |= {top for top in map(names.first_folder, cleaned) if top is not None}
        return names.split_roots(tops, holds_images=lambda _: True)

    def _shard_refs(
        self, shard: Shard, inner_splits: list[str], seen: names.SeenNames
    ) -> Iterator[SampleRef]:
        typed, uri = path_text(shard.location), absolute_uri(shard.location)
        shard_name = path_text(base_name(shard.location))
        stamp = FileStats()(shard.location).stamp
        for group in self._groups(shard):
            label = self._label(group, typed)
            for member_name, offset, size in group.images:
                name = names.clean_name(member_name)
                top, _, below = name.partition("/")
                is_inner = bool(below) and top in inner_splits
                split, rel_path = (top, below) if is_inner else (self._split or shard.split, name)
                where = f"tar:{offset}+{size}"
                yield SampleRef(
                    split=split,
                    rel_path=_unseen(split, rel_path, shard_name, seen),
                    image_path=joined(typed, name),
                    uri=uri,
                    member=where,
                    given_label=names.first_folder(rel_path) if label is None else label,
                    source_id=None,
                    size_bytes=size,
                    stamp=member_stamp(stamp, where),
                )

    def _label(self, group: _Group, typed: str) -> str | None:
        if ".cls" in group.texts:
            return group.texts[".cls"].strip() or None
        if ".json" in group.texts:
            try:
                return _json_label(group.texts[".json"])
            except ValueError:
                self._passed_over.add(names.BAD_LABEL, joined(typed, path_text(group.prefix) + ".json"))
                return None
        text = group.texts.get(".txt", "").strip()
        return text if text and "\n" not in text and len(text) <= _MAX_TXT_LABEL_CHARS else None

    def _groups(self, shard: Shard) -> Iterator[_Group]:
        """Yield the samples of a shard, and count the members that belong to none."""
        try:
            with open_binary(shard.location) as file:
                yield from self._grouped(file, path_text(shard.location))
        except OSError as error:
            raise unreadable(shard.location, error) from error

    def _grouped(self, file: BinaryIO, typed: str) -> Iterator[_Group]:
        group = _Group("")
        for info in self._members(file, typed):
            if info.isdir():
                continue
            reason = _reason_to_pass(info)
            if reason is not None:
                self._passed_over.add(reason, joined(typed, path_text(info.name)))
                continue
            prefix, suffix = _prefix_and_suffix(info.name)
            if prefix != group.prefix:
                yield group
                group = _Group(prefix)
            if suffix in _LABEL_SUFFIXES:
                file.seek(info.offset_data)
                text = file.read(min(info.size, _MAX_LABEL_BYTES))
                group.texts[suffix] = text.decode("utf-8-sig", "backslashreplace")
            else:
                group.images.append((info.name, info.offset_data, info.size))
        yield group

    def _members(self, file: BinaryIO, typed: str) -> Iterator[tarfile.TarInfo]:
        """Walk the headers of a tar; what follows a damaged one is counted as cut off."""
        try:
            tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 (the with below closes it)
        except tarfile.ReadError as error:
            raise SourceError(
                f"not an uncompressed tar: {error}",
                where=typed,
                hint="a compressed tar has no offsets to read from: unpack it with gunzip, xz -d or zstd -d",
            ) from error
        with tar:
            while True:
                try:
                    info = tar.next()
                except tarfile.ReadError:
                    self._passed_over.add(names.CUT_OFF, typed)
                    return
                if info is None:
                    return
                yield info
                # tarfile keeps every header, which grows with the shard.
                tar.members.clear()  # type: ignore[attr-defined]


def _reason_to_pass(info: tarfile.TarInfo) -> str | None:
    """Return why a member is neither image nor label; None where it is one."""
    name = info.name.rpartition("/")[2]
    if names.has_hidden_part(info.name):
        return names.HIDDEN
    if not names.is_image_name(name) and not name.lower().endswith(_LABEL_SUFFIXES):
        return names.NOT_AN_IMAGE
    if info.issym() or info.islnk():
        return names.LINK_IN_ARCHIVE
    return None if info.isreg() and not info.issparse() else names.NOT_REGULAR


def _prefix_and_suffix(name: str) -> tuple[str, str]:
    """Split a member's name as WebDataset does, at the first dot of the file name."""
    folder, slash, file_name = name.rpartition("/")
    base = file_name.partition(".")[0]
    return f"{folder}{slash}{base}", file_name[len(base) :].lower()


def _json_label(text: str) -> str | None:
    fields = json.loads(text)
    if not isinstance(fields, dict):
        return None
    values = (fields[key] for key in JSON_LABELS if key in fields)
    value = next((v for v in values if isinstance(v, str | int) and not isinstance(v, bool)), None)
    return None if value is None or value == "" else str(value)


def _unseen(split: str, rel_path: str, shard_name: str, seen: names.SeenNames) -> str:
    """Return the path itself the first time it comes, later one with the shard's name before it."""
    candidate, number = rel_path, 1
    while not seen.add(f"{split}/{candidate}"):
        candidate = f"{shard_name}/{rel_path}" if number == 1 else f"{shard_name}~{number}/{rel_path}"
        number += 1
    return candidate
