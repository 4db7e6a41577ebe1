"""Groups of equal codes and digests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.detect.codes import digest_words, group_codes, group_digests
from chaffinch.errors import SchemaError


def members(groups) -> list[list[int]]:
    return [g.tolist() for g in np.split(groups.members, groups.offsets[1:-1])]


def test_group_codes__numbers_groups_by_their_first_row():
    groups = group_codes(np.array([9, 3, 9, 1, 3], dtype=np.uint64))
    assert members(groups) == [[0, 2], [1, 4], [3]]
    assert groups.of_row.tolist() == [0, 1, 0, 2, 1]
    assert groups.first.tolist() == [0, 1, 3]
    assert groups.sizes.tolist() == [2, 2, 1]


def test_group_codes__rows_of_several_words_must_agree_in_all():
    groups = group_codes(np.array([[1, 2], [1, 3], [1, 2]], dtype=np.uint64))
    assert members(groups) == [[0, 2], [1]]


def test_group_codes__of_nothing_is_nothing():
    groups = group_codes(np.empty(0, dtype=np.uint64))
    assert groups.offsets.tolist() == [0]
    assert len(groups.of_row) == 0


@given(st.lists(st.integers(0, 5), max_size=40))
def test_group_codes__is_the_partition_by_value(values):
    groups = group_codes(np.array(values, dtype=np.uint64))
    expected: dict[int, list[int]] = {}
    for row, value in enumerate(values):
        expected.setdefault(value, []).append(row)
    assert members(groups)[: len(expected)] == list(expected.values())


def test_group_digests__joins_rows_that_share_bytes_or_pixels():
    a, b, c = ("0" * 31 + digit for digit in "abc")
    by_bytes = digest_words([a, a, b, c, None, None])
    by_pixels = digest_words([None, b, b, c, "", ""])
    # 0 and 1 share bytes, 1 and 2 share pixels; rows without digests are alone.
    assert members(group_digests(by_bytes, by_pixels)) == [[0, 1, 2], [3], [4], [5]]


def test_digest_words__reads_hex():
    words = digest_words(["00000000000000010000000000000002", None])
    assert words.tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize("text", ["abc", "g" * 32, "0" * 33])
def test_digest_words__refuses_what_is_no_digest(text):
    with pytest.raises(SchemaError):
        digest_words([text])


def test_groups__refuse_other_types():
    with pytest.raises(SchemaError):
        group_codes(np.zeros(3, dtype=np.int64))
    with pytest.raises(SchemaError):
        group_digests(np.zeros((3, 2), np.uint64), np.zeros((2, 2), np.uint64))
