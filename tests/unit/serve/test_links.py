"""Links that outlive the server: the secret they come from, and how it is kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chaffinch.errors import WorkspaceError
from chaffinch.serve.links import SECRET, renew_links, tokens_of
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


def test_review_server__gives_the_same_links_when_it_starts_again(ws: Path) -> None:
    one, two = (review_server(ws, host="127.0.0.1", port=8123, reviewers=["Ana"]) for _ in range(2))
    assert one.links == two.links and one.links["Ana"].startswith("http://127.0.0.1:8123/?token=")
