"""One writer at a time, also when the holder is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaffinch.errors import LockedError
from chaffinch.storage.files import atomic_path, remove_temporary_files
from chaffinch.storage.lock import writer_lock

HOLDER = """
import sys, time
from pathlib import Path
from chaffinch.storage.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_writer_lock__second_process_is_told_the_pid_and_a_killed_holder_lets_go(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=str(holder.pid)) as refused, writer_lock(tmp_path):
            pass
        assert refused.value.holder_pid == holder.pid
        os.kill(holder.pid, signal.SIGKILL)
    with writer_lock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_atomic_path__failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.csv"]


def test_remove_temporary_files__clears_what_a_killed_writer_left(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / ".samples.parquet.123.tmp").write_text("half")
    (tmp_path / "tables" / "samples.parquet").write_text("whole")
    remove_temporary_files(tmp_path)
    assert os.listdir(tmp_path / "tables") == ["samples.parquet"]
