"""What commands say comes next: it works as it stands, and says no more than is known."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
import typer
from typer.testing import CliRunner

from chaffinch.cli.issues import _hint_at_others
from chaffinch.cli.main import app
from chaffinch.pipeline.find import STEPS


class Shell(Protocol):
    workspace: Path

    def __call__(self, *words: str | Path, status: int = 0) -> str: ...


@pytest.fixture
def shell(tmp_path: Path, shell_for: Callable[[Path], Shell]) -> Shell:
    return shell_for(tmp_path / "ws")


@pytest.fixture
def pets(tmp_path: Path, save_pictures: Callable[..., None]) -> Path:
    """Four pictures of which two are the same, in train and val."""
    names = {"train/cat/0.png": 0, "train/dog/1.png": 1, "val/cat/2.png": 2, "val/dog/3.png": 0}
    save_pictures(tmp_path / "my pets", names)
    return tmp_path / "my pets"


def test_export__names_a_command_that_runs_from_anywhere(shell: Shell, pets: Path, tmp_path: Path) -> None:
    shell("scan", pets)
    shell("find", "--only", "duplicates")
    said = shell("export", "visual-layer", "--to", tmp_path / "export.csv").splitlines()[-1]
    python, *words = shlex.split(said.removeprefix("next: "))
    assert python == "python"
    (tmp_path / "elsewhere").mkdir()
    # As installed: beside the package, where the interpreter finds it.
    variables = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, *words], cwd=tmp_path / "elsewhere", env=variables, check=True)
    assert (tmp_path / "elsewhere" / "my_pets_tagged_manifest.csv").exists()


def test_issues__says_whether_nothing_is_there_or_nobody_has_looked(
    shell: Shell,
    tmp_path: Path,
    save_pictures: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_pictures(tmp_path / "data", {f"{split}/cat/{n}.png": n for n, split in enumerate(("train", "val"))})
    shell("scan", tmp_path / "data", "--embedder", "none")
    assert shell("issues").splitlines() == [
        "nothing is found so far; not searched yet:",
        f"  chaffinch find -w {shell.workspace}",
        f"  chaffinch leaks -w {shell.workspace} --between train val",
    ]
    shell("find")
    shell("leaks", "--between", "train", "val")
    _hint_at_others(0, shell.workspace)
    assert capsys.readouterr().err == "nothing was found\n"


def test_find__help_names_every_step() -> None:
    command = typer.main.get_command(app).commands["find"]  # type: ignore[attr-defined]
    only = next(option for option in command.params if option.name == "only")
    assert f"steps: {', '.join(STEPS)}. Default" in only.help
    assert "last step" not in command.help


@pytest.mark.parametrize("verb", ["find", "clean"])
def test_find__says_once_what_several_steps_lack(shell: Shell, pets: Path, verb: str) -> None:
    """With the source and the model that it knows, so that the command runs as it stands."""
    if verb == "find":
        shell("scan", pets, "--embedder", "none")
    said = shell("find") if verb == "find" else shell("clean", pets, "--embedder", "none")
    hints = [line for line in said.splitlines() if "chaffinch scan" in line]
    assert hints == [f"hint: chaffinch scan '{pets}' -w {shell.workspace} --embedder chaffinch-s"]


@pytest.mark.parametrize(("typed", "meant"), [("chafinch-s", "chaffinch-s"), ("descripter", "descriptor")])
def test_embedder__a_slip_gets_the_name_that_was_meant(
    shell: Shell, pets: Path, typed: str, meant: str
) -> None:
    assert f"hint: did you mean {meant!r}? " in shell("scan", pets, "--embedder", typed, status=2)
    assert "hint: take descriptor" in shell("scan", pets, "--embedder", "resnet", status=2)


def test_grammar__of_a_dataset_of_one_image(
    shell: Shell, tmp_path: Path, save_pictures: Callable[..., None]
) -> None:
    save_pictures(tmp_path / "data", {"train/cat/0.png": 0})
    said = [
        shell("scan", tmp_path / "data", "--embedder", "none"),
        shell("find"),
        shell("tag", "--ids", "train/cat/0.png", "--action", "remove", "--reviewer", "Guy"),
        shell("resolve", "--to", tmp_path / "lists"),
        shell("agreement"),
        shell("status"),
    ]
    assert [
        line
        for text in said
        for line in text.splitlines()
        if re.search(r"(?<! of )\b1 (\w+s\b|are|were)", line)
    ] == []
    assert ": 1 image\n" in said[0] and "1 reviewer so far" in said[4] and " 1 image (1 ok)" in said[5]


def test_models_get__of_one_that_comes_with_the_package() -> None:
    got = CliRunner().invoke(app, ["models", "get", "chaffinch-s"])
    assert (got.exit_code, got.stderr) == (0, "chaffinch-s comes with the package; there is nothing to get\n")
    assert Path(got.stdout.strip()).is_file()
