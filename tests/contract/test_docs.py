"""Documentation in step with the program: links lead somewhere, commands exist, figures are measured."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from chaffinch.cli.guide_leaks import parser as guide_parser
from chaffinch.cli.guide_tagging import parser as tagging_parser
from chaffinch.cli.main import app
from chaffinch.formats.leak_csv import COLUMNS as LEAK_COLUMNS
from chaffinch.formats.manifest_csv import COLUMNS as MANIFEST_COLUMNS
from chaffinch.storage.clusters import JOINED_FIELDS
from chaffinch.storage.confusion import CONFUSION_SCHEMA
from chaffinch.storage.decision_table import DECISIONS_SCHEMA
from chaffinch.storage.export import TABLES as EXPORTED_TABLES
from chaffinch.storage.findings import PAIRS_SCHEMA
from chaffinch.storage.issues import ISSUES_SCHEMA
from chaffinch.storage.schema import CLASSES_SCHEMA, INTERNAL_COLUMNS, OBJECTS_SCHEMA, samples_schema

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
VERBS: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def page_id(page: Path) -> str:
    """Return a short name for test reports."""
    return page.relative_to(ROOT).as_posix()


def code_blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Yield page and text of each fenced block in a language."""
    for page in PAGES:
        for match in FENCE.finditer(page.read_text(encoding="utf-8")):
            if match["language"] == language:
                yield page, match["code"]


def command_lines() -> list[tuple[str, list[str]]]:
    """Return (page, words) of each command in the bash blocks of all pages."""
    lines = []
    for page, code in code_blocks("bash"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            # The users' guide has a few commands with "..." for what the reader fills in.
            lines += [(page_id(page), words)] if words and "..." not in words else []
    return lines


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings make, as GitHub spells them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_docs__relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for match in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if ":" in target:
            continue
        there = (page.parent / target).resolve() if target else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(match["target"])
    assert broken == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_docs__each_verb_is_explained(verb: str) -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES if page.name != "CHANGELOG.md"]
    assert any(f"chaffinch {verb}" in text for text in texts)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_docs__each_verb_has_help_with_an_example_and_a_line_for_each_option(verb: str) -> None:
    command = VERBS[verb]
    assert f"chaffinch {verb}" in (command.help or "")
    assert [p.name for p in command.params if p.name != "help" and not getattr(p, "help", None)] == []


@pytest.mark.parametrize(("page", "words"), command_lines())
def test_docs__commands_parse(page: str, words: list[str]) -> None:
    """Each command shown exists and takes the options shown; none is run."""
    if words[0] == "chaffinch" and len(words) > 1 and not words[1].startswith("-"):
        assert words[1] in VERBS, page
        if not {"--help", "-h"} & set(words):
            VERBS[words[1]].make_context(words[1], words[2:])
    if "train_test_leak_detection.py" in words:
        guide_parser().parse_args(words[words.index("train_test_leak_detection.py") + 1 :])
    if "vl_tagging_workflow.py" in words:
        tagging_parser().parse_args(words[words.index("vl_tagging_workflow.py") + 1 :])
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert [w for w in words[1:] if "=" not in w and w not in targets] == [], page


def test_docs__python_blocks_compile() -> None:
    for _, code in code_blocks("python"):
        ast.parse(code)


def test_docs__readme_commands_are_checked() -> None:
    """The checks above see the commands that matter most."""
    shown = {" ".join(words[:2]) for page, words in command_lines() if page == "README.md"}
    assert {"make demo", "make test"} <= shown


def load_tables(name: str = "tables") -> ModuleType:
    """Return a script of benchmarks/ that writes tables as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["tables", "headline"])
def test_docs__figures_are_those_measured(name: str) -> None:
    script = load_tables(name)
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.render(page) == page, "run `make docs`"


def test_tables__block() -> None:
    result = {
        "machine": {"cpu": "x", "cores": 2},
        "n": 12345,
        "cases": [{"case": "a|b", "cpu_s": 0.123456, "ok": True}, {"case": "c", "peak_mb": 2048.4}],
    }
    assert load_tables().block("join", result).splitlines() == [
        "<!-- results: join -->",
        "",
        "- machine: cpu x, cores 2",
        "- n: 12,345",
        "",
        "Cases:",
        "",
        "| case | cpu s | ok | peak mb |",
        "|---|---:|---:|---:|",
        "| a\\|b | 0.1235 | yes |  |",
        "| c |  |  | 2,048 |",
        "",
        "<!-- end: join -->",
    ]


def test_tables__objects_of_one_kind_stand_side_by_side() -> None:
    result = {
        "tuning": {
            "exact": {
                "recall": {"hits": 1, "n": 4, "rate": 0.25, "interval": [-0.0, 0.7]},
                "wrong": {"all": 0},
            },
            "verified": {"recall": {"hits": 0, "n": 0, "rate": None, "interval": None}, "wrong": {"all": 2}},
        }
    }
    assert load_tables().block("x", result).splitlines()[2:-2] == [
        "",
        "| measure | exact | verified |",
        "|---|---|---|",
        "| recall | 0.250 (1 of 4, 0.000 to 0.700) |  |",
        "| wrong, all | 0 | 2 |",
    ]


def test_tables__a_new_result_gets_a_block_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "new_one.json").write_text('{"n": 1}')
    tables = load_tables()
    once = tables.render("# Page\n", tmp_path)
    assert once == "# Page\n\n## New one\n\n<!-- results: new_one -->\n\n- n: 1\n\n<!-- end: new_one -->\n"
    assert tables.render(once, tmp_path) == once


TABLES: dict[str, Sequence[str]] = {
    "samples": [
        *(n for n in samples_schema(is_integer_id=True).names if n not in INTERNAL_COLUMNS),
        *(field.name for field in JOINED_FIELDS),
    ],
    "objects": OBJECTS_SCHEMA.names,
    "classes": CLASSES_SCHEMA.names,
    "confusion": CONFUSION_SCHEMA.names,
    "issues": ISSUES_SCHEMA.names,
    "pairs": PAIRS_SCHEMA.names,
    "decisions": DECISIONS_SCHEMA.names,
}


def test_docs__the_tables_are_those_that_can_be_written() -> None:
    assert set(TABLES) == set(EXPORTED_TABLES)


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        *((f"Table `{name}`", columns) for name, columns in TABLES.items()),
        ("The leak report", LEAK_COLUMNS),
        ("The manifest", MANIFEST_COLUMNS),
    ],
)
def test_docs__formats_md_has_exactly_the_columns(heading: str, columns: Sequence[str]) -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    documented = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(documented) == sorted(columns)
