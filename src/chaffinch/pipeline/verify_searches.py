"""Searches for leaks and duplicates, made again on the scanned pictures of a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from chaffinch.apply.artifacts import ReleaseRecord
from chaffinch.pipeline.copies import restricted
from chaffinch.pipeline.pair_search import search_pairs
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.verify_forms import ScannedForm
from chaffinch.settings import LeakSettings
from chaffinch.storage.pairs import PairSet, expand_pairs

NOT_REPEATED = "semantic"
"""Method that no search repeats: a release holds no vectors."""


@dataclass(frozen=True, slots=True)
class ResidualPair:
    """Two pictures of a release that are the same."""

    keys: tuple[str, str]
    """Their keys, or what they are called where the release's table has none; sorted."""
    first: str
    """Path of the one, below the release; of a leak, of that in the first split."""
    second: str
    """Path of the other."""
    methods: tuple[str, ...]
    """Which found it."""
    waived_by: str | None
    """The person who keeps either of them, or why both stay; None: nobody does."""


def residual_leaks(form: ScannedForm, record: ReleaseRecord, progress: Progress) -> list[ResidualPair]:
    """Return the leaks between pictures of a release, by each search that was made before; sorted."""
    found: dict[tuple[int, int], set[str]] = {}
    for search in record.searches:
        methods = tuple(m for m in search.methods if m != NOT_REPEATED)
        side = form.side(search.between)
        if not methods or side is None:
            continue
        settings = LeakSettings(methods=methods, phash_threshold=search.phash_threshold)
        again = search_pairs(form.workspace, form.generation, settings=settings, side=side, progress=progress)
        for pairs in again.found:
            _take_pairs(found, pairs, side)
    return list(_named(form, found, record.waivers))


def residual_copies(form: ScannedForm, record: ReleaseRecord, progress: Progress) -> list[ResidualPair]:
    """Return the duplicates among pictures of a release by the methods whose copies were removed; sorted."""
    if record.copies is None:
        return []
    found: dict[tuple[int, int], set[str]] = {}
    methods = tuple(m for m in record.copies.methods if m != NOT_REPEATED)
    if not methods:
        return []
    settings = LeakSettings(methods=methods, phash_threshold=record.copies.phash_threshold)
    again = search_pairs(form.workspace, form.generation, settings=settings, side=None, progress=progress)
    for pairs in again.found:
        # Before pairs are written out: of a large group of equal pictures all but one are gone.
        _take_pairs(found, restricted(pairs, form.is_left, form.is_left), None)
    return list(_named(form, found, record.copies.kept))


def not_repeated(record: ReleaseRecord) -> list[str]:
    """Return the searches that cannot be made again, in words."""
    leaks = [
        f"{NOT_REPEATED} leaks between {' and '.join(search.between)}"
        for search in record.searches
        if NOT_REPEATED in search.methods
    ]
    has_copies = record.copies is not None and NOT_REPEATED in record.copies.methods
    return [*leaks, *([f"{NOT_REPEATED} duplicates"] if has_copies else [])]


def _take_pairs(found: dict[tuple[int, int], set[str]], pairs: PairSet, side: np.ndarray | None) -> None:
    for block in expand_pairs(pairs, side):
        for pair in zip(block.sample_a.tolist(), block.sample_b.tolist(), strict=True):
            found.setdefault(pair, set()).add(pairs.method)


def _named(
    form: ScannedForm, found: Mapping[tuple[int, int], set[str]], waivers: Mapping[str, str]
) -> Iterator[ResidualPair]:
    names = [one.name for one in form.shown]
    for (a, b), methods in sorted(found.items(), key=lambda item: (names[item[0][0]], names[item[0][1]])):
        pictures = (form.shown[a].picture, form.shown[b].picture)
        keys = [picture.key for picture in pictures if picture is not None]
        who = next((waivers[key] for key in keys if key in waivers), None)
        known = [p.key if p else name for p, name in zip(pictures, (names[a], names[b]), strict=True)]
        yield ResidualPair((min(known), max(known)), names[a], names[b], tuple(sorted(methods)), who)
