"""The policy that comes with the program, from what was found or imported to the removal list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaffinch.pipeline.verify import verify
from chaffinch.workspace import Workspace

ShellFor = Callable[[Path], Any]
SavePictures = Callable[[Path, dict[str, int]], None]


@pytest.fixture
def source(tmp_path: Path, save_pictures: SavePictures) -> Path:
    """cat/a = dog/b = dog/c, whose labels contradict each other; owl/a = owl/b = owl/c; fox/a is alone."""
    folder = tmp_path / "birds"
    names = {"cat/a.png": 1, "dog/b.png": 1, "dog/c.png": 1, "fox/a.png": 3}
    save_pictures(folder, names | {f"owl/{name}.png": 2 for name in "abc"})
    return folder


def removed(run: Any, folder: Path) -> list[str]:
    run("resolve", "--to", folder)
    return (folder / "birds_removal_list.txt").read_text().splitlines()


@pytest.mark.parametrize("all_copies", [False, True])
def test_default_policy__copies_with_contradicting_labels_wait_for_a_person(
    source: Path, tmp_path: Path, shell_for: ShellFor, *, all_copies: bool
) -> None:
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("find", "--only", "duplicates")
    policy = tmp_path / "all.yaml"
    policy.write_text("name: all\nversion: 1\nduplicates: remove\n")
    run("policy", "apply", *([policy] if all_copies else []))
    assert set(Workspace(run.workspace).table("decisions").key) == {"all/owl/b.png", "all/owl/c.png"}
    text = run("resolve", "--to", tmp_path / "out")
    assert (
        "2 copies have other labels; kept until a person decides:\n  all/dog/b.png\n  all/dog/c.png" in text
    )
    assert removed(run, tmp_path / "out") == ["owl/b.png", "owl/c.png"]
    run("apply", "--to", tmp_path / "release", "--as", "lists")
    report = verify(tmp_path / "release")
    assert report.is_proven
    assert {pair.waived_by for pair in report.copies} == {"an equal image has another label"}
    run("tag", "--ids", "dog/b.png,dog/c.png", "--action", "remove", "--reviewer", "Saeed")
    text = run("resolve", "--to", tmp_path / "decided")
    assert "other labels" not in text
    assert removed(run, tmp_path / "decided") == ["dog/b.png", "dog/c.png", "owl/b.png", "owl/c.png"]


def test_default_policy__another_rule_cannot_remove_them_either(
    source: Path, tmp_path: Path, shell_for: ShellFor
) -> None:
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("find", "--only", "duplicates")
    policy = tmp_path / "house.yaml"
    rule = "{where: \"issue_type = 'duplicate'\", tags: [duplicate_exact], action: remove}"
    policy.write_text(f"name: house\nversion: 1\nrules:\n  - {rule}\n")
    run("policy", "apply", policy)
    assert removed(run, tmp_path / "out") == ["owl/b.png", "owl/c.png"]


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [("owl/b.png", ["owl/b.png"]), ("owl/a.png,owl/b.png,owl/c.png", ["owl/b.png", "owl/c.png"])],
)
def test_default_policy__a_tag_on_an_imported_duplicate_removes_all_but_one(
    source: Path, tmp_path: Path, shell_for: ShellFor, tagged: str, expected: list[str]
) -> None:
    first = shell_for(tmp_path / "first")
    first("scan", source)
    first("find", "--only", "duplicates")
    first("export", "visual-layer", "--to", tmp_path / "export.json")
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("import", "visual-layer", tmp_path / "export.json")
    run("tag", "--ids", tagged, "--tag", "duplicate_exact", "--reviewer", "Saeed")
    run("policy", "apply")
    assert removed(run, tmp_path / "out") == expected
