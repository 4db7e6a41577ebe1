"""What `resolve` was told is what `apply` does; a policy's version means one set of rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaffinch.curate.answers import ResolveSettings
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.pipeline.resolve_choices import CHOICES, chosen, remember, remembered

NAMES = {"train/cat/a.png": 1, "train/dog/b.png": 2, "val/cat/v.png": 1, "val/dog/w.png": 3}
"""val/cat/v = train/cat/a."""


@pytest.fixture
def shell(tmp_path: Path, save_pictures: Callable[..., None], shell_for: Callable[..., Any]) -> Any:
    save_pictures(tmp_path / "birds", NAMES)
    run = shell_for(tmp_path / "ws")
    run("scan", tmp_path / "birds")
    run("leaks", "--between", "train", "val", "--methods", "exact")
    return run


def removed(folder: Path) -> list[str]:
    return (folder / "birds_removal_list.txt").read_text().splitlines()


def test_chosen__what_is_said_now_wins_over_what_is_remembered(tmp_path: Path) -> None:
    assert remembered(tmp_path) == ResolveSettings()
    remember(tmp_path, ResolveSettings("both", frozenset({"An"})))
    assert chosen(tmp_path, leak_side=None, adjudicators=None) == ResolveSettings("both", frozenset({"An"}))
    assert chosen(tmp_path, leak_side="train", adjudicators=["Bo"]) == ResolveSettings(
        "train", frozenset({"Bo"})
    )
    assert chosen(tmp_path, leak_side="policy", adjudicators=[""]) == ResolveSettings()
    with pytest.raises(UsageError, match="no leak side 'left'"):
        chosen(tmp_path, leak_side="left", adjudicators=None)
    (tmp_path / CHOICES).write_text("{")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        remembered(tmp_path)


def test_apply__does_as_resolve_was_told(shell: Any, tmp_path: Path) -> None:
    shell("policy", "apply")
    for reviewer, action in (("An", "remove"), ("Bo", "keep")):
        shell("tag", "--ids", "val/dog/w.png", "--action", action, "--reviewer", reviewer)
    shell("apply", "--to", tmp_path / "plain", "--as", "lists")
    assert removed(tmp_path / "plain") == ["cat/v.png"]
    assert "resolve    leak side as policies say; adjudicator nobody" in shell("status")
    shell("resolve", "--to", tmp_path / "lists", "--leak-side", "train", "--adjudicator", "An")
    assert removed(tmp_path / "lists") == ["cat/a.png", "dog/w.png"]
    shell("apply", "--to", tmp_path / "told", "--as", "lists")
    assert removed(tmp_path / "told") == removed(tmp_path / "lists")
    assert "resolve    leak side train; adjudicator An" in shell("status")
    record = json.loads((tmp_path / "told" / "release.json").read_text())
    assert (record["leak_side"], record["adjudicators"]) == ("train", ["An"])
    shell("apply", "--to", tmp_path / "other", "--as", "lists", "--leak-side", "policy")
    assert removed(tmp_path / "other") == ["cat/v.png", "dog/w.png"]
    shell("resolve", "--to", tmp_path / "again")
    assert removed(tmp_path / "again") == removed(tmp_path / "lists")


def test_policy__other_rules_under_the_same_version_are_refused(shell: Any, tmp_path: Path) -> None:
    path = tmp_path / "house.yaml"
    head = "name: house\nversion: 1\n"
    path.write_text(f"{head}leaks: {{side: test}}\n")
    shell("policy", "apply", path)
    path.write_text(f"# A remark.\n{head}leaks: {{side: test}}\n")
    assert "nothing has changed" in shell("policy", "apply", path)
    path.write_text(f"{head}leaks: {{side: train}}\n")
    for words in ((), ("--dry-run",)):
        text = shell("policy", "apply", path, *words, status=2)
        assert "policy house, version 1, was applied with other rules" in text
        assert "raise its version" in text
    path.write_text("name: house\nversion: 2\nleaks: {side: train}\n")
    shell("policy", "apply", path)
    path.write_text(f"{head}leaks: {{side: both}}\n")
    shell("policy", "apply", path, status=2)


def test_clean__remembers_as_well(
    tmp_path: Path, save_pictures: Callable[..., None], shell_for: Callable[..., Any]
) -> None:
    save_pictures(tmp_path / "birds", NAMES)
    run = shell_for(tmp_path / "ws")
    run("clean", tmp_path / "birds", "--leak-side", "train")
    assert removed(tmp_path / "ws" / "cleaning") == ["cat/a.png"]
    run("clean", tmp_path / "birds")
    assert removed(tmp_path / "ws" / "cleaning") == ["cat/a.png"]
