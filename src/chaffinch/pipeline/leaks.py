"""Leaks: search between two splits and keep what was found in the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chaffinch.detect.issues import leak_issues
from chaffinch.detect.pair_sets import SampleColumns, exact_pairs, perceptual_pairs
from chaffinch.detect.verified import verified_pairs
from chaffinch.errors import WorkspaceError
from chaffinch.formats.location import absolute_uri, base_name
from chaffinch.identity import SPLIT_ORDER
from chaffinch.pipeline.columns import Thumbnails, load_columns
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import METHODS, LeakSettings, ScanSettings
from chaffinch.storage.findings import leak_scope, read_pairs, scopes, write_issues, write_pairs
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.pairs import PairSet

PHASH_THRESHOLDS = "phash_thresholds"
"""Where a workspace notes, by scope, the largest Hamming distance that leaks were searched with."""


def scan_pair(
    root: Path,
    train: str,
    test: str,
    *,
    dataset: str | None,
    settings: ScanSettings,
    progress: Progress | None = None,
) -> tuple[str, str]:
    """Scan two places as two splits of one workspace; returns the names of the splits.

    A place named like a split (``data/val``) gives its name to it, else they are `train` and `test`.

    Raises:
        WorkspaceError: If the workspace was scanned from other places.
    """
    names = [base_name(place) for place in (train, test)]
    if names[0] == names[1] or not set(names) <= set(SPLIT_ORDER):
        names = ["train", "test"]
    splits = dict(zip(names, (train, test), strict=True))
    folder = WorkspaceFolder(root)
    known = folder.current().source if folder.is_started() else {}
    if known and {n: absolute_uri(p) for n, p in splits.items()} != {
        n: absolute_uri(p) for n, p in known["splits"].items()
    }:
        raise WorkspaceError(
            "was scanned from other places than these two",
            where=str(root),
            hint=f"search it as it stands: chaffinch leaks -w {root} --between {names[0]} {names[1]}",
        )
    scan(root, SourceSpec(splits=splits, dataset=dataset), settings=settings, progress=progress)
    return names[0], names[1]


def search_leaks(
    folder: WorkspaceFolder,
    generation: Generation,
    side: np.ndarray,
    *,
    settings: LeakSettings,
    progress: Progress,
) -> list[PairSet]:
    """Search all pairs between the sides, by each of the methods that can run, cheapest first."""
    samples = load_columns(folder, generation)
    found: list[PairSet] = []
    for method in METHODS:
        if method in settings.methods and method != "semantic":
            progress.stage(f"searching {method} leaks", total=None, unit="pairs")
            found.append(search_method(method, folder, generation, samples, settings=settings, side=side))
            progress.advance(len(found[-1].edges))
    return found


def search_method(
    method: str,
    folder: WorkspaceFolder,
    generation: Generation,
    samples: SampleColumns,
    *,
    settings: LeakSettings,
    side: np.ndarray | None,
) -> PairSet:
    """Search all pairs of one method, between sides or (side None) within all samples."""
    if method == "exact":
        return exact_pairs(samples, side=side)
    if method == "perceptual":
        return perceptual_pairs(samples, radius=settings.phash_threshold, side=side)
    return verified_pairs(samples, thumbs=Thumbnails(folder, generation).decoded, side=side)


def keep_leaks(
    folder: WorkspaceFolder,
    generation: Generation,
    between: tuple[str, str],
    *,
    side: np.ndarray,
    found: Sequence[PairSet],
    phash_threshold: int,
) -> Generation:
    """Publish the pairs, and the issues of all methods searched so far between these splits."""
    scope = leak_scope(*between)
    searched = {pairs.method for pairs in found}
    earlier = [m for s, m in scopes(generation) if s == scope and m not in searched]
    every = [*found, *(read_pairs(folder, generation, scope, method) for method in earlier)]
    every.sort(key=lambda pairs: METHODS.index(pairs.method))
    tables = dict(generation.tables)
    for pairs in found:
        tables |= write_pairs(folder, generation, scope, pairs)
    rows = leak_issues(folder, generation, every, side=side, phash_threshold=phash_threshold)
    tables |= write_issues(folder, generation, scope, [rows])
    thresholds = dict(generation.info.get(PHASH_THRESHOLDS, {}))
    if "perceptual" in searched:
        thresholds[scope] = phash_threshold
    return folder.publish(generation, tables=tables, info={**generation.info, PHASH_THRESHOLDS: thresholds})
