"""The API as a page and as an attacker use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from chaffinch.pipeline.review_columns import COLUMNS
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.serve.app import create_app
from chaffinch.serve.board import Board
from chaffinch.serve.guard import LOOPBACK, Access
from chaffinch.storage.decisions import open_log

PAGE = "<html><head></head><body><script>let a = 1</script></body></html>"
DECISION = {"reviewer": "Ana", "items": [{"sample_id": 0, "version": 0}], "action": "remove"}


def client_of(board: Board, *, tokens: dict[str, str] | None = None) -> TestClient:
    app = create_app(board, page=PAGE, access=Access(LOOPBACK, tokens or {}))
    return TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)


@pytest.fixture
def client(board: Board) -> Iterator[TestClient]:
    with client_of(board) as client:
        yield client


def test_samples__pages_and_details(client: TestClient) -> None:
    page = client.get("/api/samples", params={"offset": 1, "limit": 2}).json()
    assert page["total"] == 6
    assert [(item["sample_id"], item["image_id"], item["version"]) for item in page["items"]] == [
        (1, "cat/2.png", 0),
        (2, "cat/3.png", 0),
    ]
    detail = client.get("/api/samples/0").json()
    assert (detail["key"], detail["given_label"], detail["width"]) == ("all/cat/1.png", "cat", 40)
    assert {finding["issue_type"] for finding in detail["findings"]} == {"duplicate", "label_conflict"}
    assert {partner["sample_id"] for partner in detail["partners"]} == {1, 3}
    several = client.get("/api/details", params={"ids": "4,99,0"}).json()["items"]
    assert [item["sample_id"] for item in several] == [4, 0]


def test_columns__as_the_page_reads_them(client: TestClient) -> None:
    meta = client.get("/api/meta").json()
    body = client.get("/api/columns/0").content
    offset, values = 0, {}
    for column in meta["columns"]:
        kind = np.dtype(column["dtype"])
        values[column["name"]] = np.frombuffer(body, kind, meta["n"], offset).tolist()
        offset += -(-meta["n"] * kind.itemsize // 8) * 8
    assert offset == len(body) and list(values) == list(COLUMNS)
    assert values["sample_id"] == [0, 1, 2, 3, 4, 5]
    assert [meta["classes"][code] for code in values["given"]] == ["cat"] * 3 + ["dog"] * 3
    duplicate = 1 << meta["issue_types"].index("duplicate")
    assert [bool(bits & duplicate) for bits in values["issues"]] == [True, True, False, True, False, False]
    assert client.get("/api/columns/1").status_code == 404


def test_images__by_number_alone(client: TestClient, ws: Path) -> None:
    image = client.get("/api/images/0")
    assert image.headers["content-type"] == "image/png" and image.content.startswith(b"\x89PNG")
    assert client.get("/api/thumbs/0").content.startswith(b"\xff\xd8")
    assert client.get("/api/thumbs/4").status_code == 404
    for path in (
        "/api/images/../../etc/passwd",
        "/api/images/%2e%2e%2fetc",
        "/api/thumbs/-1",
        "/api/images/77",
    ):
        assert client.get(path).status_code in (404, 422), path


def test_images__are_kept_only_under_an_address_that_names_what_they_show(
    tmp_path: Path, save_pictures: Callable[[Path, Mapping[str, int]], None]
) -> None:
    tokens, shown = [], []
    for number in (1, 2):
        save_pictures(tmp_path / "pets", {"cat/1.png": number})
        scan(tmp_path / "ws", SourceSpec(locations=(str(tmp_path / "pets"),)))
        client = client_of(Board(ReviewData(tmp_path / "ws"), open_log(tmp_path / "ws")))
        tokens.append(client.get("/api/meta").json()["pictures"])
        for path in ("/api/thumbs/0", "/api/images/0"):
            kept = [client.get(path, params={"v": token}).headers["cache-control"] for token in tokens]
            assert kept[-1] == "private, max-age=86400"
            assert {*kept[:-1], client.get(path).headers["cache-control"]} == {"no-cache"}
        shown.append(client.get("/api/thumbs/0").content)
    assert shown[0] != shown[1] and tokens[0] != tokens[1]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..%5cboot.ini",
        "0%00.png",
        "/etc/passwd",
        "0/../0x",
        "~",
    ],
)
def test_routes__take_no_path(client: TestClient, name: str) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    numbered = [path for path in paths if "{" in path]
    assert len(numbered) >= 5
    for path in numbered:
        asked = path.partition("{")[0] + name
        answer = client.get(asked)
        assert answer.status_code in (404, 422) and "root:" not in answer.text, asked
    for query in ("/api/search?q=", "/api/details?ids=", "/api/samples?offset=", "/?token="):
        assert "root:" not in client.get(query + name).text


def test_decisions__saved_conflict_undo(client: TestClient, ws: Path) -> None:
    answer = client.post("/api/decisions", json={**DECISION, "batch_id": "batch-0001"})
    assert answer.status_code == 200 and answer.json()["conflicts"] == []
    assert answer.json()["saved"][0] == {
        "sample_id": 0, "version": 1, "action": "remove", "tags": [], "n_reviewers": 1, "turn": 3,
        "new_label": None,
    }  # fmt: skip
    stale = client.post("/api/decisions", json={**DECISION, "action": "keep"})
    assert stale.status_code == 409 and stale.json()["saved"] == []
    assert [(c["sample_id"], c["version"]) for c in stale.json()["conflicts"]] == [(0, 1)]
    assert client.get("/api/samples").json()["items"][0]["user_action"] == "remove"
    undone = client.post("/api/undo", json={"reviewer": "Ana", "batch_id": "batch-0001"}).json()
    assert undone["saved"][0]["version"] == 2
    assert open_log(ws).audit().is_intact


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**DECISION, "items": [{"sample_id": 99, "version": 0}]}, 404),
        ({**DECISION, "tags_added": ["nonsense"]}, 422),
        ({**DECISION, "action": "destroy"}, 422),
        ({**DECISION, "items": []}, 422),
        ({**DECISION, "reviewer": ""}, 422),
        ({**DECISION, "unheard": 1}, 422),
        ({**DECISION, "new_label": "dog"}, 422),
    ],
)
def test_decisions__wrong_ones_say_why(
    client: TestClient, ws: Path, body: dict[str, object], status: int
) -> None:
    assert client.post("/api/decisions", json=body).status_code == status
    assert open_log(ws).head().seq == 0


def test_decisions__a_database_that_fails_is_no_fault_of_the_request(
    client: TestClient, ws: Path, board: Board
) -> None:
    assert client.post("/api/decisions", json=DECISION).status_code == 200
    (ws / "decisions.sqlite").rename(ws / "away")
    (ws / "decisions.sqlite").write_bytes(b"no database" * 100)
    later = {**DECISION, "items": [{"sample_id": 0, "version": 1}]}
    answer = client.post("/api/decisions", json=later)
    assert answer.status_code == 503 and answer.json()["error"]
    (ws / "away").rename(ws / "decisions.sqlite")
    assert client.post("/api/decisions", json=later).status_code == 200
    assert open_log(ws).head().seq == 2


@pytest.mark.parametrize("is_searched_anew", [False, True])
def test_server__says_when_its_tables_have_been_replaced(
    client: TestClient, board: Board, ws: Path, is_searched_anew: bool
) -> None:
    folder = board.data.folder
    for path in folder.files(board.data.generation, "samples"):
        path.rename(ws / path.name)
    if is_searched_anew:
        folder.publish(folder.current())
    for path in ("/api/search?q=cat", "/api/samples", "/api/details?ids=0"):
        answer = client.get(path)
        told = answer.json()
        assert answer.status_code == 503, path
        assert ("scanned or searched anew" in told["error"]) == is_searched_anew
        assert ("start it again" in told["hint"]) == is_searched_anew


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": ""}, 421),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-length": "33554433"}, 413),
        ({"content-length": "many"}, 411),
    ],
)
def test_guard__refuses_other_pages(
    client: TestClient, ws: Path, headers: dict[str, str], status: int
) -> None:
    import json

    own = {"content-type": "application/json", "origin": "http://127.0.0.1:8000"}
    answer = client.post("/api/decisions", content=json.dumps(DECISION), headers=own | headers)
    assert answer.status_code == status
    assert open_log(ws).head().seq == 0


def test_guard__a_write_without_its_length_is_not_read(client: TestClient, ws: Path) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"[" * 1000

    kind = {"content-type": "application/json"}
    assert client.post("/api/decisions", content=islice(endless(), 5), headers=kind).status_code == 411
    assert client.post("/api/leases", headers=kind).status_code == 422
    assert open_log(ws).head().seq == 0


def test_guard__headers_of_every_answer(client: TestClient) -> None:
    for path in ("/", "/api/samples", "/api/images/0", "/api/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "access-control-allow-origin" not in headers, path


def test_guard__tokens(board: Board, ws: Path) -> None:
    with client_of(board, tokens={"t-ana": "Ana"}) as client:
        assert client.get("/api/samples").status_code == 401
        assert client.post("/api/decisions", json=DECISION).status_code == 401
        own = {"authorization": "Bearer t-ana"}
        assert (
            client.post("/api/decisions", json={**DECISION, "reviewer": "Bo"}, headers=own).status_code == 200
        )
        (entry,) = open_log(ws).read()
        assert entry.decision.reviewer == "Ana", "a token speaks for its own reviewer alone"
        opened = client.get("/", params={"token": "t-ana"})
        assert opened.status_code == 303 and "httponly" in opened.headers["set-cookie"].lower()
        assert client.get("/api/meta", cookies=None).json()["reviewer"] == "Ana"
