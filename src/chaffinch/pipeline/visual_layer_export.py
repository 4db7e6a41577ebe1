"""Export a Visual Layer dataset into one file, in parts where the server has a cap, and go on after a kill.

A server exports so many entities at once and no more (10,000 were seen). Above that the dataset is split by
its clusters, which it lists at several thresholds, higher ones finer:

1. the coarsest threshold at which no cluster is over the cap is exported, cluster by cluster;
2. what is still missing is taken from the coarser and then the finer thresholds: one threshold's clusters
   need not hold every image. Clusters whose preview images are all there come last;
3. clusters over the cap everywhere are divided by issue: with the first issue type and without it, and so on.

No step is trusted: parts are joined by media id, and the sum must be what the dataset says it holds. Offsets
and limits are not used, since servers ignore them.

Finished parts lie in a folder beside the target, named like it with ``.parts`` behind. It is removed when the
file is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaffinch.errors import LockedError, RemoteError, UsageError
from chaffinch.formats.visual_layer_api import (
    ENTITY_TYPE,
    Cluster,
    RemoteDataset,
    iter_clusters,
    sizes_in_refusal,
)
from chaffinch.formats.visual_layer_http import VisualLayerClient
from chaffinch.formats.visual_layer_parts import PartStore
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.visual_layer_tasks import PartTaker, wait_until_ready
from chaffinch.storage.lock import writer_lock

PARTS_SUFFIX = ".parts"
DEFAULT_CAP = 10_000
"""Entities that a server exports at once where it does not say; the cap that was seen."""
KNOWN_THRESHOLDS = 5
"""Thresholds 0 to 4 are documented; above them, as long as each lists other clusters than the one before."""
MAX_THRESHOLDS = 11
ISSUE_FILTERS = ("duplicates", "outliers", "mislabels", "blur", "dark", "bright")
"""Issue types by which a cluster over the cap is divided, in the server's spelling."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How an export is run."""

    poll_interval_s: float = 5.0
    """Longest wait between two questions whether something is done."""
    accept_missing: bool = False
    """Write what could be had though the dataset says that there is more."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export brought."""

    n_items: int
    """Media items in the file, each id once."""
    n_parts: int
    """Downloads that it was made of."""
    n_expected: int | None
    """Media items that the dataset says it holds; None where it does not say."""


def export_dataset(
    client: VisualLayerClient,
    dataset_id: str,
    target: Path,
    *,
    options: ExportOptions,
    progress: Progress,
) -> ExportSummary:
    """Write all media items of a dataset into one JSON file of schema 1.1, each media id once.

    Waits until the dataset is ready. A killed run goes on where it stopped when it is called again.

    Args:
        client: The connection.
        dataset_id: Of what.
        target: The file; replaced whole or not touched.
        options: How.
        progress: Is told of the course.

    Raises:
        RemoteError: If something is missing (and how much), or the server refuses.
        LockedError: If another process exports into the same file.

    Cost: one export on the server per cluster; memory does not grow with the dataset, disk is twice the file.
    """
    if target.is_dir() or target.suffix.lower() in (".zip", ".parquet", ".csv"):
        raise UsageError("the export is one JSON file", where=str(target), hint="--to FILE.json")
    dataset = wait_until_ready(client, dataset_id, poll_interval_s=options.poll_interval_s, progress=progress)
    facts = {"server": client.base_url, "dataset": dataset_id, "n_items": str(dataset.n_media_items)}
    with _parts_folder(target) as folder:
        is_worth_keeping = False
        try:
            with PartStore(folder) as store:
                if store.begin(facts) and store.n_parts:
                    progress.note(
                        f"going on with {store.n_parts:,} finished parts; remove {folder} to start afresh"
                    )
                export = _Export(client, dataset, store, options=options, progress=progress, folder=folder)
                try:
                    export.run()
                    export.check()
                finally:
                    is_worth_keeping = store.n_parts > 0 and export.is_split
                store.write(target)
                summary = ExportSummary(store.n_items, store.n_parts, export.n_expected)
                is_worth_keeping = False
        finally:
            if not is_worth_keeping:
                shutil.rmtree(folder)
    return summary


@contextmanager
def _parts_folder(target: Path) -> Iterator[Path]:
    folder = target.with_name(target.name + PARTS_SUFFIX)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with writer_lock(folder):
            yield folder
    except LockedError as error:
        raise LockedError(
            f"another process exports into this file (pid {error.holder_pid})",
            where=str(target),
            holder_pid=error.holder_pid,
            hint="wait until it has finished, or stop it",
        ) from error


@dataclass(slots=True)
class _Level:
    """The clusters of one threshold."""

    threshold: int
    clusters: list[Cluster]
    too_large: list[Cluster] = field(default_factory=list)
    n_short: int = 0
    """Clusters that brought fewer items than the server lists for them."""
    is_taken: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether each cluster is there with all that is listed for it."""
        return self.is_taken and not self.too_large and not self.n_short


class _Export:
    """One run: what is known of the dataset, and what was taken."""

    def __init__(
        self,
        client: VisualLayerClient,
        dataset: RemoteDataset,
        store: PartStore,
        *,
        options: ExportOptions,
        progress: Progress,
        folder: Path,
    ) -> None:
        self._client = client
        self._dataset = dataset
        self._store = store
        self._options = options
        self._progress = progress
        self._taker = PartTaker(
            client,
            store,
            dataset_id=dataset.dataset_id,
            poll_interval_s=options.poll_interval_s,
            progress=progress,
            folder=folder,
        )
        self._cap = DEFAULT_CAP
        self._n_refused: int | None = None
        self._levels: list[_Level] = []
        self.is_split = False
        """Whether the server's cap made parts of it."""

    @property
    def n_expected(self) -> int | None:
        """Media items there must be: as the dataset says, else the refusal; None where neither does."""
        n_listed = self._dataset.n_media_items
        return self._n_refused if n_listed is None else n_listed

    def run(self) -> None:
        """Take everything that can be had into the store."""
        self._progress.stage("export", total=self._dataset.n_media_items, unit="items")
        self._progress.advance(self._store.n_items)
        taken, message = self._taker.take({})
        if taken == "rejected":
            raise RemoteError(f"refuses the export: {message}", where=self._dataset.dataset_id)
        if taken == "too_large":
            self._split(message)

    def check(self) -> None:
        """Compare what is there with what must be.

        Raises:
            RemoteError: If something is missing and that was not accepted.
        """
        if self._is_complete():
            return
        n_items, n_expected = self._store.n_items, self.n_expected
        n_text = "an unknown number" if n_expected is None else f"{n_expected - n_items:,} of {n_expected:,}"
        n_large = len(self._levels[-1].too_large) if self._levels else 0
        large = f"; clusters over the server's cap at each threshold: {n_large:,}" if n_large else ""
        what = f"{n_text} media items could not be had{large}"
        if self._options.accept_missing:
            self._progress.note(f"{what}; written without them, as asked")
            return
        raise RemoteError(
            f"{what}; nothing was written{', finished parts are kept' if self.is_split else ''}",
            where=self._dataset.dataset_id,
            hint="run the command again, or take what there is with --accept-missing",
        )

    # ------------------------------------------------------------------------------------------- splitting

    def _split(self, message: str) -> None:
        self.is_split = True
        self._n_refused, cap = sizes_in_refusal(message)
        self._cap = cap or self._cap
        self._progress.stage("export in parts", total=self.n_expected, unit="items")
        self._progress.advance(self._store.n_items)
        deferred: list[tuple[_Level, Cluster]] = []
        for n_levels, level in enumerate(self._levels_in_order()):
            deferred += self._take_level(level, is_first=n_levels == 0)
            if self._is_complete():
                return
        for level, cluster in deferred:
            if self._is_complete():
                return
            self._take_cluster(level, cluster)
        self._divide()

    def _is_complete(self) -> bool:
        if self.n_expected is None:
            return not self.is_split or any(level.is_whole for level in self._levels)
        return self._store.n_items >= self.n_expected

    def _levels_in_order(self) -> Iterator[_Level]:
        """Yield the coarsest threshold whose clusters all fit, then the coarser, then the finer ones."""
        rest = self._list_levels()
        for level in rest:
            self._levels.append(level)
            if self._fits(level):
                break
        yield from reversed(self._levels)
        for level in rest:
            self._levels.append(level)
            yield level

    def _list_levels(self) -> Iterator[_Level]:
        before: set[Cluster] = set()
        n_found = 0
        for threshold in range(MAX_THRESHOLDS):
            clusters = list(iter_clusters(self._client, self._dataset.dataset_id, threshold=threshold))
            is_new = bool(clusters) and set(clusters) != before
            if threshold >= KNOWN_THRESHOLDS and not is_new:
                break
            if is_new:
                n_found += 1
                yield _Level(threshold, clusters)
            before = set(clusters)
        if not n_found:
            raise RemoteError(
                "the export is over the server's cap, and the server lists no clusters to split it by",
                where=self._dataset.dataset_id,
                hint="wait until the dataset is READY, or export selections of it in the web interface",
            )

    def _fits(self, level: _Level) -> bool:
        return all((cluster.n_images or 0) <= self._cap for cluster in level.clusters)

    def _take_level(self, level: _Level, *, is_first: bool) -> list[tuple[_Level, Cluster]]:
        """Take a level's clusters; returns those put off because their previews are all there already."""
        deferred = []
        # Without a number to reach, a threshold counts only if all of its clusters were taken.
        is_choosy = not is_first and self.n_expected is not None
        for cluster in level.clusters:
            if is_choosy and self._is_complete():
                break
            if is_choosy and cluster.preview_ids and self._store.has_items(cluster.preview_ids):
                deferred.append((level, cluster))
            else:
                self._take_cluster(level, cluster)
        level.is_taken = not deferred
        return deferred

    def _take_cluster(self, level: _Level, cluster: Cluster) -> None:
        filters = _filters(level, cluster)
        taken, message = self._taker.take(filters, n_least=cluster.n_images or 0)
        if taken == "too_large":
            level.too_large.append(cluster)
        elif taken != "taken":
            level.n_short += 1
        if taken == "rejected":
            self._progress.note(f"cluster {cluster.cluster_id} was rejected: {message}")

    # -------------------------------------------------------------------------------------------- dividing

    def _divide(self) -> None:
        """Divide clusters over the cap by issue, the finest threshold's first, until nothing is missing."""
        too_large = [(level, cluster) for level in reversed(self._levels) for cluster in level.too_large]
        for level, cluster in too_large:
            if self._is_complete():
                return
            if self._take_divided(_filters(level, cluster), (), ISSUE_FILTERS):
                level.too_large.remove(cluster)

    def _take_divided(
        self, filters: Mapping[str, str], clauses: Sequence[Mapping[str, object]], issues: Sequence[str]
    ) -> bool:
        """Take both halves, with an issue and without; False as soon as one is too large to the end."""
        if not issues:
            return False
        for mode in ("in", "out"):
            clause = {"issues": {"op": "issue", "value": issues[0], "mode": mode}}
            vql = [*clauses, clause]
            taken, _ = self._taker.take({**filters, "vql": json.dumps(vql)})
            if taken == "too_large" and not self._take_divided(filters, vql, issues[1:]):
                return False
        return True


def _filters(level: _Level, cluster: Cluster) -> dict[str, str]:
    return {
        "cluster_id": cluster.cluster_id,
        "threshold": str(level.threshold),
        "entity_type": ENTITY_TYPE,
    }
