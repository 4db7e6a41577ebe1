"""Measure how well planted foreign images are ranked and flagged, beside other programs on the same vectors.

    .venv/bin/python benchmarks/quality/outliers.py [--scale N]

Truth: foreign images planted among the images of one set, 1, 3 and 10 % of all; on the holdout halves. The
foreign images are drawn cartoons, crops of textures, micrographs and pages (scikit-image), photographs among
tiny images, or other classes of the same set (near-domain). cleanlab gets the vectors (OutOfDistribution,
Datalab), fastdup too; its list of outliers is taken as ranked and flagged. Intervals: images drawn anew.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from feature_sets import FeatureSet, feature_set
from peer_runs import CLEANLAB, FASTDUP, Found, run_peers
from planted_labels import average_precision, half_of, interval, precision_recall_f1

sys.path.insert(0, str(Path(__file__).parents[1]))
from chaffinch.detect.knn import KnnGraph, knn_graph
from chaffinch.detect.outliers import N_NEIGHBOURS, score_outliers
from runs import RESULTS, machine, scratch_folder, versions, write_result

RATES = (0.01, 0.03, 0.1)
SEEDS = (0, 1, 2)
PLANTED = (
    ("photos", "cartoons"),
    ("photos", "textures"),
    ("horses", "cartoons"),
    ("horses", "other classes"),
    ("birds", "other classes"),
    ("tiny images", "photographs"),
    ("tiny images", "textures"),
    ("boxes", "cartoons"),
    ("boxes", "textures"),
)
OURS = "chaffinch"
RANKED = (OURS, "cleanlab OutOfDistribution", "cleanlab datalab", "fastdup outliers")
FLAGGED = (OURS, "cleanlab datalab", "fastdup outliers")


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One set of images with foreign ones among them."""

    inside: str
    foreign: str
    rate: float
    seed: int
    vectors: np.ndarray
    is_foreign: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.inside}|{self.foreign}|{self.rate}|{self.seed}"


def pools(*, is_holdout: bool) -> dict[str, np.ndarray]:
    """Return the vectors that cases are made of, of one half."""

    def part(name: str) -> FeatureSet:
        if name in ("drawings", "imagenet-photos"):
            pictures = feature_set(name)
            return pictures.take(np.arange(int(is_holdout), len(pictures.labels), 2))
        return half_of(name, is_holdout=is_holdout)

    drawn, tiny = part("drawings"), part("cifar10-slice")
    is_cartoon = drawn.labels == drawn.classes.index("cartoon")
    is_horse, is_bird = (tiny.labels == tiny.classes.index(name) for name in ("horse", "bird"))
    return {
        "cartoons": drawn.vectors[is_cartoon],
        "textures": drawn.vectors[~is_cartoon],
        "photographs": part("imagenet-photos").vectors,
        "other classes": tiny.vectors[~is_horse & ~is_bird],
        "photos": part("photos-256").vectors,
        "horses": tiny.vectors[is_horse],
        "birds": tiny.vectors[is_bird],
        "tiny images": tiny.vectors,
        "boxes": part("coco-boxes").vectors,
    }


def cases(*, is_holdout: bool) -> Iterator[Case]:
    """Yield all cases of one half; rate 0 is the set without foreign images, once."""
    vectors = pools(is_holdout=is_holdout)
    for inside in dict.fromkeys(inside for inside, _ in PLANTED):
        clean = vectors[inside]
        yield Case(inside, "none", 0.0, 0, clean, np.zeros(len(clean), dtype=bool))
    for inside, foreign in PLANTED:
        for rate, seed in ((rate, seed) for rate in RATES for seed in SEEDS):
            own, pool = vectors[inside], vectors[foreign]
            n = min(len(pool), max(2, round(rate * len(own) / (1 - rate))))
            rng = np.random.default_rng(seed)
            both = np.concatenate([own, pool[rng.permutation(len(pool))[:n]]]).astype(np.float32)
            # Mixed, so that scores that are equal favour neither.
            order = rng.permutation(len(both))
            yield Case(inside, foreign, rate, seed, both[order], order >= len(own))


def ours(vectors: np.ndarray) -> Found:
    graph = knn_graph(vectors.astype(np.float16), k=N_NEIGHBOURS)
    scores = score_outliers(vectors, np.full(len(vectors), -1), graph)
    return {f"{OURS}|score": scores.score, f"{OURS}|flag": scores.is_outlier}


def grouped(planted: list[Case]) -> dict[tuple[str, str, float], list[Case]]:
    groups: dict[tuple[str, str, float], list[Case]] = defaultdict(list)
    for case in planted:
        if case.rate:
            groups[case.inside, case.foreign, case.rate].append(case)
    return groups


def ranking(planted: list[Case], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return a row for each set, kind and share of foreign images: average precision of each tool."""
    rows: list[dict[str, Any]] = []
    means: dict[str, list[float]] = defaultdict(list)
    for (inside, foreign, rate), same in grouped(planted).items():
        row: dict[str, Any] = {"among": inside, "foreign": f"{foreign} {rate:.0%}"}
        for tool in RANKED:
            pairs = [(found[case.name][f"{tool}|score"], case.is_foreign) for case in same]
            mean = float(np.mean([average_precision(*pair) for pair in pairs]))
            low, high = interval(pairs)
            means[tool].append(mean)
            row[tool] = f"{mean:.3f} ({low:.3f} to {high:.3f})"
        rows.append(row)
    return [*rows, {"among": "mean", "foreign": "", **{t: f"{np.mean(v):.3f}" for t, v in means.items()}}]


def flagging(planted: list[Case], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return the like for flags: precision and recall."""
    rows: list[dict[str, Any]] = []
    means: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for (inside, foreign, rate), same in grouped(planted).items():
        row: dict[str, Any] = {"among": inside, "foreign": f"{foreign} {rate:.0%}"}
        for tool in FLAGGED:
            all_of = [precision_recall_f1(found[c.name][f"{tool}|flag"], c.is_foreign) for c in same]
            precision, recall, f1 = np.mean(all_of, axis=0)
            means[tool].append((precision, recall, f1))
            row[tool] = f"{precision:.2f}, {recall:.2f}"
        rows.append(row)
    last = {t: "{:.2f}, {:.2f}, F1 {:.2f}".format(*np.mean(v, axis=0)) for t, v in means.items()}
    return [*rows, {"among": "mean", "foreign": "", **last}]


def clean_sets(planted: list[Case], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return the share of each set that is flagged though nothing was planted."""
    return [
        {
            "set": case.inside,
            "n": len(case.vectors),
            **{tool: round(float(found[case.name][f"{tool}|flag"].mean()), 3) for tool in FLAGGED},
        }
        for case in planted
        if not case.rate
    ]


def scale(n: int, dim: int = 384) -> dict[str, Any]:
    """Measure synthetic vectors of 1,000 classes with 1 % foreign ones; the graph has its own benchmark."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 1000, n)
    with scratch_folder() as folder:
        path = folder / "vectors.npy"
        vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, dim))
        for start in range(0, n, 65536):
            block = rng.normal(0, 1, (min(65536, n - start), dim)).astype(np.float32) + 1
            vectors[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
        vectors.flush()
        del vectors
        near = rng.integers(0, n, (n, N_NEIGHBOURS))
        graph = KnnGraph(near, np.full(near.shape, 0.5, dtype=np.float32), 1.0, 0)
        started = time.process_time()
        score_outliers(np.load(path, mmap_mode="r"), labels, graph)
        seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"n": n, "dim": dim, "classes": 1000, "cpu_s": round(seconds, 1), "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=int, help="measure cost alone, on that many synthetic vectors")
    n = parser.parse_args().scale
    path = RESULTS / "outliers.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    if n:
        others = [row for row in kept.get("scale", []) if row["n"] != n]
        write_result("outliers", {**kept, "scale": sorted([*others, scale(n)], key=lambda r: r["n"])})
        return
    planted = list(cases(is_holdout=True))
    with scratch_folder() as folder:
        found, seconds = run_peers("outliers", {f"{c.name}|vectors": c.vectors for c in planted}, folder)
    started = time.process_time()
    for case in planted:
        found[case.name] |= ours(case.vectors)
    seconds[OURS] = time.process_time() - started
    result = {
        "machine": machine(),
        "versions": versions("numpy", "scipy", "numba", "onnxruntime", "scikit-image"),
        "peers": {"cleanlab": CLEANLAB.requirements[0], "fastdup": FASTDUP.requirements[0]},
        "vectors": "MobileNetV2, 1,280 dimensions; holdout halves; three seeds",
        "cpu_s_for_all_cases": {tool: round(s, 1) for tool, s in seconds.items()},
        "average_precision": ranking(planted, found),
        "precision_and_recall_of_flags": flagging(planted, found),
        "flagged_share_of_clean_sets": clean_sets(planted, found),
        "scale": kept.get("scale", []),
    }
    write_result("outliers", result)


if __name__ == "__main__":
    main()
