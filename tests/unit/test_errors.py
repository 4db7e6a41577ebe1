"""What an error says: where, what, got; on the next line the hint."""

from __future__ import annotations

import pytest

from chaffinch.errors import (
    ChaffinchError,
    IdentityError,
    LockedError,
    MissingExtraError,
    SourceError,
    TableError,
    UsageError,
    WorkspaceError,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UsageError("nothing to do"), "nothing to do"),
        (UsageError("nothing to do", hint="name a folder"), "nothing to do\nhint: name a folder"),
        (SourceError("not there", where="data/in"), "data/in: not there"),
        (SourceError("not there", where="data/in", hint="look"), "data/in: not there\nhint: look"),
        (TableError("no such file", path="m.csv"), "m.csv: no such file"),
        (
            TableError("unknown tag", path="m.csv", row=812, column="user_tags", got="mislabeled"),
            "m.csv row 812 column 'user_tags': unknown tag, got 'mislabeled'",
        ),
        (TableError("empty", path="m.csv", row=0, got=""), "m.csv row 0: empty, got ''"),
        (
            LockedError("in use", where="ws", holder_pid=42, hint="wait"),
            "ws: in use\nhint: wait",
        ),
        (
            MissingExtraError("torch", extra="torch", needed_for="the torch embedder"),
            "the torch embedder needs the package 'torch', which is not installed\n"
            "hint: pip install 'chaffinch[torch]'",
        ),
    ],
)
def test_error__message(error: ChaffinchError, text: str) -> None:
    assert str(error) == text


def test_error__carries_its_data() -> None:
    error = TableError("bad number", path="m.csv", row=3, column="confidence", got="x", hint="0 to 1")
    assert (error.path, error.row, error.column, error.got) == ("m.csv", 3, "confidence", "x")
    assert (error.where, error.what, error.hint) == (
        "m.csv row 3 column 'confidence'",
        "bad number, got 'x'",
        "0 to 1",
    )
    assert LockedError("in use", where="ws", holder_pid=42).holder_pid == 42
    assert MissingExtraError("s3fs", extra="s3", needed_for="s3://").extra == "s3"


def test_error__exit_status() -> None:
    assert UsageError("x").exit_status == 2
    assert IdentityError("x").exit_status == 1
    assert LockedError("x", where="ws", holder_pid=None).exit_status == 1


def test_error__families_are_caught_together() -> None:
    assert isinstance(TableError("x", path="m.csv"), SourceError)
    assert isinstance(LockedError("x", where="ws", holder_pid=None), WorkspaceError)
