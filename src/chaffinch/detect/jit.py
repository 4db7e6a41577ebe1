"""How the kernels of this room are compiled: without the GIL, and kept on disk where that is possible.

numba keeps compiled code beside the package or, where that is read-only, in the user's cache folder. Where
neither can be written it refuses to define a cached function; the kernel is then compiled in every process.
The cache notices changes of the file a kernel stands in, not of kernels it calls in other files: kernels that
call each other stand in one file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile `function` when it is first called."""
    try:
        return cast(F, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # "no locator available": there is no place for compiled code
        return cast(F, numba.njit(nogil=True)(function))


def fast_kernel(function: F) -> F:
    """Compile a sum of floats that may be reordered, so that it runs in vector instructions."""
    try:
        return cast(F, numba.njit(cache=True, nogil=True, fastmath=True)(function))
    except RuntimeError:
        return cast(F, numba.njit(nogil=True, fastmath=True)(function))
