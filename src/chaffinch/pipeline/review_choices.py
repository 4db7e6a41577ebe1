"""How a workspace is reviewed, remembered: what `review` was told once holds until it is told otherwise."""

from __future__ import annotations

import json
from pathlib import Path

from chaffinch.curate.sharing import Sharing
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.storage.files import write_json

CHOICES = "review.json"
"""The file of a workspace that holds it."""


def remembered_sharing(root: Path) -> Sharing:
    """Return how many reviewers images get unless somebody says otherwise.

    Raises:
        WorkspaceError: If the file that holds it is damaged.
    """
    path = root / CHOICES
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Sharing(float(value["overlap"]), int(value["overlap_reviewers"]))
    except FileNotFoundError:
        return Sharing()
    except (ValueError, KeyError, TypeError, UsageError) as error:
        hint = "remove the file, then give --overlap to chaffinch review again"
        raise WorkspaceError(f"cannot be read: {error}", where=str(path), hint=hint) from error


def choose_sharing(root: Path, *, overlap: float | None, reviewers: int | None) -> Sharing:
    """Return what is remembered, with what is said now in its place, and remember that.

    Args:
        root: The workspace.
        overlap: Share of the images that get several reviewers, 0..1; None: as remembered.
        reviewers: How many those get; None: as remembered.

    Raises:
        UsageError: If one of them is out of range.
    """
    before = remembered_sharing(root)
    sharing = Sharing(
        before.share if overlap is None else overlap, before.reviewers if reviewers is None else reviewers
    )
    if sharing != before:
        write_json(root / CHOICES, {"overlap": sharing.share, "overlap_reviewers": sharing.reviewers})
    return sharing
