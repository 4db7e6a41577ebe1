"""A scanned workspace with duplicates, shared by the tests of the review server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chaffinch.pipeline.find import find
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.serve.board import Board
from chaffinch.settings import FindSettings
from chaffinch.storage.decisions import open_log


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory, save_pictures: Callable[[Path, Mapping[str, int]], None]
) -> Path:
    """Return a workspace of six images: two cats alike, one of them also among the dogs, one broken."""
    folder = tmp_path_factory.mktemp("data")
    names = {"cat/1.png": 1, "cat/2.png": 1, "cat/3.png": 3, "dog/1.png": 1, "dog/<b>&2.png": 5}
    save_pictures(folder / "pets", names)
    (folder / "pets" / "dog" / "9.png").write_bytes(b"no picture")
    scan(folder / "ws", SourceSpec(locations=(str(folder / "pets"),)))
    find(folder / "ws", settings=FindSettings(only=("duplicates",)))
    return folder / "ws"


@pytest.fixture
def ws(searched: Path, tmp_path: Path) -> Path:
    """Return a copy of the workspace in which nobody has decided."""
    return Path(shutil.copytree(searched, tmp_path / "ws"))


@pytest.fixture
def board(ws: Path) -> Board:
    """Return its board, not blind."""
    return Board(ReviewData(ws), open_log(ws), is_blind=False)
