"""From decisions to a cleaned copy, and the proof of it: apply and verify, end to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chaffinch.cli.main import app
from chaffinch.storage.decisions import open_log

Shell = Callable[..., Any]
ShellFor = Callable[[Path], Any]
SavePictures = Callable[[Path, dict[str, int]], None]

NAMES = {
    "train/cat/a.png": 1,
    "train/cat/b.png": 2,
    "train/cat/c.png": 3,
    "train/dog/a.png": 4,
    "train/dog/c.png": 5,
    "val/cat/v.png": 1,
    "val/cat/w.png": 6,
    "val/dog/x.png": 4,
    "val/dog/y.png": 7,
}
"""val/cat/v = train/cat/a and val/dog/x = train/dog/a; the others are alone."""


@pytest.fixture
def source(tmp_path: Path, save_pictures: SavePictures) -> Path:
    save_pictures(tmp_path / "birds", NAMES)
    return tmp_path / "birds"


@pytest.fixture
def shell(tmp_path: Path, source: Path, shell_for: ShellFor) -> Shell:
    run = shell_for(tmp_path / "ws")
    run("scan", source)
    run("leaks", "--between", "train", "val", "--methods", "exact,perceptual")
    return run


@pytest.fixture
def decided(shell: Shell) -> Shell:
    """The default policy removes both leaks of val; cat/c becomes a dog."""
    tag(shell, ["train/cat/c.png"], "--action", "relabel", "--new-label", "dog")
    shell("policy", "apply")
    return shell


def tag(shell: Shell, keys: Sequence[str], *words: str, reviewer: str = "Saeed") -> str:
    return shell("tag", "--ids", ",".join(keys), *words, "--reviewer", reviewer)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_apply__writes_lists_and_pictures_under_their_new_class(
    decided: Shell, source: Path, tmp_path: Path
) -> None:
    before = tree(source)
    text = decided("apply", "--to", tmp_path / "out")
    assert "2 removed" in text and "1 relabelled" in text and "7 images left" in text
    assert tree(source) == before
    found = tree(tmp_path / "out")
    # dog/c was a dog before, so it keeps the name.
    (other,) = (n for n in found if n.startswith("images/train/dog/c__"))
    assert {n for n in found if n.startswith("images/")} == {
        "images/train/cat/a.png",
        "images/train/cat/b.png",
        other,
        "images/train/dog/a.png",
        "images/train/dog/c.png",
        "images/val/cat/w.png",
        "images/val/dog/y.png",
    }
    assert found[other] == before["train/cat/c.png"]
    assert found["images/val/dog/y.png"] == before["val/dog/y.png"]
    assert found["birds_removal_list.txt"] == b"cat/v.png\ndog/x.png\n"
    assert json.loads(found["birds_relabel_map.json"]) == {"cat/c.png": "dog"}
    assert b"| leak | 2 |" in found["CHANGES.md"] and b"| dog | 4 | 4 | +0 |" in found["CHANGES.md"]
    assert found["decisions.csv"].count(b"\n") > 3
    *_, last_hash = found["decisions.csv"].decode().splitlines()[-1].split(",")
    assert last_hash == open_log(decided.workspace).head().hash
    check = subprocess.run(["sha256sum", "--quiet", "-c", "checksums.txt"], cwd=tmp_path / "out", check=False)
    assert check.returncode == 0
    assert found["checksums.txt"].count(b"\n") == len(found) - 1


def test_apply__twice_gives_the_same_bytes(decided: Shell, tmp_path: Path) -> None:
    decided("apply", "--to", tmp_path / "one")
    decided("apply", "--to", tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    decided("apply", "--to", tmp_path / "one")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert not list(tmp_path.glob(".*chaffinch*"))


def test_apply__dry_run_writes_nothing(decided: Shell, tmp_path: Path) -> None:
    assert "nothing was written" in decided("apply", "--to", tmp_path / "out", "--dry-run")
    assert not (tmp_path / "out").exists()


def test_apply__replaces_its_own_release_at_once_and_anything_else_with_yes(
    decided: Shell, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    decided("apply", "--to", out)
    (out / "notes.txt").write_text("mine")
    assert "notes.txt" in decided("apply", "--to", out, status=2)
    assert (out / "notes.txt").read_text() == "mine"
    decided("apply", "--to", out, "--yes")
    assert not (out / "notes.txt").exists()


def test_apply__never_writes_into_the_source(decided: Shell, source: Path, tmp_path: Path) -> None:
    before = tree(source)
    for place in ("birds", "birds/train", "birds/new", "."):
        decided("apply", "--to", tmp_path / place, "--yes", status=2)
    assert tree(source) == before


def test_apply__spares_pictures_that_a_list_names(source: Path, tmp_path: Path, shell_for: ShellFor) -> None:
    names = tmp_path / "list.csv"
    names.write_text("image_path,label\n" + "".join(f"{source}/{n},{n.split('/')[1]}\n" for n in NAMES))
    shell, before = shell_for(tmp_path / "ws-list"), tree(source)
    shell("scan", names)
    assert "holds pictures of the source" in shell("apply", "--to", source, "--yes", status=2)
    assert tree(source) == before


def test_apply__links_as_asked(decided: Shell, source: Path, tmp_path: Path) -> None:
    picture, original = tmp_path / "out/images/val/dog/y.png", source / "val/dog/y.png"
    for link in ("copy", "hard", "sym", "auto"):
        decided("apply", "--to", tmp_path / "out", "--link", link)
        assert picture.is_symlink() == (link == "sym")
        assert picture.samefile(original) == (link in ("hard", "sym"))
        assert picture.read_bytes() == original.read_bytes()
    decided("verify")


def test_apply__stops_at_max_removed_with_a_table(shell: Shell, tmp_path: Path) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text("name: strict\nversion: 1\nleaks: {side: test}\nmax_removed: {overall: 1}\n")
    shell("policy", "apply", rules)
    text = shell("apply", "--to", tmp_path / "out", status=3)
    assert "2          1" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["folder", "hf"])
def test_apply__refuses_a_picture_that_changed_since_the_scan(
    form: str, decided: Shell, source: Path, tmp_path: Path, save_pictures: SavePictures
) -> None:
    words = ("apply", "--to", tmp_path / "out", "--as", form)
    decided(*words)
    before = tree(tmp_path / "out")
    save_pictures(source, {"train/cat/b.png": 99})
    assert "train/cat/b.png: has changed since the scan" in decided(*words, status=1)
    assert not list(tmp_path.glob(".*chaffinch*"))
    assert tree(tmp_path / "out") == before


def test_apply__copies_out_of_an_archive(source: Path, tmp_path: Path, shell_for: ShellFor) -> None:
    archive = tmp_path / "birds.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in NAMES:
            file.write(source / name, name)
    shell = shell_for(tmp_path / "ws-zip")
    shell("scan", archive)
    shell("apply", "--to", tmp_path / "out", "--link", "hard")
    found = tree(tmp_path / "out")
    assert {n.removeprefix("images/") for n in found if n.startswith("images/")} == set(NAMES)
    assert found["images/val/dog/y.png"] == (source / "val/dog/y.png").read_bytes()
    assert "9 pictures left" in shell("verify")


def test_verify__proves_a_release(decided: Shell, tmp_path: Path) -> None:
    decided("apply", "--to", tmp_path / "out")
    text = decided("verify")
    assert "7 pictures left" in text and "0 residual leaks" in text and "0 leaks waived" in text
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output


def test_verify__names_residual_leaks_and_waivers(shell: Shell, tmp_path: Path) -> None:
    tag(shell, ["val/cat/v.png"], "--action", "keep")
    shell("apply", "--to", tmp_path / "out")
    text = shell("verify", status=3)
    assert "1 residual leak\n  images/train/dog/a.png = images/val/dog/x.png (exact, perceptual)" in text
    assert "1 leak waived by a person\n  images/train/cat/a.png = images/val/cat/v.png, by Saeed" in text
    shell("policy", "apply")
    shell("apply", "--to", tmp_path / "out")
    assert "0 residual leaks\n1 leak waived" in shell("verify")


def test_verify__names_what_is_changed_missing_and_added(
    decided: Shell, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    decided("apply", "--to", out)
    shutil.copy(source / "train/cat/b.png", out / "images/val/cat/w.png")
    (out / "images/train/cat/a.png").unlink()
    shutil.copy(source / "val/cat/w.png", out / "images/val/cat/more.png")
    text = decided("verify", status=3)
    assert "changed: images/val/cat/w.png" in text
    assert "missing: images/train/cat/a.png" in text
    assert "added: images/val/cat/more.png" in text
    assert "images/train/cat/b.png = images/val/cat/w.png" in text


def test_verify__names_changed_files(decided: Shell, tmp_path: Path) -> None:
    decided("apply", "--to", tmp_path / "out")
    names = ("birds_removal_list.txt", "CHANGES.md", "decisions.csv")
    for name in names:
        with (tmp_path / "out" / name).open("ab") as file:
            file.write(b" \n")
    text = decided("verify", status=3)
    assert all(f"changed: {name}" in text for name in names)


def test_verify__wants_a_release(decided: Shell) -> None:
    assert "nothing was applied yet" in decided("verify", status=1)


def test_apply__killed_at_any_moment_leaves_the_old_release_or_the_new(
    decided: Shell, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    decided("apply", "--to", out)
    old = tree(out)
    tag(decided, ["train/cat/b.png"], "--action", "remove")
    decided("apply", "--to", tmp_path / "expected")
    new = tree(tmp_path / "expected")
    call = "from chaffinch.cli.main import run; run()"
    words = [sys.executable, "-c", call, "apply", "-w", str(decided.workspace), "--to", str(out)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for wait_s in (0.0, 0.01):
        process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        staging = tmp_path / ".out.chaffinch-new"
        while process.poll() is None and not staging.exists():
            time.sleep(0.001)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert tree(out) in (old, new)
    decided("apply", "--to", out)
    assert tree(out) == new
    assert not list(tmp_path.glob(".*chaffinch*"))


def test_apply__asks_before_it_replaces_the_release_of_another_workspace(
    tmp_path: Path, source: Path, decided: Shell, shell_for: ShellFor
) -> None:
    decided("apply", "--to", tmp_path / "out")
    another = shell_for(tmp_path / "ws2")
    another("scan", source)
    refused = another("apply", "--to", tmp_path / "out", status=2)
    assert f"the release of the workspace {tmp_path / 'ws'}" in refused
    another("apply", "--to", tmp_path / "out", "--yes")
    assert json.loads((tmp_path / "out" / "release.json").read_text())["workspace"] == str(tmp_path / "ws2")
