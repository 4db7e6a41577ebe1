"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from chaffinch.cli.main import app, report_error
from chaffinch.errors import ChaffinchError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of an installed browser.

    Without one the test is skipped. It fails where CHAFFINCH_REQUIRE_CHROMIUM is set, as in .ci/run, which
    installs one.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and os.environ.get("CHAFFINCH_REQUIRE_CHROMIUM"):
        pytest.fail(f"CHAFFINCH_REQUIRE_CHROMIUM is set, and there is none of {', '.join(BROWSERS)}")
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


def postgres_programs() -> Path | None:
    """Return the folder of Debian's PostgreSQL server, the newest one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


RUNUSER = shutil.which("runuser", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "runuser"
"""The server refuses to run as root; the program that lends it another user may lie outside of PATH."""


def as_user(*command: str) -> list[str]:
    """Return a command that runs as somebody whom the server accepts: it refuses root."""
    return [RUNUSER, "-u", "nobody", "--", *command] if os.geteuid() == 0 else list(command)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start a server on a temporary folder, reached through a socket in it; stop it at the end."""
    programs = postgres_programs()
    if programs is None:
        reason = "no PostgreSQL server under /usr/lib/postgresql: apt-get install postgresql"
        if os.environ.get("CHAFFINCH_REQUIRE_POSTGRES"):
            pytest.fail(reason)
        pytest.skip(reason)
    # A socket's path must be short, and the server's user must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o777)
        user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        data = str(folder / "data")
        quiet = {"check": True, "capture_output": True, "cwd": "/"}
        initdb = [str(programs / "initdb"), "-D", data, "-A", "trust", "-N", "--locale=C.UTF-8"]
        subprocess.run(as_user(*initdb, "-U", user), **quiet)
        control = [str(programs / "pg_ctl"), "-D", data, "-w", "-s"]
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        log = str(folder / "log")
        subprocess.run(
            as_user(*control, "-l", log, "-o", options, "start"), stdout=subprocess.DEVNULL, check=True
        )
        try:
            yield f"postgresql://{user}@/postgres?host={folder}"
        finally:
            subprocess.run(as_user(*control, "-m", "immediate", "stop"), **quiet)


SavePictures = Callable[[Path, Mapping[str, int]], None]


@pytest.fixture(scope="session")
def save_pictures() -> SavePictures:
    """Return what writes a tiny picture for each name; equal seeds, equal pictures."""

    def save(folder: Path, names: Mapping[str, int]) -> None:
        for name, seed in names.items():
            small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(small).resize((40, 40), Image.Resampling.BICUBIC).save(path)

    return save


class Shell:
    """Runs commands on one workspace, as they are typed."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def __call__(self, *words: str | Path, status: int = 0) -> str:
        """Run a command with ``-w`` behind it; returns what it printed, or the text of its error."""
        result = CliRunner().invoke(app, [*map(str, words), "-w", str(self.workspace)])
        got, text = result.exit_code, result.output
        if isinstance(result.exception, ChaffinchError):
            got, text = report_error(result.exception), str(result.exception)
        elif isinstance(result.exception, Exception):
            raise result.exception
        assert got == status, text
        return text


@pytest.fixture(scope="session")
def shell_for() -> type[Shell]:
    """Return what runs commands on the workspace that it is made with."""
    return Shell
