"""What every command owes its user: messages instead of tracebacks, exit statuses, clean stdout."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

# What is typed in a folder with the workspace `ws`, and what the message must hold.
MISTAKES: dict[str, tuple[int, str]] = {
    "scan -w new": (2, "SOURCE"),
    "scan data": (2, "--workspace"),
    "scan nothing -w new": (1, "nothing: is not there"),
    "scan dat -w new": (1, "did you mean 'data'?"),
    "scan empty -w new": (1, "holds no image"),
    "scan data -w foreign": (1, "no chaffinch workspace"),
    "scan data -w table.csv": (1, "is a file"),
    "scan data/train -w ws": (1, "another workspace"),
    "scan data -w cut": (1, "CURRENT.json"),
    "scan data -w damaged": (1, "samples-000001-0.parquet"),
    "scan table.csv -w new": (1, "its columns are 'a', 'b'"),
    "scan junk.json -w new": (1, "junk.json: not JSON"),
    "scan junk.zip -w new": (1, "junk.zip"),
    "scan junk.parquet -w new": (1, "junk.parquet"),
    "scan junk.tar -w new": (1, "junk.tar"),
    "scan --split train -w new": (2, "NAME=PATH"),
    "scan --split a/b=data -w new": (1, "'a/b' cannot name a split"),
    "scan --split x=data --split x=data -w new": (2, "twice"),
    "scan data -w new --workers -1": (2, "--workers"),
    "scan data -w new --no-such-option": (2, "--no-such-option"),
    "leaks -w ws": (2, "--between"),
    "leaks -w nothing --between train val": (1, "no chaffinch workspace"),
    "leaks -w ws --between train test": (2, "has train, val"),
    "leaks -w ws --between train train": (2, "both sides"),
    "leaks -w ws --between train val --methods md5": (2, "exact, perceptual"),
    "leaks -w ws --between train val --methods ,": (2, "exact, perceptual"),
    "leaks -w ws --between train val --phash-threshold 17": (2, "0..16"),
    "leaks -w ws --between train val --phash-threshold five": (2, "--phash-threshold"),
    "leaks -w ws --between train val --semantic-threshold 1.5": (2, "semantic threshold"),
    "leaks -w ws --between train val --train data": (2, "--between"),
    "leaks -w ws --between train val --output table.csv": (1, "is not a leak report"),
    "leaks -w ws --between train val --output empty": (1, "empty"),
    "leaks -w ws --between train val --output /proc/no/leaks.csv": (1, "/proc/no"),
    "leaks -w ws --between train val --manifest table.csv": (1, "column 'image_path'"),
    "leaks -w ws --between train val --add-to nothing.csv": (1, "nothing.csv"),
    "leaks -w ws --train data/train --test empty": (1, "holds the splits"),
    "find -w nothing": (1, "no chaffinch workspace"),
    "find -w ws --only everything": (2, "duplicates"),
    "issues -w ws --format xml": (2, "table, csv or json"),
    "table samples -w ws --to samples.xls": (2, ".parquet or .csv"),
    "table samples -w ws --to /proc/no/samples.csv": (1, "/proc/no"),
    "table samples -w foreign --to samples.csv": (1, "no chaffinch workspace"),
    "table samples -w begun --to samples.csv": (1, "no scan of this workspace has ended"),
    "table samples -w damaged --to samples.csv": (1, "samples-000001-0.parquet"),
    "table everything -w ws --to samples.csv": (2, "samples"),
    "demo --to foreign": (2, "foreign: holds something else"),
    "demo --to table.csv": (2, "table.csv"),
    "everything": (2, "No such command"),
}

QUICKLY_MADE = (
    "scan data",
    "scan dat -w new",
    "scan data -w foreign",
    "scan --split train -w new",
    "leaks -w ws --between train test",
    "leaks -w ws --between train val --output table.csv",
    "leaks -w ws --between train val --output /proc/no/leaks.csv",
    "table samples -w damaged --to samples.csv",
    "demo --to foreign",
)
"""Mistakes that the default run makes; each takes a process of its own."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a small dataset and everything that the mistakes name, but for workspaces."""
    place = tmp_path_factory.mktemp("place")
    for number, name in enumerate(("train/cat/0.png", "train/dog/1.png", "val/cat/0.png", "val/dog/1.png")):
        (place / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(number % 3)
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
        coarse.resize((80, 60)).save(place / "data" / name)
    (place / "data" / "val" / "dog" / "broken.jpg").touch()
    for name in ("empty", "foreign", "begun/plan"):
        (place / name).mkdir(parents=True)
    (place / "foreign" / "thesis.txt").write_text("mine")
    (place / "table.csv").write_text("a,b\n1,2\n")
    for ending in ("json", "zip", "parquet", "tar"):
        (place / f"junk.{ending}").write_bytes(b"junk" * 40)
    return place


@pytest.fixture(scope="module", autouse=True)
def scanned(commands, place) -> object:
    """The scan that makes the workspace `ws` there; two copies of it are damaged afterwards."""
    done = commands.run("scan", "data", "-w", "ws", "--log-json", "--dataset", "Pets", cwd=place)
    for name in ("cut", "damaged"):
        shutil.copytree(place / "ws", place / name)
    (place / "cut" / "CURRENT.json").write_text('{"format": "chaff')
    (place / "damaged" / "tables" / "samples-000001-0.parquet").write_bytes(b"PAR1" + b"\0" * 90)
    return done


def or_slow(text: str) -> object:
    return text if text in QUICKLY_MADE else pytest.param(text, marks=pytest.mark.slow)


@pytest.mark.parametrize("text", [or_slow(text) for text in MISTAKES])
def test_mistake__has_a_message_and_a_status(commands, place, text) -> None:
    status, words = MISTAKES[text]
    done = commands.run(*text.split(), cwd=place, status=status)
    assert words in done.stderr
    assert done.stdout == "" and "fault of this program" not in done.stderr
    assert [path.name for path in (place / "foreign").iterdir()] == ["thesis.txt"]
    assert (place / "table.csv").read_text() == "a,b\n1,2\n"
    assert list((place / "empty").iterdir()) == []


def test_scan__results_on_stdout_progress_on_stderr(scanned) -> None:
    assert scanned.stdout.startswith("pets: 5 images\n  ok                  4\n  broken              1\n")
    *events, after = map(json.loads, scanned.stderr.splitlines())
    assert after["text"].startswith("next: ")
    assert {event["event"] for event in events} == {"stage", "progress"}
    assert scanned.stages() == ["listing", "scanning"]


def test_log_json__errors_are_json_lines_too(commands, place) -> None:
    done = commands.run("scan", "nothing", "-w", "new", "--log-json", cwd=place, status=1)
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["event"], line["text"].splitlines()[0]) == ("error", "nothing: is not there")


def test_output__in_an_ascii_locale_spells_names_out(commands, place, tmp_path) -> None:
    shutil.copytree(place / "data", tmp_path / "données")
    variables = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = commands.run("scan", "données", "-w", "ws", cwd=tmp_path, env=variables)
    assert "donn\\xe9es" in done.stdout


def test_find_issues_and_tables__hold_the_same_rows(commands, place, tmp_path) -> None:
    workspace = tmp_path / "ws"
    shutil.copytree(place / "ws", workspace)
    commands.run("find", "-w", workspace, "--only", "duplicates")
    as_json = [
        json.loads(line)
        for line in commands.run("issues", "-w", workspace, "--format", "json").stdout.splitlines()
    ]
    as_csv = list(
        csv.DictReader(io.StringIO(commands.run("issues", "-w", workspace, "--format", "csv").stdout))
    )
    listed = commands.run("issues", "-w", workspace).stdout
    target = tmp_path / "issues.parquet"
    commands.run("table", "issues", "-w", workspace, "--to", target)
    rows = pq.read_table(target).to_pylist()
    assert [row["key"] for row in rows] == [row["key"] for row in as_json] == [row["key"] for row in as_csv]
    assert {row["key"] for row in rows} == {"train/cat/0.png", "val/dog/1.png"}
    assert all(row["key"] in listed and row["reason"].endswith(".") for row in rows)
    assert {name: str(row[name]) for row in as_json for name in ("key", "reason")} == {
        name: row[name] for row in as_csv for name in ("key", "reason")
    }


def test_output__to_a_closed_pipe_and_a_full_disk(commands, place) -> None:
    done = commands.shell("set -o pipefail; chaffinch issues -w ws --format csv | true", folder=place)
    assert done.stderr == ""
    if Path("/dev/full").exists():
        done = commands.shell("chaffinch issues -w ws --format csv > /dev/full", folder=place, status=1)
        assert "No space left" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_terminal__no_color_without_colour(commands, place, tmp_path, environment) -> None:
    ours, theirs = pty.openpty()
    command = ["chaffinch", "scan", "data", "-w", str(tmp_path / "ws")]
    variables = commands.environment | {"TERM": "xterm-256color"} | environment
    process = subprocess.Popen(
        command, cwd=place, env=variables, stdout=theirs, stderr=theirs, executable=commands.executable
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # Linux's way to say that the other end was closed
        pass
    assert process.wait() == 0
    has_colour = b"\x1b[3" in shown or b"\x1b[9" in shown
    assert has_colour == (not environment) and b"5 images" in shown
