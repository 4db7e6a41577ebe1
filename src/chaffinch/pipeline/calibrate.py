"""Calibrate: fit a model's semantic threshold to the pictures of a workspace.

Copies of a sample of images are made and embedded, and held against the stored vectors of their originals;
the nearest strangers of a larger sample say how near different pictures come. Copies that are in the dataset
already (equal pixels, and what `find` has confirmed) are no strangers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from chaffinch.compute.decode import UndecodedError, decode
from chaffinch.compute.embedding import Embedder, squash
from chaffinch.compute.variants import VARIANTS, variant
from chaffinch.detect.calibration import Calibration
from chaffinch.detect.calibration import calibrate as choose
from chaffinch.detect.knn import knn_graph
from chaffinch.detect.pair_sets import exact_pairs
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.formats.reading import fetch
from chaffinch.pipeline.columns import load_columns
from chaffinch.pipeline.embedders import open_embedder
from chaffinch.pipeline.own_vectors import PREFIX as OWN_VECTORS
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.usable_vectors import UsableVectors, usable_vectors
from chaffinch.report.calibration_page import write_calibration_page
from chaffinch.settings import MeasureSettings
from chaffinch.storage.findings import SCOPE_DUPLICATES, read_pairs, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.pairs import PairBlock, expand_pairs
from chaffinch.storage.samples import RowGatherer
from chaffinch.storage.schema import REF_FIELDS, refs_from
from chaffinch.storage.vectors import (
    EMBEDDERS,
    EmbedderInfo,
    unit_rows,
)

MAX_FALSE_SHARE = 0.002
"""Largest share of images that may have a stranger at or above the threshold: 2 of 1,000."""
N_COPIED = 200
"""Images of which copies are made, one of each kind."""
N_ASKED = 2000
"""Images whose nearest stranger is looked for."""
NEAREST = 10
"""Neighbours looked at for one that is no known copy."""
MIN_IMAGES = 20
"""With fewer, the nearest stranger says nothing."""


def calibrate(
    root: Path,
    *,
    embedder: str | None = None,
    max_false_share: float = MAX_FALSE_SHARE,
    n_copied: int = N_COPIED,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Calibration, Path]:
    """Choose the semantic threshold of an embedder, keep it in the workspace, and draw the curve.

    Args:
        root: The workspace.
        embedder: Name of the embedder; None takes the one used last.
        max_false_share: Largest share of images, 0..1, that may have a stranger at or above the threshold.
        n_copied: Images of which copies are made.
        seed: Of the samples and of the changes.
        progress: Who watches.

    Returns:
        What was measured, and the page with the curve.

    Raises:
        UsageError: If the share is out of range.
        WorkspaceError: If there are no vectors, or too few, or nothing tells how they were made.
        LockedError: If another process writes to the workspace.

    Cost: the embedder on 7 copies of 200 images; 2,000 rows against all.
    """
    if not 0 <= max_false_share < 1:
        raise UsageError(f"the share must be at least 0 and below 1, got {max_false_share}")
    folder, progress = WorkspaceFolder(root), progress or Silent()
    generation = folder.published()
    usable = _usable(folder, generation, embedder)
    info, rows = usable.info, usable.sample_ids
    rng = np.random.default_rng(seed)
    if len(rows) < MIN_IMAGES:
        raise WorkspaceError(f"has {len(rows)} vectors, too few to learn from", where=str(root))
    progress.stage("looking for the nearest strangers", total=None, unit="images")
    strangers = _strangers(folder, generation, usable, np.sort(_some(rows, N_ASKED, rng)))
    originals = _Originals(folder, generation, usable.vectors, _some(rows, n_copied, rng))
    copies = originals.copies(open_embedder(info.spec), rng=rng, progress=progress)
    found = choose(copies, strangers, max_false_share=max_false_share)
    _keep(root, info, found.threshold)
    return found, write_calibration_page(root / "reports", found, embedder=info.name)


def _some(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(rows, min(n, len(rows)), replace=False)


def _usable(folder: WorkspaceFolder, generation: Generation, embedder: str | None) -> UsableVectors:
    usable = usable_vectors(folder, generation, embedder)
    if usable is None:
        raise WorkspaceError(
            f"has no vectors{f' of {embedder!r}' if embedder else ''}",
            where=str(folder.root),
            hint=f"chaffinch scan SOURCE -w {folder.root} --embedder {embedder or 'NAME'}",
        )
    info = usable.info
    if not info.spec or info.spec.startswith(OWN_VECTORS):
        raise WorkspaceError(
            f"has the vectors of {info.name!r} without what makes them, so no copies can be embedded",
            where=str(folder.root),
            hint="name a threshold where you search: --semantic-threshold",
        )
    return usable


def _strangers(
    folder: WorkspaceFolder, generation: Generation, usable: UsableVectors, rows: np.ndarray
) -> np.ndarray:
    """Return the cosine of each row with its nearest image that is no known copy of it."""
    ids = usable.sample_ids
    graph = knn_graph(usable.own(), k=min(NEAREST, len(ids)), queries=np.searchsorted(ids, rows))
    neighbours = np.where(graph.neighbours >= 0, ids[graph.neighbours], -1)
    asked = np.zeros(generation.n_samples, dtype=bool)
    asked[rows] = True
    known: set[tuple[int, int]] = set()
    for block in _known_copies(folder, generation):
        wanted = asked[block.sample_a] | asked[block.sample_b]
        known |= set(zip(block.sample_a[wanted].tolist(), block.sample_b[wanted].tolist(), strict=True))
    is_stranger = np.array(
        [
            [other >= 0 and (min(row, other), max(row, other)) not in known for other in others]
            for row, others in zip(rows.tolist(), neighbours.tolist(), strict=True)
        ]
    )
    # Where all that is near is a known copy, the nearest stranger is farther than the last of them.
    first = np.where(is_stranger.any(axis=1), is_stranger.argmax(axis=1), graph.neighbours.shape[1] - 1)
    nearest: np.ndarray = np.take_along_axis(graph.similarity, first[:, None], axis=1)[:, 0]
    return nearest.astype(np.float64)


def _known_copies(folder: WorkspaceFolder, generation: Generation) -> Iterator[PairBlock]:
    """Yield the pairs of equal images, and those that `find` has confirmed."""
    yield from expand_pairs(exact_pairs(load_columns(folder, generation)))
    if (SCOPE_DUPLICATES, "verified") in scopes(generation):
        yield from expand_pairs(read_pairs(folder, generation, scope=SCOPE_DUPLICATES, method="verified"))


@dataclass(frozen=True, slots=True, eq=False)
class _Originals:
    """Images of which copies are made."""

    folder: WorkspaceFolder
    generation: Generation
    vectors: np.ndarray
    rows: np.ndarray

    def copies(
        self, embedder: Embedder, *, rng: np.random.Generator, progress: Progress
    ) -> dict[str, np.ndarray]:
        """Return the cosines of made copies with the stored vectors of their originals, by kind.

        Raises:
            WorkspaceError: If no image can be read any more.
        """
        progress.stage("embedding copies", total=len(self.rows), unit="images")
        cosines: list[np.ndarray] = []
        for row, shown in self._pictures():
            progress.advance(1)
            made = np.stack([squash(variant(shown, kind, rng), embedder.side) for kind in VARIANTS])
            cosines.append(unit_rows(embedder.embed(made)) @ unit_rows(self.vectors[row : row + 1])[0])
        if not cosines:
            raise WorkspaceError("none of the sampled images can be read", where=str(self.folder.root))
        by_image = np.array(cosines, dtype=np.float64)
        return {kind: by_image[:, number] for number, kind in enumerate(VARIANTS)}

    def _pictures(self) -> Iterator[tuple[int, np.ndarray]]:
        columns = [f.name for f in REF_FIELDS]
        gatherer = RowGatherer(self.folder.files(self.generation, "samples"), columns)
        max_pixels = MeasureSettings(**self.generation.measure).max_pixels
        fetched = fetch(refs_from(gatherer.take(self.rows)))
        for row, item in zip(self.rows.tolist(), fetched, strict=True):
            if item.data is None:
                continue
            try:
                yield row, decode(item.data, max_pixels=max_pixels).shown
            except UndecodedError:
                continue  # it has changed since it was scanned


def _keep(root: Path, info: EmbedderInfo, threshold: float) -> None:
    folder = WorkspaceFolder(root)
    with writer_lock(root):
        generation = folder.published()
        entry = asdict(info.calibrated(threshold))
        # Updating keeps the order, in which the embedder used last stands at the end.
        embedders = {**generation.info[EMBEDDERS], info.name: entry}
        folder.publish(generation, info={**generation.info, EMBEDDERS: embedders})
