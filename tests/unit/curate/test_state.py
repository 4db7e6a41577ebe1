"""What holds now depends on what was said and when, not on the order in which events were collected."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chaffinch.curate.events import Act, Saying, undo_events
from chaffinch.curate.state import SubjectState, fold
from chaffinch.records import IMPORT, PERSON, Decision, LoggedDecision

KEY = "train/cat/1.jpg"


def said(
    second: int, saying: Saying, *, reviewer: str = "Ana", origin: str = PERSON, batch: str = ""
) -> Decision:
    act = Act(
        reviewer=reviewer,
        origin=origin,
        batch_id=batch or f"b{second}",
        time_utc=f"2026-03-01T10:00:{second:02d}.000000Z",
    )
    return act.event(0, KEY, saying)


def state_of(*events: Decision) -> SubjectState:
    return fold(LoggedDecision(n, e, "", "") for n, e in enumerate(events, start=1))[KEY]


def test_fold__a_reviewers_newest_action_holds_and_tags_add_up() -> None:
    state = state_of(
        said(1, Saying(("mislabel_uncertain",), (), "keep", note="hm")),
        said(2, Saying(("mislabel_confirmed",), ("mislabel_uncertain",), "relabel", "dog")),
        said(3, Saying(note="sure")),
    )
    assert state.tags == ("mislabel_confirmed",)
    assert (state.action, state.new_label, state.note) == ("relabel", "dog", "sure")
    assert state.reviewed_at == "2026-03-01T10:00:02.000000Z"
    assert state.version == 3


def test_fold__a_late_file_falls_into_its_place() -> None:
    late = state_of(said(9, Saying(action="keep")), said(2, Saying(action="remove")))
    assert late.action == "keep"


def test_fold__people_win_over_policies_and_policies_over_imports() -> None:
    person = said(1, Saying(action="keep"))
    policy = said(5, Saying(action="remove"), reviewer="strict", origin="policy:strict@1")
    imported = said(9, Saying(action="relabel", new_label="dog"), reviewer="vl", origin=IMPORT)
    assert state_of(imported, policy, person).action == "keep"
    assert state_of(imported, policy).action == "remove"
    assert state_of(imported).new_label == "dog"


def test_fold__people_who_disagree_are_told_apart() -> None:
    state = state_of(said(1, Saying(action="keep")), said(2, Saying(action="remove"), reviewer="Bo"))
    assert [(v.reviewer, v.action) for v in state.verdicts] == [("Ana", "keep"), ("Bo", "remove")]


def undo(second: int, batch: str) -> Decision:
    return replace(said(second, Saying()), undo_of=batch)


def test_fold__an_undo_takes_back_its_batch_alone_and_an_undo_of_it_brings_it_back() -> None:
    first, second = said(1, Saying(action="keep")), said(2, Saying(("remove",), (), "remove"))
    assert state_of(first, second, undo(3, "b2")).action == "keep"
    assert state_of(first, second, undo(3, "b2")).tags == ()
    assert state_of(first, second, undo(3, "b2"), undo(4, "b3")).action == "remove"
    assert state_of(first, second, undo(3, "b1"), undo(4, "b2")).action == "none"


def test_undo_events__name_each_subject_once() -> None:
    act = Act(reviewer="Ana", batch_id="b1", time_utc="2026-03-01T10:00:00.000000Z")
    batch = [act.event(n, key, Saying(action="keep")) for n, key in enumerate(("a/1", "a/2", "a/1"))]
    events = undo_events(batch, Act(reviewer="Bo", batch_id="b2"))
    assert [(e.event_id, e.key, e.undo_of, e.action) for e in events] == [
        ("b2.0", "a/1", "b1", "none"),
        ("b2.1", "a/2", "b1", "none"),
    ]


sayings = st.builds(
    Saying,
    tags_added=st.lists(st.sampled_from(("outlier_valid", "ambiguous_class")), unique=True).map(tuple),
    action=st.sampled_from(("keep", "remove", "none")),
)
histories = st.lists(
    st.tuples(sayings, st.sampled_from(("Ana", "Bo")), st.integers(0, 3)), min_size=1, max_size=8
)


@given(histories, st.randoms(use_true_random=False))
def test_fold__does_not_depend_on_the_order_of_the_log(
    history: list[tuple[Saying, str, int]], shuffler: random.Random
) -> None:
    events = []
    for second, (saying, reviewer, back) in enumerate(history):
        is_undo = back > 0 and second >= back
        event = undo(second, f"b{second - back}") if is_undo else said(second, saying, reviewer=reviewer)
        events.append(event)
    shuffled = list(events)
    shuffler.shuffle(shuffled)
    assert state_of(*shuffled) == state_of(*events)


@given(histories)
def test_fold__a_batch_that_is_undone_leaves_no_trace_but_the_count(
    history: list[tuple[Saying, str, int]],
) -> None:
    events = [said(n, saying, reviewer=reviewer) for n, (saying, reviewer, _) in enumerate(history)]
    before = state_of(*events)
    extra = said(30, Saying(("remove",), ("outlier_valid",), "remove", note="no"))
    after = state_of(*events, extra, undo(31, "b30"))
    assert replace(after, version=before.version) == before
