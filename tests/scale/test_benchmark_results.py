"""Holds benchmarks/results against what the design promises; `make bench` measures first, then runs this."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

pytestmark = pytest.mark.scale


def result(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"not measured yet: python benchmarks/{name}.py")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def peaks(rows: list[dict[str, Any]]) -> list[float]:
    return [row["peak_mb"] for row in rows if "peak_mb" in row]


def test_scan__ratios_of_cpu_time_are_within_their_targets() -> None:
    missed = [row for row in result("scan")["targets"] if row["reached"] > row["target"]]
    assert missed == []


def test_leak_path__pairs_are_those_of_brute_force() -> None:
    rows = result("leak_path")["pair_by_pair"]
    assert [(row["missing"], row["wrong"]) for row in rows] == [(0, 0), (0, 0)]
    assert all(row["rows"] > 0 for row in rows)


def test_leak_scale__pairs_are_those_of_brute_force() -> None:
    found = result("leak_scale")
    for side in ("leaks_against_brute_force", "duplicates_against_brute_force"):
        assert found[side]["recall_on_sample"] == 1
        assert found[side]["wrong_on_sample"] == 0
    exact = found["leaks_against_brute_force"]
    assert exact["exact_pairs"] == exact["exact_pairs_by_count"]


def test_leak_scale__peak_memory_is_below_4_gib() -> None:
    found = result("leak_scale")
    assert (found["n_train"], found["n_test"]) == (1_280_000, 50_000)
    assert 0 < max(peaks(found["steps"])) < 4096


def test_resolve_scale__lists_are_right_and_within_time_and_memory() -> None:
    found = result("resolve_scale")
    assert found["n_samples"] == 1_330_000
    assert found["n_removed"] == found["n_removed_by_count"] > 0
    assert found["same_bytes_twice"]
    resolved = found["steps"][-1]
    assert 0 < resolved["cpu_s"] < found["target"]["resolve_cpu_s"]
    assert 0 < resolved["peak_mb"] < found["target"]["resolve_peak_mb"]


def test_review_app__page_and_server_keep_pace_at_imagenet_size() -> None:
    found = result("review_app")
    target = found["target"]
    (page,) = found["pages"]
    assert page["n_images"] == 1_281_167
    for figure in ("first_page_s", "key_to_dom_ms_p95", "key_to_painted_ms_p95", "dom_nodes"):
        assert 0 < page[figure] < target[figure], figure
    assert found["undo_is_exact"]
    waited = [row["others_waited_s"] for row in found["requests"] if row["n_images"] == 1_281_167]
    assert 0 < max(waited) < target["others_waited_s"]


def test_whole_run__costs_less_than_peers_that_do_a_part_of_it() -> None:
    cost = {row["program"]: row["cpu_ms_per_image"] for row in result("whole_run")["programs"]}
    for size in ("chaffinch clean", "chaffinch clean, 128 pixels"):
        assert cost["cleanvision"] > 2 * cost[size]
        assert cost["fastdup"] > 1.3 * cost[size]


def test_memory__scan_stays_below_1_gib_at_imagenet_size() -> None:
    found = result("memory")
    assert max(row["n_images"] for row in found["scans"]) >= 200_000
    assert 0 < max(peaks(found["scans"])) < 1024
    assert all(row["peak_mb_at_1281167_images"] < 1024 for row in found["growth"])


def test_startup__help_and_install_are_within_their_targets() -> None:
    found = result("startup")
    assert found["start"][0]["cpu_s"] < found["start"][0]["target"]
    assert found["installed_core_mb"] < found["target_core_mb"]


def mean_of(rows: list[dict[str, Any]], tool: str) -> float:
    """Return a tool's mean from the last row of a table of quality."""
    return float(rows[-1][tool].split()[-1])


def test_mislabels__ranking_and_flags_are_at_least_the_peers() -> None:
    found = result("mislabels")
    for table in ("average_precision", "F1_of_flags_with_precision_and_recall"):
        rows = found[table]
        others = [name for name in rows[-1] if name not in ("data", "noise", "chaffinch")]
        assert mean_of(rows, "chaffinch") >= max(mean_of(rows, name) for name in others)


def test_mislabels__imagenet_size_stays_below_4_gib() -> None:
    assert any(row["n"] >= 1_280_000 for row in result("mislabels")["scale"])
    assert max(peaks(result("mislabels")["scale"])) < 4096


def test_outliers__ranking_is_at_least_the_peers() -> None:
    rows = result("outliers")["average_precision"]
    others = [name for name in rows[-1] if name not in ("among", "foreign", "chaffinch")]
    assert mean_of(rows, "chaffinch") >= max(mean_of(rows, name) for name in others)


def test_outliers__imagenet_size_stays_below_4_gib() -> None:
    assert any(row["n"] >= 1_280_000 for row in result("outliers")["scale"])
    assert max(peaks(result("outliers")["scale"])) < 4096


def test_cosine_search__is_complete_cheap_and_small() -> None:
    found = result("cosine_search")
    searches = found["searches"]
    assert max(row["n_base"] for row in searches) == 1_280_000
    assert all(row["recall_of_planted"] == 1 for row in searches)
    beside_faiss = [row for row in searches if "ratio_to_faiss" in row]
    assert [row["pairs_only_one_found"] for row in beside_faiss] == [0] * len(beside_faiss)
    assert all(row["ratio_to_faiss"] <= found["target_ratio_to_faiss"] for row in beside_faiss)
    assert max(peaks(searches) + peaks(found["graphs"])) < found["target_peak_mb"]
    assert all(row["recall"] > 0.9 for row in found["graphs"])


def test_leaks__vectors_help_and_bring_no_wrong_pair() -> None:
    rows = {row["method"]: row for row in result("leaks")["photographs_holdout"]}
    recall = {name: float(row["recall"].split()[0]) for name, row in rows.items()}
    assert recall["verified"] < recall["verified with descriptor"] < recall["verified with mobilenet-v2"]
    for name in ("verified", "verified with descriptor", "verified with mobilenet-v2"):
        assert rows[name]["wrong_pairs_among_strangers"] == 0
