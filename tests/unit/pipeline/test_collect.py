"""Decisions of a manifest's page reach the samples that its ids and paths mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaffinch.curate.answers import ResolveSettings
from chaffinch.curate.current import current_states
from chaffinch.curate.events import Saying, now_utc
from chaffinch.curate.tagging import plan_tagging, write_tagging
from chaffinch.errors import ChaffinchError, TableError
from chaffinch.pipeline.collect import collect_decisions
from chaffinch.pipeline.import_manifest import import_manifest
from chaffinch.pipeline.resolve_choices import remember
from chaffinch.storage.decisions import open_log

Write = Callable[..., Path]
HEAD = {"format": "chaffinch decisions", "version": 1, "dataset": "data", "reviewer": "Ana"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*lines: dict[str, Any], **head: str) -> Path:
        path = tmp_path / "decisions.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in ({**HEAD, **head}, *lines)))
        return path

    return written


def said(number: int, image_path: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"event-{number:08}",
        "batch_id": "batch-0000",
        "key": image_path,
        "image_id": "",
        "image_path": image_path,
        "time_utc": f"2026-11-30T06:00:{number:02}.000Z",
        "action": "remove",
        **fields,
    }


def test_collect__manifest_lines_are_linked_and_others_named(
    make_workspace: Callable[..., Path], write: Write
) -> None:
    ws = make_workspace({"cat": 2}, None)
    path = write(
        said(1, "elsewhere/data/cat/0001.png", findings=["3.0"]),
        said(2, "elsewhere/data/dog/9999.png"),
        subjects="manifest",
    )
    found = collect_decisions(ws, path)
    assert (found.saved, found.already_there, found.unattached) == (1, 0, ())
    assert found.left == ("row 3, elsewhere/data/dog/9999.png: no sample has this id or path",)
    (entry,) = open_log(ws).read()
    decision = entry.decision
    assert (decision.key, decision.action, decision.reviewer) == ("all/cat/0001.png", "remove", "Ana")
    assert decision.findings == "" and len(decision.content_digest or "") == 32
    again = collect_decisions(ws, path)
    assert (again.saved, again.already_there) == (0, 1)


def test_collect__lines_of_a_workspace_keep_their_keys(
    make_workspace: Callable[..., Path], write: Write
) -> None:
    ws = make_workspace({"cat": 1}, None)
    found = collect_decisions(ws, write(said(1, "all/cat/0000.png"), said(2, "all/gone.png")))
    assert (found.saved, found.unattached, found.left) == (2, ("all/gone.png",), ())


def test_collect__a_line_may_be_somebody_elses_than_the_file(
    make_workspace: Callable[..., Path], write: Write
) -> None:
    ws = make_workspace({"cat": 2}, None)
    path = write(said(1, "all/cat/0000.png", reviewer="Bo"), said(2, "all/cat/0001.png"))
    assert collect_decisions(ws, path).saved == 2
    assert [entry.decision.reviewer for entry in open_log(ws).read()] == ["Bo", "Ana"]


def test_collect__another_dataset_is_refused(
    make_workspace: Callable[..., Path], write: Write, tmp_path: Path
) -> None:
    ws = make_workspace({"cat": 1}, None)
    line = said(1, "all/cat/0000.png", action="relabel", new_label="no class of ours")
    for subjects in ("samples", "manifest"):
        path = write(line, dataset="demo", subjects=subjects)
        with pytest.raises(TableError) as error:
            collect_decisions(ws, path)
        assert error.value.what == "holds decisions about the dataset 'demo', not about 'data'"
        assert error.value.where == f"{tmp_path / 'decisions.jsonl'} row 1"
        assert 'write "dataset": "data" into the first line' in error.value.hint
    assert open_log(ws).head().seq == 0
    assert collect_decisions(ws, write(said(1, "all/cat/0000.png"), dataset="")).saved == 1


@pytest.mark.parametrize("subjects", ["samples", "manifest"])
def test_collect__what_was_decided_about_another_picture_is_left(
    make_workspace: Callable[..., Path], write: Write, subjects: str
) -> None:
    ws = make_workspace({"cat": 2}, None)
    prefix = "all/" if subjects == "samples" else ""
    first, second = (said(n, f"data/cat/000{n}.png", key=f"{prefix}cat/000{n}.png") for n in (0, 1))
    path = write(first | {"content_digest": "0" * 32}, second | {"content_digest": None}, subjects=subjects)
    found = collect_decisions(ws, path)
    assert found.saved == 1
    assert found.left == (
        f"row 2, {prefix}cat/0000.png: was decided about another picture than the one that is there",
    )
    (entry,) = open_log(ws).read()
    assert entry.decision.key == "all/cat/0001.png"


def test_collect__a_clock_ahead_wins_over_nothing_that_is_said_later(
    make_workspace: Callable[..., Path], write: Write
) -> None:
    ws = make_workspace({"cat": 1}, None)
    key = "all/cat/0000.png"
    lines = [
        said(n, key, time_utc=f"2931-01-01T00:00:0{n}Z", action=a) for n, a in ((1, "keep"), (2, "remove"))
    ]
    before = now_utc()
    assert collect_decisions(ws, write(*lines)).n_ahead == 2
    first, second = (entry.decision.time_utc for entry in open_log(ws).read())
    assert before <= first == second <= now_utc()
    assert current_states(ws)[key].action == "remove", "in their own order"
    write_tagging(ws, plan_tagging(ws, Saying(action="keep"), reviewer="Bo", names=[key]))
    assert current_states(ws)[key].action == "keep"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("findings", 5, "column 'findings': is no list of texts, got '5'"),
        ("findings", [5], "column 'findings': is no list of texts"),
        ("tags_added", "keep", "column 'tags_added': is no list of texts, got 'keep'"),
        ("content_digest", {"a": 1}, "column 'content_digest': is no text"),
        ("action", ["keep"], "column 'action': is no text"),
        ("note", 7, "column 'note': is no text, got '7'"),
        ("reviewer", 7, "column 'reviewer': is no text"),
        ("undo_of", 7, "column 'undo_of': is no text"),
        ("key", {}, "column 'key': is no text"),
        ("image_path", [], "column 'image_path': is no text"),
        ("event_id", None, "column 'event_id': is missing"),
        ("time_utc", "0001-01-01T00:00:00+14:00", "'0001-01-01T00:00:00+14:00' is no time"),
        ("time_utc", "yesterday", "'yesterday' is no time"),
    ],
)
def test_collect__a_field_of_the_wrong_type_is_named_and_nothing_taken(
    make_workspace: Callable[..., Path], write: Write, field: str, value: Any, message: str
) -> None:
    ws = make_workspace({"cat": 1}, None)
    path = write(said(1, "all/cat/0000.png"), said(2, "all/cat/0000.png") | {field: value})
    with pytest.raises(ChaffinchError) as error:
        collect_decisions(ws, path)
    assert f"{path} row 3" in error.value.where
    assert message in str(error.value)
    assert open_log(ws).head().seq == 0


def test_collect__what_is_null_is_left_out(make_workspace: Callable[..., Path], write: Write) -> None:
    ws = make_workspace({"cat": 1}, None)
    names = ("tags_added", "tags_removed", "findings", "note", "new_label", "how", "undo_of", "image_id")
    line = said(1, "all/cat/0000.png", time_utc="0500-02-03T00:00:00Z") | dict.fromkeys(names)
    assert collect_decisions(ws, write(line)).saved == 1
    (entry,) = open_log(ws).read()
    assert (entry.decision.how, entry.decision.tags_added) == ("looked", ())
    assert entry.decision.time_utc == "0500-02-03T00:00:00.000000Z"


def test_collect__what_others_said_is_taken_back_by_adjudicators_alone(
    make_workspace: Callable[..., Path], write: Write
) -> None:
    ws = make_workspace({"cat": 1}, None)
    key = "all/cat/0000.png"
    collect_decisions(ws, write(said(1, key), reviewer="Bo"))
    own = said(2, key, batch_id="batch-0002", action="keep")
    undo_own = said(3, key, batch_id="batch-0003", action="none", undo_of="batch-0002")
    undo_other = said(4, key, batch_id="batch-0004", action="none", undo_of="batch-0000")
    found = collect_decisions(ws, write(own, undo_own, undo_other))
    assert (found.saved, found.left) == (2, (f"row 4, {key}: takes back what Bo said",))
    assert collect_decisions(ws, write(own, undo_own)).already_there == 2
    assert current_states(ws)[key].action == "remove"
    remember(ws, ResolveSettings(adjudicators=frozenset({"Ana"})))
    assert collect_decisions(ws, write(own, undo_own, undo_other)).saved == 1
    assert current_states(ws)[key].action == "none"


def test_collect__texts_may_hold_any_line_end(make_workspace: Callable[..., Path], write: Write) -> None:
    ws = make_workspace({"cat": 1}, None)
    path = write()
    line = json.dumps(said(1, "all/cat/0000.png", note="a\u2028b\x85c"), ensure_ascii=False)
    path.write_text(path.read_text() + line + "\n", encoding="utf-8")
    assert collect_decisions(ws, path).saved == 1


def test_collect_and_import__each_names_the_other_for_the_other_file(
    make_workspace: Callable[..., Path], write: Write, tmp_path: Path
) -> None:
    ws = make_workspace({"cat": 1}, None)
    with pytest.raises(ChaffinchError) as error:
        import_manifest(ws, write(), reviewer="Ana")
    assert "chaffinch review --collect" in error.value.hint
    (tmp_path / "m.csv").write_text("image_id,image_path,user_tags,user_action\n")
    with pytest.raises(TableError) as error:
        collect_decisions(ws, tmp_path / "m.csv")
    assert "chaffinch import manifest" in error.value.hint
