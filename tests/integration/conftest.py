"""Fixtures of the end-to-end tests: the installed commands as subprocesses, each module with a fresh HOME."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
            timer = time.monotonic() + timeout_s
            while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                if time.monotonic() > timer:
                    process.kill()
                time.sleep(0.005)
            stdout, stderr = (text.result() for text in texts)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        assert "Traceback" not in stderr and "Warning" not in stderr, stderr
        usage = ended[2]
        cpu_s, peak_mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
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
