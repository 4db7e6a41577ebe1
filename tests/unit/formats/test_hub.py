"""Downloads from a hub, against a server that speaks its protocol: two hosts, broken connections, lies."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaffinch.errors import RemoteError, UsageError
from chaffinch.formats import hub as hub_module
from chaffinch.formats.hub import cached_file, download
from chaffinch.pipeline.embedders import open_embedder
from chaffinch.pipeline.models import get_model, list_models
from chaffinch.records import HubFile

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "a636590e595dbbd798647c9dd4550d5652fba969"
FILE = HubFile("owner/model", "onnx/model.onnx", COMMIT)


@dataclass
class Hub:
    """What the servers answer, and what they were asked."""

    endpoint: str = ""
    store: str = ""
    content: bytes = CONTENT
    etag: str = f'"{SHA256}"'
    breaks_after: list[int] = field(default_factory=list)
    busy: int = 0
    knows_ranges: bool = True
    requests: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)

    def asked(self, method: str) -> list[str | None]:
        """Return the Range header of each request of a method."""
        return [asked_range for m, _, asked_range, _ in self.requests if m == method]


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def _note(self) -> None:
        headers = self.headers
        self.hub.requests.append((self.command, self.path, headers["Range"], headers["Authorization"]))

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_HEAD(self) -> None:
        self._note()
        hub = self.hub
        if hub.busy:
            hub.busy -= 1
            self._answer(503, {})
        elif self.path.startswith("/old/"):
            self._answer(307, {"Location": self.path.replace("/old/", "/owner/")})
        elif self.path in (f"/owner/model/resolve/{rev}/onnx/model.onnx" for rev in (COMMIT, "main")):
            large = {"X-Linked-Etag": hub.etag, "X-Linked-Size": str(len(CONTENT)), "ETag": '"another"'}
            location = f"{hub.store}/blob?signature=1"
            self._answer(302, {"X-Repo-Commit": COMMIT, "Location": location, "Content-Length": "9", **large})
        else:
            self._answer(404, {"X-Error-Code": "EntryNotFound"})

    def do_GET(self) -> None:
        self._note()
        hub = self.hub
        start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if hub.knows_ranges else 0
        body = hub.content[start:]
        self._answer(206 if start else 200, {"Content-Length": str(len(body))})
        if hub.breaks_after:
            body = body[: hub.breaks_after.pop(0)]
            self.close_connection = True
        self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub()
    handler = type("BoundHandler", (Handler,), {"hub": state})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for thread in threads:
        thread.start()
    state.endpoint, state.store = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for name in ("HF_HOME", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", state.endpoint + "/")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_module, "FIRST_WAIT_S", 0.001)
    yield state
    for server in servers:
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


def got(file: HubFile = FILE) -> Path:
    return download(file, on_bytes=lambda n_bytes, size_bytes: None)


def kept(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if not p.is_dir())


def test_download__follows_to_the_store_and_lays_the_file_where_others_look(hub: Hub, tmp_path: Path) -> None:
    progress: list[tuple[int, int | None]] = []
    path = download(FILE, on_bytes=lambda n_bytes, size_bytes: progress.append((n_bytes, size_bytes)))
    assert path == tmp_path / "cache/models--owner--model/snapshots" / COMMIT / "onnx/model.onnx"
    assert path.read_bytes() == CONTENT
    assert path.resolve().name == SHA256
    assert sum(n for n, _ in progress) == len(CONTENT) and progress[0][1] == len(CONTENT)
    assert [request[0] for request in hub.requests] == ["HEAD", "GET"]
    assert cached_file(FILE) == path
    assert len(hub.requests) == 2


def test_download__goes_on_where_the_connection_broke(hub: Hub) -> None:
    hub.breaks_after = [300_000, 200_000]
    assert got().read_bytes() == CONTENT
    assert hub.asked("GET") == [None, "bytes=300000-", "bytes=500000-"]


def test_download__goes_on_in_another_run(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = [1000] * 6
    with pytest.raises(RemoteError, match="it goes on where it stopped"):
        got()
    assert kept(tmp_path) == [f"{SHA256}.incomplete"]
    assert cached_file(FILE) is None
    assert got().read_bytes() == CONTENT
    assert hub.asked("GET")[-1] == "bytes=6000-"
    assert kept(tmp_path) == [SHA256, "model.onnx"]


def test_download__starts_anew_where_the_server_knows_no_ranges(hub: Hub) -> None:
    hub.breaks_after, hub.knows_ranges = [1000], False
    assert got().read_bytes() == CONTENT


def test_download__tries_again_while_the_hub_is_busy(hub: Hub) -> None:
    hub.busy = 2
    assert got().read_bytes() == CONTENT
    hub.busy = 99
    with pytest.raises(RemoteError, match=r"cannot be fetched from .*: it answers 503"):
        got()


@pytest.mark.parametrize("pinned", [None, SHA256])
def test_download__refuses_and_removes_what_has_another_checksum(
    hub: Hub, tmp_path: Path, pinned: str | None
) -> None:
    hub.content = CONTENT[:-1] + b"x"
    with pytest.raises(RemoteError, match=f"has the wrong checksum: .* instead of {SHA256}"):
        got(HubFile(FILE.repo, FILE.path, COMMIT, pinned))
    assert kept(tmp_path) == []


def test_download__a_pinned_checksum_stands_above_the_hubs_word(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="instead of " + "0" * 64):
        got(HubFile(FILE.repo, FILE.path, COMMIT, "0" * 64))
    assert kept(tmp_path) == []


def test_download__small_files_are_checked_by_their_git_id(hub: Hub) -> None:
    git_id = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    hub.etag = f'W/"{git_id}"'
    assert got().resolve().name == git_id
    assert cached_file(FILE) is not None


def test_download__takes_nothing_that_cannot_be_verified(hub: Hub) -> None:
    hub.etag = '"v1"'
    with pytest.raises(RemoteError, match="states no checksum"):
        got()


def test_download__says_what_is_not_there(hub: Hub) -> None:
    with pytest.raises(RemoteError, match="answers 404") as caught:
        got(HubFile("owner/model", "other.onnx", COMMIT))
    assert caught.value.status == 404
    assert f"is revision {COMMIT} on this hub" in caught.value.hint
    assert hub.asked("GET") == []


def test_download__a_branch_is_remembered_as_the_commit_it_meant(hub: Hub, tmp_path: Path) -> None:
    branch = HubFile(FILE.repo, FILE.path, "main")
    assert cached_file(branch) is None
    assert got(branch) == got()
    assert (tmp_path / "cache/models--owner--model/refs/main").read_text() == COMMIT
    assert cached_file(branch) is not None


def test_download__follows_a_renamed_repository_and_keeps_the_token_from_the_store(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    got(HubFile("old/model", FILE.path, COMMIT))
    assert [(method, token) for method, _, _, token in hub.requests] == [
        ("HEAD", "Bearer secret"),
        ("HEAD", "Bearer secret"),
        ("GET", None),
    ]


def test_download__offline_asks_nobody(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RemoteError, match="HF_HUB_OFFLINE forbids"):
        got()
    assert hub.requests == []


def test_cached_file__does_not_trust_a_damaged_file(hub: Hub) -> None:
    path = got()
    path.resolve().write_bytes(CONTENT[:-1] + b"x")
    assert cached_file(FILE) is None
    assert got().read_bytes() == CONTENT


def test_models__are_named_where_they_are_missing(hub: Hub) -> None:
    assert [state.path for state in list_models() if state.card.file is None] == [None, None, None]
    with pytest.raises(UsageError, match="chaffinch models get dinov2-small"):
        open_embedder("dinov2-small")
    with pytest.raises(UsageError, match="no model on a hub is called 'mobilenet-v2'"):
        get_model("mobilenet-v2")
    with pytest.raises(RemoteError, match="answers 404"):
        get_model("clip-vit-b32")
    assert hub.requests[-1][1] == f"/Qdrant/clip-ViT-B-32-vision/resolve/{COMMIT}/model.onnx"
