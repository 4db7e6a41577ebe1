"""The searches for pairs, by method: between two sides or within all samples, as far as they can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chaffinch.detect.pair_sets import SampleColumns, exact_pairs, perceptual_pairs
from chaffinch.detect.semantic import semantic_pairs
from chaffinch.detect.verified import KnownPairs, verified_pairs
from chaffinch.pipeline.columns import Thumbnails, load_columns
from chaffinch.pipeline.progress import Progress
from chaffinch.report.leak_summary import LeftOut
from chaffinch.settings import DEFAULT_EMBEDDER, METHODS, LeakSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.pairs import PairSet
from chaffinch.storage.vectors import EmbedderInfo, embedder_info, read_vectors


@dataclass(frozen=True, slots=True)
class SemanticRun:
    """With what the semantic search was made, and how sure it is of its edge."""

    embedder: str
    """Whose vectors were compared."""
    threshold: float
    """Smallest cosine of a pair."""
    n_borderline: int
    """Pairs so close to the threshold, on either side, that rounding may decide them."""
    n_without_vector: int
    """Images that decode but have no vector: not compared."""

    def settings(self) -> Mapping[str, str | int | float]:
        """Return all but the threshold, for a summary's JSON."""
        return {
            "embedder": self.embedder,
            "n_borderline": self.n_borderline,
            "n_without_vector": self.n_without_vector,
        }


@dataclass(frozen=True, slots=True, eq=False)
class PairSearch:
    """What the searches found."""

    found: list[PairSet]
    """One a method that ran, cheapest first."""
    semantic: SemanticRun | None
    """None where the semantic search did not run."""
    left_out: tuple[LeftOut, ...]
    """Methods asked for that could not run."""


def search_pairs(
    folder: WorkspaceFolder,
    generation: Generation,
    *,
    settings: LeakSettings,
    side: np.ndarray | None,
    known: KnownPairs | None = None,
    progress: Progress,
) -> PairSearch:
    """Search all pairs by each of the methods that can run, cheapest first.

    Args:
        folder: The workspace.
        generation: Its published tables.
        settings: Methods and thresholds.
        side: Shape (n_samples,), int8: 0 and 1 for the two sides, -1 for neither; None: within all samples.
        known: What earlier searches of the same tables found out about pairs; this one adds to it.
        progress: Who watches.
    """
    samples = load_columns(folder, generation)
    found: list[PairSet] = []
    for method in METHODS:
        if method in settings.methods and method != "semantic":
            progress.stage(f"searching {method} pairs", total=None, unit="pairs")
            search = _Search(folder, generation, settings, side, known, progress)
            found.append(search.run(samples, method))
    if "semantic" not in settings.methods:
        return PairSearch(found, None, ())
    ready = _semantic_ready(folder, generation, settings)
    if isinstance(ready, LeftOut):
        return PairSearch(found, None, (ready,))
    progress.stage("searching semantic pairs", total=None, unit="pairs")
    embedder, threshold = ready
    vectors = read_vectors(folder, generation, embedder)
    semantic = semantic_pairs(samples, vectors, threshold=threshold, side=side)
    run = SemanticRun(embedder, threshold, semantic.n_borderline, semantic.n_without_vector)
    return PairSearch([*found, semantic.pairs], run, ())


def vectors_used(
    generation: Generation, settings: LeakSettings, search: PairSearch
) -> dict[str, EmbedderInfo]:
    """Return whose vectors a search compared, by method, with the cosine that it took for its threshold."""
    info = embedder_info(generation, settings.embedder)
    used: dict[str, EmbedderInfo] = {}
    if info is not None and info.candidate_cosine is not None and "verified" in settings.methods:
        used["verified"] = info
    if info is not None and search.semantic is not None:
        used["semantic"] = replace(info, semantic_threshold=search.semantic.threshold)
    return used


def searched_with(generation: Generation, settings: LeakSettings) -> dict[str, str]:
    """Return, by each method asked for, what its pairs rest on besides the images.

    They are up to date while this stays as it is. It tells too that vectors or a threshold are lacking, so
    that a method is searched again once they are there.
    """
    info = embedder_info(generation, settings.embedder)
    whose = f"{info.name} {info.fingerprint}" if info else "no vectors"
    copies = info.candidate_cosine if info else None
    rests_on = {
        "exact": "content",
        "perceptual": f"{settings.phash_threshold} bits",
        "verified": f"{whose} {copies}" if copies is not None else "thumbnails",
        "semantic": f"{whose} {settings.semantic_threshold or (info.semantic_threshold if info else None)}",
    }
    return {method: rests_on[method] for method in METHODS if method in settings.methods}


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """A search that needs no vectors."""

    folder: WorkspaceFolder
    generation: Generation
    settings: LeakSettings
    side: np.ndarray | None
    known: KnownPairs | None
    progress: Progress

    def run(self, samples: SampleColumns, method: str) -> PairSet:
        if method == "exact":
            return exact_pairs(samples, side=self.side)
        if method == "perceptual":
            return perceptual_pairs(samples, radius=self.settings.phash_threshold, side=self.side)
        info = embedder_info(self.generation, self.settings.embedder)
        # Without a cosine that means a copy, nothing tells how far candidates may reach.
        threshold = info.candidate_cosine if info is not None else None
        is_known = info is not None and threshold is not None
        return verified_pairs(
            samples,
            thumbs=Thumbnails(self.folder, self.generation).decoded,
            side=self.side,
            vectors=read_vectors(self.folder, self.generation, info.name) if info and is_known else None,
            copy_cosine=threshold or 1.0,
            known=self.known,
            watch=_Settled(self.progress),
        )


def _semantic_ready(
    folder: WorkspaceFolder, generation: Generation, settings: LeakSettings
) -> tuple[str, float] | LeftOut:
    """Return embedder and threshold, or what is lacking."""
    info = embedder_info(generation, settings.embedder)
    if info is None:
        maker = settings.embedder or DEFAULT_EMBEDDER
        whose = f" of {settings.embedder!r}" if settings.embedder else ""
        return LeftOut(
            "semantic",
            f"it compares embedding vectors, and the workspace has none{whose}",
            f"chaffinch scan SOURCE -w {folder.root} --embedder {maker}; where two folders are compared, "
            f"add --embedder {maker} to this very command",
        )
    threshold = settings.semantic_threshold or info.semantic_threshold
    if threshold is None:
        return LeftOut(
            "semantic",
            f"nothing tells at which cosine two vectors of {info.name!r} mean the same picture",
            f"chaffinch calibrate -w {folder.root}, or name a --semantic-threshold",
        )
    return info.name, threshold


class _Settled:
    """Turns counts of settled candidates into a stage with a total, once the total is known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = -1

    def __call__(self, done: int, total: int) -> None:
        if self._done < 0:
            self._progress.stage("verifying candidates", total=total, unit="pairs")
            self._done = 0
        self._progress.advance(done - self._done)
        self._done = done
