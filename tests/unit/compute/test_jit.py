"""Where compiled kernels are kept: beside the module, else in the user's cache folder, else nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from chaffinch.jit import kernel

@kernel
def double(value):
    return value * 2
"""


def run(folder: Path, home: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import somekernel; print(somekernel.double(21))"],
        env=environment | {"HOME": str(home), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "somekernel.py").write_text(MODULE)
    return tmp_path / "package"


def compiled(root: Path) -> list[str]:
    return [path.name for path in root.rglob("somekernel*.nbi")]


def test_kernel__is_kept_beside_its_module(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert run(folder, tmp_path / "home") == "42"
    assert len(compiled(folder / "__pycache__")) == 1


def test_kernel__is_kept_in_the_users_cache_where_the_package_cannot_be_written(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "__pycache__").write_text("a file, so no folder can be made; holds for root too")
    (tmp_path / "home").mkdir()
    assert run(folder, tmp_path / "home") == "42"
    assert len(compiled(tmp_path / "home")) == 1


def test_kernel__works_where_nothing_can_be_written(folder: Path, tmp_path: Path) -> None:
    (folder / "__pycache__").write_text("a file, so no folder can be made; holds for root too")
    (tmp_path / "home").write_text("a file")
    assert run(folder, tmp_path / "home") == "42"


def test_import_chaffinch__does_not_import_numba() -> None:
    code = "import chaffinch, sys; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
