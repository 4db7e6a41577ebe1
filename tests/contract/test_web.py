"""The review page's own tests and types, run where Node is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["test", "build"])
def test_web__passes_its_own(script: str) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    if not (WEB / "node_modules").is_dir():
        pytest.skip("the page's packages are not installed: npm ci in web/")
    done = subprocess.run(["npm", "run", script], cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
