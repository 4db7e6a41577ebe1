"""A workspace as HTML: the facts of the status, escaped, in the colours of the page around it."""

from __future__ import annotations

import re

from chaffinch.report.workspace_status import Fact, WorkspaceStatus, status_html

STATUS = WorkspaceStatus(
    (
        Fact("dataset", "<b>pets</b>"),
        Fact("scan", "6 images (5 ok, 1 broken)"),
        Fact("find", "duplicates: done"),
        Fact("find", "quality: open"),
        Fact("decisions", "3, head 0123456789abcdef"),
    ),
    next_command="chaffinch find -w 'my & ws'",
    samples={("train", "ok"): 4, ("val", "broken"): 1, ("val", "ok"): 1},
    issues={"blur": 1, "odd_size": 4},
)


def texts(html: str) -> list[str]:
    """Return the texts between the elements."""
    bare = re.sub(r"<style>.*?</style>|<[^>]+>", "\n", html, flags=re.DOTALL)
    return [text for text in bare.split("\n") if text]


def test_status_html__says_what_the_status_says() -> None:
    assert texts(status_html(STATUS)) == [
        "&lt;b&gt;pets&lt;/b&gt;", " 6 images",
        "samples", "ok", "broken", "train", "4", "0", "val", "1", "1",
        "issues", "odd size", "4", "blur", "1",
        "find", "duplicates: done", "quality: open",
        "decisions", "3, head 0123456789abcdef",
        "next: ", "chaffinch find -w &#x27;my &amp; ws&#x27;",
    ]  # fmt: skip
    assert re.findall(r"width:([\d.]+)%", status_html(STATUS)) == ["100.0", "25.0"]


def test_status_html__takes_the_colours_around_it() -> None:
    style = re.findall(r"<style>(.*?)</style>", status_html(STATUS), flags=re.DOTALL)[0]
    assert "currentColor" in style and not re.search(r"#[0-9a-f]{3}|\brgb|url|@import", style)


def test_status_html__before_the_first_scan_has_ended() -> None:
    begun = WorkspaceStatus(
        (Fact("scan", "begun, 2 shards planned"),), next_command="chaffinch scan SOURCE -w ws"
    )
    assert texts(status_html(begun)) == [
        "workspace", "scan", "begun, 2 shards planned", "next: ", "chaffinch scan SOURCE -w ws",
    ]  # fmt: skip


def test_lines__one_for_each_fact() -> None:
    assert STATUS.lines[:3] == [
        "dataset    <b>pets</b>",
        "scan       6 images (5 ok, 1 broken)",
        "find       duplicates: done",
    ]
