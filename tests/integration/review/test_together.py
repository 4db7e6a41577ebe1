"""Two people at one server: news, conflicts, disagreement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from chaffinch.pipeline.resolve_choices import chosen, remember

pytestmark = pytest.mark.slow


def test_news__of_another_client_are_shown(live: Any, new_page: Any) -> None:
    address: str = live(is_blind=False)
    page = new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    sample_id = int(page.locator('.tile[aria-posinset="2"]').get_attribute("data-sample-id"))
    said = {"reviewer": "Bo", "items": [{"sample_id": sample_id, "version": 0}], "action": "keep"}
    httpx.post(f"{address}api/decisions", json=said).raise_for_status()
    page.locator(f'[data-sample-id="{sample_id}"][data-action="keep"]').wait_for()


def test_conflict__is_told_and_what_holds_is_shown(ana_live: Any) -> None:
    sample_id = ana_live.sample(1)
    # The news are held back, so that the page does not know yet.
    ana_live.page.route(re.compile(r"/api/events"), lambda _: None)
    ana_live.page.reload()
    ana_live.page.wait_for_selector("html[data-ready]")
    said = {"reviewer": "Bo", "items": [{"sample_id": sample_id, "version": 0}], "action": "keep"}
    httpx.post(f"{ana_live.address}api/decisions", json=said).raise_for_status()
    ana_live.page.locator(f'[data-sample-id="{sample_id}"]').click()
    ana_live.press("x")
    told = ana_live.page.get_by_role("alert")
    told.get_by_text("not saved: somebody else decided about 1 of these images meanwhile").wait_for()
    told.get_by_role("button", name="seen").click()
    told.wait_for(state="detached")
    ana_live.says(sample_id, "none")
    ana_live.page.locator(f'[data-sample-id="{sample_id}"]').click()
    ana_live.press("x")
    ana_live.says(sample_id, "remove")
    ana_live.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    left = httpx.get(f"{ana_live.address}api/samples/{sample_id}", headers={"X-Reviewer": "Ana"}).json()
    assert [(v["reviewer"], v["action"]) for v in left["verdicts"]] == [("Ana", "remove"), ("Bo", "keep")]


def test_disagreement__is_listed_and_gone_through(ana_live: Any, another: Any, planted: Any) -> None:
    sample_id = ana_live.sample(1)
    ana_live.press("x")
    ana_live.says(sample_id, "remove")
    ana_live.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    bo = another(ana_live)
    # What another has done comes last in the queue.
    bo.go_to(next(key for key, number in planted.ids.items() if number == sample_id))
    bo.press("k")
    bo.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    bo.press("t")
    bo.page.get_by_test_id("disputes").click()
    bo.see(f'.stage[data-sample-id="{sample_id}"]')
    assert bo.n_shown() == 1
    verdicts = bo.page.get_by_test_id("verdicts")
    verdicts.wait_for()
    assert "Ana: remove" in verdicts.inner_text() and "Bo: keep" in verdicts.inner_text()


def test_disagreement__settled_ones_are_counted_and_narrow_windows_do(
    live: Any, new_page: Any, own_ws: Path
) -> None:
    remember(own_ws, chosen(own_ws, leak_side=None, adjudicators=["Cleo"]))
    address: str = live()
    for name, action in (("Ana", "remove"), ("Bo", "keep")):
        said = {"reviewer": name, "items": [{"sample_id": 1, "version": int(name == "Bo")}], "action": action}
        httpx.post(f"{address}api/decisions", json=said).raise_for_status()
    page = new_page()
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.get_by_test_id("reviewer").fill("Cleo")
    page.get_by_test_id("reviewer").blur()
    page.get_by_role("button", name="details").click()
    page.keyboard.press("t")
    page.get_by_test_id("disputes").wait_for()
    page.get_by_role("complementary", name="about this image").wait_for(state="hidden")
    page.get_by_test_id("disputes").click()
    page.get_by_test_id("verdicts").wait_for()
    page.get_by_role("button", name="keep", exact=True).click()
    page.locator('.stage[data-sample-id="1"][data-action="keep"]').wait_for()
    page.keyboard.press("t")
    page.get_by_text("all settled: 1").wait_for()
