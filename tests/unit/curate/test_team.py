"""Figures of a small team, counted by hand."""

from __future__ import annotations

import math
from collections.abc import Set

import pytest

from chaffinch.curate.events import Act, Saying
from chaffinch.curate.gold import Right
from chaffinch.curate.state import fold
from chaffinch.curate.team import TeamReport, report_of
from chaffinch.records import PERSON, LoggedDecision

SAID: dict[str, list[tuple[str, Saying]]] = {
    "a/1": [("Ana", Saying(action="keep")), ("Bo", Saying(action="keep"))],
    "a/2": [("Ana", Saying(("duplicate_near",), action="remove")), ("Bo", Saying(action="keep"))],
    "a/3": [
        ("Ana", Saying(action="relabel", new_label="dog")),
        ("Bo", Saying(action="relabel", new_label="cat")),
    ],
    "a/4": [("Ana", Saying(action="remove"))],
}


def team(
    said: dict[str, list[tuple[str, Saying]]],
    *,
    origin: str = PERSON,
    gold: dict[str, Right] | None = None,
    adjudicators: Set[str] = frozenset(),
) -> TeamReport:
    events = [
        Act(reviewer=name, origin=origin).event(number, key, saying)
        for key, sayings in said.items()
        for number, (name, saying) in enumerate(sayings)
    ]
    states = fold(LoggedDecision(n, e, "", "") for n, e in enumerate(events, start=1))
    return report_of(states, gold=gold, adjudicators=adjudicators)


def test_report_of__counts_by_reviewer() -> None:
    ana, bo = team(SAID).reviewers
    assert (ana.reviewer, ana.n_subjects, ana.n_shared) == ("Ana", 4, 3)
    assert dict(ana.n_by_action) == {"keep": 1, "remove": 2, "relabel": 1, "none": 0}
    # Two of the three shared actions are Bo's too; one right and one wrong are added.
    assert ana.agreement == bo.agreement == pytest.approx(3 / 5)
    assert (bo.n_subjects, bo.n_shared) == (3, 3)


def test_report_of__agreement_by_action_and_tag() -> None:
    report = team(SAID)
    # Answers kk, rk, ll: 2 of 6 disagree; by chance 1 - (3*2 + 0 + 2*1) / (6*5).
    assert report.action.value == pytest.approx(1 - (2 / 6) / (1 - 8 / 30))
    assert list(report.tags) == ["duplicate_near"]
    # Of three shared images one was tagged, by one of two: no better than chance.
    assert report.tags["duplicate_near"].value == pytest.approx(0)
    # Both agree on 2 of 3; by chance (1*2 + 1*0 + 1*1) / 9.
    assert report.kappas["Ana", "Bo"].value == pytest.approx((2 / 3 - 3 / 9) / (1 - 3 / 9))


def test_report_of__disputes_are_other_actions_or_labels() -> None:
    disputes = team(SAID).disputes
    assert [d.key for d in disputes] == ["a/2", "a/3"]
    assert [d.proposed for d in disputes] == [None, None]


def test_report_of__proposes_what_most_say_with_its_label() -> None:
    said = SAID | {
        "a/3": [*SAID["a/3"], ("Cy", Saying(action="relabel", new_label="dog"))],
        "a/2": [*SAID["a/2"], ("Cy", Saying(action="keep"))],
    }
    assert [(d.key, d.proposed, d.new_label) for d in team(said).disputes] == [
        ("a/2", "keep", None),
        ("a/3", "relabel", "dog"),
    ]


def test_report_of__the_adjudicator_ends_a_dispute_and_is_no_measure() -> None:
    said = SAID | {"a/2": [*SAID["a/2"], ("Guy", Saying(action="remove"))]}
    report = team(said, adjudicators={"Guy"})
    assert [d.key for d in report.disputes] == ["a/3"]
    assert (report.n_settled, team(SAID).n_settled) == (1, 0)
    assert report.action == team(SAID).action and list(report.kappas) == [("Ana", "Bo")]
    guy = report.reviewers[-1]
    assert (guy.reviewer, guy.n_subjects, guy.n_shared) == ("Guy", 1, 1)
    assert math.isnan(guy.agreement) and math.isnan(guy.weight)
    tagged_alone = SAID | {"a/2": [*SAID["a/2"], ("Guy", Saying(("duplicate_near",)))]}
    assert [d.key for d in team(tagged_alone, adjudicators={"Guy"}).disputes] == ["a/2", "a/3"]


def test_report_of__who_shares_with_an_adjudicator_alone_shares_with_nobody() -> None:
    said = {"a/1": [("Ana", Saying(action="keep")), ("Guy", Saying(action="keep"))]}
    ana, guy = team(said, adjudicators={"Guy"}).reviewers
    assert ana.n_shared == 0 and math.isnan(ana.agreement)
    assert guy.n_shared == 1, "what an adjudicator settles is shared with those who spoke before"


def test_report_of__gold_items_are_counted_and_weigh() -> None:
    gold = {
        "a/1": Right("keep"),
        "a/2": Right("remove"),
        "a/3": Right("relabel", "dog"),
        "a/9": Right("keep"),
    }
    ana, bo = team(SAID, gold=gold).reviewers
    assert (ana.gold.value, ana.gold.n_items) == (1.0, 3)
    assert (bo.gold.value, bo.gold.n_items) == (1 / 3, 3)
    # One right and one wrong are added: 4 of 5, and 2 of 5, which is 0.2 below the middle of the two.
    assert (ana.weight, bo.weight) == (pytest.approx(math.log(4)), 0.0)
    assert [(d.proposed, d.new_label) for d in team(SAID, gold=gold).disputes] == [
        ("remove", None),
        ("relabel", "dog"),
    ]


def test_report_of__one_person_or_none() -> None:
    (alone,) = team({"a/1": [("Ana", Saying(action="keep"))]}).reviewers
    assert math.isnan(alone.agreement)
    assert team(SAID, origin="policy:strict@1").reviewers == ()
    assert math.isnan(team({}).action.value)
