"""Design of resolving, sentence by sentence, on single samples; nothing here reads a file."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.curate.answers import Case, Finding, ResolveSettings
from chaffinch.curate.resolve import Settled, settle
from chaffinch.records import Decision

LEAK = Finding("leak1", "leak", 1.0, method="exact", leak_sides=frozenset({"test"}))
BLUR = Finding("blur1", "blur", 0.9)
OUTLIER = Finding("out1", "outlier", 0.8)
WRONG = Finding("mis1", "mislabel", 0.7, suggested_label="dog")
SURER = Finding("mis2", "mislabel", 0.95, suggested_label="fox")
COPY = Finding("dup1", "duplicate", 1.0, method="exact", group="g", is_original=False)
CONFLICT = Finding("con1", "label_conflict", 0.5)
POLICY = "policy:house@1"


def said(action: str = "none", who: str = "Saeed", *, time: int = 0, **more: object) -> Decision:
    values = {"origin": "person", "tags_added": (), **more}
    return Decision(
        event_id=f"{who}.{time}.{action}.{values.get('finding_id')}",
        batch_id="b",
        key="train/a",
        reviewer=who,
        time_utc=f"2026-01-01T00:00:{time:02}",
        action=action,  # type: ignore[arg-type]
        **values,  # type: ignore[arg-type]
    )


def rule(action: str, finding: str | None = None, **more: object) -> Decision:
    return said(action, "house", origin=POLICY, finding_id=finding, **more)


def imported(action: str, **more: object) -> Decision:
    return said(action, "visual-layer", origin="import", **more)


def outcome(findings: tuple[Finding, ...], *decisions: Decision, **settings: object) -> Settled:
    case = Case("train/a", "cat", findings, decisions)
    return settle(case, ResolveSettings(**settings))  # type: ignore[arg-type]


ALL = (LEAK, BLUR, OUTLIER, WRONG, COPY)


def test_settle__findings_alone_change_nothing() -> None:
    assert outcome(ALL) == Settled("train/a")


@pytest.mark.parametrize(
    ("decisions", "action"),
    [
        ([imported("remove")], "remove"),
        ([imported("remove"), rule("keep")], "none"),
        ([rule("remove"), imported("keep")], "remove"),
        ([rule("remove", "blur1")], "remove"),
        ([rule("remove", "blur1"), said("keep")], "keep"),
        ([rule("remove", "blur1"), said("keep", finding_id="blur1")], "none"),
        ([rule("remove", "blur1"), said("keep", finding_id="out1")], "remove"),
        ([rule("keep"), said("remove")], "remove"),
        ([rule("remove", "leak1"), said("relabel", new_label="dog")], "remove"),
        ([rule("remove"), said("relabel", new_label="dog")], "remove"),
        ([said("remove"), said("keep", "Kim")], "none"),
        ([said("remove"), said("remove", "Kim")], "remove"),
        ([said("remove", time=1), said("keep", time=2)], "keep"),
        ([said("keep", time=1), said("remove", time=2)], "remove"),
        ([said("relabel", new_label="dog"), said("relabel", "Kim", new_label="dog")], "relabel"),
        ([said("relabel", new_label="dog"), said("relabel", "Kim", new_label="fox")], "none"),
        ([said("relabel", new_label="dog"), said("remove", "Kim")], "none"),
        ([rule("remove", "leak1"), said("relabel", new_label="dog"), said("remove", "Kim")], "remove"),
        ([said("relabel", new_label="dog", time=1), said("remove", time=2)], "remove"),
        ([said("relabel", new_label="cat")], "none"),
        ([rule("remove", "out1"), said(tags_added=("outlier_valid",))], "none"),
        ([rule("remove", "out1"), said(tags_added=("mislabel_uncertain",))], "remove"),
        ([rule("remove", "blur1"), said(tags_added=("outlier_valid",))], "remove"),
        ([said(tags_added=("low_quality_blur",))], "none"),
        ([said("remove", finding_id="vanished")], "none"),
    ],
)  # fmt: skip
def test_settle__precedence(decisions: list[Decision], action: str) -> None:
    assert outcome((LEAK, BLUR, OUTLIER, WRONG), *decisions).action == action


def test_settle__a_relabel_beats_a_policys_remove_where_nothing_else_is_asked() -> None:
    assert outcome((), rule("remove"), said("relabel", new_label="dog")).action == "relabel"


def test_settle__a_tag_taken_back_rejects_no_more() -> None:
    tagged = said(tags_added=("outlier_valid",), time=1)
    untagged = said(tags_removed=("outlier_valid",), time=2)
    assert outcome((OUTLIER,), rule("remove", "out1"), tagged, untagged).action == "remove"


def test_settle__disagreement_is_listed_and_an_adjudicator_ends_it() -> None:
    decisions = [said("remove"), said("keep", "Kim")]
    open_ = outcome((BLUR,), *decisions)
    assert (open_.action, open_.disagreement) == ("none", "Kim: keep, Saeed: remove")
    ended = outcome((BLUR,), *decisions, adjudicators=frozenset({"Saeed"}))
    assert (ended.action, ended.disagreement) == ("remove", "")


def test_settle__a_remove_disputed_at_a_finding_removes_nothing() -> None:
    result = outcome((OUTLIER,), said(tags_added=("outlier_valid",)), said("remove", "Kim"))
    assert result.action == "none"
    assert result.disagreement


def test_settle__keep_answers_the_findings_that_existed() -> None:
    keep = said("keep", findings="blur1")
    assert outcome((BLUR,), keep, rule("remove", "blur1")).action == "keep"
    late = outcome((BLUR, LEAK), keep, rule("remove", "blur1"), rule("remove", "leak1"))
    assert (late.action, late.reasons, late.waiver) == ("remove", ("leak",), None)


def test_settle__a_keep_of_a_leak_is_a_named_waiver() -> None:
    result = outcome((LEAK,), said("keep"), rule("remove", "leak1"))
    assert result.action == "keep"
    assert result.waiver is not None
    assert result.waiver.who == "Saeed"


@pytest.mark.parametrize(
    ("side", "found_on", "action"),
    [
        ("test", {"test"}, "remove"),
        ("test", {"train"}, "none"),
        ("train", {"train"}, "remove"),
        ("train", {"test", "train"}, "remove"),
        ("both", {"test"}, "remove"),
    ],
)
def test_settle__leak_side_replaces_what_a_policy_says(side: str, found_on: set[str], action: str) -> None:
    leak = Finding("leak1", "leak", 1.0, leak_sides=frozenset(found_on))
    assert outcome((leak,), rule("remove", "leak1"), leak_side=side).action == action
    assert outcome((leak,), said("keep"), leak_side=side).action == "keep"


def test_settle__relabel_takes_the_strongest_suggestion() -> None:
    assert outcome((WRONG, SURER), said("relabel")).new_label == "fox"
    assert outcome((WRONG, SURER), rule("relabel", "mis1", new_label="dog")).new_label == "dog"
    nothing = outcome((BLUR,), said("relabel"))
    assert (nothing.action, nothing.lacks_label) == ("none", True)


def test_settle__a_label_conflict_is_never_removed_automatically() -> None:
    assert outcome((CONFLICT,), rule("remove", "con1")).action == "none"
    assert outcome((CONFLICT,), said("remove")).action == "remove"
    assert outcome((CONFLICT, COPY), rule("remove", "dup1")).copy_method is None
    assert outcome((CONFLICT, COPY), said("remove", finding_id="dup1")).copy_method == "exact"


def test_settle__a_copy_is_marked_and_not_removed_yet() -> None:
    assert outcome((COPY,), rule("remove", "dup1")).copy_method == "exact"
    assert outcome((COPY,), rule("remove", "dup1")).action == "none"
    person = outcome((COPY,), said("remove", tags_added=("duplicate_exact",)))
    assert (person.action, person.is_copy_by_person) == ("none", True)
    kept = outcome((COPY,), rule("remove", "dup1"), said("keep"))
    assert (kept.copy_method, kept.is_kept) == ("exact", True)
    assert outcome((COPY,), said("remove")).action == "remove"


ACTIONS = st.sampled_from(["keep", "remove", "relabel", "none"])
TAG_SETS = st.sampled_from([(), ("outlier_valid",), ("duplicate_exact",), ("mislabel_confirmed",)])


@st.composite
def logs(draw: st.DrawFn) -> list[Decision]:
    """Draw decisions of several voices; each voice's own stand in the order of their times."""
    voices = [("Saeed", "person"), ("Kim", "person"), ("house", POLICY), ("vl", "import")]
    decisions = []
    for time in range(draw(st.integers(0, 8))):
        who, origin = draw(st.sampled_from(voices))
        finding = draw(st.sampled_from([None, None, *(f.finding_id for f in ALL)]))
        action = draw(ACTIONS)
        tags = draw(TAG_SETS) if action != "keep" else ()
        label = draw(st.sampled_from([None, "dog", "fox"])) if action == "relabel" else None
        decisions.append(
            said(
                action,
                who,
                time=time,
                origin=origin,
                finding_id=finding,
                tags_added=tags,
                new_label=label,
                findings=draw(st.sampled_from([None, "", "leak1,dup1", "blur1,out1,mis1"])),
            )
        )
    return decisions


@given(logs(), st.randoms(use_true_random=False))
def test_settle__the_order_of_different_reviewers_does_not_matter(
    decisions: list[Decision], chance: random.Random
) -> None:
    by_voice: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_voice.setdefault(decision.reviewer, []).append(decision)
    mixed, queues = [], [list(own) for own in by_voice.values()]
    while queues := [queue for queue in queues if queue]:
        mixed.append(chance.choice(queues).pop(0))
    shuffled = list(ALL)
    chance.shuffle(shuffled)
    assert outcome(tuple(shuffled), *mixed) == outcome(ALL, *decisions)


@given(logs())
def test_settle__policies_and_imports_never_overrule_a_persons_keep_of_the_whole(
    decisions: list[Decision],
) -> None:
    others = [d for d in decisions if d.origin != "person"]
    result = outcome(ALL, *others, said("keep", time=20))
    assert result.action == "keep"
    assert result.waiver is not None


@given(logs())
def test_settle__relabelling_never_brings_a_leaking_image_back(decisions: list[Decision]) -> None:
    others = [d for d in decisions if d.origin != "person"]
    if outcome(ALL, *others).action == "remove" and "leak" in outcome(ALL, *others).reasons:
        assert outcome(ALL, *others, said("relabel", time=20, new_label="dog")).action == "remove"


@given(logs())
def test_settle__saying_it_again_changes_nothing(decisions: list[Decision]) -> None:
    again = [d for d in decisions for _ in range(2)]
    assert outcome(ALL, *again) == outcome(ALL, *decisions)
