"""The panel of one image, and what happens before the reviewer has said their name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_details__begin_at_the_top_for_each_image(ana: Any) -> None:
    ana.page.set_viewport_size({"width": 1280, "height": 400})
    ana.page.locator(".info h2").first.wait_for()
    ana.page.evaluate("document.querySelector('.info').scrollTo(0, 500)")
    assert ana.page.evaluate("document.querySelector('.info').scrollTop") > 0
    ana.press("1")
    ana.page.locator('.info button[aria-pressed="true"]').wait_for()
    assert ana.page.evaluate("document.querySelector('.info').scrollTop") > 0, "it is still the same image"
    ana.press("ArrowRight")
    ana.until("document.querySelector('.info').scrollTop === 0")


def test_details__what_was_said_comes_before_what_was_found(ana_live: Any) -> None:
    ana_live.press("k", "ArrowLeft")
    ana_live.page.locator(".info h2", has_text="Said so far").wait_for()
    heads = ana_live.page.locator(".info h2").all_inner_texts()
    assert [head.lower() for head in heads][:2] == ["said so far", "findings"]


def test_name__is_asked_for_where_it_is_typed(ana_live: Any, another: Callable[..., Any]) -> None:
    nobody = another(ana_live, name="")
    first = nobody.sample(1)
    for key in ("x", "Shift+R"):
        nobody.page.locator(".tile.cursor").focus()
        nobody.press(key)
        nobody.page.get_by_role("alert").get_by_text("Type yours, then Enter").wait_for()
        nobody.until("document.activeElement.dataset.testid === 'reviewer'")
    nobody.says(first, "none")
    nobody.at(1)
    field = nobody.page.get_by_test_id("reviewer")
    assert field.evaluate("field => field.scrollWidth <= field.clientWidth"), "the hint is not cut off"
    nobody.page.keyboard.type("Bo")
    nobody.press("Enter")
    nobody.page.get_by_text("Type yours").wait_for(state="hidden")
    nobody.press("x")
    nobody.says(first, "remove")
    nobody.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
