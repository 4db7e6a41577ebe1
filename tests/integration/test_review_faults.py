"""The review server when it is killed, and with clients that go away, dawdle or send too much."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

N_REVIEWERS, N_DECISIONS = 8, 1000
N_SINGLE, PER_BATCH, N_UNDONE = 100, 20, 5
"""Decisions of each reviewer that are made one at a time, images of each other one, batches taken back."""
N_OWN, N_SHARED = 80, 20
"""Images of each reviewer; some of the next one's are theirs as well, so that neighbours meet."""
N_IMAGES = N_REVIEWERS * N_OWN
N_KILLS = 4

# -------------------------------------------------------------- eight reviewers and a server that is killed


@dataclass
class Office:
    """Where the server is, and how much the reviewers have done so far."""

    url: str
    n_done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Reviewer(threading.Thread):
    """Decides about images at random, one and many at a time, and takes some of it back."""

    def __init__(self, office: Office, number: int) -> None:
        super().__init__(daemon=True)
        self._office = office
        self._name = f"reviewer{number}"
        self._random = random.Random(number)
        self._images = [(number * N_OWN + k) % N_IMAGES for k in range(N_OWN + N_SHARED)]
        self._http = httpx.Client(base_url=office.url, timeout=60)
        self._versions: Counter[int] = Counter()
        self._n = 0
        self.undone: list[str] = []

    def run(self) -> None:
        sizes = [1] * N_SINGLE + [PER_BATCH] * ((N_DECISIONS - N_SINGLE) // PER_BATCH)
        self._random.shuffle(sizes)
        batches = [self._decide(size) for size in sizes]
        for batch in self._random.sample(batches, N_UNDONE):
            self._answer("/api/undo", {"reviewer": self._name, "batch_id": batch}).raise_for_status()
            self.undone.append(batch)
        self._http.close()

    def _answer(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Send until there is an answer, whatever happens to the server meanwhile."""
        while True:
            try:
                return self._http.post(path, json=body)
            except httpx.TransportError:
                time.sleep(0.05)

    def _decide(self, size: int) -> str:
        """Decide about some images until it is saved; returns the batch."""
        images = self._random.sample(self._images, size)
        batch = f"{self._name}-{self._n:06d}"
        events = [f"{self._name}.{self._n + k:06d}" for k in range(size)]
        status = 409
        while status == 409:
            answer = self._answer(
                "/api/decisions",
                {
                    "reviewer": self._name,
                    "items": [{"sample_id": i, "version": self._versions[i]} for i in images],
                    "action": "keep",
                    "event_ids": events,
                    "batch_id": batch,
                },
            )
            status, told = answer.status_code, answer.json()
            assert status in (200, 409), told
            assert not (told["saved"] and told["conflicts"])
            for item in [*told["saved"], *told["conflicts"]]:
                self._versions[item["sample_id"]] = item["version"]
        self._n += size
        with self._office.lock:
            self._office.n_done += size
        return batch


@pytest.fixture(scope="module")
def scanned(
    commands: Any,
    tmp_path_factory: pytest.TempPathFactory,
    save_pictures: Callable[[Path, Mapping[str, int]], None],
) -> Path:
    """Return a workspace of 640 images without findings."""
    folder = tmp_path_factory.mktemp("many")
    save_pictures(folder / "pets", {f"cat/{n:03d}.png": n for n in range(N_IMAGES)})
    commands.run("scan", folder / "pets", "-w", folder / "ws")
    return folder / "ws"


@pytest.fixture(params=["sqlite", "postgresql"])
def office_ws(request: pytest.FixtureRequest, scanned: Path, tmp_path: Path) -> Path:
    """Return a copy of the workspace whose log is a file or a database."""
    import shutil

    ws = Path(shutil.copytree(scanned, tmp_path / "ws"))
    if request.param == "postgresql":
        (ws / "decisions.url").write_text(request.getfixturevalue("postgres_url"))
    return ws


@pytest.mark.slow
def test_decisions__of_eight_reviewers_outlive_kills(
    office_ws: Path, serve: Callable[..., Any], commands: Any, table_rows: Any
) -> None:
    server = serve(office_ws, "--not-blind")
    port = server.url.rpartition(":")[2]
    office = Office(server.url)
    reviewers = [Reviewer(office, number) for number in range(N_REVIEWERS)]
    for reviewer in reviewers:
        reviewer.start()
    moments = sorted(random.Random(9).sample(range(200, N_REVIEWERS * N_DECISIONS - 500), N_KILLS))
    for moment in moments:
        while office.n_done < moment and any(reviewer.is_alive() for reviewer in reviewers):
            time.sleep(0.01)
        assert any(reviewer.is_alive() for reviewer in reviewers), "killed while they are at work"
        server.kill()
        server = serve(office_ws, "--not-blind", "--port", port)
    for reviewer in reviewers:
        reviewer.join(timeout=300)
    assert not any(reviewer.is_alive() for reviewer in reviewers)

    rows = table_rows("decisions", office_ws)
    said = [row for row in rows if not row["undo_of"]]
    wanted = {f"reviewer{k}.{number:06d}" for k in range(N_REVIEWERS) for number in range(N_DECISIONS)}
    assert len(said) == len(wanted) == 8000, "none lost, none doubled"
    assert {row["event_id"] for row in said} == wanted
    undone = {batch for reviewer in reviewers for batch in reviewer.undone}
    assert len(undone) == N_REVIEWERS * N_UNDONE
    taken_back = [(row["undo_of"], row["key"]) for row in rows if row["undo_of"]]
    meant = [(row["batch_id"], row["key"]) for row in said if row["batch_id"] in undone]
    assert sorted(taken_back) == sorted(meant), "each event of a batch is taken back once, and no other"
    assert "intact" in commands.run("audit", "-w", office_ws).stdout

    page = httpx.get(f"{server.url}/api/samples", params={"limit": N_IMAGES}).json()["items"]
    counted = Counter(row["sample_id"] for row in rows)
    assert {item["sample_id"]: item["version"] for item in page} == dict(counted)
    standing = {row["sample_id"] for row in said if row["batch_id"] not in undone}
    assert {item["sample_id"] for item in page if item["user_action"] == "keep"} == standing
