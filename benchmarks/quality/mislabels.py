"""Measure how well wrong labels are ranked and flagged, beside other programs on the same vectors.

    .venv/bin/python benchmarks/quality/mislabels.py [--scale N]

Truth: (1) planted noise on the holdout halves of `planted_labels.py`; (2) 105 labels of cifar10-slice that
five people each reviewed: wrong where most of them did not stand by it. cleanlab gets cross-fitted
logistic regression on the vectors (its usual way), and Datalab the vectors themselves; fastdup gets the
vectors, and a label's score is the share of its similar images that have another one. Intervals: images drawn
anew, 95 %. `--scale` measures cost on that many synthetic vectors of 1,000 classes.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from feature_sets import DATA, feature_set
from peer_runs import CLEANLAB, FASTDUP, Found, run_peers
from planted_labels import Case, average_precision, cases, interval, precision_recall_f1

sys.path.insert(0, str(Path(__file__).parents[1]))
from chaffinch.detect.confident import confident_learning
from chaffinch.detect.knn import KnnGraph, knn_graph
from chaffinch.detect.mislabels import N_NEIGHBOURS, flag_labels, score_labels
from chaffinch.detect.ridge import LabelledVectors
from runs import RESULTS, machine, scratch_folder, versions, write_result

OURS, VOTE = "chaffinch", "SimiFeat vote"
VOTE_NEIGHBOURS = 10
MAJORITY = 3
"""Of five reviewers."""
RANKED = (
    OURS,
    "cleanlab self_confidence",
    "cleanlab normalized_margin",
    "cleanlab datalab",
    VOTE,
    "fastdup label_score",
)
FLAGGED = (
    OURS,
    "cleanlab prune_by_noise_rate",
    "cleanlab both",
    "cleanlab confident_learning",
    "cleanlab datalab",
)


def ours(vectors: np.ndarray, labels: np.ndarray, graph: KnnGraph) -> Found:
    """Return our scores and flags; classes that the noise emptied do not matter."""
    data = LabelledVectors(vectors, np.arange(len(labels)), labels, int(labels.max()) + 1)
    flags = flag_labels(score_labels(data, graph), labels)
    return {
        f"{OURS}|score": flags.excess,
        f"{OURS}|flag": flags.is_mislabel,
        f"{OURS}|ambiguous": flags.is_ambiguous,
    }


def vote(labels: np.ndarray, graph: KnnGraph) -> Found:
    """Rank by how much of a vote weighted by cosine the best other label gets beyond the given one."""
    n, n_classes = len(labels), int(labels.max()) + 1
    near, weight = graph.neighbours[:, :VOTE_NEIGHBOURS], graph.similarity[:, :VOTE_NEIGHBOURS]
    shares = np.zeros((n, n_classes))
    np.add.at(shares, (np.arange(n)[:, None], labels[near]), weight)
    given = shares[np.arange(n), labels].copy()
    shares[np.arange(n), labels] = -np.inf
    return {f"{VOTE}|score": shares.max(axis=1) - given}


def measured_by_peers(planted: list[Case], folder: Path) -> tuple[dict[str, Found], dict[str, float]]:
    """Run the other programs on all cases; returns what they found by case, and their CPU seconds."""
    arrays = {f"{case.name}|labels": case.labels for case in planted}
    arrays |= {f"{case.data}|vectors": case.vectors for case in planted}
    return run_peers("labels", arrays, folder)


def measured_by_us(planted: list[Case], found: dict[str, Found]) -> float:
    """Add our findings and the vote to `found`; returns our CPU seconds."""
    graphs = {}
    seconds = 0.0
    for case in planted:
        started = time.process_time()
        if case.data not in graphs:
            graphs[case.data] = knn_graph(case.vectors.astype(np.float16), k=N_NEIGHBOURS)
        found[case.name] |= ours(case.vectors, case.labels, graphs[case.data])
        seconds += time.process_time() - started
        found[case.name] |= vote(case.labels, graphs[case.data])
    return seconds


def ranking(planted: list[Case], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return a row for each data set and kind of noise, with the average precision of each tool."""
    rows: list[dict[str, Any]] = []
    means: dict[str, list[float]] = defaultdict(list)
    for (data, noise, rate), same in grouped(planted).items():
        row: dict[str, Any] = {"data": data, "noise": f"{noise} {rate:.0%}"}
        for tool in RANKED:
            pairs = [(found[case.name][f"{tool}|score"], case.is_wrong) for case in same]
            mean = float(np.mean([average_precision(*pair) for pair in pairs]))
            low, high = interval(pairs)
            means[tool].append(mean)
            row[tool] = f"{mean:.3f} ({low:.3f} to {high:.3f})"
        rows.append(row)
    return [*rows, {"data": "mean", "noise": "", **{tool: f"{np.mean(means[tool]):.3f}" for tool in RANKED}}]


def flagging(planted: list[Case], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return a row for each data set and kind of noise: F1, precision and recall of each tool's flags."""
    rows: list[dict[str, Any]] = []
    means: dict[str, list[float]] = defaultdict(list)
    for (data, noise, rate), same in grouped(planted).items():
        row: dict[str, Any] = {"data": data, "noise": f"{noise} {rate:.0%}"}
        for tool in FLAGGED:
            all_of = [precision_recall_f1(found[c.name][f"{tool}|flag"], c.is_wrong) for c in same]
            precision, recall, f1 = np.mean(all_of, axis=0)
            means[tool].append(f1)
            row[tool] = f"{f1:.3f} ({precision:.2f}, {recall:.2f})"
        rows.append(row)
    return [*rows, {"data": "mean", "noise": "", **{tool: f"{np.mean(means[tool]):.3f}" for tool in FLAGGED}}]


def flags_without_noise(planted: list[Case], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return the share of each clean half that is flagged."""
    return [
        {
            "data": case.data,
            "n": len(case.labels),
            **{tool: round(float(found[case.name][f"{tool}|flag"].mean()), 3) for tool in FLAGGED},
            "chaffinch ambiguous": round(float(found[case.name][f"{OURS}|ambiguous"].mean()), 3),
        }
        for case in planted
        if case.noise == "none"
    ]


def grouped(planted: list[Case]) -> dict[tuple[str, str, float], list[Case]]:
    groups: dict[tuple[str, str, float], list[Case]] = defaultdict(list)
    for case in planted:
        if case.noise != "none":
            groups[case.data, case.noise, case.rate].append(case)
    return groups


def same_as_cleanlab(planted: list[Case], found: Mapping[str, Found]) -> dict[str, Any]:
    """Compare our confident learning with cleanlab's, on the same probabilities."""
    counts = {
        "labels": 0,
        "flagged_by_noise_rate": 0,
        "of_which_differ": 0,
        "flagged_by_both_rules": 0,
        "of_which_differ_too": 0,
    }
    largest = 0.0
    for case in planted:
        theirs = found[case.name]
        probs, labels = theirs["cleanlab probs"], np.unique(case.labels, return_inverse=True)[1]
        by_rate, by_both = (confident_learning(probs, labels, rule=r) for r in ("noise_rate", "both"))
        rate_flags, both_flags = (theirs[f"cleanlab {r}|flag"] for r in ("prune_by_noise_rate", "both"))
        counts["labels"] += len(labels)
        counts["flagged_by_noise_rate"] += int(rate_flags.sum())
        counts["of_which_differ"] += int((by_rate.is_issue != rate_flags).sum())
        counts["flagged_by_both_rules"] += int(both_flags.sum())
        counts["of_which_differ_too"] += int((by_both.is_issue != both_flags).sum())
        scores = {"self_confidence": by_rate.self_confidence, "normalized_margin": by_rate.normalized_margin}
        for name, ours_of in scores.items():
            largest = max(largest, float(np.abs(1 - ours_of - theirs[f"cleanlab {name}|score"]).max()))
    return {**counts, "largest_difference_of_scores": largest}


def reviewed_case() -> tuple[Case, np.ndarray]:
    """Return all of cifar10-slice, and the rows that people reviewed; labels that they rejected are wrong."""
    pictures = feature_set("cifar10-slice")
    row_of = {name: row for row, name in enumerate(pictures.names)}
    is_wrong = np.zeros(len(pictures.labels), dtype=bool)
    rows = []
    with (DATA / "cifar10-slice" / "mturk_label_review.csv").open() as file:
        for review in csv.DictReader(file):
            rows.append(row_of[review["image"]])
            is_wrong[rows[-1]] = int(review["votes_guessed"]) + int(review["votes_neither"]) >= MAJORITY
    vectors = pictures.vectors.astype(np.float32)
    return Case("reviewed", "people", 0.0, 0, vectors, pictures.labels, is_wrong), np.array(rows)


def reviewed(case: Case, rows: np.ndarray, found: Found) -> dict[str, Any]:
    pairs = {tool: (found[f"{tool}|score"][rows], case.is_wrong[rows]) for tool in RANKED}
    measures = []
    for tool, pair in pairs.items():
        low, high = interval([pair])
        measures.append(
            {"tool": tool, "average_precision": f"{average_precision(*pair):.3f} ({low:.3f} to {high:.3f})"}
        )
    return {"n": len(rows), "n_wrong": int(case.is_wrong[rows].sum()), "ranking_of_reviewed": measures}


def scale(n: int, dim: int = 384, n_classes: int = 1000) -> dict[str, Any]:
    """Judge synthetic vectors in clouds of 1,000 classes, 5 % of whose labels are wrong."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (n_classes, dim)).astype(np.float32)
    truth = rng.integers(0, n_classes, n)
    with scratch_folder() as folder:
        path = folder / "vectors.npy"
        vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, dim))
        for start in range(0, n, 65536):
            block = centres[truth[start : start + 65536]]
            block = block + rng.normal(0, 2.5, block.shape).astype(np.float32)
            vectors[start : start + 65536] = block / np.linalg.norm(block, axis=1, keepdims=True)
        vectors.flush()
        del vectors
        mapped = np.load(path, mmap_mode="r")
        labels = np.where(rng.random(n) < 0.05, rng.integers(0, n_classes, n), truth)
        # A graph of the planted classes stands in for the search, whose cost has its own benchmark.
        graph = same_class_graph(truth, rng)
        peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.process_time()
        scores = score_labels(LabelledVectors(mapped, np.arange(n), labels, n_classes), graph)
        flags = flag_labels(scores, labels)
        seconds = time.process_time() - started
    precision, recall, _ = precision_recall_f1(flags.is_mislabel, labels != truth)
    return {
        "n": n,
        "dim": dim,
        "classes": n_classes,
        "cpu_s": round(seconds, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_mb_before": round(peak_before),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
    }


def same_class_graph(truth: np.ndarray, rng: np.random.Generator) -> KnnGraph:
    """Return neighbours drawn from each row's own cloud, with cosines as clouds of that width have."""
    order = np.argsort(truth, kind="stable")
    start = np.searchsorted(truth[order], truth)
    size = np.bincount(truth)[truth]
    near = np.empty((len(truth), N_NEIGHBOURS), dtype=np.int64)
    for column in range(N_NEIGHBOURS):
        near[:, column] = order[start + rng.integers(0, size)]
    similarity = np.full(near.shape, 0.3, dtype=np.float32)
    return KnnGraph(near, similarity, 1.0, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=int, help="measure cost alone, on that many synthetic vectors")
    n = parser.parse_args().scale
    if n:
        path = RESULTS / "mislabels.json"
        result = json.loads(path.read_text()) if path.exists() else {}
        others = [row for row in result.get("scale", []) if row["n"] != n]
        write_result("mislabels", {**result, "scale": sorted([*others, scale(n)], key=lambda r: r["n"])})
        return
    planted = list(cases(is_holdout=True))
    case, rows = reviewed_case()
    with scratch_folder() as folder:
        found, seconds = measured_by_peers([*planted, case], folder)
    seconds[OURS] = measured_by_us([*planted, case], found)
    path = RESULTS / "mislabels.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    write_result(
        "mislabels",
        {
            "machine": machine(),
            "versions": versions("numpy", "scipy", "numba", "onnxruntime"),
            "peers": {"cleanlab": CLEANLAB.requirements[0], "fastdup": FASTDUP.requirements[0]},
            "vectors": "MobileNetV2, 1,280 dimensions; holdout halves; three seeds",
            "cpu_s_for_all_cases": {tool: round(s, 1) for tool, s in seconds.items()},
            "average_precision": ranking(planted, found),
            "F1_of_flags_with_precision_and_recall": flagging(planted, found),
            "flagged_share_of_clean_halves": flags_without_noise(planted, found),
            "confident_learning_beside_cleanlab": same_as_cleanlab(planted, found),
            "reviewed_by_people": reviewed(case, rows, found[case.name]),
            "scale": kept.get("scale", []),
        },
    )


if __name__ == "__main__":
    main()
