"""Findings in order and in numbers, and the page that shows them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chaffinch.errors import UsageError
from chaffinch.pipeline.find import find
from chaffinch.pipeline.issue_list import IssueList, parse_types
from chaffinch.pipeline.issue_page import write_issue_page
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import FindSettings


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Four pictures: a copy of the first, one dark, one darker."""
    images = tmp_path / "images"
    images.mkdir()
    for name, seed, divisor in (("a", 1, 1), ("c", 2, 10), ("d", 3, 20)):
        noise = np.random.default_rng(seed).integers(0, 2, (40, 40, 3), dtype=np.uint8) * 255
        Image.fromarray(noise // divisor).save(images / f"{name}.png")
    shutil.copy(images / "a.png", images / "b.png")
    scan(tmp_path / "ws", SourceSpec(locations=(str(images),)))
    find(tmp_path / "ws", settings=FindSettings(only=("duplicates", "quality")))
    return tmp_path / "ws"


def keys(found: IssueList, **options: object) -> list[str]:
    rows = found.rows(**options)  # type: ignore[arg-type]
    return [f"{row['issue_type']} {row['key'].removeprefix('all/')}" for row in rows]


def test_parse_types__takes_any_spelling() -> None:
    assert parse_types("mislabels, Odd-Size") == {"mislabel", "odd_size"}
    for text in ("mislabel,fog", " , "):
        with pytest.raises(UsageError, match="no issue type"):
            parse_types(text)


def test_issue_list__orders(workspace: Path) -> None:
    found = IssueList(workspace)
    surest = ["duplicate a.png", "duplicate b.png", "dark d.png", "dark c.png"]
    assert keys(found) == surest
    assert keys(found, limit=3) == surest[:3]
    assert keys(found, order="sample") == [*surest[:2], "dark c.png", "dark d.png"]
    assert keys(IssueList(workspace, types=["dark"])) == surest[2:]
    with pytest.raises(UsageError, match="no order"):
        keys(found, order="size")


def test_issue_list__summary_counts_by_type(workspace: Path) -> None:
    duplicate, dark = IssueList(workspace).summary()
    assert (duplicate.issue_type, duplicate.n_findings, duplicate.n_images) == ("duplicate", 2, 2)
    assert (dark.issue_type, dark.n_images, dark.sources) == ("dark", 2, ("chaffinch",))
    assert duplicate.median_confidence == 1.0
    assert IssueList(workspace, types=["blur"]).summary() == []


def test_write_issue_page__shows_a_pair_once_and_its_other_side(workspace: Path, tmp_path: Path) -> None:
    assert write_issue_page(workspace, tmp_path / "i.html") == 3
    text = (tmp_path / "i.html").read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 4
    assert text.index('id="duplicate"') < text.index('id="dark"')
    assert write_issue_page(workspace, tmp_path / "i.html", types=["dark"], n_per_type=1) == 1


def test_issues__json_holds_evidence_as_an_object_and_what_cannot_be_listed_is_said(
    workspace: Path, shell_for: Callable[[Path], Any]
) -> None:
    run = shell_for(workspace)
    rows = [json.loads(line) for line in run("issues", "--format", "json").splitlines()]
    assert rows
    assert all(isinstance(row["evidence"], dict) for row in rows)
    assert f"none of this type; there are {len(rows)} others" in run("issues", "--type", "blur")
    assert "there is no order 'nosuch'" in run("issues", "--sort", "nosuch", status=2)
