"""Issue rows made from pairs."""

from __future__ import annotations

import json

import numpy as np

from chaffinch.detect.groups import duplicate_groups
from chaffinch.detect.issues import duplicate_rows, label_conflict_rows, leak_rows
from chaffinch.detect.neighbours import strongest_across
from chaffinch.detect.sample_texts import SampleText
from chaffinch.identity import finding_id
from chaffinch.storage.issues import ISSUES_SCHEMA
from chaffinch.storage.pairs import PairSet


def pair_set(method, groups, edges) -> PairSet:
    """Edges are (group, group, similarity, distance, transform)."""
    return PairSet(
        method=method,
        group_offsets=np.cumsum([0, *map(len, groups)]).astype(np.int64),
        group_members=np.array([m for g in groups for m in g], dtype=np.int64),
        edges=np.array([e[:2] for e in edges], dtype=np.int64).reshape(-1, 2),
        similarity=np.array([e[2] for e in edges], dtype=np.float32),
        hamming_distance=np.array([e[3] for e in edges], dtype=np.int16),
        transform=tuple(e[4] for e in edges),
    )


def texts(n: int, labels=None) -> dict[int, SampleText]:
    labels = labels or ["cat"] * n
    return {i: SampleText(f"s/{i}.jpg", labels[i], f"digest{i}") for i in range(n)}


EXACT = pair_set("exact", [[0, 3]], [(0, 0, 1.0, -1, "identity")])
PERCEPTUAL = pair_set(
    "perceptual", [[0, 3], [1], [4]], [(0, 0, 1, 0, ""), (0, 2, 1 - 4 / 64, 4, ""), (1, 2, 1 - 2 / 64, 2, "")]
)
VERIFIED = pair_set("verified", [[2], [4]], [(0, 1, 0.95, 8, "rotate_90+crop")])
SIDE = np.array([0, 0, 0, 1, 1], dtype=np.int8)


def test_strongest_across__the_surer_method_wins_and_partners_are_counted():
    found = strongest_across([PERCEPTUAL, EXACT, VERIFIED], SIDE)
    assert {s: (n.sample, n.method) for s, n in found.items()} == {
        0: (3, "exact"),
        1: (4, "perceptual"),
        2: (4, "verified"),
        3: (0, "exact"),
        4: (2, "verified"),
    }
    assert strongest_across([PERCEPTUAL], SIDE)[0].n_partners == 2
    assert found[2].transform == "rotate_270+wider_crop"
    assert found[4].transform == "rotate_90+crop"


def test_strongest_across__ten_thousand_equal_codes_are_not_expanded():
    pairs = pair_set("perceptual", [list(range(20_000))], [(0, 0, 1.0, 0, "")])
    side = np.repeat(np.array([0, 1], dtype=np.int8), 10_000)
    found = strongest_across([pairs], side)
    assert len(found) == 20_000
    assert (found[0].sample, found[19_999].sample, found[0].n_partners) == (10_000, 0, 10_000)


def test_leak_rows__both_sides_carry_a_row_with_a_full_sentence():
    rows = leak_rows(strongest_across([EXACT, VERIFIED, PERCEPTUAL], SIDE), texts(5), phash_threshold=5)
    table = rows.table()
    assert table.schema == ISSUES_SCHEMA
    assert table.column("sample_id").to_pylist() == [0, 1, 2, 3, 4]
    assert set(table.column("issue_type").to_pylist()) == {"leak"}
    assert table.column("confidence").to_pylist()[0] == 1
    assert table.column("reason").to_pylist()[:3] == [
        "Same content as s/3.jpg, which is on the other side.",
        "pHash 2 bits from that of s/4.jpg (limit 5), which is on the other side.",
        "Correlates 0.950 (limit 0.70; rotate_270+wider_crop) with s/4.jpg, which is on the other side.",
    ]
    assert rows.finding_id[0] == finding_id("leak", ["digest0"])
    assert rows.finding_id[3] == finding_id("leak", ["digest3"])
    assert json.loads(rows.evidence[1])["hamming_distance"] == 2
    assert all(0 < c <= 1 for c in rows.confidence)


def test_duplicate_rows__the_kept_one_and_its_copies_share_a_group():
    groups = duplicate_groups([PERCEPTUAL, EXACT], rank=np.arange(5))
    rows = duplicate_rows(groups, texts(5), phash_threshold=5)
    assert rows.sample_id == [0, 3, 4]
    assert rows.group_id == ["0", "0", "0"]
    assert rows.is_original == [True, False, False]
    assert rows.method == ["exact", "exact", "perceptual"]
    assert rows.reason == [
        "Same content as s/3.jpg; of 3 duplicates this is the one kept.",
        "Same content as s/0.jpg; of 3 duplicates this is a copy of s/0.jpg, which is kept.",
        "pHash 4 bits from that of s/0.jpg (limit 5); "
        "of 3 duplicates this is a copy of s/0.jpg, which is kept.",
    ]


def test_label_conflict_rows__name_the_rival_and_suggest_a_clear_majority():
    exact = pair_set("exact", [[0, 1, 2], [3, 4]], [(0, 0, 1, -1, "identity"), (1, 1, 1, -1, "identity")])
    rows = label_conflict_rows(exact, texts(5, ["cat", "dog", "cat", "owl", "owl"]))
    assert rows.sample_id == [0, 1, 2]
    assert rows.suggested_label == [None, "cat", None]
    assert [round(c, 3) for c in rows.confidence] == [0.333, 0.667, 0.333]
    assert rows.reason[1] == (
        "The same picture as s/0.jpg, which is labelled 'cat' and this one 'dog'; "
        "1 of 3 equal pictures say 'dog'."
    )
    assert rows.finding_id[0] == finding_id("label_conflict", ["digest0"], "cat")


def test_label_conflict_rows__an_image_without_a_label_is_in_no_conflict():
    exact = pair_set("exact", [[0, 1]], [(0, 0, 1, -1, "identity")])
    assert len(label_conflict_rows(exact, texts(2, ["cat", None]))) == 0


def test_rows__nothing_found_is_an_empty_table():
    assert leak_rows({}, {}, phash_threshold=None).table().num_rows == 0
    assert len(duplicate_rows(duplicate_groups([], rank=np.arange(3)), {}, phash_threshold=None)) == 0
