"""Accepting a band of findings at once, and choosing images on the map."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def set_low(ana: Any, value: str) -> None:
    slider = ana.page.locator('.sheet input[type="range"]').first
    slider.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})) }", value)


def test_batch__a_band_is_accepted_after_a_random_sample(ana: Any, planted: Any) -> None:
    ana.press("B")
    ana.see("form.sheet")
    kinds = ana.page.locator(".sheet select").first
    kinds.select_option(label=next(
        text for text in kinds.locator("option").all_inner_texts() if text.startswith("blur")
    ))  # fmt: skip
    set_low(ana, "0")
    n = int(re.search(r"\d+", ana.page.get_by_test_id("batch-count").inner_text())[0])  # type: ignore[index]
    assert 0 < n <= len(planted.found("blur"))
    ana.page.get_by_text("How many of them are right is not measured yet.").wait_for()
    ana.page.get_by_test_id("audit").click()
    ana.toast("random blur")
    assert ana.n_shown() == min(20, n)
    ana.press("x", "k", "x")
    ana.press("B")
    ana.page.get_by_test_id("precision").wait_for()
    assert (
        ana.page.get_by_test_id("precision")
        .inner_text()
        .startswith("2 of 3 random ones were confirmed: 67 %")
    )
    rest = int(re.search(r"\d+", ana.page.get_by_test_id("batch-count").inner_text())[0])  # type: ignore[index]
    assert rest == n - 3
    ana.page.get_by_test_id("accept-all").click()
    ana.toast(f"remove, blur: {rest} image")
    ana.page.get_by_text(f"{n} decided").wait_for()
    ana.page.locator(".toast").get_by_role("button", name="undo").click()
    ana.page.get_by_text("3 decided").wait_for()
    ana.press("B")
    ana.see(".grid")


def test_map__a_line_around_images_chooses_them(ana: Any) -> None:
    n = ana.n_shown()
    ana.press("m")
    canvas = ana.see("[data-testid=map]")
    ana.page.get_by_label("colour by finding").check()
    ana.page.locator(".legend").get_by_text("blur").wait_for()
    box = canvas.bounding_box()
    left, top, right, bottom = (
        box["x"] + 4,
        box["y"] + 4,
        box["x"] + box["width"] - 4,
        box["y"] + box["height"] - 4,
    )
    ana.page.mouse.move(left, top)
    ana.page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        ana.page.mouse.move(x, y, steps=2)
    ana.page.mouse.up()
    chosen = int(re.search(r"\d+", ana.see(".toast").inner_text())[0])  # type: ignore[index]
    assert 0 < chosen <= n, "broken images have no place on the map"
    ana.page.get_by_role("button", name=f"show {chosen} in the grid").click()
    ana.see(".grid")
    assert ana.n_shown() == chosen
    ana.press("m")
    ana.page.get_by_role("button", name="let go").click()
    assert ana.n_shown() == n
    for name in ("closer", "farther", "whole map"):
        ana.page.get_by_role("button", name=name).click()
    ana.press("m")
    ana.see(".grid")
