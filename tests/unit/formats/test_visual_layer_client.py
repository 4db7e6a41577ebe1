"""Tokens, field names and parts of the Visual Layer client."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path

import jwt
import pytest

from chaffinch.errors import SourceError, UsageError, WorkspaceError
from chaffinch.formats.visual_layer_api import sizes_in_refusal
from chaffinch.formats.visual_layer_credentials import Credentials, TokenSource, read_account
from chaffinch.formats.visual_layer_http import retry_after_s
from chaffinch.formats.visual_layer_parts import DownloadedPart, PartStore, joined_item

ENVIRON = {"VL_API_KEY": "key", "VL_API_SECRET": "a secret of some length, as they are"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "https://app.visual-layer.com"),
        ("http://host:2080/", "http://host:2080"),
        ("http://host:2080/api/v1/", "http://host:2080"),
    ],
)
def test_read_account__base_url(given: str | None, expected: str) -> None:
    assert read_account(ENVIRON, base_url=given).base_url == expected


@pytest.mark.parametrize("url", ["host:2080", "ftp://host", "https://user:password@host"])
def test_read_account__refuses_what_is_no_base_url(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_account(ENVIRON, base_url=url)
    assert "password" not in str(caught.value).replace("user or password", "")


def test_tokens__live_ten_minutes_and_differ_when_renewed() -> None:
    tokens = TokenSource(Credentials("key", ENVIRON["VL_API_SECRET"]))
    first = tokens.current()
    assert tokens.current() == first
    tokens.renew()
    assert tokens.current() != first
    claims = jwt.decode(first, ENVIRON["VL_API_SECRET"], algorithms=["HS256"])
    assert sorted(claims) == ["exp", "iat", "iss", "sub"]
    assert claims["exp"] - claims["iat"] == 600
    assert jwt.get_unverified_header(first) == {"alg": "HS256", "kid": "key", "typ": "JWT"}


def test_tokens__are_replaced_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = TokenSource(Credentials("key", "short"))
    first = tokens.current()
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 500)
    assert tokens.current() == first
    monkeypatch.setattr(time, "time", lambda: began + 545)
    assert tokens.current() != first


def test_retry_after__seconds_date_or_nonsense() -> None:
    assert retry_after_s("2.5") == 2.5
    assert retry_after_s("-1") == 0
    assert retry_after_s(formatdate(time.time() + 30, usegmt=True)) == pytest.approx(30, abs=2)
    assert retry_after_s(formatdate(0, usegmt=True)) == 0
    assert retry_after_s("soon") is None
    assert retry_after_s("nan") is None
    assert retry_after_s("") is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("25,000 entities exceeds threshold 10,000", (25000, 10000)),
        ("Number of entities (25000) exceeds threshold of 10000.", (25000, 10000)),
        ("Export exceeds threshold", (None, None)),
        ("Export Exceeds Threshold: 50", (None, 50)),
        ("task 7 exceeds threshold 10000", (None, None)),
    ],
)
def test_sizes_in_refusal(message: str, expected: tuple[int | None, int | None]) -> None:
    assert sizes_in_refusal(message) == expected


def test_joined_item__keeps_everything_once() -> None:
    blur, dark = {"type": "issue", "properties": {"issue_type": "blur"}}, {"type": "caption"}
    first = {"media_id": "a", "cluster_id": "1", "metadata_items": [blur]}
    second = {"media_id": "a", "cluster_id": "2", "width": 3, "metadata_items": [dark, blur]}
    assert joined_item(first, second) == {
        "media_id": "a",
        "cluster_id": "1",
        "width": 3,
        "metadata_items": [blur, dark],
    }


def part(path: Path, *media_ids: str | None) -> DownloadedPart:
    path.write_text(
        json.dumps({"info": {"dataset": "d"}, "media_items": [{"media_id": i} for i in media_ids]})
    )
    return DownloadedPart(path)


def test_part_store__a_broken_part_leaves_nothing(tmp_path: Path) -> None:
    with PartStore(tmp_path) as store:
        assert store.add_part("one", part(tmp_path / "p", "a", "b", "a")) == (3, 2)
        with pytest.raises(SourceError, match="no media_id"):
            store.add_part("two", part(tmp_path / "p", "c", None))
        text = (tmp_path / "p").read_text()
        (tmp_path / "p").write_text(text[:-5])
        with pytest.raises(SourceError, match="cut off"):
            store.add_part("two", DownloadedPart(tmp_path / "p"))
        assert (store.n_items, store.n_parts, store.has_part("two")) == (2, 1, False)
        assert store.has_items(["a", "b"])
        assert not store.has_items(["a", "c"])


def test_part_store__is_kept_for_the_same_export_only(tmp_path: Path) -> None:
    with PartStore(tmp_path) as store:
        assert not store.begin({"dataset": "d"})
        store.add_part("one", part(tmp_path / "p", "a"))
    with PartStore(tmp_path) as store:
        assert store.begin({"dataset": "d"})
        assert store.n_items == 1
        assert not store.begin({"dataset": "e"})
        assert (store.n_items, store.n_parts) == (0, 0)


def test_part_store__a_short_part_is_not_finished(tmp_path: Path) -> None:
    with PartStore(tmp_path) as store:
        store.add_part("one", part(tmp_path / "p", "a"), n_least=2)
        assert (store.n_items, store.has_part("one")) == (1, False)


def test_part_store__keeps_names_that_are_no_text(tmp_path: Path) -> None:
    item = {"media_id": "a", "file_name": "half of a pair \ud83d"}
    (tmp_path / "p").write_text(json.dumps({"media_items": [item]}))
    with PartStore(tmp_path) as store:
        store.add_part("one", DownloadedPart(tmp_path / "p"))
        store.write(tmp_path / "out.json")
    export = json.loads((tmp_path / "out.json").read_text())
    assert export == {"info": {"schema_version": "1.1", "total_media_items": 1}, "media_items": [item]}


def test_credentials__have_no_repr() -> None:
    account = read_account(ENVIRON)
    assert ENVIRON["VL_API_SECRET"] not in repr(account)


def test_part_store__a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "parts.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(WorkspaceError, match="remove the folder"):
        PartStore(tmp_path)
