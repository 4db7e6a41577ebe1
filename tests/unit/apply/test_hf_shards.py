from __future__ import annotations

from chaffinch.apply.hf_shards import HfClasses, hf_split_names
from chaffinch.records import ClassEntry


def test_hf_classes__numbers_stay_numbers() -> None:
    entries = [ClassEntry(0, "0", "0"), ClassEntry(1, "10", "10"), ClassEntry(2, "2", "2")]
    classes = HfClasses.of(entries, ["0", "10", "2"])
    assert classes.numbers == {"0": 0, "10": 10, "2": 2}
    assert classes.names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")


def test_hf_classes__names_have_the_position_of_their_class() -> None:
    entries = [ClassEntry(0, "n1", "crane"), ClassEntry(1, "n2", "crane"), ClassEntry(2, "n3", "owl")]
    classes = HfClasses.of(entries, ["n2", "owl", "unheard of"])
    assert classes.numbers == {"n2": 1, "owl": 2, "unheard of": 3}
    assert classes.names == ("crane", "crane (n2)", "owl", "unheard of")


def test_hf_classes__none() -> None:
    assert HfClasses.of([], []) == HfClasses((), {})


def test_hf_split_names__are_plain_words_and_differ() -> None:
    assert hf_split_names(["all"]) == {"all": "train"}
    assert hf_split_names(["all", "train"]) == {"train": "train", "all": "other"}
    assert hf_split_names(["a-b", "a b"]) == {"a-b": "a_b", "a b": "a_b_"}
