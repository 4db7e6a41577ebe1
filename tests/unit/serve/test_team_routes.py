"""What the routes for a team tell whom: while review is blind, none tells what others said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from chaffinch.curate.gold import Right
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
from chaffinch.serve.guard import LOOPBACK, Access
from chaffinch.storage.decisions import open_log

Opened = Callable[..., TestClient]


@pytest.fixture
def opened(ws: Path) -> Opened:
    """Return a function that opens the server of a board with some settings."""

    def client(tokens: dict[str, str] | None = None, **settings: Any) -> TestClient:
        board = Board(ReviewData(ws), open_log(ws), **settings)
        app = create_app(board, page="<html></html>", access=Access(LOOPBACK, tokens or {}))
        return TestClient(app, base_url="http://127.0.0.1:8000")

    return client


def say(client: TestClient, reviewer: str, sample_id: int, *, version: int = 0, **words: Any) -> None:
    items = [{"sample_id": sample_id, "version": version}]
    body = {"reviewer": reviewer, "items": items, "action": "keep", **words}
    client.post("/api/decisions", json=body).raise_for_status()


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    answer.raise_for_status()
    return list(csv.DictReader(io.StringIO(answer.text)))


def decided(answer: httpx.Response) -> list[tuple[str, str, str]]:
    rows = [row for row in rows_of(answer) if row["user_action"] != "none"]
    return [(row["image_id"], row["user_action"], row["reviewer_name"]) for row in rows]


ANAS, BOS = ("cat/3.png", "remove", "Ana"), ("dog/<b>&2.png", "keep", "Bo")


@pytest.fixture
def two(opened: Opened) -> Opened:
    """Return the same, after Ana and Bo have spoken about an image each."""
    client = opened()
    say(client, "Ana", 2, action="remove", tags_added=["low_quality_blur"], note="=blurred")
    say(client, "Bo", 5, note="sharp")
    return opened


def test_manifest__a_blind_reviewer_gets_their_own_decisions(two: Opened) -> None:
    answer = two().get("/api/manifest.csv", headers={"x-reviewer": "Ana"})
    (row,) = rows_of(answer)
    assert row | {"row_hash": "", "reviewed_at": ""} == {
        **dict.fromkeys(row, ""),
        **{"image_id": "cat/3.png", "image_path": row["image_path"], "dataset": "pets", "split": "all"},
        **{"label": "cat", "user_tags": "low_quality_blur", "user_action": "remove", "reviewer_name": "Ana"},
        **{"notes": "'=blurred", "key": "all/cat/3.png"},
    }
    assert "''pets_own_decisions_manifest.csv" in answer.headers["content-disposition"]
    assert decided(two().get("/api/manifest.csv", params={"reviewer": "Bo"})) == [BOS]
    assert rows_of(two().get("/api/manifest.csv", params={"reviewer": "Cy"})) == []


def test_manifest__a_token_says_who_asks(two: Opened) -> None:
    client = two(tokens={"t-ana": "Ana"})
    own = {"authorization": "Bearer t-ana"}
    assert decided(client.get("/api/manifest.csv", headers=own)) == [ANAS]


def test_manifest__nobody_in_particular_is_told_whom_it_is_for(two: Opened) -> None:
    answer = two().get("/api/manifest.csv")
    assert answer.status_code == 403 and "Ana" not in answer.text
    assert "--adjudicator NAME" in answer.json()["hint"]


def test_manifest__is_whole_for_adjudicators_and_where_nothing_is_hidden(two: Opened) -> None:
    guy = {"x-reviewer": "Guy"}
    for client in (two(adjudicators={"Guy"}), two(is_blind=False)):
        answer = client.get("/api/manifest.csv", headers=guy)
        assert len(rows_of(answer)) == 6 and decided(answer) == [ANAS, BOS]
        assert "''pets_final_cleaning_manifest.csv" in answer.headers["content-disposition"]


def test_manifest__is_whole_for_one_who_is_alone(opened: Opened) -> None:
    client = opened()
    say(client, "Ana", 2, action="remove")
    assert len(rows_of(client.get("/api/manifest.csv", headers={"x-reviewer": "Ana"}))) == 6
    nobody = client.get("/api/manifest.csv")
    assert nobody.status_code == 403 and "Ana" not in nobody.text and "say your name" in nobody.json()["hint"]
    assert rows_of(client.get("/api/manifest.csv", headers={"x-reviewer": "Bo"})) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {"Ana": ["cat/1"], "Bo": ["cat/1", "cat/2"], "Cy": [], "Di": [], "": []}),
        ({"adjudicators": {"Guy"}}, {"Guy": ["cat/1", "cat/2"]}),
        ({"is_blind": False}, {"": ["cat/1", "cat/2"]}),
    ],
)
def test_disputes__are_told_to_those_who_have_spoken_about_the_image(
    opened: Opened, settings: dict[str, Any], told: dict[str, list[str]]
) -> None:
    client = opened(**settings)
    say(client, "Ana", 0, action="remove")
    say(client, "Bo", 0, version=1)
    say(client, "Bo", 1)
    say(client, "Eve", 1, version=1, action="remove")
    say(client, "Di", 0, version=2, action="none", note="a look first")
    for name, keys in told.items():
        found = client.get("/api/disputes", headers={"x-reviewer": name}).json()["disputes"]
        assert [dispute["key"] for dispute in found] == [f"all/{key}.png" for key in keys], name


def test_disputes__name_the_version_that_they_rest_on(opened: Opened) -> None:
    client = opened(adjudicators={"Guy"})
    say(client, "Ana", 0, action="remove")
    say(client, "Bo", 0, version=1)
    (dispute,) = client.get("/api/disputes", headers={"x-reviewer": "Guy"}).json()["disputes"]
    assert (dispute["sample_id"], dispute["version"]) == (0, 2)
    assert [(v["reviewer"], v["action"]) for v in dispute["verdicts"]] == [("Ana", "remove"), ("Bo", "keep")]
    say(client, "Guy", 0, version=dispute["version"])


def test_search__says_whether_there_are_more(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    client = opened()
    for most, found in (
        (2, {"sample_ids": [0, 1], "is_cut": True}),
        (3, {"sample_ids": [0, 1, 2], "is_cut": False}),
    ):
        monkeypatch.setattr("chaffinch.serve.team.MAX_FOUND", most)
        assert client.get("/api/search", params={"q": "cat"}).json() == found


def test_agreement__gold_and_weights_are_for_adjudicators(two: Opened) -> None:
    def figures(**headers: str) -> list[tuple[object, object]]:
        told = client.get("/api/agreement", headers=headers).json()["reviewers"]
        return [(one["gold"] and one["gold"]["n_items"], one["weight"]) for one in told]

    client = two(gold={"all/cat/3.png": Right("keep")}, adjudicators={"Guy"})
    assert figures() == figures(**{"x-reviewer": "Ana"}) == [(None, None)] * 2
    (ana, weight), (bo, _) = figures(**{"x-reviewer": "Guy"})
    assert (ana, bo) == (1, 0) and weight is not None
