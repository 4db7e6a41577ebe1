"""Workspaces that nobody named: in the user's cache folder, safe to delete at any time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the program's cache folder: below ``XDG_CACHE_HOME``, else ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "chaffinch"


def leak_workspace(train: str, test: str) -> Path:
    """Return the workspace for leaks between two places, the same for every run over them."""
    places = "\0".join(place if "://" in place else str(Path(place).resolve()) for place in (train, test))
    name = hashlib.blake2b(places.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return cache_folder() / "leaks" / name
