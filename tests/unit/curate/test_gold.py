"""Gold items come from a CSV, by key or image id, and are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chaffinch.curate.gold import GOLD, Right, remember_gold, remembered_gold
from chaffinch.errors import ChaffinchError, UsageError, WorkspaceError


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scanned, tmp_path / "ws"))


def remembered_after(ws: Path, text: str) -> dict[str, Right]:
    (ws / "given.csv").write_text(text)
    assert remember_gold(ws, ws / "given.csv") == remembered_gold(ws)
    return remembered_gold(ws)


def test_remember_gold__by_key_or_image_id(ws: Path) -> None:
    assert remembered_gold(ws) == {}
    by_key = "key;user_action;new_label\ntrain/cat/a.png;relabel;dog\ntrain/dog/b.png;keep;\n"
    expected = {"train/cat/a.png": Right("relabel", "dog"), "train/dog/b.png": Right("keep")}
    assert remembered_after(ws, by_key) == expected
    assert remembered_after(ws, "image_id,user_action\ndog/b.png,remove\n") == {
        "train/dog/b.png": Right("remove")
    }
    assert remembered_after(ws, "key,user_action\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,user_action\na,keep\n", "column 'key'"),
        ("key,new_label\na,dog\n", "column 'user_action'"),
        ("key,user_action\nnowhere,keep\n", "row 2: is the key or image id of no image"),
        ("key,user_action\ntrain/cat/a.png,none\n", "row 2 column 'user_action'"),
        ("key,user_action\ntrain/cat/a.png,relabel\n", "row 2 column 'new_label'"),
        ("key,user_action,new_label\ntrain/cat/a.png,relabel,owl\n", "'owl' is no class"),
    ],
)
def test_remember_gold__says_what_is_wrong_and_changes_nothing(ws: Path, text: str, message: str) -> None:
    before = remembered_after(ws, "key,user_action\ntrain/dog/b.png,keep\n")
    (ws / "given.csv").write_text(text)
    with pytest.raises(ChaffinchError, match=message):
        remember_gold(ws, ws / "given.csv")
    assert remembered_gold(ws) == before
    with pytest.raises(UsageError, match="no such file"):
        remember_gold(ws, ws / "nowhere.csv")


def test_remembered_gold__damaged(ws: Path) -> None:
    (ws / GOLD).write_text("[1]")
    with pytest.raises(WorkspaceError, match=GOLD):
        remembered_gold(ws)
