"""A scan that is killed, starved of disk, shut out or run twice goes on and ends with the same rows."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chaffinch.storage.folder import WorkspaceFolder
from chaffinch.storage.vectors import read_vectors

RUN_WORDS = ("time", "scanned", "duration", "shard")
"""Columns whose name holds one of these may differ between runs."""

Row = dict[str, Any]


def assert_same_rows(rows: list[Row], expected: list[Row]) -> None:
    """Compare all but what may differ between two scans of the same files, column by column."""
    sides = [sorted(side, key=lambda row: row["key"]) for side in (rows, expected)]
    for name in expected[0]:
        if name != "sample_id" and not any(word in name for word in RUN_WORDS):
            got, wanted = ([row[name] for row in side] for side in sides)
            assert got == wanted, name


def leftovers(workspace: Path) -> list[Path]:
    return [p for p in workspace.rglob("*") if p.name.endswith((".tmp", ".part"))]


def copy_of(folder: Path, target: Path) -> Path:
    """Copy a dataset by links, whose stamps are those of the files; replace them, never change them."""
    return Path(shutil.copytree(folder, target, copy_function=os.symlink))


def replace_file(path: Path, seed: int) -> None:
    path.unlink(missing_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (31, 17, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a scan that nothing disturbs comes to."""

    workspace: Path
    rows: list[Row]
    cpu_s: float
    wall_s: float


@pytest.fixture(scope="module")
def undisturbed(commands, tiny_images, table_rows, tmp_path_factory) -> Undisturbed:
    workspace = tmp_path_factory.mktemp("undisturbed") / "ws"
    started = time.monotonic()
    done = commands.run("scan", tiny_images, "-w", workspace)
    wall_s = time.monotonic() - started
    return Undisturbed(workspace, table_rows("samples", workspace), done.cpu_s, wall_s)


@pytest.fixture
def assert_resumes(commands, tiny_images, undisturbed, table_rows) -> Callable[[Path], None]:
    """Scan again, and hold the rows to those of the undisturbed scan."""

    def check(workspace: Path) -> None:
        commands.run("scan", tiny_images, "-w", workspace)
        rows = table_rows("samples", workspace)
        assert_same_rows(rows, undisturbed.rows)
        assert sorted(row["sample_id"] for row in rows) == list(range(len(rows)))
        assert leftovers(workspace) == []

    return check


def kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    process.kill()
    process.communicate()


@pytest.mark.parametrize(("seed", "n_kills"), [(1, 2), pytest.param(2, 10, marks=pytest.mark.slow)])
def test_scan__killed_at_random_moments(
    commands, tiny_images, undisturbed, assert_resumes, tmp_path, seed, n_kills
) -> None:
    moments = random.Random(seed)
    for _ in range(n_kills):
        process = commands.start("scan", tiny_images, "-w", tmp_path / "ws", "--workers", 1)
        kill_after(process, moments.uniform(0.3, 1.1) * undisturbed.wall_s)
    assert_resumes(tmp_path / "ws")


@pytest.mark.slow
@pytest.mark.parametrize(
    "sign",
    [
        "thumbs/.*.tmp",
        "shards/000002.parquet",
        "tables/.samples*.tmp",
        "tables/objects*.parquet",
        "CURRENT.json",
    ],
)
def test_scan__killed_as_a_file_appears(
    commands, tiny_images, assert_resumes, wait_for, tmp_path, sign
) -> None:
    workspace = tmp_path / "ws"
    process = commands.start("scan", tiny_images, "-w", workspace)
    wait_for(lambda: any(workspace.glob(sign)) or process.poll() is not None)
    process.kill()
    process.communicate()
    assert_resumes(workspace)


def vectors_by_key(workspace: Path) -> dict[str, bytes]:
    folder = WorkspaceFolder(workspace)
    generation = folder.published()
    keys = folder.read(generation, "samples", columns=["key"]).column(0).to_pylist()
    rows = read_vectors(folder, generation, "descriptor")
    return {key: row.tobytes() for key, row in zip(keys, rows, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "sign",
    [
        "embedding/.*.tmp",
        "embedding/*shard-000002.npy",
        "embedding/*rest-000001.npy",
        "tables/.vectors*.tmp",
        "tables/vectors*-1.npy",
    ],
)
def test_scan__killed_while_it_embeds(
    commands, tiny_images, undisturbed, assert_resumes, wait_for, tmp_path, sign
) -> None:
    workspace = tmp_path / "ws"
    if "rest" in sign:
        shutil.copytree(undisturbed.workspace, workspace)
    process = commands.start("scan", tiny_images, "-w", workspace, "--embedder", "descriptor")
    wait_for(lambda: any(workspace.glob(sign)) or process.poll() is not None)
    process.kill()
    process.communicate()
    commands.run("scan", tiny_images, "-w", workspace, "--embedder", "descriptor")
    commands.run("scan", tiny_images, "-w", tmp_path / "whole", "--embedder", "descriptor")
    assert vectors_by_key(workspace) == vectors_by_key(tmp_path / "whole")
    assert not any((workspace / "embedding").iterdir())
    assert_resumes(workspace)


def exits_within(process: subprocess.Popen[str], *, seconds: float) -> bool:
    """Tell whether a process ends in time; leaves its status to be read by others."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    end = time.monotonic() + seconds
    while os.waitid(os.P_PID, process.pid, flags) is None:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_scan__second_process_then_ctrl_c(commands, tiny_images, assert_resumes, wait_for, tmp_path) -> None:
    workspace = tmp_path / "ws"
    first = commands.start("scan", tiny_images, "-w", workspace)
    wait_for(lambda: (workspace / "plan" / "000000.parquet").exists())
    first.send_signal(signal.SIGSTOP)
    second = commands.run("scan", tiny_images, "-w", workspace, status=1)
    assert f"pid {first.pid}" in second.stderr and second.stdout == ""
    first.send_signal(signal.SIGCONT)
    # One that arrives while compiled code calls back is lost to Python: whoever sees no effect presses again.
    for _ in range(20):
        first.send_signal(signal.SIGINT)
        if exits_within(first, seconds=10):
            break
    done = commands.finish(first)
    assert done.status == 130 and "run the same command again" in done.stderr
    assert leftovers(workspace) == []
    assert_resumes(workspace)


def test_rescan__changed_added_removed_moved(
    commands, tiny_images, undisturbed, table_rows, tmp_path
) -> None:
    folder, workspace = copy_of(tiny_images, tmp_path / "data"), tmp_path / "ws"
    shutil.copytree(undisturbed.workspace, workspace)
    changed = [folder / "ant" / f"{number:04d}.png" for number in range(0, 45, 3)]
    for seed, path in enumerate(changed):
        replace_file(path, seed)
    done = commands.run("scan", folder, "-w", workspace)
    assert "0 new, 15 changed, 0 gone, 0 moved" in done.stdout and "measured 15 " in done.stdout
    assert done.cpu_s < 0.75 * undisturbed.cpu_s

    replace_file(folder / "bee" / "new.png", 100)
    (folder / "cat" / "0002.png").unlink()
    (folder / "cat" / "0005.png").rename(folder / "bee" / "moved.png")
    done = commands.run("scan", folder, "-w", workspace)
    assert "2 new, 0 changed, 2 gone, 1 moved" in done.stdout and "measured 2 " in done.stdout

    before = {row["key"]: row for row in undisturbed.rows}
    after = {row["key"]: row for row in table_rows("samples", workspace)}
    assert {key: after[key]["sample_id"] for key in before} == {k: r["sample_id"] for k, r in before.items()}
    assert len({row["sample_id"] for row in after.values()}) == len(after) == len(before) + 2
    gone = {"all/cat/0002.png", "all/cat/0005.png"}
    assert {key for key in after if after[key]["outcome"] == "missing"} == gone
    same_bytes = {key for key in before if before[key]["bytes_digest"] == after[key]["bytes_digest"]}
    assert set(before) - same_bytes == {f"all/ant/{path.name}" for path in changed}
    assert {(after[f"all/ant/{p.name}"]["width"], after[f"all/ant/{p.name}"]["height"]) for p in changed} == {
        (17, 31)
    }
    assert after["all/bee/moved.png"]["phash"] == before["all/cat/0005.png"]["phash"]


@pytest.mark.slow
def test_rescan__gives_the_rows_of_a_first_scan(
    commands, tiny_images, undisturbed, table_rows, tmp_path
) -> None:
    folder, workspace = copy_of(tiny_images, tmp_path / "data"), tmp_path / "ws"
    shutil.copytree(undisturbed.workspace, workspace)
    for number in range(60):
        replace_file(folder / "bee" / f"{number * 9 + 1:04d}.png", number)
    shutil.rmtree(folder / "cat")
    commands.run("scan", folder, "-w", workspace)
    commands.run("scan", folder, "-w", tmp_path / "fresh")
    rows = [row for row in table_rows("samples", workspace) if row["outcome"] != "missing"]
    assert_same_rows(rows, table_rows("samples", tmp_path / "fresh"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "chaffinch-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_scan__disk_full(commands, tiny_images, assert_resumes, small_disk) -> None:
    done = commands.run("scan", tiny_images, "-w", small_disk / "ws", status=1)
    assert "No space left" in done.stderr and "hint:" in done.stderr
    assert leftovers(small_disk / "ws") == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert_resumes(small_disk / "ws")


@pytest.mark.slow
@pytest.mark.parametrize("limit_bytes", [2_000, 400_000])
def test_scan__file_size_limit(commands, tiny_images, assert_resumes, tmp_path, limit_bytes) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    done = commands.run("scan", tiny_images, "-w", tmp_path / "ws", status=1, preexec_fn=limit)
    assert "File too large" in done.stderr
    assert leftovers(tmp_path / "ws") == []
    assert_resumes(tmp_path / "ws")


def test_workspace__read_only(commands, undisturbed, tiny_images, limited_root, tmp_path) -> None:
    workspace = tmp_path / "ws"
    shutil.copytree(undisturbed.workspace, workspace)
    folders = [workspace, *(path for path in workspace.rglob("*") if path.is_dir())]
    for path in [*folders, workspace / "lock"]:
        path.chmod(0o555)
    try:
        done = commands.run("scan", tiny_images, "-w", workspace, status=1, preexec_fn=limited_root)
        assert str(workspace) in done.stderr and "Permission denied" in done.stderr
        target = tmp_path / "samples.csv"
        commands.run("table", "samples", "-w", workspace, "--to", target, preexec_fn=limited_root)
        assert len(target.read_text().splitlines()) == len(undisturbed.rows) + 1
    finally:
        for path in folders:
            path.chmod(0o755)


def test_workspace__of_a_newer_program(commands, tiny_images, tmp_path) -> None:
    (tmp_path / "ws").mkdir()
    pointer = tmp_path / "ws" / "CURRENT.json"
    pointer.write_text(json.dumps({"format": "chaffinch workspace", "version": 99, "unknown": 1}))
    done = commands.run("scan", tiny_images, "-w", tmp_path / "ws", status=1)
    assert "newer program" in done.stderr and "hint:" in done.stderr
    assert json.loads(pointer.read_text())["version"] == 99
