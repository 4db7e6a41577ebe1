"""Reviewers who come by a link: what they decide outlives a restart of the server, and is theirs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaffinch.serve.links import tokens_of

READY = "html[data-ready]"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_link__holds_after_a_restart_and_what_waited_is_saved(
    page: Any, ws: Path, serve: Callable[..., Any], table_rows: Any
) -> None:
    options = ("--reviewer", "José", "--port", free_port())
    server = serve(ws, *options)
    (token,) = tokens_of(ws, ["José"])
    page.goto(f"{server.url}/?token={token}")
    page.wait_for_selector(READY)
    assert "token" not in page.url
    server.kill()
    page.locator('[data-sample-id="2"]').click()
    page.keyboard.press("x")
    page.get_by_text("1 not saved yet").wait_for()
    serve(ws, *options)
    page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for()
    assert [(row["key"], row["action"], row["reviewer"]) for row in table_rows("decisions", ws)] == [
        ("all/cat/2.png", "remove", "José")
    ]


def test_link__that_ended_keeps_what_was_decided_until_the_new_one_is_opened(
    page: Any, ws: Path, serve: Callable[..., Any], table_rows: Any
) -> None:
    options = ("--reviewer", "Ana", "--port", free_port())
    server = serve(ws, *options)
    (old,) = tokens_of(ws, ["Ana"])
    page.goto(f"{server.url}/?token={old}")
    page.wait_for_selector(READY)
    server.kill()
    serve(ws, *options, "--new-links")
    (new,) = tokens_of(ws, ["Ana"])
    assert new != old
    page.locator('[data-sample-id="2"]').click()
    page.keyboard.press("x")
    page.get_by_text("open your link once more").wait_for()
    tab = page.context.new_page()
    tab.goto(f"{server.url}/?token={new}")
    page.get_by_test_id("saved").get_by_text("saved", exact=True).wait_for(timeout=40_000)
    assert [row["reviewer"] for row in table_rows("decisions", ws)] == ["Ana"]
