"""Threads that each multiply their own blocks of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from chaffinch.settings import n_cores


@contextmanager
def block_workers() -> Iterator[ThreadPoolExecutor]:
    """Give one thread per core, matrix products being done by the thread that asks for them.

    A product that is itself cut among threads makes them wait for each other after each block, and idle ones
    turn in circles: on blocks of a thousand rows that doubles the CPU time. The limit holds for the whole
    process while the workers are there.
    """
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(n_cores()) as pool:
        yield pool
