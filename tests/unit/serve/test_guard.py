"""Whom the server lets in: cookies of links, names and origins."""

from __future__ import annotations

from fastapi.testclient import TestClient

from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
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
    one = client_of(board, Access(LOOPBACK, 8000, {"t-ana": "Ana"}))
    two = client_of(board, Access(LOOPBACK, 8001, {"t-bo": "Bo"}), at="http://127.0.0.1:8001")
    # A browser keeps one jar for both.
    jar = [cookie_set(one, "t-ana").partition(";")[0], cookie_set(two, "t-bo").partition(";")[0]]
    assert jar == ["chaffinch_token_8000=t-ana", "chaffinch_token_8001=t-bo"]
    one.cookies.clear()
    two.cookies.clear()
    both = {"cookie": "; ".join(jar)}
    assert one.get("/api/meta", headers=both).json()["reviewer"] == "Ana"
    assert two.get("/api/meta", headers=both).json()["reviewer"] == "Bo"


def test_cookie__comes_along_when_a_link_is_clicked_elsewhere_and_no_foreign_write_does(board: Board) -> None:
    client = client_of(board, Access(LOOPBACK, 8000, {"t-ana": "Ana"}))
    assert "samesite=lax" in cookie_set(client, "t-ana").lower()
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200
    foreign = ({"origin": "https://mail.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"})
    for headers in foreign:
        assert client.post("/api/decisions", json=DECISION, headers=headers).status_code == 403
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/api/decisions", content="reviewer=Ana", headers=form).status_code == 415
    assert board.seq == 0


def test_cookie__a_link_of_another_time_does_not_end_the_one_that_is_good(board: Board) -> None:
    client = client_of(board, Access(LOOPBACK, 8000, {"t-ana": "Ana"}))
    cookie_set(client, "t-ana")
    old = client.get("/", params={"token": "t-old"})
    assert "set-cookie" not in old.headers and old.status_code == 200
    client.cookies.clear()
    refused = client.get("/", params={"token": "t-old"})
    assert refused.status_code == 401 and "link" in refused.json()["hint"]
