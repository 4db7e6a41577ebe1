"""Links that outlive the server: the secret they come from, and how it is kept."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from chaffinch.curate.answers import ResolveSettings
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.pipeline.resolve_choices import remember
from chaffinch.serve import links
from chaffinch.serve.links import SECRET, place, renew_links, tokens_of
from chaffinch.serve.run import review_server


def test_tokens_of__the_same_after_a_restart_and_one_each(tmp_path: Path) -> None:
    first = tokens_of(tmp_path, ["Ana", "Bo"])
    assert list(first.values()) == ["Ana", "Bo"] and all(len(token) == 32 for token in first)
    assert tokens_of(tmp_path, ["Bo", "Ana"]) == first
    (tmp_path / "other").mkdir()
    assert not first.keys() & tokens_of(tmp_path / "other", ["Ana", "Bo"]).keys()


def test_tokens_of__only_the_owner_reads_the_secret_and_no_token_is_kept(tmp_path: Path) -> None:
    (token,) = tokens_of(tmp_path, ["Ana"])
    assert stat.S_IMODE((tmp_path / SECRET).stat().st_mode) == 0o600
    assert token not in (tmp_path / SECRET).read_text()
    assert [path.name for path in tmp_path.iterdir()] == [SECRET]


def test_tokens_of__nobody_needs_no_secret(tmp_path: Path) -> None:
    assert tokens_of(tmp_path, []) == {} and list(tmp_path.iterdir()) == []


def test_renew_links__ends_the_old_ones(tmp_path: Path) -> None:
    before = tokens_of(tmp_path, ["Ana"])
    renew_links(tmp_path)
    renew_links(tmp_path)
    assert not before.keys() & tokens_of(tmp_path, ["Ana"]).keys()


@pytest.mark.parametrize("text", ["", "abcd", "no secret", "g" * 64])
def test_tokens_of__a_damaged_secret_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / SECRET).write_text(text)
    with pytest.raises(WorkspaceError, match=r"review\.secret") as caught:
        tokens_of(tmp_path, ["Ana"])
    assert "--new-links" in caught.value.hint


def test_tokens_of__a_full_disk_leaves_no_half_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WorkspaceError, match="No space left"):
            tokens_of(tmp_path, ["Ana"])
    assert not list(tmp_path.iterdir())
    assert list(tokens_of(tmp_path, ["Ana"]).values()) == ["Ana"]


def test_review_server__gives_the_same_links_when_it_starts_again(ws: Path) -> None:
    one, two = (review_server(ws, host="127.0.0.1", port=8123, reviewers=["Ana"]) for _ in range(2))
    assert one.links == two.links and one.links["Ana"].startswith("http://127.0.0.1:8123/?token=")


def test_review_server__adjudicators_get_links_beside_reviewers(ws: Path) -> None:
    remember(ws, ResolveSettings(adjudicators=frozenset({"Cleo", "Ana"})))
    ready = review_server(ws, host="127.0.0.1", port=8123, reviewers=["Bo", "Ana"])
    assert list(ready.links) == ["Bo", "Ana", "Cleo"]
    assert review_server(ws, host="127.0.0.1", port=8123).links == {}, "one person alone needs none"


@pytest.fixture
def named_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine be `Box` in the network lab.org, at 192.168.1.20."""
    monkeypatch.setattr(links.socket, "gethostname", lambda: "Box")
    monkeypatch.setattr(links.socket, "getfqdn", lambda: "box.lab.org")
    monkeypatch.setattr(links, "_own_number", lambda host: "fd00::2" if ":" in host else "192.168.1.20")


@pytest.mark.usefixtures("named_box")
def test_place__everywhere_is_said_by_name_and_by_address() -> None:
    found = place("0.0.0.0", 8080)
    assert (found.address, found.plain) == ("http://Box:8080/", "http://192.168.1.20:8080/")
    assert {"box", "box.local", "box.lab.org", "localhost"} <= found.hosts
    assert place("::", 8080).plain == "http://[fd00::2]:8080/"


@pytest.mark.usefixtures("named_box")
def test_place__one_address_is_said_as_it_is() -> None:
    found = place("192.168.1.20", 8080)
    assert (found.address, found.plain) == ("http://192.168.1.20:8080/", None)
    assert "box.lab.org" in found.hosts
    assert place("::1", 8080).address == "http://[::1]:8080/"


@pytest.mark.usefixtures("named_box")
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Review.lab.org", "http://review.lab.org:8080/"),
        ("review.lab.org:80", "http://review.lab.org:80/"),
        ("https://review.lab.org/", "https://review.lab.org/"),
        ("https://review.lab.org:8443", "https://review.lab.org:8443/"),
    ],
)
def test_place__a_further_name_stands_in_links(name: str, address: str) -> None:
    found = place("127.0.0.1", 8080, [name, "other.lab.org"])
    assert found.address == address
    assert found.hosts == {"127.0.0.1", "localhost", "::1", "box", "review.lab.org", "other.lab.org"}


@pytest.mark.parametrize("name", ["", "a b", "ftp://lab.org", "lab.org/review", "https://", "u@lab.org"])
def test_place__what_is_no_name_is_said(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a host"):
        place("127.0.0.1", 8080, [name])


def test_own_number__is_an_address_or_none() -> None:
    assert links._own_number("0.0.0.0") != "0.0.0.0"


@pytest.mark.parametrize("options", [{"host": "0.0.0.0"}, {"host": "127.0.0.1", "names": ["lab.org"]}])
def test_review_server__other_machines_need_tokens(ws: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="reviewers need tokens"):
        review_server(ws, port=0, **options)


@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_review_server__a_reviewer_without_a_name_is_refused(ws: Path, name: str) -> None:
    with pytest.raises(UsageError, match="names nobody") as caught:
        review_server(ws, host="127.0.0.1", port=8123, reviewers=["Ana", name])
    assert "variable" in caught.value.hint


def test_review_server__one_person_has_one_link_however_the_name_is_typed(ws: Path) -> None:
    ready = review_server(ws, host="127.0.0.1", port=8123, reviewers=["Saeed ", "Saeed", "Jose\u0301"])
    assert list(ready.links) == ["Saeed", "Jos\u00e9"]
