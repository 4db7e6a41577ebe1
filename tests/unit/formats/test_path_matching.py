"""Paths as other people wrote them find the one image that they mean, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.formats.path_matching import PathMatch, PathMatcher

SAMPLES = [
    (0, "train", "/data/in/train/cat/1.jpg"),
    (1, "train", "/data/in/train/dog/1.jpg"),
    (2, "val", "/data/in/val/cat/1.jpg"),
    (3, "val", "/data/in/val/cat/2.jpg"),
]
NOTHING = PathMatch(None)
AMBIGUOUS = PathMatch(None, is_ambiguous=True)


@pytest.mark.parametrize(
    ("path", "split", "expected"),
    [
        ("/data/in/train/cat/1.jpg", None, PathMatch(0)),
        ("/elsewhere/train/dog/1.jpg", None, PathMatch(1)),
        ("train/cat/1.jpg", None, PathMatch(0)),
        ("./train//cat/1.jpg", None, PathMatch(0)),
        ("cat/1.jpg", None, AMBIGUOUS),
        ("cat/1.jpg", "train", PathMatch(0)),
        ("cat/1.jpg", "val", PathMatch(2)),
        ("dog/1.jpg", None, PathMatch(1)),
        ("dog/1.jpg", "val", NOTHING),
        ("1.jpg", None, AMBIGUOUS),
        ("1.jpg", "train", AMBIGUOUS),
        ("1.jpg", "val", PathMatch(2)),
        ("2.jpg", None, PathMatch(3)),
        ("export/2.jpg", None, PathMatch(3)),
        ("3.jpg", None, NOTHING),
        ("cat/1.JPG", None, NOTHING),
        ("/data/in/val/cat/2.jpg", "train", NOTHING),
        ("D:\\in\\val\\cat\\2.jpg", None, PathMatch(3)),
        ("val\\cat/1.jpg", None, AMBIGUOUS),
        ("", None, NOTHING),
        ("/", None, NOTHING),
    ],
)
def test_path_matcher__cases(path: str, split: str | None, expected: PathMatch) -> None:
    assert PathMatcher(SAMPLES).match(path, split=split) == expected


@pytest.mark.parametrize("path", ["dog/2.jpg", "train/cat/2.jpg", "/data/in/train/cat/2.jpg"])
def test_path_matcher__a_path_in_a_sister_folder_is_another_image(path: str) -> None:
    assert PathMatcher(SAMPLES).match(path) == NOTHING


def test_path_matcher__a_file_name_may_hold_a_backslash() -> None:
    matcher = PathMatcher([(0, "all", "/in/cat\\1.jpg"), (1, "all", "/in/cat/1.jpg")])
    assert matcher.match("/in/cat\\1.jpg") == PathMatch(0)
    assert matcher.match("/in/cat/1.jpg") == PathMatch(1)


def test_path_matcher__same_text_in_two_splits() -> None:
    matcher = PathMatcher([(0, "train", "/in/1.jpg"), (1, "val", "/in/1.jpg")])
    assert matcher.match("/in/1.jpg") == AMBIGUOUS
    assert matcher.match("/in/1.jpg", split="val") == PathMatch(1)


folder = st.sampled_from(["a", "b", "train"])
short_paths = st.lists(folder, min_size=1, max_size=3).map("/".join)


def common_tail(one: str, other: str) -> int:
    a, b = one.split("/")[::-1], other.split("/")[::-1]
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@given(st.lists(short_paths, max_size=6), short_paths)
def test_path_matcher__never_matches_where_two_fit_equally(samples: list[str], path: str) -> None:
    got = PathMatcher([(i, "all", p) for i, p in enumerate(samples)]).match(path)
    tails = [common_tail(p, path) for p in samples]
    best = max(tails, default=0)
    winners = [i for i, tail in enumerate(tails) if tail == best and best]
    if samples.count(path) == 1:
        assert got == PathMatch(samples.index(path))
    elif len(winners) > 1:
        assert got == AMBIGUOUS
    else:
        assert got in (NOTHING, PathMatch(winners[0] if winners else None))


@given(st.lists(short_paths, min_size=1, max_size=6, unique=True), st.data())
def test_path_matcher__a_moved_dataset_matches_row_by_row(samples: list[str], data: st.DataObject) -> None:
    matcher = PathMatcher([(i, "all", f"/old/root/{p}") for i, p in enumerate(samples)])
    number = data.draw(st.integers(0, len(samples) - 1))
    assert matcher.match(f"/new/place/{samples[number]}").sample in (number, None)


@given(st.lists(st.tuples(folder, folder).map("/".join), min_size=1, unique=True))
def test_path_matcher__a_moved_dataset_of_class_folders_matches_whole(samples: list[str]) -> None:
    matcher = PathMatcher([(i, "all", f"/old/root/{p}") for i, p in enumerate(samples)])
    assert [matcher.match(f"/new/place/{p}").sample for p in samples] == list(range(len(samples)))


def test_path_matcher__thousands_of_namesakes() -> None:
    """Cost: as many comparisons as there are pairs would take minutes."""
    n = 5000
    matcher = PathMatcher([(i, "all", f"/data/case/{i:05d}/images/0.jpg") for i in range(n)])
    found = [matcher.match(f"export/{i:05d}/images/0.jpg").sample for i in range(n)]
    assert found == list(range(n))
    assert matcher.match("images/0.jpg") == AMBIGUOUS
