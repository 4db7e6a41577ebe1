"""The news that a page follows: from where it asks for them, and none is left out in between."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from chaffinch.curate.events import Act, Saying
from chaffinch.serve.app import SEQ_HEADER, create_app
from chaffinch.serve.background import Review
from chaffinch.serve.board import Board, Item
from chaffinch.serve.guard import LOOPBACK, Access


def decide(board: Board, sample_id: int) -> None:
    board.decide([Item(sample_id, 0)], Saying(action="remove"), Act(reviewer="Bo"))


def first_news(board: Board, query: str = "", headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the first thing that the stream of news says, with its id; {} where it has nothing to tell."""
    app = create_app(board, page="<html></html>", access=Access(LOOPBACK))
    said: list[bytes] = []

    async def ask() -> None:
        is_gone, bodies = asyncio.Event(), [b""]

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await is_gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and message.get("body"):
                said.append(message["body"])
                is_gone.set()

        sent = {"host": "localhost", **(headers or {})}
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET"}
        scope |= {"path": "/api/events", "raw_path": b"/api/events", "query_string": query.encode()}
        scope |= {"headers": [(name.encode(), text.encode()) for name, text in sent.items()]}
        scope |= {"scheme": "http", "server": ("localhost", 80), "client": ("localhost", 1), "root_path": ""}
        await asyncio.wait_for(app(scope, receive, send), timeout=20)

    asyncio.run(ask())
    fields = [line.split(": ", 1) for line in said[0].decode().splitlines() if line and line[0] != ":"]
    lines = dict(fields)
    return {**json.loads(lines["data"]), "id": lines["id"]} if "data" in lines else {}


def told(news: dict[str, Any]) -> tuple[str, list[int]]:
    return news["id"], [item["sample_id"] for item in news["items"]]


def test_columns__say_up_to_where_they_tell(board: Board) -> None:
    client = TestClient(create_app(board, page="", access=Access(LOOPBACK)), base_url="http://localhost:8000")
    assert client.get("/api/columns/0").headers[SEQ_HEADER] == "0"
    decide(board, 2)
    assert client.get("/api/columns/0").headers[SEQ_HEADER] == "1"


def test_news__go_on_where_the_columns_ended(board: Board) -> None:
    decide(board, 0)
    decide(board, 2)
    assert told(first_news(board, "after=0")) == ("2", [0, 2])
    assert told(first_news(board, "after=1")) == ("2", [2])
    assert first_news(board, "after=2") == {}
    assert first_news(board) == {}, "who does not say what they know is told what comes"


@pytest.mark.parametrize(("heard", "samples"), [("1", [2]), ("0", [0, 2])])
def test_news__go_on_where_the_line_broke(board: Board, heard: str, samples: list[int]) -> None:
    decide(board, 0)
    decide(board, 2)
    news = first_news(board, "after=0", {"last-event-id": heard})
    assert told(news) == ("2", samples)


@pytest.mark.parametrize("heard", ["many", "-1", "9" * 40, "1.5"])
def test_news__of_an_id_that_is_none_the_address_holds(board: Board, heard: str) -> None:
    decide(board, 0)
    assert told(first_news(board, "after=0", {"last-event-id": heard})) == ("1", [0])


def test_news__of_a_log_that_is_shorter_now_are_told(board: Board) -> None:
    decide(board, 0)
    assert first_news(board, "after=99") == {}


def test_news__end_in_silence_when_the_server_stops(ws: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Review(ws) as review:
        told = logging.getLogger("uvicorn.error")
        told.addHandler(caplog.handler)
        with httpx.stream("GET", f"{review.url}api/events", timeout=20) as news:
            lines = news.iter_lines()
            assert next(lines) == ": still here"
            stopping = threading.Thread(target=review.close)
            stopping.start()
            assert set(lines) <= {"", ": still here"}, "the answer has an end"
        stopping.join(timeout=20)
        told.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records] == []
