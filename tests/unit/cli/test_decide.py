"""`tag`, `tags`, `audit` and `import manifest` as they are typed: words, statuses, what goes where."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from chaffinch.cli.main import app
from chaffinch.curate.answers import ResolveSettings
from chaffinch.errors import UsageError
from chaffinch.pipeline.resolve_choices import remember
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.taxonomy import TAGS


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    for number, name in enumerate(("cat/a", "cat/b", "dog/c")):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(path)
    scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "data"),)))
    return tmp_path / "ws"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_tag__counts_saves_and_says_how_to_undo(ws: Path) -> None:
    choice = ("--where", "given_label = 'cat'", "--tag", "remove", "--reviewer", "An Na")
    dry = run("tag", "-w", ws, *choice, "--dry-run")
    assert dry.stdout == "2 samples (action so far: 2 none)\n  all/cat/a.png\n  all/cat/b.png\n"
    assert "nothing was written" in dry.stderr
    assert not (ws / "decisions.sqlite").exists()
    done = run("tag", "-w", ws, *choice)
    batch = re.search(r"saved 2 decisions of An Na as batch (\w+)", done.stdout)
    assert batch is not None
    assert f"chaffinch tag -w {ws} --undo {batch[1]} --reviewer 'An Na'" in done.stderr
    refused = run("tag", "-w", ws, "--undo", batch[1], "--reviewer", "Bo")
    assert str(refused.exception).startswith(f"the batch '{batch[1]}' is that of An Na")
    remember(ws, ResolveSettings(adjudicators=frozenset({"Bo"})))
    undone = run("tag", "-w", ws, "--undo", batch[1], "--reviewer", "Bo")
    assert undone.stdout == f"batch {batch[1]} is taken back: 2 samples\n"


def test_tag__shows_the_labels_that_go_out(ws: Path) -> None:
    done = run(
        "tag",
        "-w",
        ws,
        "--ids",
        "cat/a.png,zzz",
        "--action",
        "relabel",
        "--new-label",
        "dog",
        "--reviewer",
        "A",
    )
    assert "  all/cat/a.png  cat -> dog\n" in done.stdout
    assert "zzz is not in this workspace" in done.stderr
    none = run("tag", "-w", ws, "--ids", "cat/b.png", "--action", "relabel", "--reviewer", "A")
    assert "1 have no suggested label" in none.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--where", "true", "--ids", "1", "--tag", "keep", "--reviewer", "A"), "one of --where, --ids"),
        (("--tag", "keep", "--reviewer", "A"), "one of --where, --ids"),
        (("--where", "true", "--tag", "keep"), "name of who makes it"),
        (("--where", "issue_type = 'blur'", "--tag", "keep", "--reviewer", "A"), "no sample is selected"),
        (("--undo", "b", "--where", "true", "--reviewer", "A"), "--undo stands alone"),
        (
            ("--where", "true", "--tag", "keep", "--action", "remove", "--reviewer", "A"),
            "'remove' contradicts",
        ),
    ],
)
def test_tag__refuses(ws: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("tag", "-w", ws, *arguments)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert not (ws / "decisions.sqlite").exists()


def test_tag__from_a_file(ws: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("dog/c.png\n")
    done = run(
        "tag", "-w", ws, "--from", tmp_path / "ids.txt", "--untag", "keep", "--note", "n", "--reviewer", "A"
    )
    assert done.stdout.startswith("1 sample (action so far: 1 none)\n")


def test_tags__lists_the_vocabulary() -> None:
    lines = run("tags").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(TAGS)
    assert "keep                 Keep in dataset; rejects every finding; asks to keep" in lines


def test_audit__prints_the_head_and_fails_when_the_chain_is_broken(ws: Path) -> None:
    assert run("audit", "-w", ws).stdout.startswith("0 decisions, chain intact\n")
    run("tag", "-w", ws, "--where", "true", "--tag", "keep", "--reviewer", "A")
    done = run("audit", "-w", ws)
    assert done.exit_code == 0
    head = done.stdout.split()[-1]
    assert run("audit", "-w", ws, "--head", head).exit_code == 0
    assert run("audit", "-w", ws, "--head", "f" * 64).exit_code == 3
    with closing(sqlite3.connect(ws / "decisions.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE decisions SET note = 'x' WHERE seq = 2")
    broken = run("audit", "-w", ws)
    assert broken.exit_code == 3
    assert "broken at decision 2: it was changed after it was written" in broken.stdout


def test_import_manifest__counts_and_shows_what_is_left(ws: Path, tmp_path: Path) -> None:
    rows = ["image_id,image_path,user_tags,user_action", "cat/a.png,,,remove", "zzz,,,keep", "dog/c.png,,,"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    done = run("import", "manifest", tmp_path / "m.csv", "-w", ws, "--reviewer", "A")
    assert done.exit_code == 0
    assert "1 edited, now decisions" in done.stdout
    assert "row 3, zzz: refused: no sample has this id or path" in done.stderr
    run("tag", "-w", ws, "--ids", "cat/a.png", "--tag", "keep", "--reviewer", "B")
    late = run("import", "manifest", tmp_path / "m.csv", "-w", ws, "--reviewer", "A")
    assert late.exit_code == 3
    assert "the file says remove, meanwhile keep (keep)" in late.stderr
