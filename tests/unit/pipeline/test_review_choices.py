"""How a workspace is reviewed is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaffinch.curate.sharing import Sharing
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.pipeline.review_choices import CHOICES, choose_sharing, remembered_sharing


def test_choose_sharing__holds_until_told_otherwise(tmp_path: Path) -> None:
    assert choose_sharing(tmp_path, overlap=None, reviewers=None) == Sharing(0.1, 2)
    assert not (tmp_path / CHOICES).exists()
    assert choose_sharing(tmp_path, overlap=0.2, reviewers=None) == Sharing(0.2, 2)
    assert choose_sharing(tmp_path, overlap=None, reviewers=3) == Sharing(0.2, 3)
    assert remembered_sharing(tmp_path) == Sharing(0.2, 3)
    with pytest.raises(UsageError, match="--overlap"):
        choose_sharing(tmp_path, overlap=2, reviewers=None)
    assert remembered_sharing(tmp_path) == Sharing(0.2, 3)


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"overlap": 0.1}', '{"overlap": 7, "overlap_reviewers": 2}']
)
def test_remembered_sharing__damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / CHOICES).write_text(text)
    with pytest.raises(WorkspaceError, match=CHOICES):
        remembered_sharing(tmp_path)
