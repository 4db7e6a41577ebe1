"""Policies: what they may say, and errors that name file, line and the likely word."""

from __future__ import annotations

import pytest

from chaffinch.curate.policy import DEFAULT, Limit, parse_policy, read_policy
from chaffinch.errors import UsageError

HEAD = "name: house\nversion: 2\n"


def test_parse_policy__all_keys() -> None:
    policy = parse_policy(
        HEAD
        + "leaks: {side: both}\nduplicates: remove\nmax_removed: {overall: 10%, per_class: 20}\n"
        + "rules:\n"
        + "  - where: issue_type = 'blur'\n    tags: low_quality_blur\n    action: remove\n"
        + "  - where: given_label = '7'\n    action: relabel\n    new_label: 07\n",
        name="p.yaml",
    )
    assert policy.origin == "policy:house@2"
    assert policy.leak_side == "both"
    assert policy.removes_duplicates
    assert policy.max_removed == Limit(0.1, is_share=True)
    assert policy.max_removed_per_class == Limit(20, is_share=False)
    assert [r.place for r in policy.rules] == ["p.yaml line 7", "p.yaml line 10"]
    assert policy.rules[0].saying.tags_added == ("low_quality_blur",)
    assert policy.rules[1].saying.new_label == "07"


def test_read_policy__the_default_is_the_guides() -> None:
    policy = read_policy(DEFAULT)
    assert (policy.name, policy.version, policy.leak_side) == ("default", "2", "test")
    assert policy.max_removed is None


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("", "p.yaml", "is empty", "chaffinch policy show"),
        ("- a\n", "line 1", "a policy must have keys", "name, version"),
        ("name: house\n", "line 1", "no 'version'", "version: ..."),
        ("name: a b\nversion: 1\n", "line 1", "'a b' is no plain word", "letters"),
        (HEAD + "ruels: []\n", "line 3", "no key 'ruels'", "did you mean 'rules'?"),
        (HEAD + "rules:\n  - were: x\n", "line 4", "no key 'were'", "did you mean 'where'?"),
        (HEAD + "rules:\n  - action: keep\n", "line 4", "no 'where'", "issue_type"),
        (HEAD + "rules: {where: x}\n", "line 3", "'rules' must be a list", "- where"),
        (HEAD + "rules:\n  - {where: x, tags: [blurry]}\n", "line 4", "unknown tag 'blurry'", "The tags are"),
        (HEAD + "rules:\n  - {where: x, action: delete}\n", "line 4", "unknown action 'delete'", "remove"),
        (
            HEAD + "rules:\n  - {where: x, action: keep, tags: remove}\n",
            "line 4",
            "contradicts",
            "one of them",
        ),
        (HEAD + "rules:\n  - {where: x}\n", "line 4", "says nothing", "give a tag"),
        (HEAD + "leaks: {side: tset}\n", "line 3", "side cannot be 'tset'", "did you mean 'test'?"),
        (HEAD + "duplicates: drop\n", "line 3", "duplicates cannot be 'drop'", "keep, remove"),
        (HEAD + "max_removed: lots\n", "line 3", "'lots' is no limit", "10%"),
        (HEAD + "max_removed: 1.5\n", "line 3", "1.5 is more than all", "share"),
        (HEAD + "max_removed: {overal: 3}\n", "line 3", "no key 'overal'", "did you mean 'overall'?"),
        (HEAD + "name: again\n", "line 3", "'name' stands twice", "leave one out"),
        (HEAD + "rules:\n  - where: 'a' = b\n", "line 4", "is no YAML", "double quotes"),
        (HEAD + "rules: !!python/object:os.system {}\n", "line 3", "is no YAML", ""),
    ],
)
def test_parse_policy__errors(text: str, where: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(text, name="p.yaml")
    assert where in caught.value.where
    assert what in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("limit", "n", "expected"),
    [
        (Limit(0.1, is_share=True), 29, 2),
        (Limit(0.1, is_share=True), 30, 3),
        (Limit(5, is_share=False), 2, 5),
    ],
)
def test_limit__allowed(limit: Limit, n: int, expected: int) -> None:
    assert limit.allowed(n) == expected
