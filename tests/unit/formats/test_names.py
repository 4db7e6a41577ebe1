"""Rules about names: keys are well formed, splits are what the design says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.formats import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat/1.jpg", "cat/1.jpg"),
        ("./cat/1.jpg", "cat/1.jpg"),
        ("/etc/1.jpg", "etc/1.jpg"),
        ("a//b/./1.jpg", "a/b/1.jpg"),
        ("../../1.jpg", "\\x2e\\x2e/\\x2e\\x2e/1.jpg"),
        ("\\x2e\\x2e/1.jpg", "\\x5cx2e\\x5cx2e/1.jpg"),
        ("caf\udce9.jpg", "caf\\xe9.jpg"),
        ("a\\b.jpg", "a\\b.jpg"),
        ("/", ""),
    ],
)
def test_clean_name__by_hand(name: str, expected: str) -> None:
    assert names.clean_name(name) == expected


@given(st.text(alphabet="./\\x2e5ca\n", max_size=20))
def test_clean_name__is_well_formed(name: str) -> None:
    parts = names.clean_name(name).split("/")
    assert parts == [""] or not {"", ".", ".."} & set(parts)


@given(st.lists(st.text(alphabet="./\\x2e5ca", min_size=1, max_size=12), max_size=6))
def test_clean_name__tells_different_names_apart(found: list[str]) -> None:
    parts = {tuple(p for p in name.split("/") if p not in ("", ".")) for name in found}
    assert len({names.clean_name(name) for name in found}) == len(parts)


@pytest.mark.parametrize(
    ("folders", "holding", "expected"),
    [
        (["train", "val"], {"train", "val"}, ["train", "val"]),
        (["val", "train", "extra"], {"train", "val", "extra"}, ["train", "val"]),
        (["train"], {"train"}, ["train"]),
        (["train", "docs"], {"train"}, ["train"]),
        (["train", "bus"], {"train", "bus"}, []),
        (["cat", "dog"], {"cat", "dog"}, []),
        (
            ["test", "validation", "valid", "val", "train"],
            set(),
            ["train", "val", "valid", "validation", "test"],
        ),
        (["Train", "VAL"], {"Train", "VAL"}, []),
    ],
)
def test_split_roots__by_hand(folders: list[str], holding: set[str], expected: list[str]) -> None:
    assert names.split_roots(folders, holds_images=holding.__contains__) == expected


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("train-00000-of-00005.parquet", "train"),
        ("data/val-00000-of-00001-0a1b2c3d.parquet", "val"),
        ("imagenet-1k-test-00000-of-00003.parquet", "test"),
        ("unsupervised-00000-of-00003.parquet", "unsupervised"),
        ("train-0000.tar", "train"),
        ("imagenet1k-validation-03.tar", "validation"),
        ("validation_1.tar", "validation"),
        ("test.tar", "test"),
        ("test/0000.parquet", "test"),
        ("trainer-0000.tar", None),
        ("shard-0000.tar", None),
        ("data/0000.parquet", None),
    ],
)
def test_split_of_shard__by_hand(below: str, expected: str | None) -> None:
    assert names.split_of_shard(below) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", True),
        ("a.JPEG", True),
        ("a.b.WebP", True),
        ("jpg", False),
        ("a.jpg.txt", False),
        ("a.", False),
    ],
)
def test_is_image_name__by_ending(name: str, expected: bool) -> None:
    assert names.is_image_name(name) is expected


def test_has_hidden_part__dots_are_not_hidden() -> None:
    assert not names.has_hidden_part("./../a.jpg")
    assert names.has_hidden_part("a/.git/b.jpg")
    assert names.has_hidden_part("__MACOSX/a.jpg")


@given(st.lists(st.text(max_size=3)))
def test_seen_names__equals_a_set(found: list[str]) -> None:
    seen, expected = names.SeenNames(), set()
    for name in found:
        assert seen.add(name) is (name not in expected)
        expected.add(name)


def test_seen_names__after_many_were_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_MAX_PENDING", 7)
    seen = names.SeenNames()
    assert all(seen.add(str(n)) for n in range(100))
    assert not any(seen.add(str(n)) for n in range(100))
