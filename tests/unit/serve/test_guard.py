"""Whom the server lets in: cookies of links, names and origins."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from chaffinch.curate.events import Act, Saying
from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board, Item
from chaffinch.serve.guard import LOOPBACK, Access

DECISION = {"reviewer": "Ana", "items": [{"sample_id": 0, "version": 0}], "action": "remove"}


def client_of(board: Board, access: Access, *, at: str = "http://127.0.0.1:8000") -> TestClient:
    app = create_app(board, page="<html></html>", access=access)
    return TestClient(app, base_url=at, follow_redirects=False)


def cookie_set(client: TestClient, token: str) -> str:
    answer = client.get("/", params={"token": token})
    assert answer.status_code == 303
    return answer.headers["set-cookie"]


def test_cookie__two_servers_of_one_host_do_not_log_each_other_out(board: Board) -> None:
    one = client_of(board, Access(LOOPBACK, {"t-ana": "Ana"}))
    two = client_of(board, Access(LOOPBACK, {"t-bo": "Bo"}), at="http://127.0.0.1:8001")
    # A browser keeps one jar for both.
    jar = [cookie_set(one, "t-ana").partition(";")[0], cookie_set(two, "t-bo").partition(";")[0]]
    assert jar == ["chaffinch_token_8000=t-ana", "chaffinch_token_8001=t-bo"]
    one.cookies.clear()
    two.cookies.clear()
    both = {"cookie": "; ".join(jar)}
    assert one.get("/api/meta", headers=both).json()["reviewer"] == "Ana"
    assert two.get("/api/meta", headers=both).json()["reviewer"] == "Bo"


def test_cookie__comes_along_when_a_link_is_clicked_elsewhere_and_no_foreign_write_does(board: Board) -> None:
    client = client_of(board, Access(LOOPBACK, {"t-ana": "Ana"}))
    assert "samesite=lax" in cookie_set(client, "t-ana").lower()
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200
    foreign = ({"origin": "https://mail.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"})
    for headers in foreign:
        assert client.post("/api/decisions", json=DECISION, headers=headers).status_code == 403
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/api/decisions", content="reviewer=Ana", headers=form).status_code == 415
    assert board.seq == 0


def test_cookie__a_link_of_another_time_does_not_end_the_one_that_is_good(board: Board) -> None:
    client = client_of(board, Access(LOOPBACK, {"t-ana": "Ana"}))
    cookie_set(client, "t-ana")
    old = client.get("/", params={"token": "t-old"})
    assert "set-cookie" not in old.headers and old.status_code == 200
    client.cookies.clear()
    refused = client.get("/", params={"token": "t-old"})
    assert refused.status_code == 401 and "link" in refused.json()["hint"]


def answer_to_write(client: TestClient, **headers: str) -> int:
    """Return the status of a write that would be refused for its words alone: 422 is let in."""
    words = {"reviewer": "Ana", "items": [], "action": "keep"}
    return client.post("/api/decisions", json=words, headers=headers).status_code


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000", 422),
        ("LocalHost:8000", "http://localhost:8000", 422),
        ("[::1]:8000", "http://[::1]:8000", 422),
        # ssh -L 9000:localhost:8000
        ("localhost:9000", "http://localhost:9000", 422),
        ("localhost:9000", "http://localhost:8000", 403),
        ("127.0.0.1:8000", "http://localhost:8000", 403),
        ("127.0.0.1:8000", "ftp://127.0.0.1:8000", 403),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/", 403),
        ("127.0.0.1:8000", "null", 403),
        # Foreign names that resolve to this machine, and addresses that it does not listen on.
        ("evil.example:8000", "http://evil.example:8000", 421),
        ("127.0.0.1.evil.example:8000", "http://127.0.0.1.evil.example:8000", 421),
        ("localhost.evil.example", "http://localhost.evil.example", 421),
        ("user@localhost:8000", "http://localhost:8000", 421),
        ("192.168.1.20:8000", "http://192.168.1.20:8000", 421),
    ],
)
def test_guard__on_this_machine_alone(board: Board, host: str, origin: str, status: int) -> None:
    client = client_of(board, Access(LOOPBACK))
    assert answer_to_write(client, host=host, origin=origin) == status
    assert client.get("/api/meta", headers={"host": host}).status_code == (421 if status == 421 else 200)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("192.168.1.20:8080", "http://192.168.1.20:8080", 422),
        ("[fe80::1]:8080", "http://[fe80::1]:8080", 422),
        ("192.168.1.20:8080", "http://192.168.1.21:8080", 403),
        # A proxy that speaks TLS and hands the Host header on.
        ("review.lab.org", "https://review.lab.org", 422),
        ("review.lab.org:443", "https://review.lab.org", 422),
        ("review.lab.org", "http://review.lab.org", 422),
        ("review.lab.org:8443", "https://review.lab.org:8443", 422),
        ("review.lab.org", "https://review.lab.org:8443", 403),
        ("review.lab.org", "https://lab.org", 403),
        ("evil.example:8080", "http://evil.example:8080", 421),
        ("192.168.1.20.evil.example", "http://192.168.1.20.evil.example", 421),
        ("review.lab.org.evil.example", "https://review.lab.org.evil.example", 421),
    ],
)
def test_guard__for_other_machines(board: Board, host: str, origin: str, status: int) -> None:
    access = Access(LOOPBACK | {"review.lab.org"}, {"t-ana": "Ana"}, takes_addresses=True)
    own = {"host": host, "origin": origin, "authorization": "Bearer t-ana"}
    assert answer_to_write(client_of(board, access), **own) == status


def blind(board: Board) -> Board:
    """Return the board as `chaffinch review` has it by default; Ana has removed an image."""
    board.is_blind = True
    board.decide([Item(0, 0)], Saying(action="remove"), Act(reviewer="Ana"))
    return board


@pytest.mark.parametrize(
    ("header", "action"),
    [
        ({"x-reviewer": "Ana"}, "remove"),
        ({"x-reviewer": "Bo"}, "none"),
        ({"x-reviewer": "Zo%C3%AB"}, "none"),
        ({"x-reviewer": ""}, "none"),
        ({}, "none"),
    ],
)
def test_viewer__what_others_said_is_shown_to_nobody_before_their_own_word(
    board: Board, header: dict[str, str], action: str
) -> None:
    client = client_of(blind(board), Access(LOOPBACK))
    assert client.get("/api/samples", headers=header).json()["items"][0]["user_action"] == action
    detail = client.get("/api/samples/0", headers=header).json()
    assert [said["reviewer"] for said in detail["verdicts"]] == (["Ana"] if action == "remove" else [])
    columns = [client.get("/api/columns/0", headers=who).content for who in (header, {"x-reviewer": "Bo"})]
    assert (columns[0] == columns[1]) == (action == "none")


def test_viewer__is_known_by_any_letters(board: Board) -> None:
    client = client_of(blind(board), Access(LOOPBACK))
    words = {**DECISION, "items": [{"sample_id": 0, "version": 1}], "action": "keep"}
    # As typed on a Mac, letters and accents apart, and with a blank behind.
    decomposed = {"x-reviewer": "Jose%CC%81%20"}
    assert client.post("/api/decisions", json=words, headers=decomposed).status_code == 200
    assert list(board.verdicts(0, "Ana"))[1]["reviewer"] == "José"
    detail = client.get("/api/samples/0", headers={"x-reviewer": "Jos%C3%A9"}).json()
    assert detail["user_action"] == "keep" and len(detail["verdicts"]) == 2


def test_token__a_tab_of_another_reviewer_is_not_saved_as_the_one_whose_link_came_last(board: Board) -> None:
    client = client_of(board, Access(LOOPBACK, {"t-ana": "Ana", "t-jose": "José"}))
    cookie_set(client, "t-jose")
    refused = client.post("/api/decisions", json=DECISION, headers={"x-reviewer": "Ana"})
    assert refused.status_code == 403 and "José" in refused.json()["error"]
    assert (
        client.post("/api/decisions", json=DECISION, headers={"x-reviewer": "Jos%C3%A9"}).status_code == 200
    )
    assert client.get("/api/meta").json()["reviewer"] == "José"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/details?ids=0", {"x-reviewer": "Ana"}),
        ("/api/columns/0", {"x-reviewer": "Ana"}),
        ("/api/events?reviewer=Ana", {}),
        ("/api/manifest.csv", {"x-reviewer": "Ana"}),
    ],
)
def test_token__a_tab_of_another_reviewer_is_not_shown_what_the_one_whose_link_came_last_may_see(
    board: Board, path: str, headers: dict[str, str]
) -> None:
    client = client_of(board, Access(LOOPBACK, {"t-ana": "Ana", "t-jose": "José"}))
    cookie_set(client, "t-jose")
    refused = client.get(path, headers=headers)
    assert refused.status_code == 403 and "José" in refused.json()["error"]
    assert "open that of Ana" in refused.json()["hint"]
    assert client.get("/", headers=headers).status_code == 200
    own = client.get("/api/details", params={"ids": "0"}, headers={"x-reviewer": "Jos%C3%A9"})
    assert own.status_code == 200
