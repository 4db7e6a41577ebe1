"""What the benchmarks of whole programs share: run a process and count what it cost, say on what machine.

CPU seconds are those of the process and of every child it waited for, user and system together, so that
programs which spread their work over processes are counted whole. Peak memory is that of the largest process.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", ROOT / "../shared/data"))
PYTHON = ROOT / ".venv" / "bin" / "python"
CHAFFINCH = ROOT / ".venv" / "bin" / "chaffinch"
OUTPUT_LINES_IN_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program took."""

    cpu_s: float
    """CPU seconds over all its threads and processes."""
    wall_s: float
    """Seconds on the clock."""
    peak_mb: float
    """Resident memory of its largest process at its peak, MiB."""
    output: str
    """What it printed, stdout and stderr together."""


class RunFailedError(Exception):
    """A measured program ended with another status than expected."""


def run(command: Sequence[str | Path], *, more_env: Mapping[str, str] | None = None) -> Cost:
    """Run a program to its end.

    Keep this process small meanwhile: on Linux a child's peak begins at its parent's size.

    Raises:
        RunFailedError: If its exit status is not 0; with the end of what it printed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(more_env or {})},
    )
    assert process.stdout is not None
    output = process.stdout.read().decode(errors="replace")
    # wait4 instead of wait: it alone tells what this very child used.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        tail = "\n".join(output.splitlines()[-OUTPUT_LINES_IN_ERRORS:])
        raise RunFailedError(f"exit status {process.returncode} of {' '.join(map(str, command))}\n{tail}")
    return Cost(
        cpu_s=used.ru_utime + used.ru_stime,
        wall_s=time.perf_counter() - started,
        peak_mb=used.ru_maxrss / 1024,
        output=output,
    )


def stage_seconds(cost: Cost) -> dict[str, float]:
    """Return CPU seconds by stage, from what a run with --log-json printed; the start is a stage too.

    Stages of one name (the candidates of duplicates and of leaks, say) are added up.
    """
    begun = [(0.0, "start")]
    for line in cost.output.splitlines():
        if line.startswith('{"event": "stage"'):
            event = json.loads(line)
            begun.append((event["cpu_s"], event["stage"]))
    ends = [seconds for seconds, _ in begun[1:]] + [cost.cpu_s]
    total: dict[str, float] = {}
    for (start, name), end in zip(begun, ends, strict=True):
        total[name] = round(total.get(name, 0.0) + end - start, 2)
    return total


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder outside the repository that is removed in the end."""
    with TemporaryDirectory(prefix="chaffinch-bench-") as name:
        yield Path(name)


def photographs() -> list[Path]:
    """Return the photographs of natural size; ends the program where they are not there."""
    paths = sorted((DATA / "imagenet-photos").glob("*.JPEG"))
    if not paths:
        raise SystemExit(f"no photographs in {DATA / 'imagenet-photos'}; set CHAFFINCH_TEST_DATA")
    return paths


def machine() -> dict[str, object]:
    """Describe the machine: processor, cores, memory, load of others."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_gb, 1),
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of packages."""
    return {package: version(package) for package in packages}


def write_result(name: str, result: Mapping[str, Any]) -> None:
    """Write ``results/<name>.json`` and print it."""
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    print(text)
