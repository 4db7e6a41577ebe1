from __future__ import annotations

import pytest

from chaffinch.curate.events import Saying, check_reviewer, checked
from chaffinch.errors import UsageError


@pytest.mark.parametrize(
    ("saying", "message"),
    [
        (Saying(("keep", "remove")), r"'keep'.*'remove'"),
        (Saying(("keep",), (), "remove"), r"'remove'.*'keep'"),
        (Saying(("remove",), (), "relabel"), r"'relabel'.*'remove'"),
        (Saying(("keep",), ("keep",)), r"'keep' is both added and removed"),
        (Saying(("mislabel_confirm",)), "did you mean 'mislabel_confirmed'"),
        (Saying(action="delete"), r"unknown action 'delete'"),  # type: ignore[arg-type]
        (Saying(action="keep", new_label="dog"), r"'dog' goes with relabel"),
        (Saying(), "says nothing"),
    ],
)  # fmt: skip
def test_checked__refuses_and_names_the_words(saying: Saying, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        checked(saying)


def test_checked__takes_the_action_that_tags_ask_for() -> None:
    assert checked(Saying(("remove", "remove"))) == Saying(("remove",), (), "remove")
    assert checked(Saying(("outlier_valid", "keep"), (), "keep")).action == "keep"
    assert checked(Saying(("keep",), (), "relabel", " dog ")).new_label == "dog"
    assert checked(Saying(("mislabel_confirmed",))).action == "none"


@pytest.mark.parametrize("name", ["", "  ", "a\nb"])
def test_check_reviewer__refuses_nobody(name: str) -> None:
    with pytest.raises(UsageError, match="--reviewer NAME"):
        check_reviewer(name)


def test_check_reviewer__one_spelling_for_one_person() -> None:
    assert [check_reviewer(name) for name in ("Saeed ", " Jose\u0301", "Jos\u00e9")] == [
        "Saeed",
        "Jos\u00e9",
        "Jos\u00e9",
    ]
