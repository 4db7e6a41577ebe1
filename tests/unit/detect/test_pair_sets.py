"""Exact and perceptual pairs within a set and between sides."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.detect.pair_sets import SampleColumns, exact_pairs, perceptual_pairs
from chaffinch.errors import SchemaError
from chaffinch.storage.pairs import expand_pairs


def columns(phash, *, content=None, pixels=None, is_ok=None, first_id=0) -> SampleColumns:
    n = len(phash)
    content = np.arange(1, n + 1) if content is None else np.array(content)
    pixels = content if pixels is None else np.array(pixels)
    phash = np.array(phash, dtype=np.uint64)
    return SampleColumns(
        sample_id=np.arange(first_id, first_id + n),
        is_ok=np.ones(n, dtype=bool) if is_ok is None else np.array(is_ok, dtype=bool),
        bytes_digest=np.stack([content, content], axis=1).astype(np.uint64),
        pixels_digest=np.stack([pixels, pixels + 7], axis=1).astype(np.uint64),
        phash=phash,
        phash_d4=np.tile(phash[:, np.newaxis], 8),
    )


def rows(pairs, side=None) -> list[tuple[int, int, int]]:
    return sorted(
        (a, b, int(pairs.hamming_distance[e]))
        for block in expand_pairs(pairs, side)
        for e, a, b in zip(block.edge.tolist(), block.sample_a.tolist(), block.sample_b.tolist(), strict=True)
    )


def test_exact_pairs__equal_bytes_or_equal_pixels_of_files_that_decode():
    samples = columns(
        [0] * 6, content=[1, 1, 2, 3, 4, 4], pixels=[1, 1, 1, 3, 4, 4], is_ok=[1, 1, 1, 1, 1, 0]
    )
    pairs = exact_pairs(samples)
    assert pairs.method == "exact"
    assert rows(pairs) == [(0, 1, -1), (0, 2, -1), (1, 2, -1)]
    assert pairs.group_members.tolist() == [0, 1, 2]
    assert pairs.similarity.tolist() == [1.0]
    assert pairs.transform == ("identity",)


def test_exact_pairs__between_sides_only():
    samples = columns([0] * 5, content=[1, 1, 1, 2, 2])
    side = np.array([0, 1, -1, 0, 0], dtype=np.int8)
    assert rows(exact_pairs(samples, side=side), side) == [(0, 1, -1)]


def test_perceptual_pairs__distance_and_similarity():
    samples = columns([0b0, 0b111, 0b111, 2**40 - 1], first_id=0)
    pairs = perceptual_pairs(samples, radius=3)
    assert rows(pairs) == [(0, 1, 3), (0, 2, 3), (1, 2, 0)]
    assert pairs.edges.tolist() == [[0, 1], [1, 1]]
    assert pairs.similarity.tolist() == [1 - 3 / 64, 1.0]
    assert pairs.group_members.tolist() == [0, 1, 2]


def test_perceptual_pairs__sample_ids_need_not_start_at_zero():
    pairs = perceptual_pairs(columns([1, 1], first_id=40), radius=0)
    assert pairs.group_members.tolist() == [40, 41]


def test_perceptual_pairs__nothing_found():
    pairs = perceptual_pairs(columns([0, 2**64 - 1]), radius=5)
    assert pairs.group_offsets.tolist() == [0]
    assert rows(pairs) == []


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(-1, 1), st.booleans()),
        min_size=1,
        max_size=25,
    ),
    st.integers(0, 4),
    st.booleans(),
)
def test_perceptual_pairs__equal_brute_force(raw, radius, has_sides):
    codes = [(1 << (20 * a)) - 1 ^ b for a, b, _, _ in raw]
    side = np.array([s for _, _, s, _ in raw], dtype=np.int8) if has_sides else None
    samples = columns(codes, is_ok=[ok for *_, ok in raw])
    expected = []
    for i in range(len(raw)):
        for j in range(len(raw)):
            wanted = i < j if side is None else side[i] == 0 and side[j] == 1
            bits = (codes[i] ^ codes[j]).bit_count()
            if wanted and raw[i][3] and raw[j][3] and bits <= radius:
                expected.append((i, j, bits))
    pairs = perceptual_pairs(samples, radius=radius, side=side)
    assert rows(pairs, side) == expected
    assert (pairs.edges[:, 0] <= pairs.edges[:, 1]).all()


def test_perceptual_pairs__ten_thousand_equal_codes_are_one_edge():
    codes = np.full(20_000, 5, dtype=np.uint64)
    codes[10_000:] = 4
    side = np.tile(np.array([0, 1], dtype=np.int8), 10_000)
    started = time.process_time()
    pairs = perceptual_pairs(columns(codes), radius=5, side=side)
    assert time.process_time() - started < 2
    assert pairs.edges.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert len(pairs.group_members) == 20_000


def test_sample_columns__refuse_what_does_not_fit():
    good = columns([1, 2])
    with pytest.raises(SchemaError, match="phash"):
        SampleColumns(
            good.sample_id,
            good.is_ok,
            good.bytes_digest,
            good.pixels_digest,
            good.phash.astype(np.int64),
            good.phash_d4,
        )
    with pytest.raises(SchemaError, match="rise"):
        SampleColumns(
            good.sample_id[::-1].copy(),
            good.is_ok,
            good.bytes_digest,
            good.pixels_digest,
            good.phash,
            good.phash_d4,
        )
    with pytest.raises(SchemaError, match="side"):
        exact_pairs(good, side=np.zeros(3, dtype=np.int8))
