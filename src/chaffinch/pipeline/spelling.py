"""Spells images as a tagging manifest does, so that the guide's merge by string equality finds them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.formats.manifest_paths import read_manifest_rows
from chaffinch.formats.path_matching import PathMatcher
from chaffinch.identity import NO_SPLIT, path_from_text, path_text
from chaffinch.storage.folder import Generation, WorkspaceFolder


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a manifest spells the samples it lists."""

    by_sample: dict[int, str]
    """Sample id to `image_path` as the manifest has it."""
    n_rows: int
    """Rows of the manifest."""
    n_ambiguous: int
    """Rows that could mean several samples; none of those is spelled from them."""


def manifest_spelling(
    folder: WorkspaceFolder, generation: Generation, manifest: Path, *, splits: Sequence[str]
) -> Spelling:
    """Find the sample that each row of a manifest means, by real path, then by the longest unique tail.

    Args:
        folder: The workspace.
        generation: Its published generation.
        manifest: CSV with the column `image_path`.
        splits: The splits whose images may be meant.

    Raises:
        TableError: If the manifest cannot be read.
    """
    names = {_name(row.image_path) for row in read_manifest_rows(manifest)}
    ends = _Ends()
    matcher = PathMatcher(ends.noted(_samples_named(folder, generation, names, splits)))
    by_path: dict[int, str] = {}
    by_tail: dict[int, str] = {}
    doubted: set[int] = set()
    n_rows = n_ambiguous = 0
    for row in read_manifest_rows(manifest):
        n_rows += 1
        if row.split not in (None, NO_SPLIT, *splits):
            continue  # an image of a split that is not searched
        place, is_there = _absolute(row.image_path)
        match = matcher.match(place, split=row.split if row.split in splits else None)
        n_ambiguous += match.is_ambiguous
        if match.sample is None:
            continue
        if match.is_exact:
            by_path.setdefault(match.sample, row.image_path)
        elif is_there or not ends.is_whole(match.sample, row.image_path):
            continue  # another file, or one that has only the end of its path in common
        elif by_tail.setdefault(match.sample, row.image_path) != row.image_path:
            # Two different tails lead to one sample: at least one of them means another image.
            doubted.add(match.sample)
    doubted -= by_path.keys()
    certain = {sample: path for sample, path in by_tail.items() if sample not in doubted} | by_path
    twice = {path for path, count in Counter(certain.values()).items() if count > 1}
    # One spelling for two images (a/0.jpg of train and of val) would lead a merge to the innocent one.
    unique = {sample: path for sample, path in certain.items() if path not in twice}
    return Spelling(unique, n_rows, n_ambiguous + len(doubted) + len(certain) - len(unique))


class _Ends:
    """Knows the samples' paths, to tell whether a tail in common is all of a name or only its end."""

    def __init__(self) -> None:
        self._paths: dict[int, tuple[str, str]] = {}

    def noted(self, samples: Iterable[tuple[int, str, str, str]]) -> Iterator[tuple[int, str, str]]:
        """Hand samples on (number, split, path), their path below the split kept in mind."""
        for number, split, path, rel_path in samples:
            self._paths[number] = (path, rel_path)
            yield number, split, path

    def is_whole(self, sample: int, written: str) -> bool:
        """Tell whether what the paths share is all of the sample's path below its split, or all written."""
        path, rel_path = self._paths[sample]
        written = "/" + written.replace("\\", "/").removeprefix("./").lstrip("/")
        return written.endswith(f"/{rel_path}") or path.endswith(written)


def _samples_named(
    folder: WorkspaceFolder, generation: Generation, names: set[str], splits: Sequence[str]
) -> Iterator[tuple[int, str, str, str]]:
    """Stream every sample with one of the file names: all of them, so that a unique tail is really unique."""
    columns = ["sample_id", "split", "rel_path", "image_path", "uri", "member"]
    for batch in folder.batches(generation, "samples", columns=columns):
        in_splits = pc.is_in(batch.column("split"), pa.array(splits, type=pa.string()))
        rows = batch.filter(in_splits).to_pylist()
        paths = [row["image_path"] if row["member"] else row["uri"] for row in rows]
        named = ((row, path) for row, path in zip(rows, paths, strict=True) if _name(path) in names)
        yield from ((row["sample_id"], row["split"], path, row["rel_path"]) for row, path in named)


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _absolute(path: str) -> tuple[str, bool]:
    """Return the path as the scan would have spelled it, and whether a file is there; else as written."""
    absolute = os.path.abspath(path_from_text(path))
    is_there = os.path.lexists(absolute)
    return (path_text(absolute) if is_there else path), is_there
