"""Who is who. Removing the wrong row is the worst thing this program could do; these tests try to make it."""

from __future__ import annotations

import os

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from chaffinch.errors import IdentityError
from chaffinch.identity import (
    ClassTable,
    check_split_name,
    finding_id,
    object_key,
    order_splits,
    path_from_text,
    path_text,
    sample_key,
    slug,
    split_of_key,
)
from chaffinch.records import ClassEntry

# ------------------------------------------------------------------------------------------------ path text

hostile_bytes = st.lists(
    st.sampled_from(
        [b"\\", b"x", b"\\x", b"\\x5c", b"5c", b"4", b"1", b"\xff", b"\xc3", b"\xa9", b"\xc3\xa9"]
    )
    | st.binary(min_size=1, max_size=3),
    min_size=1,
    max_size=8,
).map(b"".join)
file_names = hostile_bytes.filter(lambda name: b"\0" not in name and b"/" not in name)


@given(file_names)
@example(b"\\x41")
@example(b"\\x5cx41")
@example(b"\\\xff")
@example(b"\\x\xff")
@example(b"\xc3")
def test_path_text__leads_back_to_the_same_bytes(name: bytes) -> None:
    path = os.fsdecode(name)
    text = path_text(path)
    text.encode("utf-8")
    assert os.fsencode(path_from_text(text)) == name


@given(file_names, file_names)
def test_path_text__different_files_have_different_texts(one: bytes, other: bytes) -> None:
    assume(one != other)
    assert path_text(os.fsdecode(one)) != path_text(os.fsdecode(other))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"cat/1.jpg", "cat/1.jpg"),
        ("Käfer/ü.jpg".encode(), "Käfer/ü.jpg"),
        (b"caf\xe9.jpg", "caf\\xe9.jpg"),
        (b"caf\\xe9.jpg", "caf\\x5cxe9.jpg"),
        (b"back\\slash.jpg", "back\\slash.jpg"),
        (b'a,"b"\n.jpg', 'a,"b"\n.jpg'),
    ],
)
def test_path_text__spelling(name: bytes, text: str) -> None:
    assert path_text(os.fsdecode(name)) == text


def test_path_text__opens_the_file_on_disk(tmp_path) -> None:
    name = b"caf\xe9 \\xe9 \xff.jpg"
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(b"here")
    with open(path_from_text(path_text(os.fsdecode(path))), "rb") as file:
        assert file.read() == b"here"


@given(st.text(max_size=20))
def test_slug__is_safe_in_a_file_name(name: str) -> None:
    assert slug(name)
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")


def test_slug__known_names() -> None:
    assert slug("ImageNet-1K (val)") == "imagenet-1k_val"
    assert slug("../..") == "dataset"


# ------------------------------------------------------------------------------------------ keys and splits

split_names = st.sampled_from(["train", "val", "test", "extra"])
rel_paths = st.text(st.sampled_from("ab/#.1\\"), min_size=1, max_size=8)


@given(split_names, rel_paths, split_names, rel_paths)
def test_sample_key__is_injective(split_a: str, path_a: str, split_b: str, path_b: str) -> None:
    assert (sample_key(split_a, path_a) == sample_key(split_b, path_b)) == (
        (split_a, path_a) == (split_b, path_b)
    )
    assert split_of_key(sample_key(split_a, path_a)) == split_a


@given(rel_paths, st.text("ab1/", max_size=4), rel_paths, st.text("ab1/", max_size=4))
def test_object_key__is_injective(path_a: str, id_a: str, path_b: str, id_b: str) -> None:
    keys = object_key(sample_key("train", path_a), id_a), object_key(sample_key("train", path_b), id_b)
    assert (keys[0] == keys[1]) == ((path_a, id_a) == (path_b, id_b))


def test_object_key__refuses_the_separator() -> None:
    with pytest.raises(IdentityError):
        object_key("train/a.jpg", "1#2")


@pytest.mark.parametrize("name", ["", "a/b", "a#b", " train", "train ", "tr\nain", "\t", "/"])
def test_check_split_name__refuses(name: str) -> None:
    with pytest.raises(IdentityError):
        check_split_name(name)


@pytest.mark.parametrize("name", ["train", "val", "my split", "Prüfung", "2024"])
def test_check_split_name__accepts(name: str) -> None:
    assert check_split_name(name) == name


def test_order_splits__usual_names_first() -> None:
    assert order_splits(["zoo", "test", "val", "train", "zoo", "abc"]) == [
        "train",
        "val",
        "test",
        "zoo",
        "abc",
    ]


# ---------------------------------------------------------------------------------------------- class table

CRANES = [
    ClassEntry(0, "n02012849", "crane"),
    ClassEntry(1, "n03126707", "crane"),
    ClassEntry(2, "n02123045", "tabby"),
]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("crane", None),
        ("n02012849", 0),
        ("n03126707", 1),
        ("tabby", 2),
        ("1", 1),
        ("01", None),
        ("3", None),
        ("-1", None),
        ("", None),
        ("Tabby", None),
    ],
)
def test_class_table__resolve(text: str, index: int | None) -> None:
    entry = ClassTable(CRANES).resolve(text)
    assert (entry.index if entry else None) == index


def test_class_table__names_that_pandas_would_swallow() -> None:
    table = ClassTable.from_names(["None", "NA", "nan", "null", "cat", "cat"])
    assert [e.name for e in table.entries] == ["NA", "None", "cat", "nan", "null"]
    for name in ("None", "NA", "nan", "null"):
        entry = table.resolve(name)
        assert entry is not None
        assert entry.name == name


def test_class_table__a_number_that_is_no_category_is_nothing() -> None:
    table = ClassTable([ClassEntry(0, "1", "person"), ClassEntry(1, "13", "stop sign")])
    assert table.resolve("13") == ClassEntry(1, "13", "stop sign")
    assert table.resolve("0") is None
    assert table.resolve("1") == ClassEntry(0, "1", "person")


def test_class_table__folders_named_by_numbers_sort_as_text_and_resolve_by_name() -> None:
    table = ClassTable.from_names(str(i) for i in range(12))
    assert [e.name for e in table.entries][:4] == ["0", "1", "10", "11"]
    entry = table.resolve("2")
    assert entry is not None
    assert (entry.name, entry.index) == ("2", 4)


def test_class_table__two_classes_with_one_index_resolve_by_name_only() -> None:
    table = ClassTable([ClassEntry(0, "a", "ant"), ClassEntry(0, "b", "bee")])
    assert table.resolve("ant") == ClassEntry(0, "a", "ant")
    assert table.resolve("0") is None


words = st.text("ab1", min_size=1, max_size=2)


@given(st.lists(st.tuples(words, words), max_size=6), words)
def test_class_table__never_guesses(pairs: list[tuple[str, str]], text: str) -> None:
    entries = [ClassEntry(i, class_id, name) for i, (class_id, name) in enumerate(pairs)]
    called = [e for e in entries if text in (e.class_id, e.name)]
    entry = ClassTable(entries).resolve(text)
    if called:
        assert entry == (called[0] if len(called) == 1 else None)
    elif entry is not None:
        assert str(entry.index) == text


# ------------------------------------------------------------------------------------------------- findings

parts = st.text("ab\0\\=0", max_size=4)
findings = st.tuples(parts, st.lists(parts, max_size=4), st.none() | parts)


@given(findings, findings)
def test_finding_id__is_equal_exactly_for_equal_findings(
    one: tuple[str, list[str], str | None], other: tuple[str, list[str], str | None]
) -> None:
    same = (one[0], sorted(one[1]), one[2]) == (other[0], sorted(other[1]), other[2])
    assert (finding_id(one[0], one[1], one[2]) == finding_id(other[0], other[1], other[2])) == same


@given(findings, st.randoms(use_true_random=False))
def test_finding_id__order_of_subjects_does_not_matter(
    finding: tuple[str, list[str], str | None], random
) -> None:
    issue_type, subjects, label = finding
    shuffled = random.sample(subjects, len(subjects))
    assert finding_id(issue_type, shuffled, label) == finding_id(issue_type, subjects, label)


def test_finding_id__does_not_change_between_versions() -> None:
    assert finding_id("leak", ["d2", "d1"]) == finding_id("leak", iter(["d1", "d2"]))
    assert finding_id("leak", ["d1", "d2"]) == EXPECTED_LEAK_ID
    assert finding_id("mislabel", ["d1"], "") != finding_id("mislabel", ["d1"], None)


# blake2b, 16 bytes, of b"leak\0\0d1\0d2", as `b2sum -l 128` prints it.
EXPECTED_LEAK_ID = "c2f7344f4c3c0a5d87351a95e770066e"
