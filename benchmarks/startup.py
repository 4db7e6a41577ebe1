"""Measure what `chaffinch` takes to start and to install.

    .venv/bin/python benchmarks/startup.py
    .venv/bin/python benchmarks/startup.py --without-install

Start-up is the CPU time of `chaffinch --help` and of `import chaffinch`, least of some runs, since other work
on the machine only ever adds. The installed size is that of a fresh virtual environment with the core alone,
less what the empty environment holds, and without bytecode, which is made and not brought.
"""

from __future__ import annotations

import argparse
import venv
from pathlib import Path

from runs import CHAFFINCH, PYTHON, ROOT, machine, run, scratch_folder, versions, write_result

MAX_HELP_CPU_S = 0.35
MAX_CORE_MB = 850


def least_cpu_s(command: list[str | Path], rounds: int) -> float:
    return round(min(run(command).cpu_s for _ in range(rounds)), 3)


def size_mb(folder: Path) -> float:
    """Return the size of all files below a folder, in 10^6 bytes."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def installed(scratch: Path) -> tuple[float, list[dict[str, object]]]:
    """Install the core; returns its size in MB and the ten largest parts."""
    folder = scratch / "venv"
    venv.create(folder, with_pip=True)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    empty = size_mb(packages)
    run([folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-compile", ROOT])
    parts = {path.name: size_mb(path) for path in packages.iterdir() if path.is_dir()}
    largest = sorted(parts.items(), key=lambda part: -part[1])[:10]
    return size_mb(packages) - empty, [{"part": name, "mb": round(mb, 1)} for name, mb in largest]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without-install", action="store_true", help="make no fresh environment")
    options = parser.parse_args()
    facts = machine()
    starts = {
        "chaffinch --help": ([CHAFFINCH, "--help"], MAX_HELP_CPU_S),
        "import chaffinch": ([PYTHON, "-c", "import chaffinch"], None),
        "empty Python": ([PYTHON, "-c", ""], None),
    }
    rows = [
        {"what": name, "cpu_s": least_cpu_s(list(command), options.rounds), "target": target}
        for name, (command, target) in starts.items()
    ]
    result: dict[str, object] = {
        "rounds": options.rounds,
        "machine": facts,
        "versions": versions("chaffinch", "typer", "rich"),
        "start": rows,
    }
    if not options.without_install:
        with scratch_folder() as scratch:
            mb, largest = installed(scratch)
        result |= {"installed_core_mb": round(mb), "target_core_mb": MAX_CORE_MB, "largest_parts": largest}
    write_result("startup", result)


if __name__ == "__main__":
    main()
