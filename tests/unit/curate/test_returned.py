"""Base, theirs, ours: every way in which a row of an edited manifest can stand to the log."""

from __future__ import annotations

import pytest

from chaffinch.curate.events import Saying
from chaffinch.curate.returned import Returned, as_manifest_decision, compare
from chaffinch.curate.state import SubjectState
from chaffinch.formats.manifest_csv import NOTHING_DECIDED, ManifestDecision, ManifestLine, decision_hash

REMOVE = ManifestDecision((), "remove", "", "")
KEEP = ManifestDecision((), "keep", "", "")
RELABEL = ManifestDecision((), "relabel", "dog", "")


def came(base: ManifestDecision | None, theirs: ManifestDecision, ours: ManifestDecision) -> Returned:
    row_hash = "" if base is None else decision_hash(base)
    line = ManifestLine(2, "1", "a.jpg", "", "cat", theirs, row_hash, "")
    return compare(line, ours, spelled=lambda label: label if label in ("cat", "dog") else None)


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "kind"),
    [
        (NOTHING_DECIDED, NOTHING_DECIDED, REMOVE, "untouched"),
        (NOTHING_DECIDED, REMOVE, REMOVE, "same"),
        (NOTHING_DECIDED, REMOVE, NOTHING_DECIDED, "taken"),
        (NOTHING_DECIDED, REMOVE, KEEP, "conflict"),
        (KEEP, REMOVE, KEEP, "taken"),
        (KEEP, REMOVE, RELABEL, "conflict"),
        (KEEP, NOTHING_DECIDED, KEEP, "refused"),
        (None, NOTHING_DECIDED, KEEP, "untouched"),
        (None, REMOVE, NOTHING_DECIDED, "taken"),
        (None, REMOVE, KEEP, "conflict"),
        (NOTHING_DECIDED, ManifestDecision((), "relabel", "", ""), RELABEL, "same"),
        (NOTHING_DECIDED, ManifestDecision(("remove",), "none", "", ""), REMOVE, "conflict"),
        (NOTHING_DECIDED, ManifestDecision((), "relabel", "bird", ""), NOTHING_DECIDED, "refused"),
        (NOTHING_DECIDED, ManifestDecision(("good",), "none", "", ""), NOTHING_DECIDED, "refused"),
        (NOTHING_DECIDED, ManifestDecision(("keep",), "remove", "", ""), NOTHING_DECIDED, "refused"),
    ],
)  # fmt: skip
def test_compare(
    base: ManifestDecision | None, theirs: ManifestDecision, ours: ManifestDecision, kind: str
) -> None:
    returned = came(base, theirs, ours)
    assert returned.kind == kind
    assert bool(returned.saying) == (kind == "taken")
    assert bool(returned.reason) == (kind in ("conflict", "refused"))


def test_compare__takes_the_difference_alone() -> None:
    base = ManifestDecision(("keep", "outlier_valid"), "keep", "", "old")
    theirs = ManifestDecision(("outlier_valid", "train_test_leak"), "remove", "", "old")
    returned = came(base, theirs, base)
    assert returned.saying == Saying(("train_test_leak",), ("keep",), "remove", None, "")


def test_compare__an_added_tag_leaves_the_action_alone() -> None:
    theirs = ManifestDecision(("outlier_valid",), "keep", "", "")
    assert came(KEEP, theirs, KEEP).saying == Saying(("outlier_valid",))


def test_as_manifest_decision__a_label_equal_to_the_given_one_is_none() -> None:
    state = SubjectState(tags=("b", "a"), action="relabel", new_label="cat", note="n")
    assert as_manifest_decision(state, "cat") == ManifestDecision(("a", "b"), "relabel", "", "n")
    assert as_manifest_decision(state, "dog").new_label == "cat"
