"""The review page's own tests and types, run where Node is, and its types against the server's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"


def test_page_types__are_those_of_the_server() -> None:
    tool = WEB.parent / "tools" / "page_types.py"
    done = subprocess.run([sys.executable, tool], capture_output=True, text=True, check=True)
    assert (WEB / "src" / "data" / "api.ts").read_text(encoding="utf-8") == done.stdout, "run `make api`"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["test", "build"])
def test_web__passes_its_own(script: str) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    if not (WEB / "node_modules").is_dir():
        pytest.skip("the page's packages are not installed: npm ci in web/")
    done = subprocess.run(["npm", "run", script], cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
