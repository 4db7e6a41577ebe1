"""Image ids: what a training script removes by. No two images share one unless the user is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.errors import IdentityError
from chaffinch.identity import ImageIds, is_canonical_int, order_splits, stem

split_names = st.sampled_from(["train", "val", "test", "extra"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", True),
        ("7", True),
        ("10", True),
        ("9223372036854775807", True),
        ("9223372036854775808", False),
        ("99999999999999999999", False),
        ("00", False),
        ("07", False),
        ("-1", False),
        ("+1", False),
        ("1.0", False),
        (" 1", False),
        ("1\n", False),
        ("", False),
        ("1e3", False),
        ("1_000", False),
        ("\u0661", False),
        ("\u00b2", False),
    ],
)
def test_is_canonical_int__cases(text: str, expected: bool) -> None:
    assert is_canonical_int(text) is expected


@given(st.text("0123456789", min_size=1, max_size=20))
def test_is_canonical_int__round_trips_through_int64(text: str) -> None:
    assert is_canonical_int(text) == (str(int(text)) == text and int(text) < 2**63)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("3/17.jpg", "17"),
        ("17", "17"),
        ("a.b/17.tar.gz", "17.tar"),
        (".17", ".17"),
        ("17.", "17"),
        ("a/", ""),
    ],
)
def test_stem__cases(path: str, expected: str) -> None:
    assert stem(path) == expected


Rows = dict[str, list[tuple[str, str | None]]]
"""For each split the pairs (relative path, the source's own id) of its images."""


def derive(rows: Rows, *, batch: int = 1000) -> tuple[dict[tuple[str, str], str], ImageIds]:
    """Return the id of each (split, relative path), observed and assigned in batches."""
    ids = ImageIds(list(rows))
    parts = [
        (split, own[i : i + batch]) for split, own in rows.items() for i in range(0, max(len(own), 1), batch)
    ]
    for split, part in parts:
        ids.observe(split, [p for p, _ in part], [s for _, s in part])
    ids.settle()
    out = {}
    for split, part in parts:
        paths = [p for p, _ in part]
        assigned = ids.assign(split, paths, [s for _, s in part])
        assert len(assigned) == len(paths)
        out.update({(split, p): i for p, i in zip(paths, assigned, strict=True)})
    return out, ids


def without_ids(**paths: Sequence[str]) -> Rows:
    """Return rows of images that have no id of their own."""
    return {split: [(p, None) for p in own] for split, own in paths.items()}


def test_image_ids__guide_saves_every_split_from_zero() -> None:
    train = ["3/0.jpg", "5/1.jpg", "3/2.jpg"]
    val = ["5/0.jpg", "3/1.jpg"]
    got, ids = derive(without_ids(val=val, train=train))
    assert {p: got["train", p] for p in train} == {"3/0.jpg": "0", "5/1.jpg": "1", "3/2.jpg": "2"}
    assert {p: got["val", p] for p in val} == {"5/0.jpg": "3", "3/1.jpg": "4"}
    assert ids.split_rows("val", val) == [0, 1]
    assert ids.is_integer
    assert ids.warnings == []


def test_image_ids__row_numbers_need_not_be_in_order() -> None:
    got, ids = derive(without_ids(all=["2.jpg", "0.jpg", "1.png"]))
    assert got == {("all", "2.jpg"): "2", ("all", "0.jpg"): "0", ("all", "1.png"): "1"}
    assert ids.is_integer


@pytest.mark.parametrize(
    "paths",
    [
        ["0.jpg", "2.jpg"],
        ["1.jpg", "2.jpg"],
        ["a/0.jpg", "b/0.jpg"],
        ["a/0.jpg", "b/1.jpg", "c/1.jpg"],
        ["00.jpg", "01.jpg"],
        ["0.jpg", "01.jpg"],
        ["0.jpg", "-1.jpg"],
        ["0.jpg", "x.jpg"],
        ["0.jpg", "9223372036854775808.jpg"],
        ["0.jpg", "9223372036854775807.jpg"],
    ],
)
def test_image_ids__stems_that_are_not_row_numbers_give_paths(paths: list[str]) -> None:
    got, ids = derive(without_ids(train=paths))
    assert got == {("train", p): p for p in paths}
    assert not ids.is_integer
    assert ids.split_rows("train", paths) == [None] * len(paths)


def test_image_ids__leading_zeros_stay() -> None:
    got, ids = derive({"all": [("a.jpg", "007"), ("b.jpg", "7")]})
    assert got == {("all", "a.jpg"): "007", ("all", "b.jpg"): "7"}
    assert not ids.is_integer
    assert ids.warnings == []


def test_image_ids__source_ids_beat_stems() -> None:
    got, ids = derive({"all": [("0.jpg", "1"), ("1.jpg", "0")]})
    assert got == {("all", "0.jpg"): "1", ("all", "1.jpg"): "0"}
    assert ids.is_integer


def test_image_ids__paths_that_clash_become_keys_in_the_later_split() -> None:
    got, ids = derive(without_ids(val=["cat/1.jpg", "cat/2.jpg"], train=["cat/1.jpg", "cat/x.jpg"]))
    assert got == {
        ("train", "cat/1.jpg"): "cat/1.jpg",
        ("train", "cat/x.jpg"): "cat/x.jpg",
        ("val", "cat/1.jpg"): "val/cat/1.jpg",
        ("val", "cat/2.jpg"): "cat/2.jpg",
    }
    assert ids.warnings == []


def test_image_ids__a_path_that_looks_like_another_splits_key() -> None:
    rows = without_ids(train=["cat/1.jpg", "val/cat/1.jpg"], val=["cat/1.jpg"])
    got, _ = derive(rows)
    assert got == {
        ("train", "cat/1.jpg"): "train/cat/1.jpg",
        ("train", "val/cat/1.jpg"): "train/val/cat/1.jpg",
        ("val", "cat/1.jpg"): "val/cat/1.jpg",
    }


def test_image_ids__one_row_without_id_turns_the_whole_split_to_paths() -> None:
    got, ids = derive({"train": [("a.jpg", "5"), ("b.jpg", None)], "val": [("a.jpg", None)]})
    assert got == {("train", "a.jpg"): "a.jpg", ("train", "b.jpg"): "b.jpg", ("val", "a.jpg"): "val/a.jpg"}
    assert ids.warnings == [
        "1 of 2 images of split 'train' have no id of their own, so none of that split's own ids are used"
    ]


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0"])
def test_image_ids__never_blank(blank: str) -> None:
    got, _ = derive({"all": [("a.jpg", blank), ("b.jpg", blank)]})
    assert got == {("all", "a.jpg"): "a.jpg", ("all", "b.jpg"): "b.jpg"}


def test_image_ids__colliding_source_ids_stay_and_are_told() -> None:
    rows: Rows = {"train": [("a.jpg", "1"), ("b.jpg", "1")], "val": [("a.jpg", "1")]}
    got, ids = derive(rows)
    assert set(got.values()) == {"1"}
    assert ids.warnings == [
        "1 image ids of split 'train' stand there more than once",
        "1 image ids of split 'val' also stand in an earlier split",
    ]


def test_image_ids__source_ids_against_row_numbers() -> None:
    got, ids = derive({"train": [("0.jpg", None), ("1.jpg", None)], "val": [("x.jpg", "1")]})
    assert got == {
        ("train", "0.jpg"): "train/0.jpg",
        ("train", "1.jpg"): "train/1.jpg",
        ("val", "x.jpg"): "1",
    }
    assert not ids.is_integer


def test_image_ids__a_source_id_that_looks_like_a_key_is_told() -> None:
    rows: Rows = {"train": [("1", "x.jpg"), ("2", "val/x.jpg")], "val": [("x.jpg", None)]}
    got, ids = derive(rows)
    assert got["train", "2"] == "val/x.jpg"
    assert ids.warnings


def test_image_ids__refuses_rows_it_did_not_observe() -> None:
    ids = ImageIds(["train"])
    ids.observe("train", ["a.jpg"], ["1"])
    ids.settle()
    with pytest.raises(IdentityError):
        ids.assign("train", ["a.jpg", "b.jpg"], ["1", None])


def test_image_ids__empty_splits_do_not_count() -> None:
    got, ids = derive(without_ids(train=["0.jpg"], val=[]))
    assert got == {("train", "0.jpg"): "0"}
    assert ids.is_integer


def test_image_ids__nothing_at_all() -> None:
    got, ids = derive({})
    assert got == {}
    assert not ids.is_integer


hostile_paths = st.sampled_from(
    "0.jpg 1.jpg 2.jpg 0 1 01.jpg a/0.jpg a/1.jpg b/1.jpg val/0.jpg val/a/0.jpg test/0.jpg test/val/0.jpg"
    " train/0.jpg val/1 extra/val/0.jpg".split()
)
hostile_ids = st.sampled_from(["0", "1", "2", "01", "0.jpg", "val/0.jpg", "test/val/0.jpg", "x", "", " "])


@st.composite
def datasets(draw: st.DrawFn) -> Rows:
    rows: Rows = {}
    for split in draw(st.lists(split_names, unique=True, max_size=4)):
        paths = draw(st.lists(hostile_paths, unique=True, max_size=6))
        own = draw(st.sampled_from(["none", "all", "some"]))
        ids: st.SearchStrategy[str | None] = st.none() if own == "none" else hostile_ids
        if own == "some":
            ids = ids | st.none()
        rows[split] = [(p, draw(ids)) for p in paths]
    return rows


def has_own_ids(own: list[tuple[str, str | None]]) -> bool:
    return all(i and not i.isspace() for _, i in own)


@given(datasets())
def test_image_ids__no_two_images_share_an_id_unless_told(rows: Rows) -> None:
    got, ids = derive(rows)
    assert len(got) == sum(map(len, rows.values()))
    if len(set(got.values())) < len(got):
        assert any("more than once" in w or "earlier split" in w or "look like" in w for w in ids.warnings)


@given(datasets())
def test_image_ids__derived_ids_are_always_unique(rows: Rows) -> None:
    rows = {split: [(p, None) for p, _ in own] for split, own in rows.items()}
    got, ids = derive(rows)
    assert len(set(got.values())) == len(got)
    assert ids.warnings == []


@given(datasets())
def test_image_ids__never_blank_and_integer_only_if_all_are(rows: Rows) -> None:
    got, ids = derive(rows)
    assert all(i.strip() for i in got.values())
    if ids.is_integer:
        assert got
        assert all(map(is_canonical_int, got.values()))


@given(datasets())
def test_image_ids__complete_source_ids_stay_word_for_word(rows: Rows) -> None:
    got, _ = derive(rows)
    for split, own in rows.items():
        if has_own_ids(own):
            assert [got[split, p] for p, _ in own] == [i for _, i in own]


@given(datasets(), st.integers(1, 3))
def test_image_ids__batches_do_not_matter(rows: Rows, batch: int) -> None:
    got, ids = derive(rows, batch=batch)
    whole, whole_ids = derive(rows)
    assert got == whole
    assert (ids.is_integer, ids.warnings) == (whole_ids.is_integer, whole_ids.warnings)


@given(datasets(), st.randoms(use_true_random=False))
def test_image_ids__order_of_rows_does_not_matter(rows: Rows, random) -> None:
    shuffled = {split: random.sample(own, len(own)) for split, own in rows.items()}
    assert derive(shuffled)[0] == derive(rows)[0]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_image_ids__row_numbers_of_all_splits_are_one_range(sizes: list[int]) -> None:
    names = order_splits(["train", "val", "test", "extra"][: len(sizes)])
    rows = without_ids(
        **{n: [f"{i % 2}/{i}.jpg" for i in range(k)] for n, k in zip(names, sizes, strict=True)}
    )
    got, ids = derive(rows)
    assert [got[n, p] for n in names for p, _ in rows[n]] == [str(i) for i in range(sum(sizes))]
    assert ids.is_integer
    for name in names:
        paths = [p for p, _ in rows[name]]
        assert ids.split_rows(name, paths) == list(range(len(paths)))
