"""Searches for leaks and duplicates, made again on the scanned pictures of a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from chaffinch.apply.artifacts import CopySearch, LeakSearch, ReleaseRecord
from chaffinch.compute.embedding import Embedder
from chaffinch.errors import ChaffinchError
from chaffinch.pipeline.copies import restricted
from chaffinch.pipeline.embedders import open_vector_maker
from chaffinch.pipeline.own_vectors import PREFIX
from chaffinch.pipeline.pair_search import search_pairs
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.verify_forms import ScannedForm
from chaffinch.settings import LeakSettings
from chaffinch.storage.pairs import PairSet, expand_pairs
from chaffinch.storage.vectors import EMBEDDERS


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


def vectors_again(record: ReleaseRecord) -> dict[str, str]:
    """Return what makes the vectors that were compared, as `--embedder` takes it, by fingerprint.

    Left out is what cannot be had again here: vectors of the user's own, a model that is gone or another one.
    """
    infos = [info for search in _searches(record) for info in search.vectors.values()]
    specs = {info.fingerprint: info.spec for info in infos if info.spec and not info.spec.startswith(PREFIX)}
    return {fingerprint: spec for fingerprint, spec in specs.items() if _fingerprint(spec) == fingerprint}


def residual_leaks(form: ScannedForm, record: ReleaseRecord, progress: Progress) -> list[ResidualPair]:
    """Return the leaks between pictures of a release, by each search that was made before; sorted."""
    found: dict[tuple[int, int], set[str]] = {}
    for search in record.searches:
        side = form.side(search.between)
        if side is None:
            continue
        for pairs in _search_again(form, search, side, progress):
            _take_pairs(found, pairs, side)
    return list(_named(form, found, record.waivers))


def residual_copies(form: ScannedForm, record: ReleaseRecord, progress: Progress) -> list[ResidualPair]:
    """Return the duplicates among pictures of a release by the methods whose copies were removed; sorted."""
    if record.copies is None:
        return []
    found: dict[tuple[int, int], set[str]] = {}
    for pairs in _search_again(form, record.copies, None, progress):
        # Before pairs are written out: of a large group of equal pictures all but one are gone.
        _take_pairs(found, restricted(pairs, form.is_left, form.is_left), None)
    return list(_named(form, found, record.copies.kept))


def not_repeated(record: ReleaseRecord, embedders: Mapping[str, str]) -> list[str]:
    """Return the searches that cannot be made again as they were, in words.

    Args:
        record: What the release says about itself.
        embedders: What makes the vectors that can be had again, by fingerprint.
    """
    return [words for search in _searches(record) for words in _missing(search, embedders)]


def _missing(search: LeakSearch | CopySearch, embedders: Mapping[str, str]) -> Iterator[str]:
    what = "duplicates"
    if isinstance(search, LeakSearch):
        what = f"leaks between {' and '.join(search.between)}"
    for method in search.methods:
        info = search.vectors.get(method)
        if info is None and method == "semantic":
            yield f"{method} {what}: nothing tells whose vectors were compared"
        elif info is not None and info.fingerprint not in embedders:
            yield f"{method} {what} through the vectors of {info.name}, which cannot be had here"


def _searches(record: ReleaseRecord) -> list[LeakSearch | CopySearch]:
    return [*record.searches, *([record.copies] if record.copies is not None else [])]


def _fingerprint(spec: str) -> str | None:
    try:
        maker = open_vector_maker(spec)
    except (ChaffinchError, OSError):
        return None
    return maker.info.fingerprint if isinstance(maker, Embedder) else None


def _search_again(
    form: ScannedForm, search: LeakSearch | CopySearch, side: np.ndarray | None, progress: Progress
) -> Iterator[PairSet]:
    """Search by each method, with the vectors and the cosine that it had before, as far as they are here."""
    here = {info["fingerprint"]: info for info in form.generation.info.get(EMBEDDERS, {}).values()}
    for method in search.methods:
        before = search.vectors.get(method)
        info = here.get(before.fingerprint) if before is not None else None
        if method == "semantic" and info is None:
            continue
        known = {info["name"]: {**asdict(before), "name": info["name"]}} if info and before else {}
        generation = replace(form.generation, info={**form.generation.info, EMBEDDERS: known})
        settings = LeakSettings(methods=(method,), phash_threshold=search.phash_threshold)
        yield from search_pairs(
            form.workspace, generation, settings=settings, side=side, progress=progress
        ).found


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
