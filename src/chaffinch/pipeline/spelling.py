"""Spells images as a tagging manifest does, so that the guide's merge by string equality finds them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.formats.manifest_paths import ManifestRow, read_manifest_rows
from chaffinch.identity import PathMatcher, path_from_text, path_text
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
    matcher = PathMatcher(_samples_named(folder, generation, names, splits))
    by_path: dict[int, str] = {}
    by_tail: dict[int, str] = {}
    doubted: set[int] = set()
    n_rows = n_ambiguous = 0
    for row in read_manifest_rows(manifest):
        n_rows += 1
        match = matcher.match(_absolute(row.image_path), split=_split(row, splits))
        n_ambiguous += match.is_ambiguous
        if match.sample is None:
            continue
        if match.is_exact:
            by_path.setdefault(match.sample, row.image_path)
        elif by_tail.setdefault(match.sample, row.image_path) != row.image_path:
            # Two different tails lead to one sample: at least one of them means another image.
            doubted.add(match.sample)
    doubted -= by_path.keys()
    certain = {sample: path for sample, path in by_tail.items() if sample not in doubted}
    return Spelling(certain | by_path, n_rows, n_ambiguous + len(doubted))


def _samples_named(
    folder: WorkspaceFolder, generation: Generation, names: set[str], splits: Sequence[str]
) -> Iterator[tuple[int, str, str]]:
    """Stream every sample with one of the file names: all of them, so that a unique tail is really unique."""
    columns = ["sample_id", "split", "image_path", "uri", "member"]
    for batch in folder.batches(generation, "samples", columns=columns):
        in_splits = pc.is_in(batch.column("split"), pa.array(splits, type=pa.string()))
        rows = batch.filter(in_splits).to_pylist()
        paths = [row["image_path"] if row["member"] else row["uri"] for row in rows]
        named = ((row, path) for row, path in zip(rows, paths, strict=True) if _name(path) in names)
        yield from ((row["sample_id"], row["split"], path) for row, path in named)


def _split(row: ManifestRow, splits: Sequence[str]) -> str | None:
    return row.split if row.split in splits else None


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _absolute(path: str) -> str:
    """Return the path as the scan would have spelled it, if it leads to a file from here."""
    absolute = os.path.abspath(path_from_text(path))
    return path_text(absolute) if os.path.lexists(absolute) else path
