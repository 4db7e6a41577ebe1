"""A Visual Layer server for tests: real HTTP on this machine, faults on order, and a file store beside it."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import threading
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

KEY = "key-of-the-test"
SECRET = "s3cret-that-must-never-be-seen-anywhere"
DATASET = "9378d384-c39a-11f0-9df2-d6a6b06514ba"
PAGE_SIZE = 3


def media_item(name: str, cluster_id: str = "") -> dict[str, Any]:
    """Return a media item of schema 1.1 with an issue and a label."""
    return {
        "media_id": name,
        "media_type": "image",
        "file_name": f"{name}.JPEG",
        "file_path": f"imagenet1k/{name}.JPEG",
        "cluster_id": cluster_id,
        "metadata_items": [
            {"type": "issue", "properties": {"issue_type": "blur", "confidence": 0.5}},
            {"type": "image_label", "properties": {"category_name": "Angora", "source": "User"}},
        ],
    }


@dataclass
class Fault:
    """What happens to a request instead of its answer."""

    path: str
    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    is_reset: bool = False


@dataclass
class VisualLayer:
    """The state of the server; tests set it before they call."""

    url: str = ""
    store_url: str = ""
    levels: list[dict[str, list[str]]] = field(default_factory=list)
    """For each threshold the media ids of each cluster."""
    issues: dict[str, set[str]] = field(default_factory=dict)
    """Media ids that have an issue, for `vql`."""
    media_ids: list[str] = field(default_factory=list)
    cap: int = 1_000_000
    rejects_at_once: bool = True
    size_field: str | None = "n_images"
    tells_sizes_in_refusal: bool = True
    knows_vql: bool = False
    statuses: deque[str] = field(default_factory=lambda: deque(["READY"]))
    faults: deque[Fault] = field(default_factory=deque)
    n_failing_exports: int = 0
    max_uses_of_token: int = 1_000_000
    file_format: str = "zip"
    link: str = "redirect"
    n_cut_downloads: int = 0
    n_requests_until_dead: int = 1_000_000
    has_form: bool = True
    requests: list[str] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    token_uses: Counter[str] = field(default_factory=Counter)
    exports: dict[str, list[str]] = field(default_factory=dict)
    """Media ids of each finished export, by task id."""
    exported: list[str] = field(default_factory=list)
    """What was really exported: the query of each."""
    leaks: list[str] = field(default_factory=list)
    """Requests to the store that had an Authorization header."""

    def count(self, part: str) -> int:
        """Return how many requests had `part` in their line."""
        return sum(part in line for line in self.requests)

    # ---------------------------------------------------------------------------------------- answers

    def dataset(self) -> dict[str, Any]:
        status = self.statuses[0] if len(self.statuses) == 1 else self.statuses.popleft()
        answer = {"id": DATASET, "display_name": "ImageNet_1k", "status": status, "progress": 40}
        if status == "FATAL_ERROR":
            answer["fatal_error_msg"] = "bucket is not public"
        return answer | ({self.size_field: len(self.media_ids)} if self.size_field else {})

    def clusters(self, query: dict[str, str]) -> dict[str, Any]:
        threshold, page = int(query["threshold"]), int(query["page_number"])
        clusters = list((self.levels[threshold] if threshold < len(self.levels) else {}).items())
        rows = [
            {"cluster_id": c, "n_images": len(ids), "previews": [{"media_id": ids[0]}]} for c, ids in clusters
        ]
        return {"clusters": rows[page * PAGE_SIZE : (page + 1) * PAGE_SIZE], "metadata": {}}

    def chosen(self, query: dict[str, str]) -> list[str]:
        """Media ids of a selection; offset and limit are ignored, as servers do."""
        ids = self.media_ids
        if "cluster_id" in query:
            ids = self.levels[int(query["threshold"])].get(query["cluster_id"], [])
        for clause in json.loads(query.get("vql", "[]")) if self.knows_vql else []:
            having = self.issues.get(clause["issues"]["value"], set())
            ids = [i for i in ids if (i in having) == (clause["issues"]["mode"] == "in")]
        return ids

    def refusal(self, n: int) -> str:
        sizes = (f"{n:,}", f" {self.cap:,}") if self.tells_sizes_in_refusal else ("Number of", "")
        return f"{sizes[0]} entities exceeds threshold{sizes[1]}"

    def start(self, query: dict[str, str]) -> dict[str, Any]:
        ids = self.chosen(query)
        if len(ids) > self.cap and self.rejects_at_once:
            return {"error": self.refusal(len(ids))}
        task = f"task-{len(self.exports)}"
        self.exports[task] = ids
        self.exported.append(
            "&".join(f"{k}={v}" for k, v in query.items() if k in ("cluster_id", "threshold", "vql"))
        )
        return {"id": task}

    def export_status(self, query: dict[str, str]) -> dict[str, Any]:
        task = query["export_task_id"]
        if self.requests.count(f"polled {task}") == 0:
            self.requests.append(f"polled {task}")
            return {"id": task, "status": "IN_PROGRESS"}
        if len(self.exports[task]) > self.cap:
            return {"status": "REJECTED", "result_message": self.refusal(len(self.exports[task]))}
        if self.n_failing_exports:
            self.n_failing_exports -= 1
            return {"status": "FAILED", "result_message": "a worker died"}
        path = f"/api/v1/files/{task}"
        links: dict[str, dict[str, Any]] = {
            "relative": {"download_uri": path},
            "redirect": {"download_uri": f"{self.url}{path}"},
            "store": {"result": {"download_url": f"{self.store_url}/{task}?signature=abc"}},
        }
        return {"status": "COMPLETED", **links[self.link]}

    def file(self, task: str) -> bytes:
        items = [media_item(i) for i in self.exports[task]]
        info = {"schema_version": "1.1", "dataset": "ImageNet_1k", "total_media_items": len(items)}
        text = json.dumps({"info": info, "media_items": items}).encode()
        if self.file_format == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            out = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(items), out)
            return out.getvalue()
        if self.file_format == "json":
            return text
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images/note.txt", "none")
            archive.writestr("metadata.json", text)
        return out.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: VisualLayer

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    def answer(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Break the connection as a dying server does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()


class ApiHandler(_Handler):
    """The API itself."""

    def do_GET(self) -> None:
        self.handle_api({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        names = ("dataset_name", "bucket_path")
        self.handle_api({n: body.partition(f'name="{n}"')[2].split("\r\n")[2] for n in names if n in body})

    def handle_api(self, form: dict[str, str]) -> None:
        state, url = self.state, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        state.requests.append(f"{self.command} {self.path}")
        state.n_requests_until_dead -= 1
        fault = next((f for f in state.faults if f.path in self.path), None)
        if fault is not None:
            state.faults.remove(fault)
            if fault.is_reset:
                self.reset()
            else:
                self.answer(fault.body.encode(), status=fault.status, headers=fault.headers)
        elif state.n_requests_until_dead < 0:
            self.reset()
        elif not self.is_known():
            self.answer({"detail": "Unauthorized"}, status=401)
        else:
            self.route(url.path.removeprefix("/api/v1"), query, form)

    def is_known(self) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="sdk")
        except jwt.PyJWTError:
            return False
        self.state.claims.append(claims | {"kid": jwt.get_unverified_header(token)["kid"]})
        self.state.token_uses[token] += 1
        return (
            claims["exp"] - claims["iat"] <= 3600
            and self.state.token_uses[token] <= self.state.max_uses_of_token
        )

    def route(self, path: str, query: dict[str, str], form: dict[str, str]) -> None:
        state = self.state
        if path == "/dataset" and self.command == "POST" and state.has_form:
            self.answer({"id": DATASET, "name": form["dataset_name"], "bucket": form["bucket_path"]})
        elif path == "/process":
            self.answer(
                {"status": "success", "message": "started", "dataset_id": "12345", "name": query["name"]}
            )
        elif path == f"/dataset/{DATASET}":
            self.answer(state.dataset())
        elif path == f"/explore/{DATASET}":
            self.answer(state.clusters(query))
        elif path.endswith("/export_context_async"):
            self.answer(state.start(query))
        elif path.endswith("/export_status"):
            self.answer(state.export_status(query))
        elif path.startswith("/files/"):
            self.send_file(path.removeprefix("/files/"))
        else:
            self.answer({"detail": "Not Found"}, status=404)

    def send_file(self, task: str) -> None:
        if self.state.link == "redirect":
            self.answer(b"", status=302, headers={"Location": f"{self.state.store_url}/{task}"})
        else:
            self.answer(self.state.file(task))


class StoreHandler(_Handler):
    """The host that files are downloaded from; it must never see a token."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization"):
            self.state.leaks.append(self.path)
        data = self.state.file(urlsplit(self.path).path.strip("/"))
        if not self.state.n_cut_downloads:
            self.answer(data)
            return
        self.state.n_cut_downloads -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        self.reset()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up and are killed here on purpose, and stderr is what tests look at."""


def _served(handler: type[_Handler], state: VisualLayer) -> ThreadingHTTPServer:
    server = _Server(("127.0.0.1", 0), type("Handler", (handler,), {"state": state}))
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
    return server


@pytest.fixture
def visual_layer(monkeypatch: pytest.MonkeyPatch) -> Iterator[VisualLayer]:
    """Serve, and put the credentials into the environment."""
    state = VisualLayer()
    servers = [_served(ApiHandler, state), _served(StoreHandler, state)]
    state.url, state.store_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    monkeypatch.setenv("VL_API_KEY", KEY)
    monkeypatch.setenv("VL_API_SECRET", SECRET)
    monkeypatch.setenv("VL_BASE_URL", state.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield state
    for server in servers:
        server.shutdown()
        server.server_close()
    assert state.leaks == [], "the token went to another host"


@pytest.fixture
def fault() -> type[Fault]:
    """Return the class of faults."""
    return Fault


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command line and returns status, stdout and stderr."""
    from chaffinch.cli.main import app, report_error

    def call(*words: object) -> tuple[int, str, str]:
        try:
            app([str(word) for word in words])
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except Exception as error:  # noqa: BLE001
            status = report_error(error)
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        assert "Traceback" not in err
        return status, out, err

    return call
