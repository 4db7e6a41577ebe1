"""Finds the files of a dataset that is cut into shards: one file, a pattern, or a folder of them.

Patterns are globs (`*`, `?`, `[0-9]`) and braces (`{000..003}`, `{a,b}`); a name that exists as it stands is
never taken for a pattern. The order is by split, then by path, character by character, as Hugging Face's
`datasets` orders them: row numbers depend on it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chaffinch.errors import SourceError
from chaffinch.formats import names
from chaffinch.formats.location import (
    filesystem,
    joined,
    kind_of,
    list_folder,
    local_path,
    trimmed,
    unreadable,
)
from chaffinch.identity import NO_SPLIT, SPLIT_ORDER, order_splits, path_text

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MAX_EXPANDED = 1_000_000
_DATA_FOLDERS = frozenset(["data", "default", *SPLIT_ORDER])


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a dataset."""

    location: str
    """Path or URL, as the user would write it."""
    split: str
    """Split that its name tells, else `all`."""


def is_pattern(location: str) -> bool:
    """Tell whether a location is a glob or brace pattern, rather than a name."""
    return _BRACES.search(location) is not None or glob.has_magic(location)


def find_shards(location: str, *, suffix: str) -> list[Shard]:
    """Find the shards that a location means; empty where it means none.

    Args:
        location: A file, a pattern, or a folder with shards in it, in its `data` folder, or in folders named
            like splits.
        suffix: Ending of a shard, such as `.tar`.

    Raises:
        SourceError: If a shard that a brace pattern names is not there.
    """
    kind = kind_of(location)
    if kind == "file":
        paths = [(location, _tail(location))]
    elif kind == "folder":
        paths = [(joined(trimmed(location), below), below) for below in _in_folder(location, suffix, depth=2)]
    else:
        paths = [(path, _tail(path)) for path in expand(location)] if is_pattern(location) else []
    shards = [Shard(path, names.split_of_shard(below) or NO_SPLIT) for path, below in paths]
    order = {split: n for n, split in enumerate(order_splits(sorted({s.split for s in shards})))}
    return sorted(shards, key=lambda shard: (order[shard.split], shard.location))


def only_split(shards: Sequence[Shard], split: str | None, *, location: str) -> list[Shard]:
    """Return the shards that an explicit `--split NAME=PATH` means, all of that split.

    Those whose own name says so, else all, provided that they are of one split.

    Raises:
        SourceError: If the shards are of several splits, none of which is the one asked for.
    """
    if split is None:
        return list(shards)
    own = [shard for shard in shards if shard.split == split]
    found = sorted({shard.split for shard in shards})
    if not own and len(found) > 1:
        raise SourceError(
            f"holds the splits {', '.join(found)}, none of them {split!r}",
            where=path_text(location),
            hint=f"name the files: --split '{split}={joined(location, '*')}'",
        )
    return [replace(shard, split=split) for shard in own or shards]


def expand(pattern: str) -> list[str]:
    """Expand braces, then globs; every name that braces alone yield must be there.

    Raises:
        SourceError: If one is not, or there are more than a million names.
    """
    found: list[str] = []
    for number, name in enumerate(_expand_braces(pattern)):
        if number >= _MAX_EXPANDED:
            raise SourceError("the braces mean more than a million names", where=path_text(pattern))
        if glob.has_magic(name) and kind_of(name) == "nothing":
            found.extend(_glob(name))
            continue
        if kind_of(name) == "nothing":
            raise SourceError(
                "is not there", where=path_text(name), hint=f"it is one of {path_text(pattern)!r}"
            )
        found.append(name)
    return list(dict.fromkeys(found))


def _expand_braces(pattern: str) -> Iterator[str]:
    match = _BRACES.search(pattern)
    if match is None:
        yield pattern
        return
    span = _RANGE.fullmatch(match[1])
    if span:
        width = len(span[1]) if span[1].startswith("0") else 0
        choices: Iterator[str] = (str(n).zfill(width) for n in range(int(span[1]), int(span[2]) + 1))
    else:
        choices = iter(match[1].split(","))
    for choice in choices:
        yield from _expand_braces(pattern[: match.start()] + choice + pattern[match.end() :])


def _glob(pattern: str) -> list[str]:
    path = local_path(pattern)
    if path is not None:
        prefix = "file://" if path != pattern else ""
        found_here = glob.glob(path, recursive=True)  # noqa: PTH207 (a Path would respell the location)
        return sorted(prefix + found for found in found_here if kind_of(found) == "file")
    fs, remote = filesystem(pattern)
    return sorted(str(fs.unstrip_protocol(found)) for found in fs.glob(remote))


def _in_folder(location: str, suffix: str, *, depth: int) -> list[str]:
    """Return the shards below a folder, relative to it; class folders are not searched."""
    try:
        listing = list_folder(location)
    except OSError as error:
        raise unreadable(location, error) from error
    found: list[str] = []
    for name in listing.names:
        if names.is_hidden(name):
            continue
        if name not in listing.folders:
            is_shard = name.lower().endswith(suffix) and listing.stat_of(name).is_regular
            found += [name] if is_shard else []
        elif depth and name in _DATA_FOLDERS:
            inner = _in_folder(joined(location, name), suffix, depth=depth - 1)
            found += [f"{name}/{below}" for below in inner]
    return found


def _tail(path: str) -> str:
    """Return the last two parts of a path: a shard's split stands in one of them."""
    return "/".join(path.split("/")[-2:])
