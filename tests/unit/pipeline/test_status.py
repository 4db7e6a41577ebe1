"""What `status` says comes next: always something that moves on, and nothing where all is up to date."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from chaffinch.pipeline import scan as scanning
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.pipeline.status import read_status
from chaffinch.settings import ScanSettings
from chaffinch.storage.shards import write_shard


class Shell(Protocol):
    workspace: Path

    def __call__(self, *words: str | Path, status: int = 0) -> str: ...


@pytest.fixture
def data(tmp_path: Path, save_pictures: Callable[..., None]) -> Path:
    """Eight pictures; val/cat/leak.png is train/cat/0.png, train/dog/copy.png is train/dog/3.png."""
    names = {"train/cat/0.png": 0, "train/cat/1.png": 1, "train/dog/3.png": 3, "train/dog/4.png": 4}
    names |= {"val/cat/7.png": 7, "val/dog/8.png": 8, "val/cat/leak.png": 0, "train/dog/copy.png": 3}
    save_pictures(tmp_path / "my pets", names)
    return tmp_path / "my pets"


@pytest.fixture
def shell(tmp_path: Path, shell_for: Callable[[Path], Shell]) -> Shell:
    return shell_for(tmp_path / "ws")


@pytest.fixture
def released(data: Path, shell: Shell, tmp_path: Path) -> Shell:
    """A workspace whose release is what `apply` would write now."""
    shell("clean", data, "--embedder", "descriptor")
    shell("apply", "--to", tmp_path / "out", "--as", "lists")
    return shell


def following(shell: Shell) -> list[str]:
    """Do as told until it is told to verify; returns what was told, without the workspace."""
    told = []
    while not told or (told[-1] != "verify" and len(told) < 12):
        words = shlex.split(read_status(shell.workspace).next_command)
        place = words.index("-w")
        words = words[1:place] + words[place + 2 :]
        shell(*words)
        told.append(" ".join(words))
    return told


def lines(shell: Shell, about: str) -> list[str]:
    facts = read_status(shell.workspace).facts
    return [fact.text for fact in facts if fact.about == about]


def test_read_status__its_commands_lead_from_a_scan_to_a_proof(
    data: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    shell("scan", data)
    assert following(shell) == [
        "find", "leaks --between train val", "policy apply", "apply --to cleaned", "verify"
    ]  # fmt: skip
    assert read_status(shell.workspace).next_command == f"chaffinch verify -w {shell.workspace}"


def test_read_status__what_is_found_later_outdates_policy_and_release(
    released: Shell, tmp_path: Path
) -> None:
    assert following(released) == ["verify"]
    more = ("--methods", "exact,semantic", "--semantic-threshold", "0.5")
    released("leaks", "--between", "train", "val", *more)
    assert lines(released, "policies")[1] == "out of date: something was found after default"
    assert following(released) == [
        f"policy apply {released.workspace}/policies/default.yaml",
        f"apply --to {tmp_path}/out --as lists",
        "verify",
    ]


def test_read_status__a_decision_outdates_the_release(released: Shell, tmp_path: Path) -> None:
    released("tag", "--ids", "train/cat/1.png", "--action", "remove", "--reviewer", "Guy")
    assert lines(released, "release") == [f"{tmp_path}/out", "out of date: decisions came after it"]
    assert following(released) == [f"apply --to {tmp_path}/out --as lists", "verify"]
    assert lines(released, "release") == [f"{tmp_path}/out"]


def test_read_status__resolving_otherwise_outdates_the_release(released: Shell, tmp_path: Path) -> None:
    released("resolve", "--to", tmp_path / "lists", "--leak-side", "both")
    assert lines(released, "release")[1] == (
        "out of date: written with leak side as policies say; adjudicator nobody"
    )
    assert following(released) == [f"apply --to {tmp_path}/out --as lists", "verify"]


def test_read_status__a_release_written_otherwise_is_up_to_date(released: Shell, tmp_path: Path) -> None:
    released("apply", "--to", tmp_path / "out", "--leak-side", "train")
    assert "out of date" not in released("status")


def test_read_status__a_release_that_is_gone_is_written_again(released: Shell, tmp_path: Path) -> None:
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert lines(released, "release")[1] == "out of date: it is not there any more"
    assert following(released) == [f"apply --to {tmp_path}/out", "verify"]


def test_read_status__who_decides_by_hand_needs_no_policy(data: Path, shell: Shell) -> None:
    shell("scan", data)
    shell("find")
    shell("leaks", "--between", "train", "val")
    shell("tag", "--ids", "train/cat/1.png", "--action", "remove", "--reviewer", "Guy")
    assert read_status(shell.workspace).next_command == f"chaffinch apply -w {shell.workspace} --to cleaned"


def break_off(data: Path, root: Path, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Scan two images a shard on one thread, and stop once so many shards are done."""
    left = [None] * after

    def write(*args: object, **options: object) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        write_shard(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "write_shard", write)
    with pytest.raises(KeyboardInterrupt):
        scan(root, SourceSpec((str(data),)), settings=ScanSettings(shard_size=2, workers=1, rescan=True))


def test_read_status__counts_the_shards_that_a_broken_scan_has_done(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "ws"
    break_off(data, root, monkeypatch, after=2)
    status = read_status(root)
    assert status.lines == ["scan       begun: 2 of 4 shards done, none published"]
    assert status.next_command == f"chaffinch scan SOURCE -w {root}"


def test_read_status__names_the_source_of_a_scan_begun_anew(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "ws"
    scan(root, SourceSpec((str(data),)))
    break_off(data, root, monkeypatch, after=1)
    status = read_status(root)
    assert status.lines[1:3] == ["scan       8 images (8 ok)", "scan       begun anew: 1 of 4 shards done"]
    assert status.next_command == f"chaffinch scan '{data}' -w {root}"
