"""What follows from a log is worked out anew where somebody else decided about the same meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chaffinch.curate.answers import ResolveSettings
from chaffinch.curate.current import current_states, until_current
from chaffinch.curate.events import Saying
from chaffinch.curate.policy import read_policy
from chaffinch.curate.policy_apply import apply_policy, plan_policy
from chaffinch.curate.tagging import plan_tagging, undo_batch, write_tagging
from chaffinch.errors import StaleLogError, UsageError
from chaffinch.formats.manifest_csv import write_manifest
from chaffinch.pipeline.import_manifest import import_manifest
from chaffinch.pipeline.resolve_choices import remember
from chaffinch.pipeline.team_report import accept_proposals
from chaffinch.records import Decision
from chaffinch.storage.decisions import AppendResult, DecisionLog, open_log

Meanwhile = Callable[..., None]
CAT, DOG = "train/cat/a.png", "train/dog/a.png"
KEEP, REMOVE = Saying(action="keep"), Saying(action="remove")


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scanned, tmp_path / "ws"))


def tag(ws: Path, saying: Saying, reviewer: str, *, where: str = f"key = '{CAT}'") -> AppendResult:
    return until_current(lambda: write_tagging(ws, plan_tagging(ws, saying, reviewer=reviewer, where=where)))


def said(ws: Path) -> list[tuple[str, str, str]]:
    log = [entry.decision for entry in open_log(ws).read()]
    return [(d.reviewer, d.key, "undo" if d.undo_of else d.action) for d in log]


def test_import_manifest__what_others_said_meanwhile_is_a_conflict(
    ws: Path, tmp_path: Path, meanwhile: Meanwhile
) -> None:
    file = tmp_path / "m.csv"
    rows = plan_tagging(ws, KEEP, reviewer="Ana", names=[CAT, DOG]).selected
    write_manifest(file, [{"image_id": s.image_id, "image_path": s.image_path} for s in rows])
    file.write_text(file.read_text().replace(",none,", ",remove,"))
    meanwhile(CAT, KEEP)
    report = import_manifest(ws, file, reviewer="Ana")
    assert dict(report.counts) == {"conflict": 1, "taken": 1}
    assert said(ws) == [("Eve", CAT, "keep"), ("Ana", DOG, "remove")]


def test_accept_proposals__a_dispute_settled_meanwhile_is_none(ws: Path, meanwhile: Meanwhile) -> None:
    for name, saying in (("Ana", REMOVE), ("Bo", REMOVE), ("Cy", KEEP)):
        tag(ws, saying, name)
    remember(ws, ResolveSettings(adjudicators=frozenset({"Guy", "Eve"})))
    meanwhile(CAT, KEEP)
    assert accept_proposals(ws, reviewer="Guy") == 0
    assert said(ws)[3:] == [("Eve", CAT, "keep")]


def test_tag__what_others_decided_meanwhile_is_left_to_them(ws: Path, meanwhile: Meanwhile) -> None:
    meanwhile(CAT, KEEP)
    where = f"user_action = 'none' and key in ('{CAT}', '{DOG}')"
    assert tag(ws, REMOVE, "Ana", where=where).saved == 1
    assert said(ws) == [("Eve", CAT, "keep"), ("Ana", DOG, "remove")]


def test_tag__decisions_about_other_images_are_no_matter(ws: Path, meanwhile: Meanwhile) -> None:
    plan = plan_tagging(ws, REMOVE, reviewer="Ana", where=f"key = '{CAT}'")
    meanwhile(DOG, KEEP, times=3)
    assert write_tagging(ws, plan).saved == 1
    assert said(ws) == [*[("Eve", DOG, "keep")] * 3, ("Ana", CAT, "remove")]


def test_tag__gives_up_where_others_are_always_quicker(ws: Path, meanwhile: Meanwhile) -> None:
    meanwhile(CAT, KEEP, times=1000)
    with pytest.raises(StaleLogError, match="others have decided about the same meanwhile") as error:
        tag(ws, REMOVE, "Ana")
    assert "do it again" in error.value.hint
    assert {reviewer for reviewer, _, _ in said(ws)} == {"Eve"}


def test_undo_batch__a_batch_undone_meanwhile_is_not_undone_twice(
    ws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag(ws, REMOVE, "Ana")
    (entry,) = open_log(ws).read()
    batch, append = entry.decision.batch_id, DecisionLog.append

    def late(log: DecisionLog, new: Sequence[Decision], *, if_seq: int | None = None) -> AppendResult:
        monkeypatch.setattr(DecisionLog, "append", append)
        undo_batch(ws, batch, reviewer="Ana")
        return append(log, new, if_seq=if_seq)

    monkeypatch.setattr(DecisionLog, "append", late)
    with pytest.raises(UsageError, match="undone already"):
        undo_batch(ws, batch, reviewer="Ana")
    assert [what for _, _, what in said(ws)] == ["remove", "undo"]


def test_apply_policy__people_may_decide_meanwhile_and_other_policies_not(
    ws: Path, tmp_path: Path, meanwhile: Meanwhile
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("name: p\nversion: 1\nrules:\n  - {where: \"issue_type = 'blur'\", action: remove}\n")
    meanwhile(DOG, KEEP)
    assert apply_policy(ws, plan_policy(ws, read_policy(file)), source=file).saved == 2
    assert current_states(ws)[DOG].action == "keep"
    file.write_text(file.read_text().replace("version: 1", "version: 2").replace("remove", "keep"))
    meanwhile(DOG, REMOVE, by="q", origin="policy:q@1")
    with pytest.raises(StaleLogError):
        apply_policy(ws, plan_policy(ws, read_policy(file)), source=file)
