"""One writer at a time: a file lock that the operating system drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaffinch.errors import LockedError


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the workspace's lock while writing tables.

    Raises:
        LockedError: If another process holds it; names that process's pid. Nothing is waited for.
    """
    path = folder / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise _locked(folder, os.pread(descriptor, 32, 0)) from busy
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        # Closing drops the lock. The file stays: removing it would let two writers lock two files.
        os.close(descriptor)


def _locked(folder: Path, content: bytes) -> LockedError:
    pid = int(content) if content.isdigit() else None
    return LockedError(
        f"another process is writing to this workspace (pid {pid if pid is not None else 'unknown'})",
        where=str(folder),
        holder_pid=pid,
        hint="wait until it has finished, or stop it; reading and reviewing go on meanwhile",
    )
