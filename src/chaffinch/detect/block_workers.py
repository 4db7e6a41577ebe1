"""Threads that each multiply their own blocks of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from chaffinch.settings import n_cores


@contextmanager
def products_on_one_thread() -> Iterator[None]:
    """Have each matrix product done by the thread that asks for it, for the whole process while it lasts.

    A product that is itself cut among threads makes them wait for each other, and those that wait turn in
    circles: on blocks of a thousand rows that doubles the CPU time, on a small eigenproblem beside a busy
    core it takes it tenfold.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@contextmanager
def block_workers() -> Iterator[ThreadPoolExecutor]:
    """Give one thread per core; each does its own products, see `products_on_one_thread`."""
    with products_on_one_thread(), ThreadPoolExecutor(n_cores()) as pool:
        yield pool
