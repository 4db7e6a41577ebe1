"""How a workspace is resolved, remembered: what `resolve` was told once, `apply` does too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from chaffinch.curate.answers import ResolveSettings
from chaffinch.curate.events import spelled_reviewer
from chaffinch.curate.policy import LEAK_SIDES, LeakSide
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.storage.files import write_json

CHOICES = "resolve.json"
"""The file of a workspace that holds them."""

AS_POLICY = "policy"
"""In place of a leak side: as policies and imports say."""


def remembered(root: Path) -> ResolveSettings:
    """Return how the workspace is resolved unless somebody says otherwise.

    Raises:
        WorkspaceError: If the file that holds it is damaged.
    """
    path = root / CHOICES
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return ResolveSettings(value["leak_side"], frozenset(map(spelled_reviewer, value["adjudicators"])))
    except FileNotFoundError:
        return ResolveSettings()
    except (ValueError, KeyError, TypeError) as error:
        hint = "remove the file, then give --leak-side and --adjudicator to chaffinch resolve again"
        raise WorkspaceError(f"cannot be read: {error}", where=str(path), hint=hint) from error


def remember(root: Path, settings: ResolveSettings) -> None:
    """Resolve the workspace in this way from now on."""
    value = {"leak_side": settings.leak_side, "adjudicators": sorted(settings.adjudicators)}
    write_json(root / CHOICES, value)


def chosen(root: Path, *, leak_side: str | None, adjudicators: Sequence[str] | None) -> ResolveSettings:
    """Return what is remembered, with what is said now in its place.

    Args:
        root: The workspace.
        leak_side: test, train, both, or `policy`; None: as remembered.
        adjudicators: Names of reviewers, an empty name for nobody; None or none: as remembered.

    Raises:
        UsageError: If there is no such side.
    """
    if leak_side is not None and leak_side not in (*LEAK_SIDES, AS_POLICY):
        words = ", ".join((*LEAK_SIDES, AS_POLICY))
        raise UsageError(f"there is no leak side {leak_side!r}", hint=f"take one of {words}")
    before = remembered(root)
    side = before.leak_side if leak_side is None else cast("LeakSide", leak_side)
    names = frozenset(map(spelled_reviewer, adjudicators or before.adjudicators)) - {""}
    return ResolveSettings(None if side == AS_POLICY else side, names)
