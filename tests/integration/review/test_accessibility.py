"""For everybody: contrast, focus that is seen, keys alone, and windows from a tablet's to a wide screen's."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

STYLE = Path(__file__).parents[3] / "web" / "src" / "style.css"
READABLE = 4.5
"""Contrast of text, WCAG 2.2, 1.4.3, level AA."""
SEEN = 3.0
"""Contrast of what marks focus and borders, WCAG 2.2, 1.4.11."""

VIEWS = ["grid", "single", "pair", "group", "label", "classes", "batch", "map"]


def colours() -> dict[str, tuple[str, str]]:
    """Return the colours that the style sheet names, light and dark."""
    named = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\);", STYLE.read_text())
    return {name: (light, dark) for name, light, dark in named}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast__of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast__text_can_be_read(theme: int) -> None:
    named = colours()
    texts, grounds = ("text", "soft", "accent", "keep", "remove", "relabel"), ("bg", "panel")
    pairs = [*product(texts, grounds), ("bg", "accent"), ("bg", "remove"), ("bg", "text")]
    low = {
        (text, ground): round(value, 2)
        for text, ground in pairs
        if (value := contrast(named[text][theme], named[ground][theme])) < READABLE
    }
    assert low == {}
    assert contrast(named["accent"][theme], named["bg"][theme]) >= SEEN, "the line around what has the focus"


def test_contrast__words_on_pictures_can_be_read() -> None:
    words = dict(re.findall(r"--(plain|flag|other): (#\w{6});", STYLE.read_text()))
    assert len(words) == 3
    # They stand on black at four fifths, over white at worst.
    for name, colour in words.items():
        assert contrast(colour, "#333333") >= READABLE, name


def open_views(ana: Any) -> list[str]:
    views = ana.page.get_by_role("navigation", name="views").get_by_role("button").all_inner_texts()
    return [view for view in views if view != "team"]


@pytest.mark.parametrize("width", [768, 1280, 2560])
def test_width__nothing_is_cut_off_in_any_view(ana: Any, width: int) -> None:
    ana.page.set_viewport_size({"width": width, "height": 1000})
    assert open_views(ana) == VIEWS
    for view in VIEWS:
        ana.page.get_by_role("navigation", name="views").get_by_role("button", name=view, exact=True).click()
        ana.page.wait_for_timeout(50)
        assert ana.page.evaluate("document.documentElement.scrollWidth") <= width, view
        cut = ana.page.evaluate(CUT_OFF)
        assert cut == [], (view, width)


CUT_OFF = """() => [
    ...document.querySelectorAll('.bar button, .bar input, .bar select, .tools button, .sheet *')]
    .filter(e => e.checkVisibility())
    .map(e => [e, e.getBoundingClientRect()])
    .filter(([e, r]) => r.width > 0 && (r.right > innerWidth + 1 || r.x < -1))
    .map(([e]) => e.outerHTML.slice(0, 80))"""


def test_panels__slide_in_on_a_tablet(ana: Any) -> None:
    ana.page.set_viewport_size({"width": 768, "height": 1000})
    button = ana.page.get_by_role("button", name="details")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    ana.page.get_by_role("complementary", name="about this image").wait_for()
    assert button.get_attribute("aria-expanded") == "true"
    ana.press("Escape")
    ana.page.get_by_role("complementary", name="about this image").wait_for(state="hidden")


def test_keyboard__reaches_everything_and_shows_where_it_is(ana: Any) -> None:
    ana.page.locator(".tile.cursor").focus()
    seen: list[str] = []
    while not (seen and seen[-1].startswith("option")):
        ana.press("Tab")
        seen.append(ana.page.evaluate(FOCUSED))
        assert len(seen) < 150, seen
    named = [text for text in seen if text]
    for wanted in (
        "button grid",
        "button map",
        "combobox order",
        "searchbox",
        "button undo",
        "button export",
    ):
        assert any(text.startswith(wanted) for text in named), (wanted, named)
    assert any(text.startswith("checkbox") for text in named), named
    assert all("NO OUTLINE" not in text for text in named), named


FOCUSED = """() => {
  const e = document.activeElement;
  if (e === document.body) return '';
  const role = e.getAttribute('role') ?? {SELECT: 'combobox', BUTTON: 'button'}[e.tagName] ??
    {search: 'searchbox', checkbox: 'checkbox', range: 'slider', text: 'textbox'}[e.type] ?? e.tagName;
  const frame = e.classList.contains('tile') ? e.querySelector('.frame') : e;
  const {outlineWidth, outlineStyle} = getComputedStyle(frame);
  const outline = parseFloat(outlineWidth) > 0 && outlineStyle !== 'none';
  const name = e.ariaLabel ?? e.innerText ?? '';
  return `${role} ${name}${outline ? '' : ' NO OUTLINE'}`;
}"""


def test_keyboard__alone_goes_through_every_view(ana: Any, planted: Any) -> None:
    ana.go_to(planted.truth.of_kind("duplicate_exact")[0].path)
    for key, css in [
        (" ", ".strip"),
        ("p", ".half + .half"),
        ("d", ".members"),
        ("l", ".middle .empty, .arguing"),
        ("c", "table.classes"),
        ("B", "form.sheet"),
        ("m", "[data-testid=map]"),
        ("Escape", ".grid"),
    ]:
        ana.press(key)
        ana.see(css)


def test_keyboard__alone_sets_and_clears_every_filter(ana: Any) -> None:
    n = ana.n_shown()
    boxes = ana.page.get_by_role("navigation", name="filter").get_by_role("checkbox")
    for place in range(boxes.count()):
        boxes.nth(place).focus()
        name = ana.page.evaluate(CHECKED_BOX)
        ana.press("Space")
        ana.until(f"({CHECKED_BOX})() === '{name.replace('false', 'true')}'")
        ana.see(".grid")
        ana.press("Space")
        ana.until(f"({CHECKED_BOX})() === '{name}'")
        assert ana.n_shown() == n
    before = ana.place()
    ana.press("ArrowRight")
    ana.at(before + 1)


CHECKED_BOX = """() => {
  const e = document.activeElement;
  return `${e.labels?.[0].querySelector('.name').innerText} ${e.checked}`;
}"""


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_keyboard__presses_the_button_that_has_the_focus_and_nothing_else(ana: Any, key: str) -> None:
    first, second = ana.sample(1), ana.sample(2)
    ana.page.locator(".info").get_by_role("button", name="keep", exact=True).focus()
    ana.press(key)
    ana.says(first, "keep")
    ana.page.get_by_text("1 decided").wait_for()
    ana.says(second, "none")
    ana.see(".grid")


def test_names__of_every_control_and_picture(ana: Any) -> None:
    for key in ("Escape", " ", "B", "m", "?"):
        ana.press(key)
        ana.page.wait_for_timeout(100)
        assert ana.page.evaluate(NAMELESS) == [], key


NAMELESS = """() => [...document.querySelectorAll('button, input, select, [role=option], img, canvas')]
    .filter(e => e.checkVisibility())
    .filter(e => !(e.ariaLabel || e.title || e.innerText?.trim() || e.labels?.length ||
                   e.hasAttribute('alt') || e.closest('[role=img]')?.ariaLabel))
    .map(e => e.outerHTML.slice(0, 100))"""
