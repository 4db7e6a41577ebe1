"""Fixtures of the end-to-end tests: the installed commands as subprocesses, each module with a fresh HOME."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from chaffinch.storage.export import read_exported

BIN = Path(sys.executable).parent
"""Where this interpreter and the commands installed with it lie."""

REPOSITORY = Path(__file__).parents[2]
TEST_DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))

N_TINY = 3040


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str
    cpu_s: float = 0.0
    """CPU seconds of the process."""
    peak_mib: float = 0.0
    """Largest resident memory of the process."""

    def stages(self) -> list[str]:
        """Return the names of the stages in the order begun; the command ran with --log-json."""
        events = [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]
        return [event["stage"] for event in events if event["event"] == "stage"]


def _resident_peak_mib(pid: int) -> float:
    """Return the largest resident memory of a process so far; 0 once it has ended.

    What `wait4` says instead never falls below what pytest held when it started the process.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return (
        max((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), default=0)
        / 1024
    )


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands as a user with this HOME would."""

    home: Path
    executable: Path = BIN / "chaffinch"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a plain login shell in which the virtual environment is active."""
        shell = {"HOME": str(self.home), "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        # In a second work tree the tests are of its own source, not of the one that is installed.
        return shell | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """Start `chaffinch`; its output goes to pipes."""
        environment = self.environment | options.pop("env", {})
        command = [self.executable, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment, text=True, **pipes, **options)

    def finish(self, process: subprocess.Popen[str], *, timeout_s: float = 240) -> Finished:
        """Wait for a started command; no traceback and no warning may be on its stderr."""
        with ThreadPoolExecutor(2) as readers:
            texts = [readers.submit(pipe.read) for pipe in (process.stdout, process.stderr) if pipe]
            timer, peak_mib = time.monotonic() + timeout_s, 0.0
            while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                peak_mib = max(peak_mib, _resident_peak_mib(process.pid))
                if time.monotonic() > timer:
                    process.kill()
                time.sleep(0.005)
            stdout, stderr = (text.result() for text in texts)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        assert "Traceback" not in stderr and "Warning" not in stderr, stderr
        cpu_s = ended[2].ru_utime + ended[2].ru_stime
        return Finished(process.returncode, stdout, stderr, cpu_s, peak_mib)

    def run(self, *arguments: object, status: int = 0, **options: Any) -> Finished:
        """Run `chaffinch` to its end and check its exit status."""
        done = self.finish(self.start(*arguments, **options))
        assert done.status == status, (done.status, done.stdout, done.stderr)
        return done

    def shell(self, script: str, *, folder: Path, status: int = 0) -> Finished:
        """Run bash commands as they stand in a guide."""
        done = subprocess.run(
            ["bash", "-euc", script], cwd=folder, env=self.environment, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr and done.returncode == status, (done.stdout, done.stderr)
        return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def table_rows() -> Callable[[str, Path], list[dict[str, Any]]]:
    """Return the rows of a table of a workspace, as `chaffinch table` would write them."""
    return lambda name, workspace: read_exported(workspace, name).to_pylist()


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Runs commands with a HOME that this test module alone uses."""
    return Commands(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"no real data at {TEST_DATA}; CHAFFINCH_TEST_DATA names the folder")
    return TEST_DATA


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 3,000 tiny pictures in three classes; a few are broken. Read only: copy before changing."""
    folder = tmp_path_factory.mktemp("tiny")
    random = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (folder / name).mkdir()
    for number in range(N_TINY):
        path = folder / ("ant", "bee", "cat")[number % 3] / f"{number:04d}.png"
        Image.fromarray(random.integers(0, 256, (54, 72, 3), np.uint8)).save(path, compress_level=1)
        if number % 500 == 7:
            path.write_bytes(path.read_bytes()[:2000])
    return folder


@pytest.fixture
def limited_root() -> Callable[[], None] | None:
    """What a child calls before it starts so that file permissions hold for it too; None where they do."""
    if os.geteuid() != 0:
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    drop_from_bounding_set, dac_override, dac_read_search = 24, 1, 2

    def drop() -> None:
        for capability in (dac_override, dac_read_search):
            libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)

    return drop


@pytest.fixture
def wait_for() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true, half a minute at most."""

    def wait(is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not is_true():
            assert time.monotonic() < deadline, "waited half a minute in vain"
            time.sleep(0.002)

    return wait


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Return a browser, a `playwright.sync_api.Browser`."""
    api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Any, serve: Any) -> Iterator[Callable[[], Any]]:
    """Return what opens a page in a browser profile of its own; what goes wrong in any fails the test.

    It names `serve`, so that pages are closed before their servers are killed.
    """
    contexts, faults = [], []

    def is_fault(said: Any) -> bool:
        # A server that stops cuts its stream of news off, and resets what else is under way.
        cuts = ("INCOMPLETE_CHUNKED", "LENGTH_MISMATCH", "ERR_CONNECTION_", "ERR_EMPTY_RESPONSE")
        is_of_stopping = any(word in said.text for word in cuts)
        # Of a broken file there is no picture; what is stale or has an old link is refused, and told.
        has_no_picture = " 404 " in said.text and re.search("/api/(thumbs|images)/", said.location["url"])
        is_expected = is_of_stopping or has_no_picture or " 409 " in said.text or " 401 " in said.text
        return said.type == "error" and not is_expected

    def opened() -> Any:
        contexts.append(browser.new_context(viewport={"width": 1360, "height": 800}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(new_page: Callable[[], Any]) -> Any:
    """Return a page, a `playwright.sync_api.Page`."""
    return new_page()


@pytest.fixture(scope="module")
def searched(
    commands: Commands,
    tmp_path_factory: pytest.TempPathFactory,
    save_pictures: Callable[[Path, Mapping[str, int]], None],
) -> Path:
    """Return a workspace of nine images in which copies were found."""
    folder = tmp_path_factory.mktemp("review")
    names = {f"cat/{n}.png": n % 3 for n in range(6)} | {f"dog/{n}.png": 10 + n for n in range(3)}
    save_pictures(folder / "pets", names)
    commands.run("scan", folder / "pets", "-w", folder / "ws")
    commands.run("find", "-w", folder / "ws", "--only", "duplicates")
    return folder / "ws"


@pytest.fixture
def ws(searched: Path, tmp_path: Path) -> Path:
    """Return a copy of the searched workspace that the test may change."""
    return Path(shutil.copytree(searched, tmp_path / "ws"))


class Server:
    """A running `chaffinch review`."""

    def __init__(self, commands: Commands, ws: Path, *options: object) -> None:
        self.process = commands.start("review", "-w", ws, "--no-open", *options)
        line = self.process.stdout.readline() if self.process.stdout else ""
        found = re.search(r"http://\S+", line)
        assert found, (line, self.process.communicate()[1] if self.process.poll() is not None else "")
        self.url = found[0].rstrip("/")
        self._wait()

    def _wait(self) -> None:
        for _ in range(200):
            try:
                httpx.get(self.url, timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def stop(self, how: int = signal.SIGINT) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(how)
        # Reads to the end and closes the pipes.
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.stop(signal.SIGKILL)


@pytest.fixture
def serve(commands: Commands) -> Iterator[Callable[..., Server]]:
    """Return what starts `chaffinch review` on a workspace, with options; stopped after the test."""
    servers: list[Server] = []

    def start(ws: Path, *options: object) -> Server:
        servers.append(Server(commands, ws, *options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()
