"""The grid: moving, selecting, deciding, searching and narrowing, with keys alone and with the pointer."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest


def selected(ana: Any) -> set[int]:
    found = ana.page.locator('.tile[aria-selected="true"]').evaluate_all(
        "t => t.map(x => x.dataset.sampleId)"
    )
    return {int(sample_id) for sample_id in found}


def ringed(ana: Any) -> set[int]:
    """Return the images that look selected."""
    found = ana.page.locator(".tile").evaluate_all(
        "t => t.filter(x => getComputedStyle(x.querySelector('.frame'), '::after').boxShadow !== 'none')"
        ".map(x => x.dataset.sampleId)"
    )
    return {int(sample_id) for sample_id in found}


def per_line(ana: Any) -> int:
    tops = ana.page.locator(".tile").evaluate_all("t => t.map(x => Math.round(x.getBoundingClientRect().y))")
    return tops.count(min(t for t in tops if t >= 0))


def test_arrows__move_the_cursor_and_the_focus(ana: Any) -> None:
    n, line = ana.n_shown(), per_line(ana)
    ana.at(1)
    for key, place in [
        ("ArrowRight", 2),
        ("ArrowDown", 2 + line),
        ("ArrowLeft", 1 + line),
        ("ArrowUp", 1),
        ("ArrowUp", 1),
        ("PageDown", 1 + 5 * line),
        ("PageUp", 1),
        ("End", n),
        ("Home", 1),
    ]:
        ana.press(key)
        ana.at(place)
        ana.until("document.activeElement.classList.contains('cursor')")
    assert ana.page.locator('.tile[tabindex="0"]').count() == 1, "one tile alone is in the order of Tab"
    assert ana.page.locator(".tile").first.get_attribute("aria-setsize") == str(n)
    assert ana.page.evaluate("document.querySelectorAll('*').length") <= 1000


def test_selection__by_shift_control_and_group(ana: Any, planted: Any) -> None:
    first, second, third, fourth = (ana.sample(place) for place in (1, 2, 3, 4))
    ana.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert selected(ana) == {first, second, third}
    ana.page.get_by_text("3 selected").wait_for()
    ana.press("Shift+ArrowLeft")
    assert selected(ana) == {first, second}
    ana.press("Escape")
    assert selected(ana) == {second}, "what is left is the cursor"
    ana.page.locator(f'[data-sample-id="{first}"]').click()
    ana.page.locator(f'[data-sample-id="{fourth}"]').click(modifiers=["Shift"])
    assert selected(ana) == {first, second, third, fourth}
    ana.page.locator(f'[data-sample-id="{second}"]').click(modifiers=["Control"])
    assert selected(ana) == {first, third, fourth}, "the cursor stands on what was let go"
    assert ringed(ana) == selected(ana)
    cursor = ana.page.locator(f'.tile.cursor[data-sample-id="{second}"]')
    outlines = [
        tile.locator(".frame").evaluate("f => getComputedStyle(f).outlineStyle")
        for tile in (cursor, ana.page.locator(f'[data-sample-id="{third}"]'))
    ]
    assert outlines == ["solid", "none"], "the cursor is seen apart from what is selected"
    ana.page.get_by_text("3 selected").wait_for()
    ana.press("x")
    ana.page.get_by_text("3 decided").wait_for()
    ana.says(second, "none")
    ana.page.locator(f'[data-sample-id="{third}"]').click()
    assert selected(ana) == {third}


@pytest.mark.parametrize("extend", ["Shift+ArrowDown", "Shift+PageDown", "Shift+End"])
def test_selection__extends_by_lines_and_pages(ana: Any, extend: str) -> None:
    line, n = per_line(ana), ana.n_shown()
    ana.press(extend)
    wanted = {"Shift+ArrowDown": line + 1, "Shift+PageDown": 5 * line + 1, "Shift+End": n}[extend]
    ana.page.get_by_text(f"{wanted} selected").wait_for()
    ana.press({"Shift+ArrowDown": "Shift+ArrowUp"}.get(extend, "Shift+Home"), "Shift+PageUp")
    ana.page.get_by_text("1 selected").wait_for()


def test_group__selected_and_gone_on_from(ana: Any, planted: Any) -> None:
    ana.page.get_by_label("order").select_option("group")
    ana.at(1)
    group = planted.group_of(ana.sample(1))
    ana.press("a")
    assert selected(ana) == group and len(group) > 1
    ana.page.locator(".tile.cursor").focus()
    ana.press("g")
    ana.at(1 + len(group))
    assert planted.group_of(ana.sample(1 + len(group))).isdisjoint(group)


def test_decisions__by_keys_with_the_next_image_coming(ana: Any) -> None:
    samples = [ana.sample(place) for place in (1, 2, 3, 4)]
    ana.press("k", "x")
    ana.at(3)
    ana.says(samples[0], "keep")
    ana.says(samples[1], "remove")
    ana.press("1")
    ana.at(3)
    ana.press("ArrowRight", "0")
    ana.at(4)
    pressed = '.info button[aria-pressed="true"]'
    ana.page.locator(pressed, has_text="train_test_leak").wait_for()
    ana.press("ArrowLeft")
    ana.page.locator(pressed, has_text="mislabel_confirmed").wait_for()
    ana.press("1")
    ana.page.locator(pressed).wait_for(state="detached")
    ana.page.get_by_text("3 decided").wait_for()
    ana.press("u", "Control+z")
    ana.page.get_by_text("3 decided").wait_for()
    ana.press("u")
    ana.page.get_by_text("2 decided").wait_for()
    ana.at(3)
    ana.press("End", "b")
    ana.until("document.querySelector('.tile.cursor')?.dataset.action === 'none'")
    ana.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()


def test_undo__comes_back_so_that_a_correction_hits(ana: Any) -> None:
    first, second = ana.sample(1), ana.sample(2)
    ana.press("x")
    ana.at(2)
    ana.press("u")
    ana.at(1)
    ana.press("k")
    ana.says(first, "keep")
    ana.says(second, "none")
    ana.press("ArrowLeft", "k")
    ana.toast("undecided again: 1 image")
    ana.says(first, "none")
    ana.at(1)
    ana.press("x", "ArrowLeft")
    ana.page.locator(".info").get_by_role("button", name="remove", exact=True).first.click()
    ana.says(first, "none")
    ana.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()


def test_tags__are_on_the_tile_and_at_the_left(ana: Any) -> None:
    first, n = ana.sample(1), ana.n_shown()
    facet = ana.page.get_by_role("navigation", name="filter").locator("fieldset", has_text="Tag")
    assert facet.count() == 0
    ana.press("2", "7")
    tags = ana.page.locator(f'.tile[data-sample-id="{first}"] .tags span')
    ana.until("document.querySelectorAll('.tile.cursor .tags span').length === 2")
    assert tags.all_inner_texts() == ["mislabel uncertain", "low quality blur"]
    ana.at(1)
    ana.press("x")
    ana.says(first, "remove")
    facet.locator("label", has_text="low quality blur").click()
    assert ana.n_shown() == 1 and ana.sample(1) == first
    facet.locator("label", has_text="low quality blur").click()
    assert ana.n_shown() == n


def test_selection__control_takes_in_what_was_clicked_before(ana: Any) -> None:
    three = [ana.sample(place) for place in (1, 3, 4)]
    ana.page.locator(f'[data-sample-id="{three[0]}"]').click()
    for sample_id in three[1:]:
        ana.page.locator(f'[data-sample-id="{sample_id}"]').click(modifiers=["Control"])
    ana.page.get_by_text("3 selected").wait_for()
    assert selected(ana) == set(three)


@pytest.mark.parametrize("view", ["batch", "classes"])
def test_keys__decide_nothing_that_is_not_on_view(ana: Any, view: str) -> None:
    ana.page.get_by_role("navigation", name="views").get_by_role("button", name=view).click()
    ana.page.locator("body").click(position={"x": 2, "y": 2})
    ana.press("x")
    ana.toast("the image is not on view here")
    ana.press("1", "k")
    ana.page.get_by_text("0 decided").wait_for()


def test_tags__each_digit_is_one(ana: Any) -> None:
    ana.press(*"1234567890")
    ana.at(1)
    pressed = ".info button[aria-pressed=true]"
    tags = [
        "mislabel_confirmed", "mislabel_uncertain", "outlier_valid", "outlier_invalid", "duplicate_exact",
        "duplicate_near", "low_quality_blur", "low_quality_corrupt", "ambiguous_class", "train_test_leak",
    ]  # fmt: skip
    # The panel is drawn anew when the server's answer comes: read all texts at one moment.
    shown = f"[...document.querySelectorAll('{pressed}')].map(button => button.innerText)"
    ana.until(f"JSON.stringify({shown}) === JSON.stringify({tags})")
    ana.press(*"1234567890")
    ana.until(f"document.querySelectorAll('{pressed}').length === 0")


def test_enter__relabels_as_suggested_and_removes_else(ana: Any, planted: Any) -> None:
    wrong = planted.truth.of_kind("wrong_label")[0]
    sample_id = planted.ids[wrong.path]
    ana.go_to(wrong.path)
    ana.press("Enter")
    ana.says(sample_id, "relabel")
    ana.press("u", "r")
    ana.says(sample_id, "relabel")
    ana.page.get_by_test_id("search").fill("")
    blurred = planted.truth.of_kind("blur")[0]
    ana.page.get_by_test_id("search").fill(blurred.path)
    ana.press("Enter")
    ana.page.get_by_test_id("search").blur()
    ana.see(f'.tile.cursor[data-sample-id="{planted.ids[blurred.path]}"]')
    ana.press("Enter")
    ana.says(planted.ids[blurred.path], "remove")


def test_batch_of_all__is_taken_back_by_its_toast(ana: Any) -> None:
    n = ana.n_shown()
    ana.press("Shift+End", "x")
    ana.toast(f"remove: {n} images")
    ana.page.get_by_text(f"{n} decided").wait_for()
    ana.page.locator(".toast").get_by_role("button", name="undo").click()
    ana.toast(f"taken back: {n} images")
    ana.page.get_by_text("0 decided").wait_for()
    assert ana.page.locator('.tile[data-action="remove"]').count() == 0
    ana.page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()


def test_facets__narrow_and_count(ana: Any, planted: Any) -> None:
    n = ana.n_shown()
    side = ana.page.get_by_role("navigation", name="filter")
    blurred = planted.found("blur")
    line = side.locator("fieldset", has_text="Found").first.locator("label", has_text="blur")
    assert line.locator(".n").inner_text() == str(len(blurred))
    line.click()
    assert ana.n_shown() == len(blurred)
    in_val = {planted.ids[key] for key in planted.ids if key.startswith("val/")} & blurred
    side.locator("fieldset", has_text="Split").locator("label", has_text="val").click()
    assert ana.n_shown() == len(in_val)
    side.get_by_role("button", name="show all").click()
    assert ana.n_shown() == n
    boxed = side.locator("fieldset", has_text="Found in boxes")
    boxed.locator("label", has_text="outlier").click()
    assert ana.n_shown() == 1 and ana.sample(1) == planted.id_of("wrong_label")
    side.get_by_role("button", name="show all").click()
    ana.press("x")
    side.locator("label", has_text="not decided").click()
    assert ana.n_shown() == n - 1
    side.get_by_role("button", name="show all").click()
    low = side.get_by_label("lowest confidence")
    low.focus()
    ana.press("End")
    ana.page.get_by_text("at least 1.00").wait_for()
    assert 0 < ana.n_shown() < n
    side.get_by_role("button", name="show all").click()
    label = side.locator("fieldset", has_text="Class").locator("label").first
    count = int(label.locator(".n").inner_text())
    label.click()
    assert ana.n_shown() == count
    source = side.locator("fieldset", has_text="Source")
    assert source.count() in (0, 1)


def test_search__finds_by_name_and_lets_go(ana: Any, planted: Any) -> None:
    n = ana.n_shown()
    wrong = planted.truth.of_kind("wrong_label")[0]
    ana.press("/")
    ana.until("document.activeElement.type === 'search'")
    ana.page.keyboard.type(wrong.path.upper())
    ana.press("Enter")
    ana.until("document.querySelectorAll('.tile').length === 1")
    assert ana.sample(1) == planted.ids[wrong.path]
    ana.page.get_by_test_id("search").fill("")
    ana.press("Enter")
    ana.until(f"document.querySelector('.tile').ariaSetSize === '{n}'")
    # Without Enter too, after a pause.
    ana.page.keyboard.type(wrong.path)
    ana.until("document.querySelectorAll('.tile').length === 1")
    ana.page.get_by_test_id("search").fill("")
    ana.until(f"document.querySelector('.tile').ariaSetSize === '{n}'")


def test_search__is_over_once_something_else_is_shown(ana: Any, planted: Any) -> None:
    n, name = ana.n_shown(), planted.truth.of_kind("wrong_label")[0].path
    box = ana.page.get_by_test_id("search")
    for _ in range(2):
        ana.go_to(name)
        ana.until("document.querySelectorAll('.tile').length === 1")
        ana.page.get_by_role("button", name="show all").click()
        ana.until(f"document.querySelector('.tile').ariaSetSize === '{n}'")
        assert box.input_value() == ""


def test_tile__of_a_broken_file_says_which(ana: Any, planted: Any) -> None:
    broken = planted.truth.of_kind("empty")[0].path
    ana.go_to(broken)
    src = ana.see('.tile.cursor img[src^="data:image/svg"]').get_attribute("src")
    assert "no picture" in unquote(src) and broken.rsplit("/", 1)[-1][-20:] in unquote(src)
    ana.press(" ")
    ana.see('.zoom img[src^="data:image/svg"]')


def test_tile__of_a_doubted_label_has_both_classes_in_full(ana: Any, planted: Any) -> None:
    side = ana.page.get_by_role("navigation", name="filter")
    side.locator("fieldset", has_text="Found").first.locator("label", has_text="mislabel").click()
    ana.until("document.querySelectorAll('.tile .words .relabel').length > 3")
    cut = ana.page.locator(".tile .words b").evaluate_all(
        "all => all.filter(b => b.scrollWidth > b.clientWidth).map(b => b.textContent)"
    )
    assert cut == []


def test_similar__from_a_server_alone(ana: Any, planted: Any) -> None:
    here = ana.sample(1)
    ana.press("s")
    if ana.is_live:
        ana.toast("similar to this")
        ana.at(1)
        assert ana.sample(1) == here, "the image itself comes first"
        assert ana.n_shown() > 5
    else:
        ana.toast("nothing to compare it by")


def test_file__what_was_said_is_there_after_a_reload(new_page: Any, planted: Any) -> None:
    page = new_page()
    page.goto(planted.page.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.get_by_test_id("reviewer").fill("Ana")
    page.get_by_test_id("reviewer").blur()
    first, second = (
        page.locator(f'.tile[aria-posinset="{n}"]').get_attribute("data-sample-id") for n in (1, 2)
    )
    for key in ("x", "2"):
        page.keyboard.press(key)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.locator(f'[data-sample-id="{first}"][data-action="remove"]').wait_for()
    page.locator(f'[data-sample-id="{second}"]').click()
    page.locator('.info button[aria-pressed="true"]', has_text="mislabel_uncertain").wait_for()
    page.get_by_text("2 decided").wait_for()
