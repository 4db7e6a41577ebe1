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
    box = canvas.bounding_box()
    ana.page.get_by_label("colour by").select_option("finding")
    ana.page.locator(".legend").get_by_text("blur").wait_for()
    assert ana.page.locator(".legend").get_by_text("corrupt").count() == 0, "it has no place"
    ana.page.get_by_label("colour by").select_option("class")
    ana.page.locator(".legend li").nth(3).wait_for()
    assert canvas.bounding_box() == box, "colours do not move the map"
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


def test_map__a_dot_shows_its_image_and_takes_the_cursor(ana: Any, planted: Any) -> None:
    ana.press("End", "m")
    box = ana.see("[data-testid=map]").bounding_box()

    def ring() -> tuple[float, float, float]:
        circle = ana.page.locator(".map circle")
        x, y, r = (float(circle.get_attribute(name)) for name in ("cx", "cy", "r"))
        return box["x"] + x, box["y"] + y, r

    ana.press("Home")
    ana.until("document.querySelector('.map circle') !== null")
    first = ana.page.locator(".info dd").nth(1).inner_text()
    x, y, r = ring()
    ana.page.mouse.move(x, y)
    card = ana.see(".pointed-at")
    shown = int(card.get_attribute("data-sample-id"))
    key = next(key for key, number in planted.ids.items() if number == shown)
    card.get_by_text(key).wait_for()
    ana.press("End")
    ana.until(f"document.querySelectorAll('.info dd')[1]?.textContent !== {first!r}")
    ana.page.mouse.click(x, y)
    ana.until(f"document.querySelector('.info dl').textContent.includes({key!r})")
    assert ring() == (x, y, r), "the ring is where the dot is"
    ana.page.mouse.wheel(0, -600)
    ana.until(f"Number(document.querySelector('.map circle').getAttribute('r')) > {r}")
    near = ring()
    # The middle of a pixel is up to half a pixel beside its dot, here seen 4.5 times as large.
    assert abs(near[0] - x) <= 4 and abs(near[1] - y) <= 4, "zoom is about the pointer"
    ana.page.mouse.wheel(0, 5000)
    ana.until(f"Number(document.querySelector('.map circle').getAttribute('r')) === {r}")
    assert ring() == (x, y, r), "farther than whole is whole"
    ana.press("+", "+", "f")
    assert ring() == (x, y, r)
    ana.page.mouse.dblclick(x, y)
    ana.see(f'.stage[data-sample-id="{shown}"]')
