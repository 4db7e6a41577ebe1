from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chaffinch.errors import SourceError
from chaffinch.records import LeakPair
from chaffinch.report.leak_summary import (
    ClassHits,
    LeakMethod,
    LeakSide,
    LeakSummary,
    LeftOut,
    ManifestHits,
    percent,
    read_leak_summary,
    rule_text,
    summary_text,
    write_leak_summary,
)
from chaffinch.report.leak_tally import LeakTally, MethodCount
from chaffinch.report.visible_text import visible

SUMMARY = LeakSummary(
    dataset="birds",
    report="birds_leaks_report.csv",
    train=LeakSide("data/train", {"ok": 998, "broken": 2}, n_leaking=3),
    test=LeakSide("data/val", {"ok": 100}, n_leaking=4),
    methods=(
        LeakMethod("exact", None, MethodCount(2, 2, 2, 0)),
        LeakMethod("perceptual", 5, MethodCount(12345, 3, 4, 1), {"bits": 64}, is_kept=True),
    ),
    n_labels_agree=2,
    n_labels_differ=1,
    classes=(ClassHits("robin", 1, 10), ClassHits("jay", 3, 40)),
    inputs_fingerprint="0123456789abcdef",
    wall_s=12.34,
    cpu_s=20.0,
    left_out=(LeftOut("semantic", "there is no embedding model", "chaffinch models get dinov2-small"),),
    manifest=ManifestHits("birds_tagged_manifest.csv", 3, 4),
    n_stars=1,
    notes=("Ninety-nine pairs lie near the threshold.",),
)

TEXT = """\
Train-test leaks in birds
=========================

leaking test images   4 of 100 (4.0 %)
their train images    3 of 1,000 (0.3 %)
labels agree          2 test images
labels differ         1 test images
labels unknown        1 test images

Pairs
-----
method             pairs   test images  train images  labels differ
exact                  2             2             2              0
perceptual        12,345             4             3              1

exact                 same bytes or same pixels
perceptual            pHash distance at most 5 of 64 bits (earlier stage)

exact_duplicate       2 rows
near_duplicate        12,345 rows
A pair that two methods found counts once for each.
Large groups of equal images written as stars (one of their images with each of
the others, not every pair; each leaking image still has a row): 1.

Images
------
                          images        ok   missing    broken   skipped
train                      1,000       998         0         2         0
  data/train
test                         100       100         0         0         0
  data/val
Images that are not ok have no pixels to compare: leaks among them stay unseen.

Classes hit (leaking test images)
---------------------------------
       3 of       40     7.5 %  jay
       1 of       10    10.0 %  robin

Left out
--------
semantic was left out: there is no embedding model.
  to get it: chaffinch models get dinov2-small

Where this comes from
---------------------
report                birds_leaks_report.csv
manifest              birds_tagged_manifest.csv
                      lists 3 of 4 leaking test images
inputs                0123456789abcdef
time                  12.3 s, 20.0 CPU s
Ninety-nine pairs lie near the threshold.
"""


def leak(method: str, train: str, test: str, labels: tuple[str | None, str | None]) -> LeakPair:
    agree = None if None in labels else labels[0] == labels[1]
    return LeakPair(
        train_image=train,
        test_image=test,
        method=method,
        similarity=1.0,
        leak_type="",
        hamming_distance=None,
        transform="",
        train_label=labels[0],
        test_label=labels[1],
        labels_agree=agree,
        train_key=f"train/{train}",
        test_key=f"val/{test}",
        train_uri="",
        test_uri="",
    )


def test_tally__counts_images_once() -> None:
    rows = [
        leak("exact", "a", "1", ("cat", "cat")),
        leak("perceptual", "a", "1", ("cat", "cat")),
        leak("perceptual", "b", "1", ("dog", "cat")),
        leak("perceptual", "b", "2", ("dog", "dog")),
        leak("perceptual", "b", "3", ("dog", None)),
    ]
    tally = LeakTally()
    assert list(tally.watch(rows)) == rows
    assert (tally.n_train_images, tally.n_test_images) == (2, 3)
    assert (tally.n_test_labels_agree, tally.n_test_labels_differ) == (1, 1)
    assert tally.of_method("exact") == MethodCount(1, 1, 1, 0)
    assert tally.of_method("perceptual") == MethodCount(4, 2, 3, 1)
    assert tally.of_method("semantic") == MethodCount(0, 0, 0, 0)
    assert tally.class_hits == {"cat": 1, "dog": 1}


def test_summary_text__whole() -> None:
    assert summary_text(SUMMARY) == TEXT
    assert max(map(len, TEXT.splitlines())) <= 80


def test_summary_text__no_leak() -> None:
    clean = replace(SUMMARY, methods=(LeakMethod("exact", None, MethodCount(0, 0, 0, 0)),), classes=())
    text = summary_text(clean)
    assert "No leak found." in text and "exact                  0" in text
    assert "Classes hit" not in text


def test_summary_text__only_left_out() -> None:
    text = summary_text(replace(SUMMARY, methods=(), classes=()))
    assert "Nothing was searched." in text and "semantic was left out" in text and "No leak" not in text


def test_summary_text__names_cannot_forge_lines() -> None:
    text = summary_text(replace(SUMMARY, dataset="x\nNo leak found.\u202e"))
    assert "Train-test leaks in x\\nNo leak found.\\u202e" in text


def test_summary_text__many_classes() -> None:
    text = summary_text(replace(SUMMARY, classes=[ClassHits(f"c{n:02}", 1, 9) for n in range(12)]))
    assert "c09" in text and "c10" not in text and "and 2 more classes" in text


def test_json__round_trip(tmp_path: Path) -> None:
    report = tmp_path / "birds.leaks.csv"
    text_path, json_path = write_leak_summary(report, SUMMARY)
    assert (text_path.name, json_path.name) == ("birds.leaks_summary.txt", "birds.leaks_summary.json")
    assert text_path.read_text() == TEXT
    assert read_leak_summary(report) == SUMMARY
    value = json.loads(json_path.read_text())
    assert value["schema"] == "chaffinch.leak_summary" and value["methods"][1]["settings"] == {"bits": 64}


def test_json__absent_or_broken(tmp_path: Path) -> None:
    report = tmp_path / "leaks.csv"
    assert read_leak_summary(report) is None
    for text in ('{"schema": "chaffinch.leak_su', "[]", "{}", '{"schema": "other", "version": 1}'):
        (tmp_path / "leaks_summary.json").write_text(text)
        with pytest.raises(SourceError, match="is no leak summary"):
            read_leak_summary(report)


def test_percent() -> None:
    assert [percent(x) for x in (0, 0.0001, 0.0423, 0.9999, 1)] == [
        "0.0 %",
        "< 0.1 %",
        "4.2 %",
        "> 99.9 %",
        "100.0 %",
    ]


def test_rule_text() -> None:
    assert rule_text("verified", 0.9) == "correlation at least 0.9, and in three of four tiles"
    assert rule_text("verified", None) == "confirmed on thumbnails"
    assert rule_text("semantic", 0.95) == "cosine at least 0.95"


def test_visible() -> None:
    assert visible("çat 日本 🐦.jpg") == "çat 日本 🐦.jpg"
    assert visible("a\nb\x00\u202egpj\U000e0001\udcff") == "a\\nb\\x00\\u202egpj\\U000e0001\\udcff"
