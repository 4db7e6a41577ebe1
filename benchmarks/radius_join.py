"""Measure the Hamming radius join: CPU time, peak memory, recall against brute force, ratio to brute force.

    .venv/bin/python benchmarks/radius_join.py                    # full size, a few minutes
    .venv/bin/python benchmarks/radius_join.py --base 100000 --queries 10000

Two kinds of hashes: uniform random ones, and skewed ones: pHashes of crops of real photographs, multiplied to
the size asked for by swapping a few ones for zeros (a real pHash has 32 ones). Recall is counted over all
pairs of a sample of rows, half of them rows with planted neighbours. The reference is a brute-force loop in
numba over the same sample, timed in the same run and extrapolated. Everything is CPU time over all threads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numba
import numpy as np
from PIL import Image
from scipy.fft import dct

from chaffinch.detect import hamming
from chaffinch.detect.hamming_kernels import popcount

DATA = Path(os.environ.get("CHAFFINCH_TEST_DATA", "../shared/data"))


@numba.njit(cache=True)
def brute_force(turns: np.ndarray, base_turns: np.ndarray, *, both: bool, radius: int) -> np.ndarray:
    """Smallest distance of each query (turned) to each base code; rows (query, base, distance) in radius."""
    found = []
    columns = base_turns.T.copy()
    best = np.empty(4096, dtype=np.uint64)
    for first in range(0, len(base_turns), len(best)):
        tile = columns[:, first : first + len(best)]
        for i in range(len(turns)):
            best[:] = 64
            for g in range(turns.shape[1]):
                for j in range(tile.shape[1]):
                    best[j] = min(best[j], popcount(turns[i, g] ^ tile[0, j]))
                if both:
                    for j in range(tile.shape[1]):
                        best[j] = min(best[j], popcount(tile[g, j] ^ turns[i, 0]))
            for j in range(tile.shape[1]):
                if best[j] <= np.uint64(radius):
                    found.append((i, first + j, np.int64(best[j])))
    return np.array([(-1, -1, np.int64(-1)), *found])[1:]


def hash_turns(gray: np.ndarray) -> np.ndarray:
    """Return the pHash bits of the eight orientations of a 32 x 32 picture as uint64."""
    turned = [gray, gray[:, ::-1], gray[::-1], gray[::-1, ::-1]]
    turned += [gray.T, np.rot90(gray), np.rot90(gray, 3), gray[::-1, ::-1].T]
    codes = []
    for picture in turned:
        low = dct(dct(picture.astype(float), axis=0), axis=1)[:8, :8]
        codes.append(int("".join("1" if bit else "0" for bit in (low > np.median(low)).ravel()), 2))
    return np.array(codes, dtype=np.uint64)


def crop_hashes(n_hashes: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n_hashes, 8) pHashes of random crops of the photographs."""
    paths = sorted([*DATA.glob("photos-256/**/*.JP*G"), *DATA.glob("imagenet-photos/*.JPEG")])
    paths = paths or sorted(DATA.glob("**/*.jpg"))
    codes = []
    for number, path in enumerate(paths):
        picture = Image.open(path).convert("L")
        picture.thumbnail((256, 256))
        width, height = picture.size
        for _ in range((n_hashes * (number + 1)) // len(paths) - len(codes)):
            scale = rng.uniform(0.3, 1)
            left, top = rng.uniform(0, 1 - scale, 2) * (width, height)
            box = (left, top, left + scale * width, top + scale * height)
            codes.append(hash_turns(np.asarray(picture.resize((32, 32), Image.Resampling.LANCZOS, box=box))))
    return np.array(codes)


def multiply(codes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n codes in 8 orientations, each a given one with 4 to 10 ones swapped for zeros."""
    out = codes[rng.integers(0, len(codes), n)]
    n_swaps = rng.integers(4, 11, n)
    for step in range(10):
        active = np.flatnonzero(n_swaps > step)
        for turn in range(out.shape[1]):
            for wanted in (1, 0):
                bit = rng.integers(0, 64, len(active), dtype=np.uint64)
                fits = (out[active, turn] >> bit) & np.uint64(1) == np.uint64(wanted)
                out[active[fits], turn] ^= np.uint64(1) << bit[fits]
    return out


def peak_mb() -> tuple[float, float]:
    """Return peak and current memory of this process, MB."""
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if "Vm" in line
    )
    return int(status["VmHWM"].split()[0]) / 1024, int(status["VmRSS"].split()[0]) / 1024


def measure(blocks: Callable[[], Iterator[np.ndarray]], sample: np.ndarray, *, is_self: bool) -> dict:
    """Run a join, keep the pairs of the sampled rows, and return its costs."""
    Path("/proc/self/clear_refs").write_text("5")
    before, start, n_pairs, kept = peak_mb()[1], time.process_time(), 0, []
    for block in blocks():
        n_pairs += len(block)
        near = np.isin(block[:, 0], sample)
        kept.append(block[near, :3])
        if is_self:
            kept.append(block[np.isin(block[:, 1], sample)][:, [1, 0, 2]])
    cpu_s = time.process_time() - start
    pairs = np.concatenate([np.empty((0, 3), np.int64), *kept])
    return {"cpu_s": cpu_s, "peak_extra_mb": peak_mb()[0] - before, "n_pairs": n_pairs, "pairs": pairs}


def case(name: str, queries: np.ndarray | None, base: np.ndarray, radius: int, n_sample: int) -> dict:
    """Measure one join; `queries` None means the self-join; arrays are (n, 8)."""
    is_self, oriented = queries is None, "orientations" in name
    turns = base if is_self else queries
    plain_base, plain = np.ascontiguousarray(base[:, 0]), np.ascontiguousarray(turns[:, 0])
    if oriented:
        run = hamming.iter_oriented_self_pairs if is_self else hamming.iter_oriented_pairs
        arguments = (base,) if is_self else (queries, plain_base)
    else:
        run = hamming.iter_radius_self_pairs if is_self else hamming.iter_radius_pairs
        arguments = (plain_base,) if is_self else (plain, plain_base)
    n_half = min(n_sample // 2, len(turns) // 100)
    others = np.random.default_rng(1).choice(np.arange(n_half, len(turns)), n_half, replace=False)
    sample = np.concatenate([np.arange(n_half), np.sort(others)])
    result = measure(lambda: run(*arguments, radius=radius), sample, is_self=is_self)
    sample_turns = turns[sample] if oriented else turns[sample, :1]
    base_turns = base if oriented else base[:, :1]
    start = time.process_time()
    truth = brute_force(sample_turns, base_turns, both=is_self and oriented, radius=radius)
    brute_s = (time.process_time() - start) * len(turns) / len(sample) / (2 if is_self else 1)
    wanted = {(int(sample[i]), j, d) for i, j, d in truth.tolist() if not is_self or sample[i] != j}
    got = set(map(tuple, result.pop("pairs").tolist()))
    return {
        "case": name,
        "n_queries": len(turns),
        "n_base": len(base),
        "radius": radius,
        **{key: round(value, 2) for key, value in result.items()},
        "sampled_rows": len(sample),
        "sampled_pairs": len(wanted),
        "recall_on_sample": len(got & wanted) / len(wanted) if wanted else None,
        "wrong_on_sample": len(got - wanted),
        "brute_force_cpu_s_extrapolated": round(brute_s, 1),
        "ratio_to_brute_force": round(result["cpu_s"] / brute_s, 5),
    }


def with_copies(base: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n queries: half lightly changed base codes, half turned ones."""
    out = base[rng.integers(0, len(base), n)]
    for _ in range(4):
        out ^= np.uint64(1) << rng.integers(0, 64, out.shape, dtype=np.uint64)
    out[::2] = np.roll(out[::2], 1, axis=1)
    return out


def data_sets(args: argparse.Namespace) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    uniform = rng.integers(0, 2**64, (args.base, 8), dtype=np.uint64)
    queries = rng.integers(0, 2**64, (args.queries, 8), dtype=np.uint64)
    queries[: args.queries // 50] = with_copies(uniform, args.queries // 50, rng)
    uniform[: args.base // 50] = with_copies(uniform[args.base // 2 :], args.base // 50, rng)
    yield "uniform", queries, uniform
    del uniform
    if DATA.exists():
        real = crop_hashes(args.crops, rng)
        base = multiply(real, args.base, rng)
        yield "skewed", multiply(real, args.queries, rng), base


def machine() -> dict:
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": cpus[0].split(":")[1].strip() if cpus else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=int, default=1_280_000)
    parser.add_argument("--queries", type=int, default=50_000)
    parser.add_argument("--crops", type=int, default=50_000, help="real crops behind the skewed hashes")
    parser.add_argument("--sample", type=int, default=500, help="rows checked against brute force")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/radius_join.json"))
    args = parser.parse_args()
    warm = np.arange(80_000, dtype=np.uint64).reshape(-1, 8) * np.uint64(0x9E3779B97F4A7C15)
    for name in ("compile", "compile orientations"):
        case(name, warm, warm, 5, 10)
        case(name, None, warm, 5, 10)
    rows = []
    for kind, queries, base in data_sets(args):
        for radius, suffix in ((5, ""), (10, ""), (10, ", 8 orientations")):
            for other in (queries, None):
                join = "A x B" if other is not None else "self"
                rows.append(case(f"{kind}, {join}{suffix}", other, base, radius, args.sample))
                print(json.dumps(rows[-1]), flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"machine": machine(), "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
