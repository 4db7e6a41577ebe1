"""Measure the search of all pairs by cosine and the neighbour graph: CPU, memory, recall, faiss beside it.

    .venv/bin/python benchmarks/cosine_search.py            # 1.28 M x 50 k and 1.28 M, some 8 CPU minutes
    .venv/bin/python benchmarks/cosine_search.py --base 200000 --queries 10000

Two kinds of vectors of 384 numbers: directions drawn evenly, and those of photographs: vectors of photographs
and of crops of them by the MobileNetV2 of the test data, turned to 384 numbers by their principal directions
and multiplied by mixing two of them with noise. Planted: each fiftieth query is a base vector with noise that
leaves a cosine of about .97. faiss' flat range search (in `.bench-envs/faiss`, made by
``python -m venv .bench-envs/faiss && .bench-envs/faiss/bin/pip install faiss-cpu``) runs on a slice in the
same run, since it would take most of an hour on the whole; both must give the same pairs. Each search runs in
a process of its own; CPU seconds are those of the search, over all threads, reading included.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from peers import ENVIRONMENTS
from runs import DATA, machine, run, scratch_folder, versions, write_result

DIM = 384
THRESHOLD = 0.95
PLANTED_NOISE = 0.25
"""Length of the noise on a planted copy: a cosine of about 1 / sqrt(1 + 0.25 ** 2) = .97."""
CROPS = 1
K = 30
SLICE = (200_000, 10_000)
BLOCK = 50_000

FAISS = """
import json, sys, time, numpy as np, faiss
folder, n_base, n_queries, threshold = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
vectors = np.load(folder + "/vectors.npy", mmap_mode="r")
start = time.process_time()
unit = lambda block: (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))(block.astype(np.float32))
index = faiss.IndexFlatIP(vectors.shape[1])
for first in range(0, n_base, 50000):
    index.add(unit(vectors[first:min(first + 50000, n_base)]))
n_all = int(sys.argv[5])
limits, distances, labels = index.range_search(unit(vectors[n_all:n_all + n_queries]), threshold)
cpu_s = time.process_time() - start
rows = np.repeat(np.arange(n_queries), np.diff(limits.astype(np.int64))) + n_all
np.save(folder + "/faiss.npy", np.stack([labels, rows], axis=1))
print(json.dumps({"cpu_s": cpu_s, "n_pairs": len(labels), "version": faiss.__version__}))
"""


def photograph_vectors() -> np.ndarray:
    """Return vectors of photographs and of crops of them, shape (V, 384), float32, norm 1."""
    from PIL import Image

    from chaffinch.compute.embedding import squash
    from chaffinch.pipeline.embedders import open_embedder
    from chaffinch.storage.vectors import unit_rows

    embedder = open_embedder(f"onnx:{next(DATA.glob('models/*.onnx'))}")
    rng, found = np.random.default_rng(0), []
    for path in sorted([*DATA.glob("photos-256/*.jpg"), *DATA.glob("imagenet-photos/*.JPEG")]):
        image = Image.open(path).convert("RGB")
        pictures = [image]
        for share in rng.uniform(0.3, 0.7, CROPS):
            left, top = rng.uniform(0, 1 - share, 2) * image.size
            pictures.append(image.crop((left, top, left + share * image.width, top + share * image.height)))
        found.append(embedder.embed(np.stack([squash(np.asarray(p), embedder.side) for p in pictures])))
    whole = unit_rows(np.concatenate(found))
    directions = np.linalg.eigh(whole.T.astype(np.float64) @ whole)[1][:, ::-1]
    return unit_rows(whole @ directions[:, :DIM])


def write_vectors(folder: Path, kind: str, n_base: int, n_queries: int) -> None:
    """Write base and queries, shape (n_base + n_queries, 384), float16; planted queries come first."""
    from chaffinch.storage.vectors import unit_rows

    rng = np.random.default_rng(1)
    real = photograph_vectors() if kind == "photographs" else None
    n = n_base + n_queries
    out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float16, shape=(n, DIM))
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        block = rng.standard_normal((rows, DIM), dtype=np.float32)
        if real is not None:
            a, b = rng.integers(0, len(real), (2, rows))
            mix = rng.uniform(0, 0.5, (rows, 1)).astype(np.float32)
            scale = real.std(axis=0) * rng.uniform(0.5, 1.2, (rows, 1)).astype(np.float32)
            block = unit_rows((1 - mix) * real[a] + mix * real[b]) + 0.7 * scale * block
        out[first : first + rows] = unit_rows(block)
    planted = rng.integers(0, min(n_base, SLICE[0]), n_queries // 50)
    noise = rng.standard_normal((len(planted), DIM)) * PLANTED_NOISE / np.sqrt(DIM)
    out[n_base : n_base + len(planted)] = unit_rows(out[planted] + noise)
    np.save(folder / "planted.npy", np.stack([planted, np.arange(len(planted)) + n_base], axis=1))


def search(folder: Path, n_base: int, n_queries: int, n_all: int) -> dict[str, Any]:
    """Run our search on the first base vectors and queries; `n_all` is where queries begin."""
    from chaffinch.detect.cosine import cosine_pairs

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    warm = np.arange(64)
    cosine_pairs(np.asarray(vectors[:64]), threshold=THRESHOLD, rows=warm[:32], others=warm[32:])
    start = time.process_time()
    queries = np.arange(n_all, n_all + n_queries)
    found = cosine_pairs(vectors, threshold=THRESHOLD, rows=np.arange(n_base), others=queries)
    cpu_s = time.process_time() - start
    np.save(folder / "ours.npy", found.pairs)
    return {"cpu_s": cpu_s, "n_pairs": len(found.pairs), "n_borderline": found.n_borderline}


def graph(folder: Path, n: int) -> dict[str, Any]:
    """Build the neighbour graph of the first n vectors."""
    from chaffinch.detect.knn import knn_graph

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")[:n]
    knn_graph(np.asarray(vectors[:64]), k=2, exact_products=0)
    start = time.process_time()
    found = knn_graph(vectors, k=K)
    return {
        "cpu_s": round(time.process_time() - start, 2),
        "k": K,
        "recall": round(found.recall, 4),
        "rows_behind_recall": found.n_recall_rows,
    }


def child(*arguments: object) -> dict[str, Any]:
    cost = run([sys.executable, Path(__file__), "--child", *arguments])
    return {**json.loads(cost.output.splitlines()[-1]), "peak_mb": round(cost.peak_mb)}


def recall_of(folder: Path, n_planted: int) -> float:
    """Return the share of planted pairs that our search found."""
    planted = np.load(folder / "planted.npy")[:n_planted]
    found = set(map(tuple, np.load(folder / "ours.npy").tolist()))
    return len(found & set(map(tuple, planted.tolist()))) / len(planted)


def compare(folder: Path, n_base: int, n_queries: int, n_all: int) -> dict[str, Any]:
    """Run both on a slice; return the row, with the ratio and the pairs on which they differ."""
    ours = child("search", folder, n_base, n_queries, n_all)
    command = [ENVIRONMENTS / "faiss/bin/python", "-c", FAISS, folder, n_base, n_queries, THRESHOLD, n_all]
    cost = run([str(part) for part in command])
    flat = json.loads(cost.output.splitlines()[-1])
    sets = [set(map(tuple, np.load(folder / f"{name}.npy").tolist())) for name in ("ours", "faiss")]
    return {
        "n_base": n_base,
        "n_queries": n_queries,
        "cpu_s": round(ours["cpu_s"], 2),
        "peak_mb": ours["peak_mb"],
        "n_pairs": ours["n_pairs"],
        "n_borderline": ours["n_borderline"],
        "recall_of_planted": recall_of(folder, n_queries // 50),
        "faiss_flat_cpu_s": round(flat["cpu_s"], 2),
        "faiss_peak_mb": round(cost.peak_mb),
        "pairs_only_one_found": len(sets[0] ^ sets[1]),
        "ratio_to_faiss": round(ours["cpu_s"] / flat["cpu_s"], 3),
        "faiss_version": flat["version"],
    }


def whole(folder: Path, n_base: int, n_queries: int) -> dict[str, Any]:
    """Run our search on everything."""
    ours = child("search", folder, n_base, n_queries, n_base)
    return {
        "n_base": n_base,
        "n_queries": n_queries,
        **{name: round(value, 2) if isinstance(value, float) else value for name, value in ours.items()},
        "recall_of_planted": recall_of(folder, n_queries // 50),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=int, default=1_280_000)
    parser.add_argument("--queries", type=int, default=50_000)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        step, folder, *numbers = options.child
        work = {"search": search, "graph": graph, "write": lambda f, kind, *n: write_vectors(f, kind, *n)}
        arguments = [numbers[0], *map(int, numbers[1:])] if step == "write" else list(map(int, numbers))
        print(json.dumps(work[step](Path(folder), *arguments) or {}))
        return
    facts, searches, graphs = machine(), [], []
    part = (min(SLICE[0], options.base), min(SLICE[1], options.queries))
    for kind in ("even", "photographs"):
        with scratch_folder() as folder:
            child("write", folder, kind, options.base, options.queries)
            searches.append({"vectors": kind, **compare(folder, *part, options.base)})
            if kind == "even":
                searches.append({"vectors": kind, **whole(folder, options.base, options.queries)})
            else:
                found = child("graph", folder, options.base)
                graphs.append({"vectors": kind, "n": options.base, **found})
    result = {
        "dimensions": DIM,
        "threshold": THRESHOLD,
        "target_ratio_to_faiss": 0.25,
        "target_peak_mb": 4096,
        "machine": facts,
        "versions": {**versions("chaffinch", "numpy", "numba"), "faiss": searches[0].get("faiss_version")},
        "searches": [{k: v for k, v in row.items() if k != "faiss_version"} for row in searches],
        "graphs": graphs,
    }
    write_result("cosine_search", result)


if __name__ == "__main__":
    main()
