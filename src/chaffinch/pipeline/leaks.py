"""Leaks: scan two sides into one workspace, and keep what was found between them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.detect.issues import leak_issues
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.formats.location import absolute_uri, base_name, local_path, trimmed
from chaffinch.identity import SPLIT_ORDER, path_from_text
from chaffinch.pipeline.pair_search import searched_with
from chaffinch.pipeline.pair_vectors import pair_vectors, replaced_methods
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import METHODS, LeakSettings, ScanSettings
from chaffinch.storage.findings import (
    LEAK_SEARCHES,
    PAIR_VECTORS,
    PHASH_THRESHOLDS,
    leak_scope,
    read_pairs,
    scopes,
    write_issues,
    write_pairs,
)
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.pairs import PairSet


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

    A place named like a split (``data/val``) gives its name to it, else they are `train` and `test`. Where
    the workspace was scanned from the folder above both (``data``), all of that is brought up to date.

    Raises:
        UsageError: If the places are one and the same, or one lies in the other.
        WorkspaceError: If the workspace holds other splits, which would be taken for gone.
    """
    _check_apart(train, test)
    names = [base_name(place) for place in (train, test)]
    if names[0] == names[1] or not set(names) <= set(SPLIT_ORDER):
        names = ["train", "test"]
    spec = SourceSpec(splits=dict(zip(names, (train, test), strict=True)), dataset=dataset)
    folder = WorkspaceFolder(root)
    known = folder.current() if folder.is_started() else Generation()
    if _is_above(known.source, spec.splits):
        spec = SourceSpec(locations=(_as_typed(known.source["locations"][0], spec.splits),), dataset=dataset)
    elif not set(known.info.get("splits", [])) <= set(names):
        raise WorkspaceError(
            f"holds the splits {', '.join(known.info['splits'])}, not only {' and '.join(names)}",
            where=str(root),
            hint=f"chaffinch scan brings all of it up to date; then: chaffinch leaks -w {root} --between A B",
        )
    scan(root, spec, settings=settings, progress=progress)
    return names[0], names[1]


def _check_apart(train: str, test: str) -> None:
    places = [os.path.realpath(path) if (path := local_path(p)) is not None else p for p in (train, test)]
    if places[0] == places[1]:
        raise UsageError(f"train and test are the same place, {train!r}", hint="name two different places")
    for inner, outer in (places, places[::-1]):
        if inner.startswith(f"{outer.rstrip('/')}/"):
            raise UsageError(
                f"{inner!r} lies in {outer!r}, so all of it would be on both sides",
                hint="name two places of which none holds the other",
            )


def _is_above(known: Mapping[str, Any], splits: Mapping[str, str]) -> bool:
    """Tell whether a workspace was scanned from the one folder that holds these splits under their names."""
    if not known or known["splits"] or len(known["locations"]) != 1:
        return False
    above = known["locations"][0]
    return all(absolute_uri(place) == f"{above}/{name}" for name, place in splits.items())


def _as_typed(above: str, splits: Mapping[str, str]) -> str:
    """Spell the folder above the splits as these are typed; absolute where they are typed in two ways."""
    heads = {trimmed(place).removesuffix(name) for name, place in splits.items()}
    typed = trimmed(min(heads)) if min(heads) else "."
    return typed if len(heads) == 1 and absolute_uri(typed) == above else path_from_text(above)


def keep_leaks(
    folder: WorkspaceFolder,
    generation: Generation,
    between: tuple[str, str],
    *,
    side: np.ndarray,
    found: Sequence[PairSet],
    settings: LeakSettings,
) -> Generation:
    """Publish the pairs, and the issues of all methods searched so far between these splits.

    What was searched the other way round is taken over, so that no leak is listed twice: pairs know no side.
    Pairs of vectors that were made anew since are dropped.
    """
    scope, reverse = leak_scope(*between), leak_scope(between[1], between[0])
    known = {pairs.method: pairs for pairs in found}
    searched, replaced = set(known), replaced_methods(generation, between)
    new = set(known)
    for place in (scope, reverse):
        for method in [
            m for s, m in scopes(generation) if s == place and m not in known and m not in replaced
        ]:
            known[method] = read_pairs(folder, generation, scope=place, method=method)
            new |= {method} if place == reverse else set()
    every = sorted(known.values(), key=lambda pairs: METHODS.index(pairs.method))
    turned = [f"{kind}/{reverse}" for kind in ("issues", "groups", "edges")]
    turned += [f"{kind}/{scope}/{method}" for kind in ("groups", "edges") for method in replaced]
    tables = {name: files for name, files in generation.tables.items() if not _is_below(name, turned)}
    for pairs in (pairs for pairs in every if pairs.method in new):
        tables |= write_pairs(folder, generation, pairs, scope=scope)
    thresholds = dict(generation.info.get(PHASH_THRESHOLDS, {}))
    turned_threshold = thresholds.pop(reverse, None)
    if turned_threshold is not None:
        thresholds.setdefault(scope, turned_threshold)
    if "perceptual" in searched:
        thresholds[scope] = settings.phash_threshold
    radius = thresholds.get(scope, settings.phash_threshold)
    rows = leak_issues(folder, generation, every, side=side, phash_threshold=radius)
    tables |= write_issues(folder, generation, [rows], scope=scope)
    searches = dict(generation.info.get(LEAK_SEARCHES, {}))
    new_searches = {m: what for m, what in searched_with(generation, settings).items() if m in searched}
    noted = searches.pop(reverse, {}) | searches.get(scope, {}) | new_searches
    searches[scope] = {method: what for method, what in noted.items() if method in known}
    vectors = pair_vectors(generation, between, settings=settings, searched=searched)
    notes = {PHASH_THRESHOLDS: thresholds, LEAK_SEARCHES: searches, PAIR_VECTORS: vectors}
    info = {**generation.info, **notes}
    return folder.publish(generation, tables=tables, info=info)


def _is_below(table: str, names: Sequence[str]) -> bool:
    return any(table == name or table.startswith(f"{name}/") for name in names)
