"""Rooms and one-way imports: the only thing that keeps layers clean is a test that walks them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"

ROOMS: tuple[tuple[str, ...], ...] = (
    ("errors", "jit"),
    ("taxonomy",),
    ("records", "settings"),
    ("identity",),
    ("storage",),
    ("formats", "compute"),
    ("detect", "curate"),
    ("apply",),
    ("report", "experiment"),
    ("pipeline",),
    ("serve",),
    ("workspace",),
    ("cli",),
)
"""A room imports only from rooms before it; rooms on one line do not know each other."""

RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}

SAME_ROOM = {"demo": "pipeline", "torch": "apply"}
"""Modules at the root of the package that belong to a room of another name."""

CODECS = {"PIL", "simplejpeg"}
SERVERS = {"fastapi", "uvicorn", "starlette"}
FORBIDDEN_PACKAGES: dict[str, set[str]] = {
    "formats": CODECS | SERVERS,
    "detect": CODECS | SERVERS,
    "curate": CODECS | SERVERS,
    "storage": CODECS | SERVERS,
    "compute": SERVERS,
    "report": SERVERS,
    "pipeline": SERVERS,
}
"""What a room promises never to do, as packages it must not import: `formats` decodes no pixels, `detect`
opens no image, only `serve` serves."""


def imported_modules(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield line and absolute dotted name of everything a module imports, also inside functions."""
    base = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def room_of(module: str) -> str | None:
    """Return the room of a dotted name, None for the bare package and names outside."""
    parts = module.split(".")
    if parts[0] != "chaffinch" or len(parts) < 2:
        return None
    return SAME_ROOM.get(parts[1], parts[1])


def fault(room: str, name: str) -> str | None:
    """Say what is wrong about `room` importing `name`; None if nothing is."""
    package = name.split(".")[0]
    if package != "chaffinch":
        return f"{room} must not import {package}" if package in FORBIDDEN_PACKAGES.get(room, ()) else None
    other = room_of(name)
    if other is None or other == room or other not in RANK or RANK[other] < RANK[room]:
        return None
    return f"{room} must not import from {other}"


def violations(src: Path) -> list[str]:
    """Return one line ``file:line: what`` for each import against the direction, and for unknown rooms."""
    found = []
    for path in sorted((src / "chaffinch").rglob("*.py")):
        where = path.relative_to(src.parent).as_posix()
        parts = path.relative_to(src).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        room = room_of(module)
        if room is None:
            continue
        if room not in RANK:
            found.append(f"{where}:1: {room!r} is no room; see ROOMS in {Path(__file__).name}")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in imported_modules(tree, module, is_package=is_package):
            what = fault(room, name)
            found += [f"{where}:{line}: {what} ({name})"] if what else []
    return sorted(set(found))


def test_architecture__imports_go_one_way() -> None:
    found = violations(SRC)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "code", "expected"),
    [
        ("errors", "from chaffinch.records import SampleRef", "errors must not import from records"),
        ("compute/decode", "from chaffinch.formats import source", "compute must not import from formats"),
        ("compute/decode", "from chaffinch import formats", "compute must not import from formats"),
        ("compute/decode", "import chaffinch.formats.source", "compute must not import from formats"),
        ("compute/decode", "from ..formats import source", "compute must not import from formats"),
        (
            "compute/decode",
            "def f():\n    from chaffinch.cli import main",
            "compute must not import from cli",
        ),
        ("detect/__init__", "from ..report import text", "detect must not import from report"),
        ("detect/leaks", "from PIL import Image", "detect must not import PIL"),
        ("formats/zip", "import PIL.Image", "formats must not import PIL"),
        ("demo", "from chaffinch.cli import main", "pipeline must not import from cli"),
        ("misplaced", "", "'misplaced' is no room"),
    ],
)
def test_architecture__catches_a_planted_violation(
    tmp_path: Path, module: str, code: str, expected: str
) -> None:
    path = tmp_path / "src" / "chaffinch" / f"{module}.py"
    path.parent.mkdir(parents=True)
    path.write_text(f'"""Planted."""\n\n{code}\n')
    (line,) = violations(tmp_path / "src")
    assert line.startswith(f"src/chaffinch/{module}.py:")
    assert expected in line


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("compute/decode", "from PIL import Image\nfrom chaffinch.errors import SourceError"),
        ("compute/decode", "from . import digests\nfrom .digests import blake3\nimport chaffinch"),
        ("cli/main", "from chaffinch import workspace, pipeline"),
        ("demo", "from chaffinch.pipeline import scan"),
    ],
)
def test_architecture__allows_what_goes_the_right_way(tmp_path: Path, module: str, code: str) -> None:
    path = tmp_path / "src" / "chaffinch" / f"{module}.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"{code}\n")
    assert violations(tmp_path / "src") == []


def test_architecture__every_room_is_on_the_map() -> None:
    """ARCHITECTURE.md names each room that exists, so that a newcomer can place new code."""
    page = (SRC.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {
        p.stem for p in (SRC / "chaffinch").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert [room for room in sorted(rooms - {"__init__"}) if f"`{room}" not in page] == []
