"""The offline page in a real browser: of a manifest, and when the browser has no more room."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
READY = "html[data-ready]"
Page = Any
"""A playwright page; playwright need not be installed."""

EXPORT = """image_id,image_path,label,issue_type,confidence,suggested_label,reason
0,pets/cat/0.png,cat,mislabel,0.9,dog,like dogs
1,pets/cat/1.png,cat,blur,0.8,,soft
2,pets/gone/2.png,dog,outlier,0.7,,far
3,pets/dog/3.png,dog,,,,
"""


@pytest.fixture
def project(tmp_path: Path, save_pictures: Callable[[Path, Mapping[str, int]], None]) -> Path:
    """Return a folder with an export, some of its pictures, and the script."""
    save_pictures(tmp_path / "pets", {"cat/0.png": 0, "cat/1.png": 1, "dog/3.png": 3})
    (tmp_path / "export.csv").write_text(EXPORT)
    shutil.copy(REPOSITORY / "vl_tagging_workflow.py", tmp_path)
    return tmp_path


@pytest.fixture
def script(project: Path, commands: Any) -> Callable[..., str]:
    """Run the tagging script in the project; returns what it says."""

    def run(*options: object, status: int = 0) -> str:
        words = " ".join(map(str, options))
        command = "python vl_tagging_workflow.py --vl_export export.csv --dataset pets"
        done = commands.shell(f"{command} --output m/pets.csv {words}", folder=project, status=status)
        return done.stdout + done.stderr

    return run


def opened(page: Page, file: Path, *, name: str = "Ana L\u00fc") -> None:
    page.goto(file.as_uri())
    page.wait_for_selector(READY)
    page.get_by_test_id("reviewer").fill(name)


def exported(page: Page, file: Path) -> list[dict[str, Any]]:
    """Save the decisions of a page; returns its lines."""
    with page.expect_download() as download:
        page.get_by_test_id("export").click()
    download.value.save_as(file)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_manifest_page__decided_reloaded_exported_merged(
    page: Page, project: Path, script: Callable[..., str]
) -> None:
    script("--generate_html")
    opened(page, project / "m" / "review_interface.html")
    tiles = page.locator(".grid [data-sample-id]")
    assert tiles.count() == 3, "of four images three are flagged"
    assert tiles.locator("img").count() == 3
    sources = [tiles.nth(n).locator("img").get_attribute("src")[:18] for n in range(3)]
    assert sorted(sources) == ["data:image/jpeg;ba", "data:image/jpeg;ba", "data:image/svg+xml"]
    page.locator('[data-sample-id="1"]').click()
    page.keyboard.press("x")
    page.locator('[data-sample-id="0"]').click()
    page.keyboard.press("l")
    page.get_by_test_id("accept").click()
    page.reload()
    page.wait_for_selector(READY)
    assert page.locator('[data-sample-id="1"]').get_attribute("data-action") == "remove"
    head, *lines = exported(page, project / "saved.jsonl")
    assert (head["subjects"], head["dataset"], head["reviewer"]) == ("manifest", "pets", "Ana L\u00fc")
    assert [(line["key"], line["image_id"], line["action"]) for line in lines] == [
        ("pets/cat/1.png", "1", "remove"),
        ("pets/cat/0.png", "0", "relabel"),
    ]
    assert "2 decisions taken over" in script("--merge", "saved.jsonl", "--generate_html")
    with (project / "m" / "pets.csv").open() as file:
        decided = {row["image_id"]: row for row in csv.DictReader(file)}
    assert [decided[n]["user_action"] for n in "0123"] == ["relabel", "remove", "none", "none"]
    assert (decided["0"]["new_label"], decided["0"]["reviewer_name"]) == ("dog", "Ana L\u00fc")
    # The page written anew is of the same images: what was decided is still there, and what was merged.
    opened(page, project / "m" / "review_interface.html")
    assert page.locator('[data-sample-id="0"]').get_attribute("data-action") == "relabel"
    page.locator('[data-sample-id="0"]').click()
    page.get_by_text("Said so far").wait_for()
    assert len(exported(page, project / "again.jsonl")) == 3
    said = script("--merge", "saved.jsonl", "--merge", "again.jsonl")
    assert "saved.jsonl: 2 decisions" in said and "again.jsonl: 0 decisions" in said


def test_manifest_page__asks_for_a_name_and_notes_who_decided(
    page: Page, project: Path, script: Callable[..., str]
) -> None:
    script("--generate_html")
    opened(page, project / "m" / "review_interface.html", name="")
    asked = page.get_by_test_id("reviewer")
    page.get_by_test_id("export").click()
    page.get_by_text("Nothing was exported yet").wait_for()
    page.locator('[data-testid="reviewer"]:focus').wait_for()
    image = page.locator('[data-sample-id="1"]')
    image.click()
    page.keyboard.press("x")
    page.get_by_text("Nothing was decided yet").wait_for()
    assert image.get_attribute("data-action") == "none"
    for name, sample_id in (("Ana", "1"), ("Bo", "0")):
        asked.fill(name)
        page.locator(f'[data-sample-id="{sample_id}"]').click()
        page.keyboard.press("x")
    head, *lines = exported(page, project / "saved.jsonl")
    assert head["reviewer"] == "Bo"
    assert [(line["image_id"], line["reviewer"]) for line in lines] == [("1", "Ana"), ("0", "Bo")]
    script("--merge", "saved.jsonl")
    with (project / "m" / "pets.csv").open() as file:
        decided = {row["image_id"]: row["reviewer_name"] for row in csv.DictReader(file)}
    assert (decided["0"], decided["1"]) == ("Bo", "Ana")


def test_manifest_page__collected_in_a_workspace(
    page: Page, project: Path, script: Callable[..., str], commands: Any, table_rows: Any
) -> None:
    script("--generate_html")
    opened(page, project / "m" / "review_interface.html")
    for sample_id in (1, 2):
        page.locator(f'[data-sample-id="{sample_id}"]').click()
        page.keyboard.press("x")
    exported(page, project / "saved.jsonl")
    ws = project / "ws"
    commands.run("scan", project / "pets", "-w", ws)
    done = commands.run("review", "-w", ws, "--collect", project / "saved.jsonl")
    assert "1 decision saved, 0 there already" in done.stdout
    assert "row 3, pets/gone/2.png: no sample has this id or path: not saved" in done.stderr
    assert [(r["key"], r["action"]) for r in table_rows("decisions", ws)] == [("all/cat/1.png", "remove")]
    done = commands.run("review", "-w", ws, "--collect", project / "saved.jsonl")
    assert "0 decisions saved, 1 there already" in done.stdout


FILL = """() => {
  let size = 1 << 22;
  for (let n = 0; size >= 1; n++) {
    try { localStorage.setItem(`filler${n}`, "x".repeat(size)); } catch { size >>= 1; }
  }
}"""
NO_INDEXED_DB = "IDBFactory.prototype.open = () => { throw new Error('refused'); };"


def test_full_storage__goes_on_elsewhere_and_nothing_is_lost(
    page: Page, project: Path, script: Callable[..., str]
) -> None:
    script("--generate_html")
    opened(page, project / "m" / "review_interface.html")
    page.locator('[data-sample-id="1"]').click()
    page.keyboard.press("k")
    page.evaluate(FILL)
    page.locator('[data-sample-id="1"]').click()
    page.keyboard.press("x")
    page.locator('[data-sample-id="0"]').click()
    page.keyboard.press("x")
    page.keyboard.press("u")
    page.locator('[data-testid="saved"]:text-is("saved")').wait_for()
    assert page.get_by_text("NOT SAVED").count() == 0
    page.reload()
    page.wait_for_selector(READY)
    actions = [page.locator(f'[data-sample-id="{n}"]').get_attribute("data-action") for n in (0, 1)]
    assert actions == ["none", "remove"], "the newest word of both storages"
    _, *lines = exported(page, project / "saved.jsonl")
    assert [(line["image_id"], line["action"], line["undo_of"] is None) for line in lines] == [
        ("1", "keep", True),
        ("1", "remove", True),
        ("0", "remove", True),
        ("0", "remove", False),
    ]


def test_full_storage__says_not_saved_where_there_is_no_other(
    page: Page, project: Path, script: Callable[..., str]
) -> None:
    script("--generate_html")
    page.add_init_script(NO_INDEXED_DB)
    opened(page, project / "m" / "review_interface.html")
    page.evaluate(FILL)
    page.locator('[data-sample-id="1"]').click()
    page.keyboard.press("x")
    page.locator('[role="alert"]:text("NOT SAVED")').wait_for()
    assert len(exported(page, project / "saved.jsonl")) == 2
