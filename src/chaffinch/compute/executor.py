"""Runs jobs and survives those that fail.

The function that does a job is the same everywhere; an `Executor` decides where it runs. `LocalExecutor` uses
threads, because decoders, digests and kernels leave the GIL; a cluster can be added behind the same protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol, TypeVar

J = TypeVar("J")
R = TypeVar("R")

MAX_ATTEMPTS = 2
"""A job that raised is tried once more, since a file server may have hiccuped; then it is reported."""

_QUEUED_PER_WORKER = 2
"""Jobs handed out but not finished, per worker: enough that none waits, few enough that memory stays flat."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that raised in every attempt."""

    error: Exception
    """What the last attempt raised."""
    attempts: int
    """How often it was tried."""


class Executor(Protocol):
    """Anything that runs jobs."""

    def run(self, jobs: Iterable[J], work: Callable[[J], R]) -> Iterator[tuple[J, R | Failure]]:
        """Run `work` on every job and yield each with its result or `Failure`, in the order they finish.

        Args:
            jobs: Pulled as workers become free.
            work: Called with one job; may run in several threads at once.
        """
        ...


class LocalExecutor:
    """Runs jobs in threads of this process."""

    def __init__(self, n_workers: int) -> None:
        """Prepare `n_workers` threads, at least one; they start with `run`."""
        self._n_workers = max(1, n_workers)

    def run(self, jobs: Iterable[J], work: Callable[[J], R]) -> Iterator[tuple[J, R | Failure]]:
        """Run `work` on every job; see `Executor.run`.

        When the caller stops early (closes the iterator, or is interrupted) jobs that have begun are
        finished, no other begins, and no thread is left behind. Exceptions of `jobs` itself and those that
        are no `Exception` (KeyboardInterrupt, SystemExit) in a worker stop the run and go up.
        """
        source = iter(jobs)
        running: dict[Future[R], tuple[J, int]] = {}
        pool = ThreadPoolExecutor(self._n_workers, thread_name_prefix="chaffinch")
        try:
            self._fill(pool, work, source, running)
            while running:
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield from self._settle(pool, work, future, running)
                self._fill(pool, work, source, running)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _settle(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[J], R],
        future: Future[R],
        running: dict[Future[R], tuple[J, int]],
    ) -> Iterator[tuple[J, R | Failure]]:
        """Yield the result of a finished job, or hand it out once more."""
        job, attempts = running.pop(future)
        error = future.exception()
        if error is None:
            yield job, future.result()
        elif not isinstance(error, Exception):
            raise error
        elif attempts < MAX_ATTEMPTS:
            running[pool.submit(work, job)] = (job, attempts + 1)
        else:
            yield job, Failure(error, attempts)

    def _fill(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[J], R],
        source: Iterator[J],
        running: dict[Future[R], tuple[J, int]],
    ) -> None:
        while len(running) < self._n_workers * _QUEUED_PER_WORKER:
            try:
                job = next(source)
            except StopIteration:
                return
            running[pool.submit(work, job)] = (job, 1)
