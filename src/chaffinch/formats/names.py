"""Rules about names that every source shares: what is an image, what is hidden, what is a split.

A source that reads a folder, a zip or a tar applies the same rules to names, so that packing a dataset into
an archive changes neither its splits, labels nor keys. Keys are *well formed*: '/' between parts, no empty
part, no `.` and no `..`; unique within a split.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from chaffinch.formats.source import IMAGE_SUFFIXES
from chaffinch.identity import SPLIT_ORDER, path_text

NOT_AN_IMAGE = "not an image"
HIDDEN = "hidden"
NOT_REGULAR = "not a regular file"
UNREADABLE_FOLDER = "unreadable folder"
LINK_LOOP = "link to a folder above it"
LINK_IN_ARCHIVE = "link inside an archive"
REPLACED = "replaced by a later member of the same name"
CUT_OFF = "archive cut off here"
BAD_LABEL = "label that cannot be read"
"""Reasons for passing a file over, as the summary of a scan prints them."""

_UP = "\\x2e\\x2e"
"""How a `..` is spelled in a key: `path_text` would never write this for any other name."""

_SHARD = re.compile(r"(.+?)-\d{3,}-of-\d{3,}")
_SPLIT_WORD = re.compile(
    rf"(?<![A-Za-z])({'|'.join(sorted(SPLIT_ORDER, key=len, reverse=True))})(?![A-Za-z])"
)

_MAX_PENDING = 1 << 18


def is_image_name(name: str) -> bool:
    """Tell whether a file of this name is a sample, by its ending alone."""
    dot = name.rfind(".")
    return dot >= 0 and name[dot:].lower() in IMAGE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is passed over unread."""
    return name.startswith(".") or name == "__MACOSX"


def has_hidden_part(path: str) -> bool:
    """Tell whether any part of a member's path is hidden; `.` and `..` are not."""
    return any(is_hidden(part) for part in path.split("/") if part not in (".", ".."))


def clean_name(name: str) -> str:
    """Turn somebody's relative path, member name or listed path into the text of a well formed key.

    Leading slashes, empty parts and `.` vanish, as unpacking would make them vanish; a `..` is spelled
    ``\\x2e\\x2e``, so that it stays a name and never climbs. Everything else as `identity.path_text` has it.
    """
    parts = (part for part in name.split("/") if part not in ("", "."))
    return "/".join(_UP if part == ".." else path_text(part) for part in parts)


def first_folder(rel_path: str) -> str | None:
    """Return the first folder of a path below the split's root: the class, as ImageFolder has it."""
    folder, slash, _ = rel_path.partition("/")
    return folder if slash else None


def split_roots(folders: Iterable[str], *, holds_images: Callable[[str], bool]) -> list[str]:
    """Choose which folders right below a dataset's root are splits.

    Folders named as in `SPLIT_ORDER` are, if there are two of them or no other folder holds an image: a
    single one among others is a class that happens to be called `train`.

    Args:
        folders: Names of all visible folders right below the root.
        holds_images: Tells whether an image lies anywhere below the folder; asked only where it matters.
    """
    names = list(folders)
    named = [name for name in SPLIT_ORDER if name in names]
    if len(named) == 1 and any(holds_images(name) for name in sorted(names) if name not in SPLIT_ORDER):
        return []
    return named


def split_of_shard(below: str) -> str | None:
    """Return the split that a shard file's path names; None where it names none.

    `train-00000-of-00005.parquet` and `data/validation-0001.tar` name theirs in the file, `test/0000.tar` in
    a folder.
    """
    *folders, file_name = below.split("/")
    numbered = _SHARD.match(file_name)
    if numbered:
        return numbered[1].rpartition("-")[2]
    word = _SPLIT_WORD.search(file_name)
    if word:
        return word[1]
    return next((folder for folder in reversed(folders) if folder in SPLIT_ORDER), None)


def name_hash(name: str) -> int:
    """Return a 64-bit digest of a name; two of ten million names share one with probability 3e-6."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class PassedOver:
    """Counts the files that are no samples, by reason, and keeps one example of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, reason: str, path: str) -> None:
        """Count one file; `path` is spelled as the user would write it."""
        self.counts[reason] += 1
        self.examples.setdefault(reason, path)

    def include(self, counts: Counter[str], examples: dict[str, str]) -> None:
        """Count what another source has passed over as well."""
        self.counts.update(counts)
        self.examples.update(
            {reason: path for reason, path in examples.items() if reason not in self.examples}
        )

    def clear(self) -> None:
        """Forget everything, because a new walk begins."""
        self.counts.clear()
        self.examples.clear()


class SeenNames:
    """Remembers names by digest, to tell a repeated one in about 8 bytes a name.

    Cost: some microseconds a name; digests wait in a set and are merged into a sorted array now and then.
    """

    def __init__(self) -> None:
        self._settled = np.empty(0, dtype=np.uint64)
        self._pending: set[int] = set()

    def add(self, name: str) -> bool:
        """Remember `name`; return False where it was there already."""
        digest = name_hash(name)
        if digest in self._pending:
            return False
        place = int(np.searchsorted(self._settled, np.uint64(digest)))
        if place < len(self._settled) and int(self._settled[place]) == digest:
            return False
        self._pending.add(digest)
        if len(self._pending) >= _MAX_PENDING:
            self._settle()
        return True

    def _settle(self) -> None:
        new = np.fromiter(self._pending, dtype=np.uint64, count=len(self._pending))
        self._settled = np.sort(np.concatenate([self._settled, new]))
        self._pending.clear()
