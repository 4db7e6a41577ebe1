"""The decision log loses nothing and notices every change, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.errors import WorkspaceError
from chaffinch.records import Decision
from chaffinch.storage.decision_rows import FIRST_HASH, HASHED_COLUMNS
from chaffinch.storage.decisions import URL_VARIABLE, AppendResult, DecisionLog, open_log
from chaffinch.storage.folder import WorkspaceFolder

MakeLog = Callable[[], DecisionLog]


def decision(number: int, *, batch: str = "b", note: str = "") -> Decision:
    return Decision(
        event_id=f"{batch}.{number}",
        batch_id=batch,
        key=f"train/cat/{number}.jpg",
        reviewer="Saeed",
        time_utc="2026-03-01T10:00:00.000000Z",
        tags_added=("outlier_invalid", "remove"),
        action="remove",
        note=note,
    )


def sqlite_log(path: Path) -> DecisionLog:
    return DecisionLog(sa.URL.create("sqlite", database=str(path)), name="", path=path)


@pytest.fixture(params=["sqlite", "postgresql"])
def make_log(request: pytest.FixtureRequest, tmp_path: Path) -> MakeLog:
    """Return a function that opens the same new log each time it is called."""
    if request.param == "sqlite":
        return lambda: sqlite_log(tmp_path / "decisions.sqlite")
    url = sa.make_url(request.getfixturevalue("postgres_url")).set(drivername="postgresql+psycopg")
    return lambda: DecisionLog(url, name=tmp_path.name)


# ------------------------------------------------------------------------------------------------- the log


def test_append__saves_once_and_reads_back(make_log: MakeLog) -> None:
    events = [decision(1), decision(2, note="odd 'quotes', \"more\"\nand a line; Ünïcode \u2603")]
    assert make_log().append(events) == AppendResult(saved=2, already_there=0)
    assert make_log().append([*events, decision(3)]) == AppendResult(saved=1, already_there=2)
    logged = list(make_log().read(with_hashes=True))
    assert [entry.decision for entry in logged] == [*events, decision(3)]
    assert [entry.seq for entry in logged] == [1, 2, 3]
    assert logged[0].prev_hash == FIRST_HASH
    assert logged[2].prev_hash == logged[1].hash
    assert make_log().head().hash == logged[2].hash
    assert [(e.seq, e.decision) for e in make_log().read()] == [(e.seq, e.decision) for e in logged]
    assert make_log().audit().is_intact


def test_read__holds_what_rows_repeat_once_and_no_hashes(make_log: MakeLog) -> None:
    events = [replace(decision(n), tags_added=("duplicate_exact",), note="a note") for n in (1, 2)]
    make_log().append([events[0], replace(decision(3), reviewer="Bo"), events[1]])
    first, other, last = make_log().read()
    assert {entry.hash + entry.prev_hash for entry in (first, other, last)} == {""}
    assert (other.decision.reviewer, other.decision.note) == ("Bo", decision(3).note)
    for name in ("reviewer", "how", "action", "tags_added"):
        assert getattr(first.decision, name) is getattr(last.decision, name), name
    make_log().append([replace(decision(n), batch_id="one", note="a note") for n in (4, 5)])
    one, two = make_log().read(after_seq=3)
    assert one.decision.batch_id is two.decision.batch_id and one.decision.note is two.decision.note


def test_append__the_same_event_twice_in_one_call_is_once(make_log: MakeLog) -> None:
    assert make_log().append([decision(1), decision(1)]) == AppendResult(saved=1, already_there=0)


def test_append__text_that_no_database_takes_is_kept_visible(make_log: MakeLog) -> None:
    make_log().append([decision(1, note="a\0b\ud800c")])
    assert next(make_log().read()).decision.note == "a\ufffdb\\ud800c"
    assert make_log().audit().is_intact


def test_read__filters(make_log: MakeLog) -> None:
    make_log().append([decision(1, batch="a"), decision(1, batch="b"), decision(2, batch="a")])
    assert [e.seq for e in make_log().read(after_seq=1)] == [2, 3]
    assert [e.seq for e in make_log().read(batch_id="a")] == [1, 3]


def test_read__of_an_empty_log_makes_no_file(tmp_path: Path) -> None:
    log = sqlite_log(tmp_path / "decisions.sqlite")
    assert list(log.read()) == []
    assert log.head().seq == 0
    assert log.audit().is_intact
    assert list(tmp_path.iterdir()) == []


def test_hash__is_what_the_documentation_says(tmp_path: Path) -> None:
    """Computed here with json and hashlib alone, from the columns of the SQLite file."""
    log = sqlite_log(tmp_path / "d.sqlite")
    log.append([decision(1, note="tab\there \u00e9"), decision(2)])
    with closing(sqlite(tmp_path / "d.sqlite")) as connection:
        query = f"SELECT {', '.join(HASHED_COLUMNS)}, prev_hash, hash FROM decisions ORDER BY seq"
        previous = "0" * 64
        for *values, prev_hash, digest in connection.execute(query):
            payload = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
            assert prev_hash == previous
            assert digest == sha256((previous + payload).encode()).hexdigest()
            previous = digest


def sqlite(path: Path):  # type: ignore[no-untyped-def]
    import sqlite3

    return sqlite3.connect(path, isolation_level=None)


@pytest.mark.parametrize(
    ("tamper", "broken_seq"),
    [
        ("UPDATE decisions SET note = 'x' WHERE seq = 3", 3),
        ("UPDATE decisions SET key = 'train/other' WHERE seq = 1", 1),
        ("UPDATE decisions SET finding_id = 'x' WHERE seq = 4", 4),
        ("UPDATE decisions SET hash = prev_hash WHERE seq = 2", 2),
        ("UPDATE decisions SET prev_hash = hash WHERE seq = 2", 2),
        ("DELETE FROM decisions WHERE seq = 2", 2),
        ("DELETE FROM decisions WHERE seq = 5", 5),
        ("DELETE FROM decisions", 1),
        ("UPDATE decisions SET seq = 9 WHERE seq = 2; UPDATE decisions SET seq = 2 WHERE seq = 3;"
         "UPDATE decisions SET seq = 3 WHERE seq = 9", 2),
        ("UPDATE decisions SET seq = 0 WHERE seq = 1", 1),
        ("INSERT INTO decisions SELECT log, 6, version, 'new', batch_id, time_utc, reviewer, how, subject,"
         " key, finding_id, content_digest, tags_added, tags_removed, action, new_label, note, undo_of,"
         " origin, findings, hash, hash FROM decisions WHERE seq = 5", 6),
    ],
)  # fmt: skip
def test_audit__names_the_first_broken_event(tmp_path: Path, tamper: str, broken_seq: int) -> None:
    log = sqlite_log(tmp_path / "d.sqlite")
    log.append([decision(n) for n in range(1, 6)])
    with closing(sqlite(tmp_path / "d.sqlite")) as connection:
        connection.executescript(tamper)
    report = log.audit()
    assert report.broken_seq == broken_seq
    assert report.what


def test_audit__a_noted_head_shows_that_the_end_was_rewritten(tmp_path: Path) -> None:
    log = sqlite_log(tmp_path / "d.sqlite")
    log.append([decision(1), decision(2)])
    noted = log.head().hash
    log.append([decision(3)])
    assert log.audit(expected_head=noted).is_intact
    with closing(sqlite(tmp_path / "d.sqlite")) as connection:
        connection.executescript(
            "DELETE FROM decisions WHERE seq > 1;"
            "UPDATE decision_heads SET seq = 1, head = (SELECT hash FROM decisions WHERE seq = 1)"
        )
    assert log.audit().is_intact
    assert log.audit(expected_head=noted).broken_seq == 2


@given(st.lists(st.lists(st.integers(0, 12), max_size=5), max_size=6))
@settings(max_examples=25, deadline=None)
def test_append__any_batches_make_an_unbroken_chain_of_distinct_events(batches: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = sqlite_log(Path(folder) / "d.sqlite")
        n_saved = sum(log.append([decision(n) for n in batch]).saved for batch in batches)
        distinct = list(dict.fromkeys(n for batch in batches for n in batch))
        logged = list(log.read())
        assert n_saved == len(distinct) == log.head().seq
        assert [e.decision.event_id for e in logged] == [f"b.{n}" for n in distinct]
        assert [e.seq for e in logged] == list(range(1, len(distinct) + 1))
        assert log.audit().is_intact


WRITER = """
import sys
import sqlalchemy as sa
from pathlib import Path
from chaffinch.records import Decision
from chaffinch.storage.decisions import DecisionLog

url, name, path, writer, n_batches, n_events = sys.argv[1:]
log = DecisionLog(sa.make_url(url), name=name, path=Path(path) if path else None)
for batch in range(int(n_batches)):
    log.append(
        Decision(
            event_id=f"{writer}-{batch}.{n}", batch_id=f"{writer}-{batch}", key=f"train/{n}", reviewer=writer,
            time_utc="2026-03-01T10:00:00.000000Z", action="keep",
        )
        for n in range(int(n_events))
    )
    print(batch, flush=True)
"""


def start_writer(log: DecisionLog, writer: str, *, n_batches: int, n_events: int) -> subprocess.Popen[str]:
    url = log._url.render_as_string(hide_password=False)
    arguments = [url, log._name, str(log._path or ""), writer, str(n_batches), str(n_events)]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True)


def test_append__eight_processes_at_once_lose_nothing(make_log: MakeLog) -> None:
    log = make_log()
    writers = [start_writer(log, f"w{n}", n_batches=10, n_events=5) for n in range(8)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 8
    ids = [entry.decision.event_id for entry in log.read()]
    assert len(ids) == 400
    assert set(ids) == {f"w{w}-{b}.{n}" for w in range(8) for b in range(10) for n in range(5)}
    assert log.audit().is_intact
    # A transaction is never torn apart by another one's.
    batches = [i.partition(".")[0] for i in ids]
    assert [b for n, b in enumerate(batches) if n % 5 == 0 for _ in range(5)] == batches


def test_append__a_killed_writer_leaves_whole_batches(make_log: MakeLog) -> None:
    log = make_log()
    with start_writer(log, "w", n_batches=1000, n_events=200) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
    log.append([decision(1)])
    logged = list(log.read())
    assert len(logged) > 200
    assert len(logged) % 200 == 1
    assert log.audit().is_intact


def test_append__a_hundred_thousand_in_seconds(tmp_path: Path) -> None:
    """About 1.5 s of CPU where it was written; the limit leaves room for slow machines."""
    log = sqlite_log(tmp_path / "d.sqlite")
    events = [decision(n) for n in range(100_000)]
    started = time.process_time()
    assert log.append(events).saved == 100_000
    assert time.process_time() - started < 6


# ------------------------------------------------------------------------------------------------- opening


def test_open_log__of_a_workspace_is_a_file_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    WorkspaceFolder.create(tmp_path / "ws")
    open_log(tmp_path / "ws").append([decision(1)])
    assert (tmp_path / "ws" / "decisions.sqlite").exists()
    assert open_log(tmp_path / "ws").head().seq == 1


def test_open_log__datasets_on_one_server_have_logs_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    for name in ("coco", "imagenet"):
        folder = WorkspaceFolder.create(tmp_path / name)
        folder.publish(folder.current(), dataset=name)
    (tmp_path / "coco" / "decisions.url").write_text(postgres_url + "\n")
    open_log(tmp_path / "coco").append([decision(1)])
    monkeypatch.setenv(URL_VARIABLE, postgres_url)
    assert open_log(tmp_path / "imagenet").head().seq == 0
    assert open_log(tmp_path / "coco").head().seq == 1


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "not a url secret", "postgresql://u:secret@h:x/d"])
def test_open_log__a_url_that_cannot_be_used_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    folder = WorkspaceFolder.create(tmp_path / "ws")
    folder.publish(folder.current(), dataset="d")
    monkeypatch.setenv(URL_VARIABLE, url)
    with pytest.raises(WorkspaceError) as caught:
        open_log(tmp_path / "ws").append([decision(1)])
    assert "secret" not in str(caught.value)
    assert URL_VARIABLE in str(caught.value)


def test_append__a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = sa.make_url(f"postgresql+psycopg://u:secret@/d?host={tmp_path}")
    with pytest.raises(WorkspaceError, match="cannot be read or written") as caught:
        DecisionLog(url, name="d").append([decision(1)])
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, sa.exc.SQLAlchemyError)
    assert isinstance(caught.value.__cause__.__cause__, psycopg.OperationalError)
