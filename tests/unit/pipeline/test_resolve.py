"""From a folder to a manifest and lists: scan, find, leaks, tag, policy, resolve; and again later."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from chaffinch.apply.lists import folder_rows
from chaffinch.cli.main import app
from chaffinch.storage.export import read_exported
from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.workspace import Workspace

Shell = Callable[..., Any]
ShellFor = Callable[[Path], Any]
SavePictures = Callable[[Path, dict[str, int]], None]

LEAKS = "leaks: {side: test}"
COPIES = (
    "  - {where: \"issue_type = 'duplicate' and not is_original\", tags: [duplicate_exact], action: remove}"
)


@pytest.fixture
def source(tmp_path: Path, save_pictures: SavePictures) -> Path:
    """cat/a = cat/b = val cat/v; dog/a = dog/b; the others are alone."""
    folder = tmp_path / "birds"
    seeds = {
        "train/cat/a.png": 1,
        "train/cat/b.png": 1,
        "train/cat/c.png": 2,
        "train/dog/a.png": 3,
        "train/dog/b.png": 3,
        "train/dog/c.png": 4,
        "val/cat/v.png": 1,
        "val/cat/w.png": 5,
        "val/dog/x.png": 4,
        "val/dog/y.png": 6,
    }
    save_pictures(folder, seeds)
    return folder


@pytest.fixture
def shell(tmp_path: Path, source: Path, shell_for: ShellFor) -> Shell:
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("find")
    run("leaks", "--between", "train", "val", "--methods", "exact")
    return run


def policy(tmp_path: Path, *lines: str, version: str = "1") -> Path:
    path = tmp_path / f"policy-{version}.yaml"
    path.write_text("\n".join(["name: house", f"version: {version}", *lines]) + "\n")
    return path


def removed(folder: Path) -> list[str]:
    return (folder / "birds_removal_list.txt").read_text().splitlines()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def tag(shell: Shell, keys: Sequence[str], *words: str, reviewer: str = "Saeed") -> str:
    return shell("tag", "--ids", ",".join(keys), *words, "--reviewer", reviewer)


def test_resolve__findings_alone_change_nothing(shell: Shell, tmp_path: Path) -> None:
    text = shell("resolve", "--to", tmp_path / "out")
    assert removed(tmp_path / "out") == []
    assert "0 removed" in text
    assert "nobody decided about it" in text


def test_resolve__the_default_policy_is_the_guides(shell: Shell, tmp_path: Path) -> None:
    tag(shell, ["train/cat/c.png"], "--action", "relabel", "--new-label", "dog")
    shell("policy", "apply")
    text = shell("resolve", "--to", tmp_path / "out")
    assert removed(tmp_path / "out") == ["cat/b.png", "dog/b.png", "cat/v.png", "dog/x.png"]
    assert json.loads((tmp_path / "out" / "birds_relabel_map.json").read_text()) == {"cat/c.png": "dog"}
    assert re.search(r"4 removed\n +2  duplicate\n +2  leak\n1 relabelled\n +1  decided by Saeed", text)
    manifest = pd.read_csv(tmp_path / "out" / "birds_final_cleaning_manifest.csv", keep_default_na=False)
    assert list(manifest.columns[:4]) == ["image_id", "image_path", "dataset", "split"]
    rows = manifest.set_index("image_id")
    assert rows.user_action.to_dict() == {
        "cat/a.png": "none",
        "cat/b.png": "remove",
        "cat/c.png": "relabel",
        "cat/v.png": "remove",
        "cat/w.png": "none",
        "dog/a.png": "none",
        "dog/b.png": "remove",
        "dog/c.png": "none",
        "dog/x.png": "remove",
        "dog/y.png": "none",
    }
    assert "train_test_leak" in rows.user_tags["dog/x.png"].split(",")
    assert rows.user_tags["dog/b.png"] == "duplicate_exact"
    decisions = Workspace(shell.workspace).table("decisions")
    assert set(decisions.origin) == {"person", "policy:default@2"}


def test_resolve__a_replaced_picture_is_open_again(
    shell: Shell, tmp_path: Path, source: Path, save_pictures: SavePictures
) -> None:
    tag(shell, ["train/cat/c.png", "val/cat/w.png"], "--action", "remove")
    save_pictures(source, {"train/cat/c.png": 77})
    shell("scan", source)
    text = shell("resolve", "--to", tmp_path / "out")
    assert removed(tmp_path / "out") == ["cat/w.png"]
    assert "1 was decided about with other content; open again:\n  train/cat/c.png\n" in text
    manifest = pd.read_csv(tmp_path / "out" / "birds_final_cleaning_manifest.csv", keep_default_na=False)
    row = manifest.set_index("key").loc["train/cat/c.png"]
    assert (row.user_action, row.resolution) == ("none", "decided about with other content")
    open_again = ["--where", "user_action = 'none' and key = 'train/cat/c.png'", "--action", "keep"]
    assert "1 sample (" in shell("tag", *open_again, "--reviewer", "Bo", "--dry-run")
    text = shell("apply", "--to", tmp_path / "release", "--as", "lists")
    assert "warning: 1 image decided about with other content, open again" in text
    tag(shell, ["train/cat/c.png"], "--action", "keep")
    assert "other content" not in shell("resolve", "--to", tmp_path / "out")


def test_resolve__lists_of_each_split_and_rows_of_the_image_folder(shell: Shell, tmp_path: Path) -> None:
    shell("policy", "apply")
    shell("resolve", "--to", tmp_path / "out")
    lists = {name: data.decode() for name, data in files(tmp_path / "out").items()}
    assert lists["birds_train_removal_list.txt"] == "cat/b.png\ndog/b.png\n"
    assert lists["birds_val_removal_list.txt"] == "cat/v.png\ndog/x.png\n"
    assert lists["birds_train_removal_rows.txt"] == "1\n4\n"
    assert lists["birds_val_removal_rows.txt"] == "0\n2\n"
    assert lists["birds_train_relabel_map.json"] == "{}\n"


def test_resolve__twice_gives_the_same_bytes(shell: Shell, tmp_path: Path) -> None:
    shell("policy", "apply")
    shell("resolve", "--to", tmp_path / "one")
    assert "nothing has changed" in shell("policy", "apply")
    shell("resolve", "--to", tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_resolve__a_keep_given_before_the_leak_was_found_does_not_waive_it(
    source: Path, tmp_path: Path, shell_for: ShellFor
) -> None:
    run = shell_for(tmp_path / "early")
    run("scan", source)
    tag(run, ["val/cat/v.png"], "--tag", "outlier_valid", "--action", "keep")
    run("leaks", "--between", "train", "val", "--methods", "exact")
    tag(run, ["val/dog/x.png"], "--action", "keep")
    run("policy", "apply")
    text = run("resolve", "--to", tmp_path / "out")
    assert removed(tmp_path / "out") == ["cat/v.png"]
    assert re.search(r"1 leaking image kept by a person:\n +val/dog/x.png  Saeed", text)


def test_resolve__persons_who_disagree_leave_it_open(shell: Shell, tmp_path: Path) -> None:
    tag(shell, ["train/cat/c.png"], "--action", "remove")
    shell("resolve", "--to", tmp_path / "one")
    assert removed(tmp_path / "one") == ["cat/c.png"]
    tag(shell, ["train/cat/c.png"], "--action", "keep", reviewer="Kushagra")
    text = shell("resolve", "--to", tmp_path / "two", "--strict", status=3)
    assert removed(tmp_path / "two") == []
    assert "train/cat/c.png  Kushagra: keep, Saeed: remove" in text
    shell("resolve", "--to", tmp_path / "three", "--adjudicator", "Saeed")
    assert files(tmp_path / "three")["birds_removal_list.txt"] == b"cat/c.png\n"


def test_resolve__a_person_keeps_another_copy(shell: Shell, tmp_path: Path) -> None:
    tag(shell, ["train/dog/b.png"], "--action", "keep")
    shell("policy", "apply")
    shell("resolve", "--to", tmp_path / "out")
    assert "dog/a.png" in removed(tmp_path / "out")
    assert "dog/b.png" not in removed(tmp_path / "out")


def test_resolve__tagging_a_whole_group_as_copies_leaves_one(shell: Shell, tmp_path: Path) -> None:
    keys = ["train/dog/a.png", "train/dog/b.png"]
    tag(shell, keys, "--tag", "duplicate_exact", "--action", "remove")
    shell("resolve", "--to", tmp_path / "out")
    assert removed(tmp_path / "out") == ["dog/b.png"]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("test", ["cat/v.png", "dog/x.png"]),
        ("train", ["cat/a.png", "cat/b.png", "dog/c.png"]),
        ("both", ["cat/a.png", "cat/b.png", "dog/c.png", "cat/v.png", "dog/x.png"]),
    ],
)
def test_resolve__leak_side(shell: Shell, tmp_path: Path, side: str, expected: list[str]) -> None:
    shell("policy", "apply", policy(tmp_path, LEAKS))
    shell("resolve", "--to", tmp_path / "out", "--leak-side", side)
    assert removed(tmp_path / "out") == expected


def test_policy__a_changed_version_takes_back_only_what_it_no_longer_says(
    shell: Shell, tmp_path: Path
) -> None:
    shell("policy", "apply", policy(tmp_path, LEAKS, "rules:", COPIES))
    tag(shell, ["train/cat/c.png"], "--action", "remove")
    shell("resolve", "--to", tmp_path / "one")
    text = shell("policy", "apply", policy(tmp_path, "rules:", COPIES, version="2"))
    assert "2 samples: what an earlier run decided is taken back" in text
    shell("resolve", "--to", tmp_path / "two")
    before, after = removed(tmp_path / "one"), removed(tmp_path / "two")
    assert before == ["cat/b.png", "cat/c.png", "dog/b.png", "cat/v.png", "dog/x.png"]
    # The leaking images are copies as well, by the rule that stayed.
    assert after == before
    shell("policy", "apply", policy(tmp_path, version="3"))
    shell("resolve", "--to", tmp_path / "three")
    assert removed(tmp_path / "three") == ["cat/c.png"]
    decisions = Workspace(shell.workspace).table("decisions")
    assert (decisions.action[decisions.undo_of.notna()] == "none").all()


def test_policy__rules_alone_and_all_copies(shell: Shell, tmp_path: Path) -> None:
    leak = "  - {where: \"issue_type = 'leak' and split = 'val'\", tags: [train_test_leak], action: remove}"
    text = shell("policy", "apply", policy(tmp_path, "duplicates: remove", "rules:", leak))
    assert "4 samples, 4 of them decided anew" in text
    shell("resolve", "--to", tmp_path / "out")
    assert removed(tmp_path / "out") == ["cat/b.png", "dog/b.png", "cat/v.png", "dog/x.png"]
    decisions = Workspace(shell.workspace).table("decisions")
    assert set(decisions.origin) == {"policy:house@1"}
    assert set(decisions.finding_id.notna()) == {True}


def test_policy__a_rule_that_cannot_be_evaluated_names_file_and_line(shell: Shell, tmp_path: Path) -> None:
    path = policy(tmp_path, "rules:", "  - {where: confidance > 0.5, action: remove}")
    text = shell("policy", "apply", path, status=2)
    assert f"{path} line 4" in text
    assert "confidance" in text


def test_policy__dry_run_writes_nothing(shell: Shell) -> None:
    assert "nothing was written" in shell("policy", "apply", "--dry-run")
    assert len(Workspace(shell.workspace).table("decisions")) == 0
    assert not (shell.workspace / "policies").exists()


def test_policy__shown_is_the_one_applied_by_default(shell: Shell, tmp_path: Path) -> None:
    text = CliRunner().invoke(app, ["policy", "show"]).output
    (tmp_path / "mine.yaml").write_text(text)
    shell("policy", "apply")
    assert "nothing has changed" in shell("policy", "apply", tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("limit", "table"),
    [
        ("max_removed: 3", "4 3 3 images of the dataset (house)"),
        ("max_removed: {overall: 50%, per_class: 0.3}", "2 1 0.3 of class cat (house)"),
    ],
)
def test_resolve__too_many_removals_stop_it(shell: Shell, tmp_path: Path, limit: str, table: str) -> None:
    shell("policy", "apply", policy(tmp_path, LEAKS, limit, "rules:", COPIES))
    text = shell("resolve", "--to", tmp_path / "out", status=3)
    assert table in " ".join(text.split())
    assert not (tmp_path / "out").exists()


def test_resolve__a_rescan_changes_only_what_it_should(
    shell: Shell, source: Path, tmp_path: Path, save_pictures: SavePictures
) -> None:
    tag(shell, ["train/cat/c.png"], "--action", "remove")
    tag(shell, ["val/dog/y.png"], "--action", "remove")
    shell("policy", "apply")
    shell("resolve", "--to", tmp_path / "one")
    (source / "train/cat/c.png").rename(source / "train/cat/moved.png")
    (source / "val/dog/y.png").unlink()
    save_pictures(source, {"train/dog/new.png": 9})
    shell("scan", source)
    shell("find")
    shell("leaks", "--between", "train", "val", "--methods", "exact")
    assert "nothing has changed" in shell("policy", "apply")
    text = shell("resolve", "--to", tmp_path / "two")
    assert removed(tmp_path / "two") == ["cat/b.png", "dog/b.png", "cat/v.png", "dog/x.png", "cat/moved.png"]
    assert "train/cat/c.png -> train/cat/moved.png" in text
    assert re.search(r"1 is gone, and the decisions wait:\n +val/dog/y.png", text)


def test_resolve__colliding_row_numbers_lose_no_innocent_train_row(
    tmp_path: Path, save_pictures: SavePictures, shell_for: ShellFor
) -> None:
    """The guide saves train/3/17.jpg and val/5/17.jpg; its 4.2 reads one list for the train split."""
    source = tmp_path / "birds"
    names = {f"train/{row % 2}/{row}.png": row for row in range(6)}
    names |= {f"val/{row % 2}/{row}.png": 3 if row == 4 else 50 + row for row in range(6)}
    save_pictures(source, names)
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("leaks", "--between", "train", "val", "--methods", "exact")
    run("policy", "apply")
    tag(run, ["train/1/5.png"], "--action", "relabel", "--new-label", "0")
    run("resolve", "--to", tmp_path / "out")

    with (tmp_path / "out" / "birds_removal_list.txt").open() as f:
        removal_ids = {int(line.strip()) for line in f}
    with (tmp_path / "out" / "birds_relabel_map.json").open() as f:
        relabel_map = json.load(f)
    assert removal_ids == {10}
    assert [i for i in range(6) if i not in removal_ids] == [0, 1, 2, 3, 4, 5]
    assert relabel_map == {"5": 0}
    assert (tmp_path / "out" / "birds_val_removal_list.txt").read_text() == "4\n"
    manifest = pd.read_csv(tmp_path / "out" / "birds_final_cleaning_manifest.csv")
    assert manifest.new_label.dtype.kind == "i"
    assert manifest.loc[manifest.image_id == 10, "split_row"].tolist() == [4]


def test_folder_rows__count_as_torchvision_does() -> None:
    names = ["b/1.jpg", "a/z.PNG", "a/sub/c.jpg", "a/x.gif", "flat.jpg", "a-b/q.webp", "a/B.bmp"]
    assert folder_rows(names) == [4, 1, 2, None, None, 3, 0]


def test_leaks__searched_both_ways_are_listed_once(shell: Shell) -> None:
    """The fixture searched for exact leaks; the other way round joins them, and turns the sides."""
    shell("leaks", "--between", "val", "train", "--methods", "perceptual", "--phash-threshold", "0")
    table = read_exported(shell.workspace, "issues").to_pylist()
    leaks = [(row["key"], row["method"]) for row in table if row["issue_type"] == "leak"]
    assert len(leaks) == len(set(leaks))
    tables = WorkspaceFolder(shell.workspace).published().tables
    searched = sorted(name for name in tables if name.startswith("edges/leaks/"))
    assert searched == ["edges/leaks/val/train/exact", "edges/leaks/val/train/perceptual"]
    assert [name for name in tables if name.startswith("issues/leaks/")] == ["issues/leaks/val/train"]
