"""The local executor: nothing lost, nothing kept, stops when told."""

import threading
import time
from collections.abc import Iterator

import pytest

from chaffinch.compute.executor import Failure, LocalExecutor


def test_run__yields_every_job_once() -> None:
    got = dict(LocalExecutor(4).run(range(50), lambda n: n * n))
    assert got == {n: n * n for n in range(50)}


def test_run__no_jobs() -> None:
    assert list(LocalExecutor(2).run([], str)) == []


def test_run__yields_in_the_order_of_finishing() -> None:
    gate = threading.Event()

    def work(job: str) -> str:
        if job == "slow":
            assert gate.wait(10)
        return job

    results = LocalExecutor(2).run(["slow", "fast"], work)
    assert next(results) == ("fast", "fast")
    gate.set()
    assert next(results) == ("slow", "slow")


def test_run__pulls_jobs_only_as_needed() -> None:
    pulled: list[int] = []

    def jobs() -> Iterator[int]:
        for n in range(1000):
            pulled.append(n)
            yield n

    results = LocalExecutor(2).run(jobs(), lambda n: n)
    next(results)
    assert len(pulled) <= 8
    results.close()


def test_run__tries_a_failed_job_once_more() -> None:
    calls: list[int] = []

    def work(job: int) -> int:
        calls.append(job)
        if calls.count(job) == 1:
            raise OSError("hiccup")
        return job

    assert sorted(LocalExecutor(2).run(range(5), work)) == [(n, n) for n in range(5)]
    assert len(calls) == 10


def test_run__reports_a_job_that_fails_twice_and_goes_on() -> None:
    def work(job: int) -> int:
        return 10 // job

    got = dict(LocalExecutor(2).run([0, 1, 2], work))
    assert (got[1], got[2]) == (10, 5)
    assert isinstance(got[0], Failure)
    assert isinstance(got[0].error, ZeroDivisionError)
    assert got[0].attempts == 2


def test_run__closing_leaves_no_thread_and_starts_no_job() -> None:
    started: list[int] = []

    def work(job: int) -> int:
        started.append(job)
        time.sleep(0.005)
        return job

    before = threading.active_count()
    results = LocalExecutor(2).run(range(1000), work)
    next(results)
    results.close()
    n_started = len(started)
    time.sleep(0.03)
    assert len(started) == n_started < 20
    assert threading.active_count() == before


def test_run__an_interrupt_in_a_worker_goes_up() -> None:
    def work(job: int) -> int:
        if job == 3:
            raise KeyboardInterrupt
        return job

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(LocalExecutor(2).run(range(1000), work))
    assert threading.active_count() == before


def test_run__an_error_of_the_jobs_goes_up() -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise RuntimeError("the plan cannot be read")

    with pytest.raises(RuntimeError, match="plan"):
        list(LocalExecutor(1).run(jobs(), lambda n: n))
