"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
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
