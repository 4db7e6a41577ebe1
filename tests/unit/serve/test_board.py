"""Decisions carry versions: stale ones are refused whole, repeated ones are one, others' are seen."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chaffinch.curate.current import current_states
from chaffinch.curate.events import Act, Saying
from chaffinch.curate.gold import Right
from chaffinch.curate.sharing import Sharing, Turn, reviewers_wanted
from chaffinch.errors import UsageError
from chaffinch.pipeline.review_data import ReviewData
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.serve.board import Board, Item
from chaffinch.storage.decisions import open_log

KEEP, REMOVE = Saying(action="keep"), Saying(("duplicate_exact",), action="remove")


def second(ws: Path, *, is_blind: bool = False) -> Board:
    """Return the board of another server on the same workspace."""
    return Board(ReviewData(ws), open_log(ws), is_blind=is_blind)


def test_decide__is_saved_with_what_it_rests_on(ws: Path, board: Board) -> None:
    saved = board.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana", how="looked")).saved
    assert [(s.sample_id, s.version, s.action, s.tags) for s in saved] == [
        (0, 1, "remove", ("duplicate_exact",))
    ]
    (entry,) = open_log(ws).read()
    assert entry.decision.key == "all/cat/1.png"
    assert entry.decision.content_digest is not None
    assert entry.decision.findings is not None and len(entry.decision.findings.split(",")) == 2
    assert entry.decision.how == "looked"


def test_seen__a_replaced_picture_is_undecided_again(
    searched: Path, ws: Path, board: Board, save_pictures: Callable[[Path, Mapping[str, int]], None]
) -> None:
    board.decide([Item(0, 0), Item(2, 0)], KEEP, Act(reviewer="Ana"))
    pets = shutil.copytree(searched.parent / "pets", ws.parent / "pets")
    save_pictures(pets, {"cat/1.png": 77})
    scan(ws, SourceSpec(locations=(str(pets),)))
    again = second(ws)
    again.refresh()
    seen = [again.seen(i, "Ana") for i in (0, 2)]
    assert [(s.version, s.action, s.n_reviewers) for s in seen] == [(0, "none", 0), (1, "keep", 1)]
    assert set(again.states()) == {"all/cat/3.png"}
    assert again.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana")).conflicts == ()


@pytest.fixture
def moved(tmp_path: Path, save_pictures: Callable[[Path, Mapping[str, int]], None]) -> Path:
    """Return a workspace in which Ana has removed an image that was moved since."""
    ws, pets = tmp_path / "moved", tmp_path / "pets"
    save_pictures(pets, {"cat/1.png": 1, "cat/2.png": 2})
    scan(ws, SourceSpec(locations=(str(pets),)))
    second(ws).decide([Item(0, 0)], Saying(action="remove"), Act("Ana", batch_id="batch-0001"))
    (pets / "cat/1.png").rename(pets / "cat/9.png")
    scan(ws, SourceSpec(locations=(str(pets),)))
    return ws


def test_seen__a_moved_image_is_decided_still(moved: Path) -> None:
    board = second(moved)
    board.refresh()
    (sample_id,) = board.data.ids_of_keys(["all/cat/9.png"]).tolist()
    seen = board.seen(sample_id, "Ana")
    assert (seen.action, seen.version, seen.n_reviewers) == ("remove", 1, 1)
    assert board.changed_since(0) == [sample_id]
    assert board.states() == current_states(moved)
    assert board.decide([Item(sample_id, 0)], KEEP, Act("Bo")).conflicts
    undone = board.undo("batch-0001", Act("Ana")).saved
    assert [(s.sample_id, s.action, s.version) for s in undone] == [(sample_id, "none", 2)]
    assert board.states() == current_states(moved)


def test_decide__about_a_moved_image_leaves_what_others_said(moved: Path) -> None:
    board = second(moved)
    board.refresh()
    (sample_id,) = board.data.ids_of_keys(["all/cat/9.png"]).tolist()
    board.decide([Item(sample_id, 1)], Saying(("low_quality_blur",)), Act("Bo"))
    verdicts = current_states(moved)["all/cat/9.png"].verdicts
    assert [(v.reviewer, v.action, v.tags) for v in verdicts] == [
        ("Ana", "remove", ()),
        ("Bo", "none", ("low_quality_blur",)),
    ]
    again = second(moved)
    again.refresh()
    assert again.states() == board.states() == current_states(moved)


def test_decide__stale_is_refused_whole(board: Board, ws: Path) -> None:
    other = second(ws)
    other.decide([Item(1, 0)], KEEP, Act(reviewer="Bo"))
    result = board.decide([Item(0, 0), Item(1, 0)], REMOVE, Act(reviewer="Ana"))
    assert not result.saved
    assert [(s.sample_id, s.version, s.action) for s in result.conflicts] == [(1, 1, "keep")]
    assert open_log(ws).head().seq == 1
    assert board.decide([Item(0, 0), Item(1, 1)], REMOVE, Act(reviewer="Ana")).conflicts == ()


def test_decide__sent_twice_is_decided_once(board: Board, ws: Path) -> None:
    items = [Item(0, 0, "event-000001"), Item(1, 0, "event-000002")]
    first = board.decide(items, KEEP, Act(reviewer="Ana"))
    assert board.decide(items, KEEP, Act(reviewer="Ana")) == first
    assert open_log(ws).head().seq == 2


@pytest.mark.parametrize(
    ("saying", "message"),
    [
        (Saying(("nonsense",)), "unknown tag"),
        (Saying(("keep", "remove")), "contradicts"),
        (Saying(action="relabel", new_label="unicorn"), "no class"),
        (Saying(), "says nothing"),
    ],
)
def test_decide__wrong_words_are_refused(board: Board, ws: Path, saying: Saying, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        board.decide([Item(0, 0)], saying, Act(reviewer="Ana"))
    assert open_log(ws).head().seq == 0


def test_seen__blind_until_ones_own_word(ws: Path) -> None:
    board = second(ws, is_blind=True)
    board.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana"))
    assert board.seen(0, "Bo").action == "none"
    assert board.verdicts(0, "Bo") == []
    assert {state.action for state in board.states().values()} == {"remove"}
    board.decide([Item(0, 1)], KEEP, Act(reviewer="Bo"))
    assert board.seen(0, "Bo").action == "keep"
    assert [v["reviewer"] for v in board.verdicts(0, "Bo")] == ["Ana", "Bo"]
    assert board.seen(0, "Bo").n_reviewers == 2


def test_verdicts__a_tag_alone_does_not_show_them(ws: Path) -> None:
    board = second(ws, is_blind=True)
    board.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana"))
    board.decide([Item(0, 1)], Saying(("low_quality_blur",), note="blurred"), Act(reviewer="Bo"))
    assert board.verdicts(0, "Bo") == []
    assert (board.seen(0, "Bo").tags, board.seen(0, "Bo").n_reviewers) == (("low_quality_blur",), 1)
    board.decide([Item(0, 2)], KEEP, Act(reviewer="Bo"))
    assert [v["reviewer"] for v in board.verdicts(0, "Bo")] == ["Ana", "Bo"]


def test_undo__takes_back_a_batch_of_ones_own(board: Board) -> None:
    board.decide([Item(0, 0), Item(1, 0)], REMOVE, Act(reviewer="Ana", batch_id="batch-0001"))
    with pytest.raises(UsageError, match="Bo has no batch"):
        board.undo("batch-0001", Act(reviewer="Bo"))
    saved = board.undo("batch-0001", Act(reviewer="Ana")).saved
    assert [(s.sample_id, s.version, s.action, s.tags) for s in saved] == [
        (0, 2, "none", ()),
        (1, 2, "none", ()),
    ]


def test_undo__of_others_is_for_adjudicators(ws: Path, board: Board) -> None:
    board.decide([Item(0, 0)], KEEP, Act(reviewer="Ana", batch_id="batch-0001"))
    guys = Board(ReviewData(ws), open_log(ws), adjudicators={"Guy"})
    assert guys.undo("batch-0001", Act(reviewer="Guy")).saved[0].action == "none"


def test_undo__asked_again_takes_back_once(board: Board, ws: Path) -> None:
    board.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana", batch_id="batch-0001"))
    first = board.undo("batch-0001", Act(reviewer="Ana"))
    assert board.undo("batch-0001", Act(reviewer="Ana")) == first
    assert second(ws).undo("batch-0001", Act(reviewer="Ana")) == first
    assert open_log(ws).head().seq == 2


def test_undo__of_an_undo_brings_back_and_can_be_taken_back(board: Board, ws: Path) -> None:
    board.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana", batch_id="batch-0001"))
    board.undo("batch-0001", Act(reviewer="Ana", batch_id="batch-0002"))
    assert board.undo("batch-0002", Act(reviewer="Ana")).saved[0].action == "remove"
    assert board.undo("batch-0001", Act(reviewer="Ana")).saved[0].action == "none"
    assert board.undo("batch-0001", Act(reviewer="Ana")).saved[0].version == 4


@pytest.mark.parametrize(
    "other",
    [
        {"saying": REMOVE},
        {"reviewer": "Bo"},
        {"items": [Item(1, 0, "event-000001")]},
        {"items": [Item(0, 1, "event-000001"), Item(1, 0, "event-000002")]},
        {"items": [Item(1, 0, "event-000003"), Item(2, 0, "event-000003")]},
    ],
)
def test_decide__an_id_of_another_event_is_refused(board: Board, ws: Path, other: dict[str, Any]) -> None:
    once = {"items": [Item(0, 0, "event-000001")], "saying": KEEP, "reviewer": "Ana"}
    for said in (once, once):
        board.decide(said["items"], said["saying"], Act(reviewer=said["reviewer"]))
    said = once | other
    with pytest.raises(UsageError, match="id"):
        board.decide(said["items"], said["saying"], Act(reviewer=said["reviewer"]))
    assert open_log(ws).head().seq == 1


def test_decide__a_batch_of_others_or_one_taken_back_is_refused(board: Board, ws: Path) -> None:
    board.decide([Item(0, 0)], KEEP, Act(reviewer="Ana", batch_id="batch-0001"))
    board.decide([Item(1, 0, "event-000001")], KEEP, Act(reviewer="Ana", batch_id="batch-0001"))
    third = [Item(2, 0, "event-000002")]
    with pytest.raises(UsageError, match="batch id"):
        board.decide(third, KEEP, Act(reviewer="Bo", batch_id="batch-0001"))
    board.undo("batch-0001", Act(reviewer="Ana"))
    with pytest.raises(UsageError, match="batch id"):
        board.decide(third, KEEP, Act(reviewer="Ana", batch_id="batch-0001"))
    assert open_log(ws).head().seq == 4


def test_look__does_not_wait_for_a_long_reading(board: Board, ws: Path) -> None:
    second(ws).decide([Item(0, 0)], KEEP, Act(reviewer="Bo"))
    with ThreadPoolExecutor(1) as other:
        with board._lock:
            other.submit(board.look).result(timeout=10)
        assert (board.seq, board.seen(0, "").version) == (0, 0)
        other.submit(board.look).result(timeout=10)
    assert (board.seq, board.seen(0, "").version) == (1, 1)


def test_look__leaves_many_new_decisions_to_be_read_behind(
    board: Board, ws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaffinch.serve.board.LOOK_MOST", 1)
    second(ws).decide([Item(0, 0), Item(1, 0)], KEEP, Act(reviewer="Bo"))
    with board._lock:
        board.look()
        assert board.seq == 0
    for _ in range(1000):
        if board.seq == 2:
            break
        time.sleep(0.01)
    assert (board.seq, board.seen(1, "").version) == (2, 1)


def test_seen__counts_what_was_said_since_it_was_asked_for(board: Board) -> None:
    for version, (saying, action) in enumerate([(KEEP, "keep"), (REMOVE, "remove"), (KEEP, "keep")]):
        board.decide([Item(0, version)], saying, Act(reviewer="Ana"))
        assert (board.seen(0, "").action, board.seen(0, "").version) == (action, version + 1)


def test_columns__as_a_viewer_may_see_them(ws: Path) -> None:
    board = second(ws, is_blind=True)
    board.decide([Item(2, 0)], REMOVE, Act(reviewer="Ana"))
    mine, theirs = (board.columns(viewer, slice(0, 6)) for viewer in ("Ana", "Bo"))
    assert mine["action"].tolist() == [0, 0, 2, 0, 0, 0]
    assert mine["tags"][2] == 1 << 4
    assert theirs["action"].tolist() == [0] * 6
    assert theirs["version"].tolist() == mine["version"].tolist() == [0, 0, 1, 0, 0, 0]
    assert board.columns("Ana", slice(2, 4))["action"].tolist() == [2, 0]
    assert board.columns("Ana", slice(3, 9))["version"].tolist() == [0, 0, 0]


def test_columns__what_is_relabelled_says_to_which_class(board: Board) -> None:
    board.decide([Item(0, 0)], Saying(action="relabel", new_label="dog"), Act(reviewer="Ana"))
    assert board.data.columns.classes == ["cat", "dog"]
    assert board.columns("Ana", slice(None))["new_label"].tolist() == [2, 0, 0, 0, 0, 0]
    assert board.seen(0, "Ana").new_label == "dog"
    board.decide([Item(0, 1)], KEEP, Act(reviewer="Ana"))
    assert board.columns("Ana", slice(None))["new_label"].tolist() == [0] * 6


def test_seen__whose_turn_it_is(ws: Path) -> None:
    alone, twice = (Board(ReviewData(ws), open_log(ws), sharing=Sharing(share, 2)) for share in (0.0, 1.0))
    twice.decide([Item(2, 0)], KEEP, Act(reviewer="Ana"))
    alone.refresh()
    turns = [[board.seen(2, name).turn for name in ("Ana", "Bo", "")] for board in (alone, twice)]
    assert turns == [[Turn.SPOKEN, Turn.OTHERS, Turn.OTHERS], [Turn.SPOKEN, Turn.SHARED, Turn.SHARED]]
    assert alone.columns("Bo", slice(0, 6))["turn"].tolist() == [0, 0, 2, 0, 0, 0]
    assert twice.columns("Ana", slice(0, 6))["turn"].tolist() == [1, 1, 3, 1, 1, 1]
    twice.decide([Item(2, 1)], REMOVE, Act(reviewer="Bo", batch_id="batch-0001"))
    assert twice.seen(2, "Cy").turn == Turn.OTHERS
    twice.undo("batch-0001", Act(reviewer="Bo"))
    assert twice.seen(2, "Cy").turn == Turn.SHARED


def test_columns__gold_items_want_everybody_and_come_early(ws: Path) -> None:
    gold = {"all/dog/<b>&2.png": Right("keep"), "all/dog/gone.png": Right("keep")}
    board = Board(ReviewData(ws), open_log(ws), sharing=Sharing(0.0), gold=gold)
    columns = board.columns("Ana", slice(None))
    assert columns["turn"].tolist() == [0] * 6
    plain = board.data.columns.values["priority"]
    assert columns["priority"][5] in plain[plain > 0] and plain[5] == 0
    for version, name in enumerate(("Ana", "Bo", "Cy")):
        board.decide([Item(5, version)], KEEP, Act(reviewer=name))
    assert board.seen(5, "Di").turn == Turn.YOURS


def test_columns__do_not_tell_gold_items_from_shared_images(ws: Path) -> None:
    key = "all/cat/3.png"
    shared = Board(ReviewData(ws), open_log(ws), sharing=Sharing(0.5), gold={key: Right("keep")})
    others = {i for i, n in enumerate(reviewers_wanted(shared.data.keys(), Sharing(0.5))) if n > 1} - {2}
    assert others, "none of the others is shared"
    for version, name in enumerate(("Ana", "Bo", "Cy")):
        for sample_id in (2, *others) if name == "Ana" else (2,):
            shared.decide([Item(sample_id, version)], KEEP, Act(reviewer=name))
        columns = shared.columns("Di", slice(0, 6))
        said = [(columns["n_reviewers"][i], columns["turn"][i]) for i in (2, *others)]
        assert set(said) == {(0, Turn.SHARED)}, name
        told = [(s.n_reviewers, s.turn) for s in (shared.seen(i, "Di") for i in (2, *others))]
        assert told == said


def test_columns__adjudicators_are_told_how_many_have_spoken(ws: Path) -> None:
    board = Board(ReviewData(ws), open_log(ws), gold={"all/cat/3.png": Right("keep")}, adjudicators={"Guy"})
    for version, name in enumerate(("Ana", "Bo", "Cy")):
        board.decide([Item(2, version)], KEEP, Act(reviewer=name))
    counts = [board.columns(name, slice(0, 6))["n_reviewers"][2] for name in ("Guy", "Di", "Cy")]
    assert counts == [3, 0, 3]


def test_verdicts__an_adjudicator_sees_all(ws: Path) -> None:
    board = Board(ReviewData(ws), open_log(ws), adjudicators={"Guy"})
    board.decide([Item(0, 0)], REMOVE, Act(reviewer="Ana"))
    assert board.seen(0, "Guy").action == "none"
    assert [v["reviewer"] for v in board.verdicts(0, "Guy")] == ["Ana"]
    assert board.verdicts(0, "Bo") == []


def test_changed_since__names_what_others_decided(board: Board, ws: Path) -> None:
    second(ws).decide([Item(3, 0)], KEEP, Act(reviewer="Bo"))
    board.refresh()
    assert (board.seq, board.changed_since(0), board.changed_since(1)) == (1, [3], [])
