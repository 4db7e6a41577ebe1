"""Take ImageNet-sized tables through the whole leak path and the search for duplicates.

    .venv/bin/python benchmarks/leak_scale.py                     # 1.28 M + 50 k samples, some minutes
    .venv/bin/python benchmarks/leak_scale.py --train 100000 --test 10000

There are no pictures: a published table `samples` is written as a scan writes it, with made-up paths, labels
and digests. Hashes are those of crops of photographs, multiplied as in radius_join.py, so they crowd as real
ones do. Planted: exact copies across the splits and within train, near copies, and one blank picture that
2,000 samples share. Then the program itself runs: `chaffinch leaks` (exact, perceptual at 5), the search for
duplicates (exact, perceptual at 5), `chaffinch table pairs`. Its pairs are held against brute force for a
sample of rows (without the blank ones, whose pairs are too many and written as a star), and its exact pairs
against a count over all rows.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from chaffinch.records import Quality
from chaffinch.storage.folder import WorkspaceFolder, with_identity
from chaffinch.storage.samples import ROWS_PER_BATCH, ROWS_PER_PART
from chaffinch.storage.schema import samples_schema
from radius_join import brute_force, crop_hashes, multiply
from runs import CHAFFINCH, PYTHON, Cost, machine, run, scratch_folder, stage_seconds, versions, write_result

RADIUS = 5
N_CROPS = 20_000
N_CLASSES = 1000
SHARE_COPIES = 0.02
"""Share of the test samples that are exact copies of train samples; as many again are near copies."""
SHARE_TRAIN_COPIES = 0.01
N_BLANK, N_BLANK_TEST = 2000, 20
MAX_PEAK_MB = 4096
"""Peak memory of a search at 1.28 M samples to stay below."""

DUPLICATES = """
import sys
from pathlib import Path
from chaffinch.cli.output import LineProgress
from chaffinch.pipeline.duplicates import find_duplicates
from chaffinch.settings import LeakSettings
settings = LeakSettings(methods=("exact", "perceptual"), phash_threshold=int(sys.argv[2]))
print(find_duplicates(Path(sys.argv[1]), settings=settings, progress=LineProgress(as_json=True)))
"""


class Samples:
    """Made-up samples: train first, then test."""

    def __init__(self, n_train: int, n_test: int) -> None:
        rng = np.random.default_rng(0)
        self.n_train, self.n = n_train, n_train + n_test
        self.codes = multiply(crop_hashes(N_CROPS, rng), self.n, rng)
        self.content = rng.integers(0, 2**63, (self.n, 2), dtype=np.uint64)
        n_copies = int(n_test * SHARE_COPIES)
        places = rng.permutation(n_test)[: 2 * n_copies] + n_train
        self._copy(rng.integers(0, n_train, n_copies), places[:n_copies])
        sources = rng.integers(0, n_train, n_copies)
        bits = np.uint64(1) << rng.integers(0, 64, (n_copies, 3), dtype=np.uint64)
        self.codes[places[n_copies:]] = self.codes[sources] ^ np.bitwise_xor.reduce(bits, axis=1)[:, None]
        within = rng.permutation(n_train)[: 2 * int(n_train * SHARE_TRAIN_COPIES)]
        self._copy(*np.split(within, 2))
        blank = np.concatenate(
            [
                rng.permutation(n_train)[: N_BLANK - N_BLANK_TEST],
                n_train + rng.permutation(n_test)[:N_BLANK_TEST],
            ]
        )
        self._copy(np.full(len(blank), blank[0]), blank)
        self.blank_code = self.codes[blank[0], 0]

    def _copy(self, sources: np.ndarray, targets: np.ndarray) -> None:
        self.codes[targets], self.content[targets] = self.codes[sources], self.content[sources]

    def key(self, row: int) -> str:
        """Return the key of a sample, in the manner of ImageNet."""
        if row >= self.n_train:
            return f"val/n{row % N_CLASSES:08d}/ILSVRC2012_val_{row - self.n_train:08d}.JPEG"
        return f"train/n{row % N_CLASSES:08d}/n{row % N_CLASSES:08d}_{row}.JPEG"

    def table(self, first: int, stop: int) -> pa.Table:
        """Return some rows of the table `samples`."""
        rows = range(first, stop)
        keys = [self.key(row) for row in rows]
        paths = [key.partition("/")[2] for key in keys]
        digests = [f"{a:016x}{b:016x}" for a, b in self.content[first:stop].tolist()]
        ones: dict[str, object] = {
            "outcome": "ok", "format": "JPEG", "mode": "RGB", "width": 500, "height": 375,
            "size_bytes": 107_000, "listed_size_bytes": 107_000, "jpeg_quality": 90, "member": "",
            "stamp": "107000 1700000000000000000", **dict.fromkeys(Quality.__dataclass_fields__, 0.5),
        }  # fmt: skip
        columns = {
            "sample_id": np.arange(first, stop),
            "key": keys,
            "image_id": paths,
            "split_row": [row if row < self.n_train else row - self.n_train for row in rows],
            "split": [key.partition("/")[0] for key in keys],
            "rel_path": paths,
            "image_path": [f"data/imagenet/{key}" for key in keys],
            "uri": [f"/home/someone/data/imagenet/{key}" for key in keys],
            "given_label": [path.partition("/")[0] for path in paths],
            "bytes_digest": digests,
            "pixels_digest": digests,
            "phash": self.codes[first:stop, 0],
            "phash_d4": pa.FixedSizeListArray.from_arrays(self.codes[first:stop].ravel(), 8),
        }
        schema = samples_schema(is_integer_id=False)
        rest = {name: [ones.get(name)] * (stop - first) for name in schema.names if name not in columns}
        return pa.table({name: {**columns, **rest}[name] for name in schema.names}, schema=schema)


def write_workspace(root: Path, samples: Samples) -> None:
    """Publish the samples as a scan would."""
    folder = WorkspaceFolder.create(root)
    generation = folder.current()
    schema = with_identity(samples_schema(is_integer_id=False), "samples", "imagenet")
    names = []
    for part, start in enumerate(range(0, samples.n, ROWS_PER_PART)):
        names.append(folder.table_name(generation, "samples", part))
        stop = min(start + ROWS_PER_PART, samples.n)
        with pq.ParquetWriter(root / names[-1], schema) as writer:
            for first in range(start, stop, ROWS_PER_BATCH):
                writer.write_table(samples.table(first, min(first + ROWS_PER_BATCH, stop)))
    folder.publish(generation, dataset="imagenet", n_samples=samples.n, tables={"samples": names})


def sampled_rows(samples: Samples, first: int, n: int) -> np.ndarray:
    """Return some rows from `first` on, without blank ones."""
    chosen = np.random.default_rng(1).choice(
        np.arange(first, samples.n), min(n, samples.n - first), replace=False
    )
    return np.sort(chosen[samples.codes[chosen, 0] != samples.blank_code])


def check_leaks(samples: Samples, report: Path, n_sample: int) -> dict[str, object]:
    """Hold the report against brute force: perceptual for a sample of test rows, exact for all rows."""
    sample = sampled_rows(samples, samples.n_train, n_sample)
    wanted_keys = {samples.key(row) for row in sample.tolist()}
    codes = np.ascontiguousarray(samples.codes[:, :1])
    truth = brute_force(codes[sample], codes[: samples.n_train], both=False, radius=RADIUS)
    wanted = {(samples.key(j), samples.key(int(sample[i])), d) for i, j, d in truth.tolist()}
    got: set[tuple[str, str, int]] = set()
    n_exact = 0
    with report.open(newline="") as file:
        for row in csv.DictReader(file):
            n_exact += row["method"] == "exact"
            if row["method"] == "perceptual" and row["test_key"] in wanted_keys:
                got.add((row["train_key"], row["test_key"], int(row["hamming_distance"])))
    return {**compared(got, wanted), "sampled_rows": len(sample), "exact_pairs": n_exact,
            "exact_pairs_by_count": exact_pairs(samples)}  # fmt: skip


def compared(got: set[tuple[str, str, int]], wanted: set[tuple[str, str, int]]) -> dict[str, object]:
    return {
        "sampled_pairs": len(wanted),
        "recall_on_sample": len(got & wanted) / len(wanted) if wanted else None,
        "wrong_on_sample": len(got - wanted),
    }


def exact_pairs(samples: Samples) -> int:
    """Count the pairs of equal content between the splits; stars where a set is too large to write all."""
    contents = [f"{a:x} {b:x}" for a, b in samples.content.tolist()]
    train = Counter(contents[: samples.n_train])
    total = 0
    for content, n_test in Counter(contents[samples.n_train :]).items():
        n_train = train[content]
        total += n_train * n_test if n_train + n_test <= 1000 else n_train + n_test - 1
    return total


def check_duplicates(samples: Samples, pairs: Path, n_sample: int) -> dict[str, object]:
    """Hold the exported perceptual pairs against brute force for a sample of rows."""
    sample = sampled_rows(samples, 0, n_sample)
    codes = np.ascontiguousarray(samples.codes[:, :1])
    truth = brute_force(codes[sample], codes, both=False, radius=RADIUS)
    rows = [(int(sample[i]), j, d) for i, j, d in truth.tolist() if sample[i] != j]
    wanted = {(str(min(a, b)), str(max(a, b)), d) for a, b, d in rows}
    got: set[tuple[str, str, int]] = set()
    for batch in pq.ParquetFile(pairs).iter_batches(
        columns=["sample_a", "sample_b", "hamming_distance", "method"]
    ):
        a, b = batch.column(0).to_numpy(), batch.column(1).to_numpy()
        is_wanted = np.isin(a, sample) | np.isin(b, sample)
        is_wanted &= np.array(batch.column(3).to_pylist()) == "perceptual"
        distance = batch.column(2).fill_null(-1).to_numpy()
        hits = np.stack([a, b, distance], axis=1)[is_wanted].tolist()
        got.update((str(x), str(y), d) for x, y, d in hits)
    return {**compared(got, wanted), "sampled_rows": len(sample)}


def rows_of(name: str, cost: Cost) -> Iterator[dict[str, object]]:
    """Return a row for the whole and one for each stage of it."""
    yield {
        "step": name,
        "cpu_s": round(cost.cpu_s, 2),
        "wall_s": round(cost.wall_s, 2),
        "peak_mb": round(cost.peak_mb),
    }
    stages = stage_seconds(cost)
    for stage, seconds in stages.items() if len(stages) > 1 else ():
        yield {"step": f"- {stage}", "cpu_s": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=1_280_000)
    parser.add_argument("--test", type=int, default=50_000)
    parser.add_argument("--sample", type=int, default=500, help="rows checked against brute force")
    parser.add_argument("--keep", type=Path, help="put the workspace there and leave it")
    options = parser.parse_args()
    facts = machine()
    samples = Samples(options.train, options.test)
    with scratch_folder() as scratch:
        workspace = options.keep or scratch / "ws"
        write_workspace(workspace, samples)
        report, pairs = scratch / "leaks.csv", scratch / "pairs.parquet"
        leaks = [CHAFFINCH, "leaks", "-w", workspace, "--between", "train", "val", "--log-json"]
        leaks += ["--methods", "exact,perceptual", "--phash-threshold", str(RADIUS), "--output", report]
        costs = {
            "chaffinch leaks, exact and perceptual": run(leaks),
            "duplicates, exact and perceptual": run([PYTHON, "-c", DUPLICATES, workspace, str(RADIUS)]),
            "chaffinch table pairs": run([CHAFFINCH, "table", "pairs", "-w", workspace, "--to", pairs]),
        }
        summary = json.loads(report.with_name("leaks_summary.json").read_text())
        result = {
            "n_train": options.train,
            "n_test": options.test,
            "data": "synthetic samples; hashes of crops of photographs, multiplied",
            "machine": facts,
            "versions": versions("chaffinch", "numpy", "numba", "pyarrow"),
            "report_rows": {m["method"]: m["count"]["n_pairs"] for m in summary["methods"]},
            "duplicate_pairs": pq.read_metadata(pairs).num_rows,
            "target_peak_mb": MAX_PEAK_MB,
            "leaks_against_brute_force": check_leaks(samples, report, options.sample),
            "duplicates_against_brute_force": check_duplicates(samples, pairs, options.sample),
            "steps": [row for name, cost in costs.items() for row in rows_of(name, cost)],
        }
    write_result("leak_scale", result)


if __name__ == "__main__":
    main()
