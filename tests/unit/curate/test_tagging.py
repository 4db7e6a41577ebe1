"""Tagging by expression, ids and file: what is selected, refused, written and taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chaffinch.curate.current import current_states
from chaffinch.curate.events import Act, Saying
from chaffinch.curate.labels import Labels
from chaffinch.curate.tagging import (
    TagPlan,
    plan_tagging,
    read_names,
    undo_batch,
    write_tagging,
)
from chaffinch.curate.where import FindingsQuery
from chaffinch.errors import TableError, UsageError
from chaffinch.formats.manifest_csv import write_manifest
from chaffinch.identity import ClassTable
from chaffinch.pipeline.import_manifest import import_manifest
from chaffinch.records import ClassEntry
from chaffinch.storage.decisions import open_log
from chaffinch.storage.export import read_exported
from chaffinch.storage.folder import WorkspaceFolder

KEEP = Saying(("outlier_valid",), (), "keep")


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Path:
    shutil.copytree(scanned, tmp_path / "ws")
    return tmp_path / "ws"


def keys(plan: TagPlan) -> list[str]:
    return [sample.key for sample in plan.selected]


def planned(ws: Path, where: str, saying: Saying = KEEP) -> TagPlan:
    return plan_tagging(ws, saying, reviewer="Ana", where=where)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("issue_type = 'mislabel' and confidence > 0.9", ["train/cat/a.png"]),
        ("issue_type = 'blur'", ["train/cat/b.png", "train/dog/a.png"]),
        ("split = 'val'", ["val/cat/a.png"]),
        ("issue_type is null and given_label = 'dog'", ["train/dog/b.png"]),
        ("user_action = 'none' and user_tags = '' and method = 'planted' and suggested_label = 'dog'"
         " and width = 8 and is_original is null", ["train/cat/a.png"]),
        ("image_path like '%/dog/%' -- a remark", ["train/dog/a.png", "train/dog/b.png"]),
    ],
)  # fmt: skip
def test_plan_tagging__by_expression(ws: Path, where: str, expected: list[str]) -> None:
    assert keys(planned(ws, where)) == expected


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("1 = 1) union select (1", "more than an expression"),
        ("1 = 1) order by (1", "more than an expression"),
        ("1 = 1) limit (1", "more than an expression"),
        ("true) group by (1", "more than an expression"),
        ("1 = 1; drop table samples", "is no SQL expression"),
        ("", "is no SQL expression"),
        ("key in (select content from read_text('/etc/passwd'))", "a query inside"),
        ("exists (from read_csv('/etc/passwd'))", "a query inside"),
        ("row_number() over () = 1", "a window function"),
        ("key = $1", "a parameter"),
        ("read_text('/etc/passwd') = ''", "cannot be evaluated"),
        ("issue_typ = 'blur'", "the columns are sample_id, key"),
        ('issue_type = "blur"', "text stands in single quotes: 'blur'"),
        ("confidence > 'high'", "cannot be evaluated"),
    ],
)
def test_plan_tagging__refuses_what_is_no_expression(ws: Path, where: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned(ws, where)


def test_columns__hide_what_is_ours_alone(ws: Path) -> None:
    folder = WorkspaceFolder(ws)
    with FindingsQuery(folder, folder.published(), {}) as query:
        columns = query.columns()
    assert {"image_id", "phash", "issue_type", "user_tags", "user_action", "is_original"} <= set(columns)
    assert not {"stamp", "member", "thumb_shard"} & set(columns)
    assert len(columns) == len(set(columns))


def test_plan_tagging__relabel_takes_the_surest_suggestion_that_is_a_class(ws: Path) -> None:
    plan = planned(ws, "issue_type = 'mislabel'", Saying(action="relabel"))
    assert [event.new_label for event in plan.events] == ["dog", None]
    assert plan.n_without_label == 1


def test_plan_tagging__writes_nothing_and_write_tagging_one_batch(ws: Path) -> None:
    plan = planned(ws, "split = 'train'")
    assert current_states(ws) == {}
    assert write_tagging(ws, plan).saved == 4
    state = current_states(ws)["train/cat/a.png"]
    assert (state.tags, state.action, state.reviewer) == (("outlier_valid",), "keep", "Ana")
    assert keys(planned(ws, "user_action = 'keep' and user_tags like '%valid%'")) == keys(plan)
    assert planned(ws, "split = 'train'").actions_before == (("keep", 4),)


def test_plan_tagging__by_ids_and_keys(ws: Path) -> None:
    plan = plan_tagging(ws, KEEP, reviewer="Ana", names=["dog/a.png", "val/cat/a.png", "zzz", "dog/a.png"])
    assert keys(plan) == ["train/dog/a.png", "val/cat/a.png"]
    assert plan.unknown == ("zzz",)


@pytest.mark.parametrize(
    ("saying", "message"),
    [
        (Saying(action="relabel", new_label="dgo"), "did you mean 'dog'"),
        (Saying(action="relabel", new_label="bird"), "no class of this dataset"),
        (Saying(("keep",), (), "remove"), "'remove' contradicts the tag 'keep'"),
        (Saying(("out_valid",)), "did you mean 'outlier_valid'"),
    ],
)
def test_plan_tagging__refuses_wrong_words(ws: Path, saying: Saying, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned(ws, "true", saying)


def test_undo_batch__takes_back_exactly_one_batch(ws: Path) -> None:
    write_tagging(ws, planned(ws, "true"))
    before, second = current_states(ws), planned(ws, "split = 'val'", Saying(("remove",)))
    write_tagging(ws, second)
    undone = undo_batch(ws, second.events[0].batch_id, reviewer="Ana")
    after = current_states(ws)
    assert [(k, s.tags, s.action) for k, s in after.items()] == [
        (k, s.tags, s.action) for k, s in before.items()
    ]
    with pytest.raises(UsageError, match="undone already"):
        undo_batch(ws, second.events[0].batch_id, reviewer="Ana")
    undo_batch(ws, undone.events[0].batch_id, reviewer="Ana")
    assert current_states(ws)["val/cat/a.png"].action == "remove"
    with pytest.raises(UsageError, match="no batch 'nope'"):
        undo_batch(ws, "nope", reviewer="Ana")


def test_undo_batch__of_others_is_for_adjudicators_but_anybody_may_take_back_a_policy(ws: Path) -> None:
    plan = planned(ws, "split = 'val'")
    write_tagging(ws, plan)
    batch = plan.events[0].batch_id
    with pytest.raises(UsageError, match="is that of Ana"):
        undo_batch(ws, batch, reviewer="Bo", adjudicators={"Guy"})
    undone = undo_batch(ws, batch, reviewer="Guy", adjudicators={"Guy"})
    with pytest.raises(UsageError, match="is that of Guy"):
        undo_batch(ws, undone.events[0].batch_id, reviewer="Ana")
    act = Act(reviewer="p", origin="policy:p@1")
    open_log(ws).append([act.event(0, "val/cat/a.png", KEEP)])
    assert len(undo_batch(ws, act.batch_id, reviewer="Ana").events) == 1


def test_read_names__of_text_and_csv(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\ufeffdog/a.png\n\n val/cat/a.png \n", encoding="utf-8")
    assert read_names(tmp_path / "ids.txt") == ["dog/a.png", "val/cat/a.png"]
    (tmp_path / "ids.csv").write_text("x,image_id\n1,007\n2,8\n")
    assert read_names(tmp_path / "ids.csv") == ["007", "8"]
    (tmp_path / "bad.csv").write_text("x,y\n1,2\n")
    with pytest.raises(TableError, match="its columns are x, y"):
        read_names(tmp_path / "bad.csv")


def test_labels__are_spelled_as_the_given_ones() -> None:
    table = ClassTable(
        [ClassEntry(0, "n01", "crane"), ClassEntry(1, "n02", "crane"), ClassEntry(2, "n03", "dog")]
    )
    assert Labels(table, frozenset({"n01"})).spelled("dog") == "n03"
    assert Labels(table, frozenset({"dog"})).spelled("n03") == "dog"
    assert Labels(table, frozenset({"0", "2"})).spelled("dog") == "2"
    assert Labels(table, frozenset({"n01"})).spelled("crane") is None
    with pytest.raises(UsageError, match="give the id: n01, n02"):
        Labels(table, frozenset({"n01"})).checked("crane")
    assert Labels(ClassTable([]), frozenset()).checked("anything") == "anything"


def test_table_decisions__has_the_samples_of_the_keys(ws: Path) -> None:
    write_tagging(ws, planned(ws, "split = 'val'", Saying(("remove",), (), "remove", note="bad")))
    (row,) = read_exported(ws, "decisions").to_pylist()
    assert row["hash"] == open_log(ws).head().hash
    assert (row["seq"], row["sample_id"], row["key"]) == (1, 4, "val/cat/a.png")
    assert (row["tags_added"], row["action"], row["note"], row["origin"]) == (
        "remove",
        "remove",
        "bad",
        "person",
    )


def test_import_manifest__brings_edits_once_and_shows_conflicts(ws: Path, tmp_path: Path) -> None:
    samples = read_exported(ws, "samples").to_pylist()
    file = tmp_path / "m.csv"
    rows = [
        {
            "image_id": s["image_id"],
            "image_path": s["image_path"],
            "split": s["split"],
            "label": s["given_label"],
        }
        for s in samples
    ]
    write_manifest(file, rows)
    text = file.read_text()
    lines = text.splitlines()
    edited = [
        lines[0],
        lines[1].replace(",none,,", ",relabel,,"),
        lines[2].replace(",none,,", ",remove,,Cy"),
        lines[3].replace(",none,,", ",erase,,"),
        *lines[4:],
        "x,elsewhere/x.png,,,cat,,,,,,keep,,,,,",
    ]
    file.write_text("\n".join(edited) + "\n")
    report = import_manifest(ws, file, reviewer="Ana")
    assert dict(report.counts) == {"taken": 2, "refused": 2, "untouched": 2}
    states = current_states(ws)
    assert (states["train/cat/a.png"].action, states["train/cat/a.png"].new_label) == ("relabel", "dog")
    assert (states["train/cat/b.png"].action, states["train/cat/b.png"].reviewer) == ("remove", "Cy")
    again = import_manifest(ws, file, reviewer="Ana")
    assert dict(again.counts) == {"same": 2, "refused": 2, "untouched": 2}
    write_tagging(ws, planned(ws, "key = 'train/cat/b.png'", Saying(action="keep")))
    third = import_manifest(ws, file, reviewer="Ana")
    assert third.counts["conflict"] == 1
    assert "the file says remove, meanwhile keep" in third.left[0].reason
    assert current_states(ws)["train/cat/b.png"].action == "keep"
