"""Image folders: class folders, nested, flat; with or without splits; local or behind an fsspec URL.

The walk follows links to folders (not into a folder it is already in), looks at each file once, opens none,
and holds the names of one folder at a time. Order: splits as in `identity.SPLIT_ORDER`, then by name, folder
by folder. What is no sample is counted with an example, never lost silently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaffinch.formats import names
from chaffinch.formats.location import Listing, absolute_uri, joined, list_folder, trimmed, unreadable
from chaffinch.formats.source import Source
from chaffinch.identity import NO_SPLIT, check_split_name, path_text
from chaffinch.records import SampleRef


@dataclass(slots=True)
class _Level:
    """One folder that the walk is in."""

    below: str
    """Path from the dataset's root, '' or ending in '/', as the operating system has it."""
    listing: Listing
    """Its children."""
    pending: Iterator[str]
    """Names not yet visited."""


class FolderSource(Source):
    """A folder of image files.

    The label is the first folder below the split's root, as torchvision's ImageFolder has it; files that lie
    flat have none.

    Cost: 1.28 million files take about a quarter of a minute and the names of the largest single folder in
    memory.
    """

    def __init__(self, location: str, *, dataset: str, split: str | None = None) -> None:
        """Take a folder as the source.

        Args:
            location: The folder, as the user wrote it.
            dataset: Name of the dataset, a slug.
            split: Put every image into this split; None: folders that are named like splits are splits.
        """
        self.dataset = dataset
        self._location = trimmed(location)
        self._split = None if split is None else check_split_name(split)
        self._passed_over = names.PassedOver()
        self.ignored = self._passed_over.counts
        self.examples = self._passed_over.examples
        self._root_identity: tuple[int, int] | None = None

    def refs(self) -> Iterator[SampleRef]:
        """Stream the images; see the module for order and memory.

        Raises:
            SourceError: If the folder itself cannot be listed.
        """
        splits = self._find_splits()
        self._passed_over.clear()
        for split in splits:
            yield from self._refs_below(f"{split}/", split=split, skip=())
        yield from self._refs_below("", split=self._split or NO_SPLIT, skip=splits)

    def holds_images(self, below: str = "") -> bool:
        """Tell whether an image lies anywhere below a folder; stops at the first."""
        return next(self._walk(below, skip=()), None) is not None

    def _find_splits(self) -> list[str]:
        try:
            root = list_folder(self._location)
        except OSError as error:
            raise unreadable(self._location, error) from error
        self._root_identity = root.identity
        if self._split:
            return []
        folders = [name for name in root.folders if not names.is_hidden(name)]
        return names.split_roots(folders, holds_images=lambda name: self.holds_images(f"{name}/"))

    def _refs_below(self, root: str, *, split: str, skip: tuple[str, ...] | list[str]) -> Iterator[SampleRef]:
        typed, absolute = path_text(self._location), absolute_uri(self._location)
        level = None
        folder = image_prefix = uri_prefix = ""
        label: str | None = None
        for inside, name in self._walk(root, skip=skip):
            if inside is not level:
                level = inside
                whole = path_text(inside.below)
                folder = path_text(inside.below[len(root) :])
                label = names.first_folder(folder)
                image_prefix, uri_prefix = joined(typed, whole), joined(absolute, whole)
            info = inside.listing.stat_of(name)
            text = path_text(name)
            if not info.is_regular:
                self._passed_over.add(names.NOT_REGULAR, image_prefix + text)
                continue
            yield SampleRef(
                split=split,
                rel_path=folder + text,
                image_path=image_prefix + text,
                uri=uri_prefix + text,
                member="",
                given_label=label,
                source_id=None,
                size_bytes=info.size_bytes,
                stamp=info.stamp,
            )

    def _walk(self, root: str, *, skip: tuple[str, ...] | list[str]) -> Iterator[tuple[_Level, str]]:
        """Yield every file with a picture's ending, with its folder; `skip` holds right below `root`."""
        # A list, not recursion: folders may be nested deeper than Python's stack.
        levels = self._enter(root, levels=[], skip=skip)
        while levels:
            level = levels[-1]
            name = next(level.pending, None)
            if name is None:
                levels.pop()
            elif names.is_hidden(name):
                self._pass_over(names.HIDDEN, level.below + name)
            elif name in level.listing.folders:
                levels += self._enter(f"{level.below}{name}/", levels=levels, skip=())
            elif names.is_image_name(name):
                yield level, name
            else:
                self._pass_over(names.NOT_AN_IMAGE, level.below + name)

    def _enter(self, below: str, *, levels: list[_Level], skip: tuple[str, ...] | list[str]) -> list[_Level]:
        """Open a folder; nothing where it cannot be listed or the walk is in it already."""
        try:
            listing = list_folder(joined(self._location, below))
        except OSError as error:
            if not below:
                raise unreadable(self._location, error) from error
            self._pass_over(names.UNREADABLE_FOLDER, below.rstrip("/"))
            return []
        above = [level.listing.identity for level in levels] + ([self._root_identity] if below else [])
        if listing.identity and listing.identity in above:
            self._pass_over(names.LINK_LOOP, below.rstrip("/"))
            return []
        return [_Level(below, listing, (name for name in listing.names if name not in skip))]

    def _pass_over(self, reason: str, below: str) -> None:
        self._passed_over.add(reason, path_text(joined(self._location, below)))
