"""Puts a folder that was built beside its target in the target's place, all at once.

A release is built in ``.NAME.chaffinch-new`` beside the folder NAME and then swapped with it, so that a
killed process leaves the old release or the new one, never half of one. `recover` clears away what else it
left.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""Said by systems and file systems that cannot swap two folders in one step."""


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a new, empty folder beside `target`; on success it becomes `target` and what was there goes.

    On any failure `target` stays as it was. Call `recover` first.
    """
    staging, old = _beside(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.mkdir()
    try:
        yield staging
        _put_in_place(staging, target, old)
    finally:
        # After the swap this is what was there before.
        for leftover in (staging, old):
            shutil.rmtree(leftover, ignore_errors=True)


def recover(target: Path) -> None:
    """Clear away what a killed run left beside `target`, and put the old folder back if it took it away."""
    staging, old = _beside(target)
    if old.is_dir() and not target.exists():
        old.rename(target)
    for leftover in (staging, old):
        if leftover.is_dir():
            shutil.rmtree(leftover)


def _beside(target: Path) -> tuple[Path, Path]:
    return (
        target.with_name(f".{target.name}.chaffinch-new"),
        target.with_name(f".{target.name}.chaffinch-old"),
    )


def _put_in_place(staging: Path, target: Path, old: Path) -> None:
    if not target.exists() or not any(target.iterdir()):
        # A folder takes the place of an empty one in one step.
        staging.rename(target)
    elif not _exchange(staging, target):
        target.rename(old)
        try:
            staging.rename(target)
        except OSError:
            old.rename(target)
            raise


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the system cannot.

    Source: renameat2(2), RENAME_EXCHANGE.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(second))
