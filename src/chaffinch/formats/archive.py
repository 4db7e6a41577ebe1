"""Zip archives of images, read in place: the rules of image folders applied to member names.

Nothing is unpacked. The order is that of the archive, so that reading runs through the file once. A name that
stands twice means its last member, as unpacking would leave it. Memory: 8 bytes an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from chaffinch.errors import SourceError
from chaffinch.formats import names
from chaffinch.formats.location import FileStats, absolute_uri, joined, member_stamp, open_binary, unreadable
from chaffinch.formats.source import Source
from chaffinch.formats.zip_directory import ZipMember, read_directory
from chaffinch.identity import NO_SPLIT, check_split_name, path_text
from chaffinch.records import SampleRef


class ZipSource(Source):
    """A zip file of images."""

    def __init__(self, location: str, *, dataset: str, split: str | None = None) -> None:
        """Take a zip file as the source.

        Args:
            location: The zip, as the user wrote it.
            dataset: Name of the dataset, a slug.
            split: Put every image into this split; None: folders that are named like splits are splits.
        """
        self.dataset = dataset
        self._location = location
        self._split = None if split is None else check_split_name(split)
        self._passed_over = names.PassedOver()
        self.ignored = self._passed_over.counts
        self.examples = self._passed_over.examples

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images in the order of the archive; its directory is read twice.

        Raises:
            SourceError: If the archive's directory cannot be read.
        """
        splits, repeated = self._survey()
        self._passed_over.clear()
        typed, uri = path_text(self._location), absolute_uri(self._location)
        stamp = FileStats()(self._location).stamp
        for member, name in self._images(counts=True):
            if repeated and not self._is_last(name, repeated):
                continue
            top, _, below = name.partition("/")
            split, rel_path = (top, below) if below and top in splits else (self._split or NO_SPLIT, name)
            where = f"zip:{member.offset}+{member.packed_bytes}+{member.crc:08x}"
            yield SampleRef(
                split=split,
                rel_path=rel_path,
                image_path=joined(typed, name),
                uri=uri,
                member=where,
                given_label=names.first_folder(rel_path),
                source_id=None,
                size_bytes=member.size_bytes,
                stamp=member_stamp(stamp, where),
            )

    def _survey(self) -> tuple[list[str], Counter[int]]:
        """Return the splits, and how often each repeated name stands there, by digest."""
        tops: set[str] = set()
        blocks: list[np.ndarray] = []
        block: list[int] = []
        for _, name in self._images(counts=False):
            top, slash, _ = name.partition("/")
            if slash:
                tops.add(top)
            block.append(names.name_hash(name))
            if len(block) == 1 << 16:
                blocks.append(np.array(block, dtype=np.uint64))
                block = []
        digests = np.concatenate([*blocks, np.array(block, dtype=np.uint64)])
        values, counts = np.unique(digests, return_counts=True)
        twice = counts > 1
        repeated = Counter(dict(zip(values[twice].tolist(), counts[twice].tolist(), strict=True)))
        if self._split:
            return [], repeated
        return names.split_roots(tops, holds_images=lambda _: True), repeated

    def _is_last(self, name: str, repeated: Counter[int]) -> bool:
        digest = names.name_hash(name)
        if digest not in repeated:
            return True
        repeated[digest] -= 1
        if repeated[digest]:
            self._passed_over.add(names.REPLACED, joined(path_text(self._location), name))
        return not repeated[digest]

    def _images(self, *, counts: bool) -> Iterator[tuple[ZipMember, str]]:
        """Yield the members that are images, with their well formed names; count the others if asked."""
        for member in self._members():
            reason = _reason_to_pass(member)
            if reason is None:
                yield member, names.clean_name(member.name)
            elif counts:
                self._passed_over.add(reason, joined(path_text(self._location), path_text(member.name)))

    def _members(self) -> Iterator[ZipMember]:
        try:
            with open_binary(self._location) as file:
                yield from read_directory(file)
        except OSError as error:
            raise unreadable(self._location, error) from error
        except SourceError as error:
            if error.where:
                raise
            raise SourceError(error.what, where=path_text(self._location), hint=error.hint) from error


def _reason_to_pass(member: ZipMember) -> str | None:
    if names.has_hidden_part(member.name):
        return names.HIDDEN
    if not names.is_image_name(member.name.rpartition("/")[2]):
        return names.NOT_AN_IMAGE
    return names.LINK_IN_ARCHIVE if member.is_link else None
