"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY_SUFFIX = ".tmp"

FOLDERS = ("plan", "shards", "thumbs", "tables", "embedding")
"""Folders of a workspace that its one writer writes to."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is synced and becomes `target`.

    On any failure nothing is left and an old `target` stays as it was. A killed process leaves a
    temporary file, which `remove_temporary_files` clears away.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically, keys in the order given."""
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def remove_temporary_files(folder: Path) -> None:
    """Remove what killed writers left below `folder`; call only while holding the workspace's lock."""
    # Not below `reports`: what is being written there belongs to a run that holds no lock.
    for place in (folder, *(folder / name for name in FOLDERS)):
        for leftover in place.glob(f".*{TEMPORARY_SUFFIX}"):
            leftover.unlink(missing_ok=True)
