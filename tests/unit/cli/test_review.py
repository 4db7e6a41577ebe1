"""What `chaffinch review` opens on the machine that serves."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaffinch.cli import review
from chaffinch.serve import run


@pytest.mark.parametrize(
    ("links", "opened"),
    [({}, ["http://127.0.0.1:8000/"]), ({"Ana": "http://127.0.0.1:8000/?token=t"}, [])],
    ids=["nobody has a link", "Ana's link would let in as Ana"],
)
def test_review__opens_no_link_of_a_reviewer(
    monkeypatch: pytest.MonkeyPatch, links: dict[str, str], opened: list[str]
) -> None:
    ready = SimpleNamespace(
        address="http://127.0.0.1:8000/", plain=None, links=links, server=SimpleNamespace(run=lambda: None)
    )
    found: list[str] = []
    take: Callable[[str], None] = found.append
    monkeypatch.setattr(run, "review_server", lambda root, **options: ready)
    monkeypatch.setattr(webbrowser, "open", take)
    here = {"host": "127.0.0.1", "port": 0}
    review._serve(Path("ws"), **here, reviewers=[], names=[], is_blind=True, is_open=True)
    assert found == opened
