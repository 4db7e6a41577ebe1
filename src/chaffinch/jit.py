"""How numeric kernels are compiled: without the GIL, once per machine.

numba keeps the compiled code in ``__pycache__`` beside the package, or in the user's cache folder
(``~/.cache/numba`` on Linux) where the package is read-only; ``NUMBA_CACHE_DIR`` overrides both. Where it can
write to none of them it refuses to define a cached function at all; the kernel is then compiled anew in every
process, which costs seconds but works.

The cache notices changes of the file a kernel stands in, not of the kernels it calls in other files. Kernels
that call each other therefore stand in one file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import numba
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile `function` on its first call; it then runs without the GIL.

    Cost: 0.1 to 1 s the first time on a machine, about 10 ms from the cache.
    """
    return _compiled(function, fastmath=False)


def fast_kernel(function: Function) -> Function:
    """Compile as `kernel` does, for sums of floats that may be reordered, in vector instructions."""
    return _compiled(function, fastmath=True)


def _compiled(function: Function, *, fastmath: bool) -> Function:
    try:
        compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function)
    except RuntimeError:  # "no locator available": nowhere to keep compiled code
        compiled = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(function)
    return cast(Function, compiled)


class _Watcher(event.Listener):
    """Hears of each compilation; functions that come from the cache are none."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def on_start(self, event: object) -> None:
        self._tell()

    def on_end(self, event: object) -> None:
        """Ignore."""


def watched_compiling(tell: Callable[[], None]) -> AbstractContextManager[Any]:
    """Call `tell` whenever a function begins to be compiled, on the thread that compiles it."""
    return cast("AbstractContextManager[Any]", event.install_listener("numba:compile", _Watcher(tell)))
