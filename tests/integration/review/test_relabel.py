"""Relabelling to a class of one's own choice, and the tags that are actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaffinch.pipeline.collect import collect_decisions
from chaffinch.storage.decisions import open_log


def without_suggestion(ana: Any, planted: Any) -> tuple[int, str]:
    """Put the cursor on a blurred image; return its sample and its label."""
    blurred = planted.truth.of_kind("blur")[0]
    ana.go_to(blurred.path)
    return planted.ids[blurred.path], ana.page.locator(".info dd").first.inner_text()


def other_class(ana: Any, label: str) -> str:
    names = ana.page.locator(".picker li").all_inner_texts()
    assert label not in names
    return str(names[-1])


def test_picker__relabels_to_a_class_that_is_typed(ana: Any, planted: Any) -> None:
    sample_id, label = without_suggestion(ana, planted)
    ana.press("r")
    field = ana.page.get_by_role("combobox", name="class")
    field.wait_for()
    ana.until("document.activeElement.getAttribute('role') === 'combobox'")
    wanted = other_class(ana, label)
    ana.press("Enter")
    assert field.is_visible(), "nothing is meant yet"
    ana.page.keyboard.type("no such class")
    ana.page.get_by_text("no class holds this").wait_for()
    ana.press("Enter", "Control+a")
    ana.page.keyboard.type(wanted[:3].upper())
    active = ana.page.locator('.picker [aria-selected="true"]')
    for _ in range(ana.page.locator(".picker li").all_inner_texts().index(wanted)):
        ana.press("ArrowDown")
    assert active.inner_text() == wanted
    assert field.get_attribute("aria-activedescendant") == active.get_attribute("id")
    ana.press("Enter")
    ana.says(sample_id, "relabel")
    tile = ana.page.locator(f'.tile[data-sample-id="{sample_id}"]')
    assert f"\u2192 {wanted}" in tile.inner_text()
    assert f"\u2192 {wanted}" in ana.page.locator(".info dd").first.inner_text()
    ana.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    ana.page.reload()
    ana.page.wait_for_selector("html[data-ready]")
    ana.go_to(planted.truth.of_kind("blur")[0].path)
    assert f"\u2192 {wanted}" in tile.inner_text()


def test_picker__left_without_a_class_decides_nothing(ana: Any, planted: Any) -> None:
    sample_id, _ = without_suggestion(ana, planted)
    ana.press("r")
    ana.page.get_by_role("combobox", name="class").wait_for()
    ana.press("Escape")
    ana.toast("not relabelled: no class was chosen")
    ana.says(sample_id, "none")
    ana.page.get_by_role("button", name="relabel to").click()
    ana.page.locator(".picker li").first.click()
    ana.says(sample_id, "relabel")
    ana.press("u")
    ana.says(sample_id, "none")
    ana.press("l", "R")
    ana.page.get_by_role("combobox", name="class").wait_for()
    ana.press("ArrowDown", "Enter", "l")
    ana.says(sample_id, "relabel")


def test_picker__the_choice_is_in_the_log(ana_live: Any, own_ws: Path, planted: Any) -> None:
    without_suggestion(ana_live, planted)
    ana_live.press("R")
    wanted = str(ana_live.page.locator(".picker li").first.inner_text())
    ana_live.press("ArrowDown", "Enter")
    ana_live.page.get_by_text("1 decided").wait_for()
    ana_live.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    (entry,) = open_log(own_ws).read()
    assert (entry.decision.action, entry.decision.new_label) == ("relabel", wanted)


def test_picker__the_choice_is_in_the_file_that_is_collected(
    new_page: Any, planted: Any, own_ws: Path, tmp_path: Path
) -> None:
    page = new_page()
    page.goto(planted.page.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.get_by_test_id("reviewer").fill("Bo")
    page.get_by_test_id("reviewer").blur()
    page.keyboard.press("Shift+R")
    wanted = page.locator(".picker li").first.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    with page.expect_download() as download:
        page.get_by_test_id("export").click()
    file = tmp_path / "said.jsonl"
    download.value.save_as(file)
    assert json.loads(file.read_text().splitlines()[1])["new_label"] == wanted
    collect_decisions(own_ws, file)
    (entry,) = open_log(own_ws).read()
    assert (entry.decision.action, entry.decision.new_label) == ("relabel", wanted)


def test_tags__that_are_actions_are_shown_and_not_offered(ana: Any) -> None:
    # The panel is drawn anew when the server's answer comes: read all texts at one moment.
    ana.until("document.querySelectorAll('.info .actions:last-child button').length === 10")
    names = "[...document.querySelectorAll('.info .actions:last-child button')].map(chip => chip.innerText)"
    ana.until(f"{names}.length === 10 && !{names}.some(name => ['keep', 'remove', 'relabel'].includes(name))")


@pytest.mark.slow
def test_tags__that_are_actions_come_from_elsewhere(ana_live: Any) -> None:
    item = {"sample_id": ana_live.sample(1), "version": 0}
    said = {"reviewer": "Ana", "items": [item], "tags_added": ["keep"]}
    assert ana_live.page.request.post(f"{ana_live.address}api/decisions", data=said).ok
    ana_live.says(item["sample_id"], "keep")
    ana_live.page.locator('.info button[aria-pressed="true"]', has_text="keep").nth(1).wait_for()
    ana_live.page.locator(".tile.cursor .tags", has_text="keep").wait_for()


def test_hints__name_the_keys_that_are_set(ana: Any, planted: Any) -> None:
    ana.page.evaluate("""localStorage.setItem('chaffinch.keys', '{"remove": ["j"]}')""")
    ana.page.reload()
    ana.page.wait_for_selector("html[data-ready]")
    ana.go_to(planted.truth.of_kind("wrong_label")[0].path)
    ana.press("l")
    ana.page.get_by_role("button", name="neither: remove (j)").wait_for()
    ana.page.get_by_role("button", name="stays").get_by_text("(k)").wait_for()
