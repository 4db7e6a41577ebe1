"""Duplicates: search within all samples of a workspace, form groups, note conflicting labels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from chaffinch.detect.groups import DuplicateGroups, duplicate_groups, rank_of
from chaffinch.detect.issues import duplicate_issues, label_conflict_issues
from chaffinch.detect.verified import KnownPairs
from chaffinch.pipeline.pair_search import PairSearch, search_pairs, vectors_used
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.steps import noted
from chaffinch.settings import FindSettings, LeakSettings
from chaffinch.storage.findings import (
    PHASH_THRESHOLDS,
    SCOPE_DUPLICATES,
    with_search_vectors,
    write_issues,
    write_pairs,
)
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What a search for duplicates found."""

    n_groups: int
    """Groups of duplicates; each keeps one image."""
    n_in_groups: int
    """Images in them, the kept ones included."""
    n_sets: dict[str, int]
    """By method: sets of images that it holds for equal (same content, same hash)."""
    n_pairs: dict[str, int]
    """By method: pairs of such sets, or of single images, that it holds for near."""
    n_label_conflicts: int
    """Images whose pixels also stand under another label."""
    search: PairSearch
    """The pairs themselves, and the methods that could not run."""
    wall_s: float
    """Seconds on the clock."""
    cpu_s: float
    """CPU seconds of this process."""


def find_duplicates(
    root: Path,
    *,
    settings: LeakSettings | None = None,
    known: KnownPairs | None = None,
    progress: Progress | None = None,
) -> DuplicateReport:
    """Search duplicates within all samples, whatever their split, and publish pairs and issues.

    They take the place of all that an earlier run found, by these methods or others.

    Args:
        root: The workspace.
        settings: Methods and the pHash threshold.
        known: What earlier searches of the same tables found out about pairs; this one adds to it.
        progress: Who watches.

    Raises:
        WorkspaceError: If no scan has ended yet.
        LockedError: If another process writes to the workspace.
    """
    started = time.perf_counter(), time.process_time()
    settings, progress, folder = settings or LeakSettings(), progress or Silent(), WorkspaceFolder(root)
    folder.published()
    with writer_lock(root):
        generation = folder.published()
        search = search_pairs(
            folder, generation, settings=settings, side=None, known=known, progress=progress
        )
        found = search.found
        used = vectors_used(generation, settings, search)
        generation = with_search_vectors(
            generation, SCOPE_DUPLICATES, searched=[p.method for p in found], vectors=used
        )
        groups = duplicate_groups(found, rank=_rank(folder, generation))
        n_conflicts = 0
        # Where no method could run, what an earlier run found still holds, and so does its note.
        if found:
            n_conflicts = _publish(folder, generation, search, groups, settings=settings)
    return DuplicateReport(
        n_groups=int(groups.is_original.sum()),
        n_in_groups=int((groups.group >= 0).sum()),
        n_sets={p.method: int((p.edges[:, 0] == p.edges[:, 1]).sum()) for p in found},
        n_pairs={p.method: int((p.edges[:, 0] != p.edges[:, 1]).sum()) for p in found},
        n_label_conflicts=n_conflicts,
        search=search,
        wall_s=time.perf_counter() - started[0],
        cpu_s=time.process_time() - started[1],
    )


def _rank(folder: WorkspaceFolder, generation: Generation) -> np.ndarray:
    """Rank samples for being kept: most pixels first, then by key."""
    pixels: list[np.ndarray] = []
    keys: list[str] = []
    for batch in folder.batches(generation, "samples", columns=["key", "width", "height"]):
        sides = [
            pc.fill_null(batch.column(name), 0).to_numpy().astype(np.int64) for name in ("width", "height")
        ]
        pixels.append(sides[0] * sides[1])
        keys += batch.column("key").to_pylist()
    by_key = np.empty(len(keys), dtype=np.int64)
    by_key[np.argsort(np.array(keys, dtype=object), kind="stable")] = np.arange(len(keys))
    return rank_of(-np.concatenate(pixels), by_key)


def _publish(
    folder: WorkspaceFolder,
    generation: Generation,
    search: PairSearch,
    groups: DuplicateGroups,
    *,
    settings: LeakSettings,
) -> int:
    """Publish pairs and issues; returns the number of label conflicts."""
    # Pairs of methods not searched now would stand beside issues that know nothing of them.
    earlier = tuple(f"{kind}/{SCOPE_DUPLICATES}/" for kind in ("edges", "groups"))
    tables = {name: files for name, files in generation.tables.items() if not name.startswith(earlier)}
    for pairs in search.found:
        tables |= write_pairs(folder, generation, pairs, scope=SCOPE_DUPLICATES)
    issues = [duplicate_issues(folder, generation, groups, phash_threshold=settings.phash_threshold)]
    issues += [label_conflict_issues(folder, generation, p) for p in search.found if p.method == "exact"]
    tables |= write_issues(folder, generation, issues, scope=SCOPE_DUPLICATES)
    thresholds = {**generation.info.get(PHASH_THRESHOLDS, {}), SCOPE_DUPLICATES: settings.phash_threshold}
    step = FindSettings(pairs=settings, embedder=settings.embedder)
    info = noted(generation, SCOPE_DUPLICATES, step, is_left_out=bool(search.left_out))
    folder.publish(generation, tables=tables, info={**info, PHASH_THRESHOLDS: thresholds})
    return sum(len(rows) for rows in issues[1:])
