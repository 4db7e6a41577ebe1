"""One export on a Visual Layer server: wait until it is through, download it, take it into the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from chaffinch.errors import RemoteError, SourceError
from chaffinch.formats.visual_layer_api import (
    FATAL_ERROR,
    READY,
    ExportTask,
    RemoteDataset,
    get_dataset,
    poll_export,
    start_export,
)
from chaffinch.formats.visual_layer_http import VisualLayerClient
from chaffinch.formats.visual_layer_parts import DownloadedPart, PartStore
from chaffinch.pipeline.progress import Progress

MAX_ATTEMPTS = 4
"""Attempts at one part that fails on the server or cannot be read."""
FIRST_RETRY_S = 0.2
FIRST_POLL_S = 0.1
"""The first wait between two polls; it doubles up to the interval asked for."""
TASK_TIMEOUT_S = 7200.0
"""An export that is not through by then is started anew."""
EVERYTHING = "everything"
"""Name of the part that has no filters."""

Taken = Literal["taken", "short", "too_large", "rejected"]
"""How a part went: there; there with fewer items than listed; over the cap; refused for another reason."""


def check_dataset(client: VisualLayerClient, dataset_id: str) -> RemoteDataset:
    """Ask how far a dataset is.

    Raises:
        RemoteError: If the dataset failed (with its text), is not known, or the server refuses.
    """
    dataset = get_dataset(client, dataset_id)
    if dataset.status == FATAL_ERROR:
        raise RemoteError(
            f"the dataset failed: {dataset.fatal_error or 'the server gives no reason'} ({FATAL_ERROR})",
            where=dataset_id,
            hint="mend what it names and upload the dataset again",
        )
    return dataset


def wait_until_ready(
    client: VisualLayerClient, dataset_id: str, *, poll_interval_s: float, progress: Progress
) -> RemoteDataset:
    """Return the dataset once it is ready, or at once where the server gives no status.

    Raises:
        RemoteError: As `check_dataset`.
    """
    progress.stage(f"dataset {dataset_id}", total=100, unit="%")
    n_shown, status = 0, ""
    waits = poll_waits(poll_interval_s)
    while True:
        dataset = check_dataset(client, dataset_id)
        if dataset.status in (READY, ""):
            return dataset
        if dataset.status != status:
            status = dataset.status
            progress.note(f"dataset {dataset_id} is {status}")
        n_done = int(dataset.progress or 0)
        progress.advance(max(n_done - n_shown, 0))
        n_shown = max(n_shown, n_done)
        time.sleep(next(waits))


def poll_waits(longest_s: float) -> Iterator[float]:
    """Yield waits without end: short ones first, for what is done at once."""
    wait_s = FIRST_POLL_S
    while True:
        yield min(wait_s, longest_s)
        wait_s = min(2 * wait_s, longest_s)


class PartTaker:
    """Takes parts of one dataset into a store."""

    def __init__(
        self,
        client: VisualLayerClient,
        store: PartStore,
        *,
        dataset_id: str,
        poll_interval_s: float,
        progress: Progress,
        folder: Path,
    ) -> None:
        """Prepare.

        Args:
            client: The connection.
            store: Where parts go.
            dataset_id: Of what.
            poll_interval_s: Longest wait between two polls.
            progress: Is told of new items.
            folder: Where a download lies while it is read.
        """
        self._client = client
        self._store = store
        self._dataset_id = dataset_id
        self._poll_interval_s = poll_interval_s
        self._progress = progress
        self._download = folder / "download"

    def take(self, filters: Mapping[str, str], *, n_least: int = 0) -> tuple[Taken, str]:
        """Export one part, download it and take it in; tries again what failed on the way.

        Args:
            filters: Which part; none for everything.
            n_least: A part with fewer items is taken in but not called finished: the next run asks anew.

        Returns:
            How it went, and the server's text where it refused.

        Raises:
            RemoteError: If it fails each time, or the server does not accept the credentials.
        """
        name = "&".join(f"{key}={value}" for key, value in sorted(filters.items())) or EVERYTHING
        if self._store.has_part(name):
            return "taken", ""
        reason = ""
        for n_attempts in range(MAX_ATTEMPTS):
            if n_attempts:
                time.sleep(FIRST_RETRY_S * 2 ** (n_attempts - 1))
            task = self._finished_task(filters)
            if task.state == "too_large" or task.state == "rejected":
                return task.state, task.message
            if task.state != "completed":
                reason = task.message or "the server gives no reason"
                continue
            n_items, reason = self._bring(name, task, n_least=n_least)
            if not reason:
                return ("taken" if n_items >= n_least else "short"), ""
        raise RemoteError(
            f"an export failed {MAX_ATTEMPTS} times, last: {reason}",
            where=self._dataset_id,
            hint="run the command again later; finished parts are kept",
        )

    def _finished_task(self, filters: Mapping[str, str]) -> ExportTask:
        dataset_id = self._dataset_id
        task = start_export(self._client, dataset_id, filters)
        ends_at = time.monotonic() + TASK_TIMEOUT_S
        waits = poll_waits(self._poll_interval_s)
        while task.state == "running":
            if time.monotonic() > ends_at:
                return ExportTask(task.task_id, "failed", "it did not end in time", "")
            task = poll_export(self._client, dataset_id, task.task_id)
            if task.state == "running":
                time.sleep(next(waits))
        return task

    def _bring(self, name: str, task: ExportTask, *, n_least: int) -> tuple[int, str]:
        """Download a part and take it in; returns its items and what went wrong, '' if nothing did."""
        part = DownloadedPart(self._download, is_everything=name == EVERYTHING)
        try:
            self._client.download(task.download_uri, self._download)
            n_items, n_new = self._store.add_part(name, part, n_least=n_least)
        except SourceError as error:
            return 0, error.what
        except RemoteError as error:
            # The store of the files refuses an old link with 403 or 404; a refused token is final.
            if error.status == 401:
                raise
            return 0, str(error)
        finally:
            self._download.unlink(missing_ok=True)
        self._progress.advance(n_new)
        return n_items, ""
