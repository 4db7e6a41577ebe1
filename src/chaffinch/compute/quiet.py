"""Keeping Pillow's warnings inside a decode, without touching what other threads see.

Pillow warns about corrupt EXIF, large sizes, odd palettes. A scan reports outcomes instead, and a host
program that turns warnings into errors must not turn a good image into a broken one.
`warnings.catch_warnings` cannot be used: it swaps global state, so threads undo each other's changes.

One filter is put in front of the host's, through the public call. Its category claims to include a warning
only if the thread that asks is inside `no_warnings`, so that everywhere else it matches nothing.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


class _WhileDecoding(type):
    """Makes `issubclass(any warning, _DecodingWarning)` true inside `no_warnings` of this thread alone."""

    def __subclasscheck__(cls, subclass: type) -> bool:
        return getattr(_here, "depth", 0) > 0


class _DecodingWarning(Warning, metaclass=_WhileDecoding):
    """Stands for every warning that is raised while this thread decodes."""


@contextmanager
def no_warnings() -> Iterator[None]:
    """Drop all warnings of the current thread; other threads keep theirs."""
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        # Others may have put filters in front since, or restored an older list.
        if not warnings.filters or warnings.filters[0][2] is not _DecodingWarning:
            warnings.simplefilter("ignore", category=_DecodingWarning)
        yield
    finally:
        _here.depth -= 1
