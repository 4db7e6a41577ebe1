"""Resolve a workspace the size of ImageNet: findings, a policy's and people's decisions, and all lists.

    .venv/bin/python benchmarks/resolve_scale.py                  # 1.28 M + 50 k samples, some minutes
    .venv/bin/python benchmarks/resolve_scale.py --train 100000 --test 10000

There are no pictures: samples, pairs and issues are written as the steps write them. One sample in eight has
a finding: mislabels with a suggestion, blur, outliers, duplicates, and leaks between train and val. Then the
program itself runs: `chaffinch policy apply` (the default policy, and one that removes the blurred), two
batches of `chaffinch tag`, and `chaffinch resolve`, twice: the same decisions must give the same bytes. What
is removed is held against a count over the planted findings.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from chaffinch.identity import ClassTable
from chaffinch.storage.findings import SCOPE_DUPLICATES, leak_scope, write_issues, write_pairs
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.issues import IssueRows
from chaffinch.storage.pairs import PairSet
from chaffinch.storage.schema import CLASSES_SCHEMA
from leak_scale import N_CLASSES, Samples, write_workspace
from runs import CHAFFINCH, Cost, machine, run, scratch_folder, versions, write_result

MAX_CPU_S, MAX_PEAK_MB = 60, 1536
"""What `chaffinch resolve` at 1.28 M samples is to stay below."""
SHARES = {"mislabel": 0.045, "blur": 0.03, "outlier": 0.015}
"""Share of the samples with such an issue."""
SHARE_COPIES = 0.015
"""Share of the train samples that have an exact copy in train."""
SHARE_LEAKS = 0.6
"""Share of the test samples that are near copies of a train sample."""

POLICY = """name: blurred
version: 1
rules:
  - where: issue_type = 'blur' and confidence > 0.5
    tags: [low_quality_blur]
    action: remove
"""
MISLABELS = ["--where", "issue_type = 'mislabel' and confidence > 0.5", "--tag", "mislabel_confirmed",
             "--action", "relabel", "--reviewer", "Ada"]  # fmt: skip
KEPT = ["--where", "issue_type = 'leak' and split = 'val' and sample_id % 100 = 0", "--action", "keep",
        "--reviewer", "Ada"]  # fmt: skip


class Planted(Samples):
    """Made-up samples without copies among them, and what is found in them."""

    def __init__(self, n_train: int, n_test: int) -> None:
        rng = np.random.default_rng(0)
        self.n_train, self.n = n_train, n_train + n_test
        self.codes = rng.integers(0, 2**63, (self.n, 8), dtype=np.uint64)
        self.content = rng.integers(0, 2**63, (self.n, 2), dtype=np.uint64)
        self.flagged = {kind: rng.permutation(self.n)[: int(self.n * s)] for kind, s in SHARES.items()}
        self.confidence = {kind: rng.random(len(rows)) for kind, rows in self.flagged.items()}
        self.copies = rng.permutation(n_train)[: 2 * int(n_train * SHARE_COPIES)].reshape(-1, 2)
        n_leaks = int(n_test * SHARE_LEAKS)
        self.leaks = np.stack(
            [rng.permutation(n_train)[:n_leaks], n_train + rng.permutation(n_test)[:n_leaks]], axis=1
        )

    def pairs(self, pairs: np.ndarray, method: str) -> PairSet:
        """Return pairs of samples, shape (P, 2), as a search stores them."""
        members, n = np.sort(pairs, axis=1), len(pairs)
        groups = np.arange(2 * n).reshape(-1, 2) if method != "exact" else np.repeat(np.arange(n), 2)
        return PairSet(
            method=method,
            group_offsets=np.arange(0, 2 * n + 1, 2 if method == "exact" else 1, dtype=np.int64),
            group_members=members.reshape(-1),
            edges=groups.reshape(-1, 2),
            similarity=np.ones(n, np.float32),
            hamming_distance=np.full(n, -1 if method == "exact" else 2, np.int16),
            transform=("",) * n,
        )

    def issues(self, kind: str) -> Iterator[IssueRows]:
        """Yield the issues of one type."""
        if kind in SHARES:
            subjects = zip(self.flagged[kind].tolist(), self.confidence[kind].tolist(), strict=True)
            triples = ((row, None, confidence) for row, confidence in subjects)
        else:
            pairs = self.copies if kind == "duplicate" else self.leaks
            members = ((int(row), number) for number, pair in enumerate(pairs) for row in sorted(pair))
            triples = ((row, number, 0.97) for row, number in members)
        rows = IssueRows()
        for place, (row, group, confidence) in enumerate(triples):
            finding = hashlib.blake2b(f"{kind} {row} {group}".encode(), digest_size=16).hexdigest()
            more: dict[str, object] = {"method": "planted"}
            if kind == "mislabel":
                more["suggested_label"] = f"n{(row + 7) % N_CLASSES:08d}"
            if group is not None:
                more = {"method": "exact" if kind == "duplicate" else "perceptual", "group_id": str(group)}
            if kind == "duplicate":
                more["is_original"] = place % 2 == 0
            rows.add(
                (row, self.key(row)),
                kind,
                finding_id=finding if kind != "leak" else hashlib.md5(str(group).encode()).hexdigest(),
                confidence=confidence,
                reason="Planted, with a sentence as long as those that the steps write about an image.",
                evidence={"place": place},
                more=more,
            )
        yield rows

    def expected_removed(self) -> int:
        """Count what the decisions remove: the blurred, leaks but those kept, one of each two copies."""
        gone = np.zeros(self.n, dtype=bool)
        gone[self.flagged["blur"][self.confidence["blur"] > 0.5]] = True
        tests = self.leaks[:, 1]
        # A person keeps every hundredth as a whole, also if it is blurred.
        gone[tests] = tests % 100 != 0
        alive = ~gone[self.copies]
        return int(gone.sum() + alive.all(axis=1).sum())


def publish_findings(root: Path, planted: Planted) -> int:
    """Add classes, pairs and issues to the workspace; returns the number of issues."""
    folder = WorkspaceFolder(root)
    generation = folder.published()
    entries = ClassTable.from_names([f"n{number:08d}" for number in range(N_CLASSES)]).entries
    columns = {name: [getattr(e, name) for e in entries] for name in CLASSES_SCHEMA.names}
    classes = pa.table(columns, schema=CLASSES_SCHEMA)
    tables = {"classes": [folder.write_table(generation, "classes", [classes], schema=CLASSES_SCHEMA)]}
    leaks = leak_scope("train", "val")
    tables |= write_pairs(folder, generation, planted.pairs(planted.copies, "exact"), scope=SCOPE_DUPLICATES)
    tables |= write_pairs(folder, generation, planted.pairs(planted.leaks, "perceptual"), scope=leaks)
    scopes = {"mislabel": "mislabels", "blur": "quality", "outlier": "outliers",
              "duplicate": SCOPE_DUPLICATES, "leak": leaks}  # fmt: skip
    for kind, scope in scopes.items():
        tables |= write_issues(folder, generation, planted.issues(kind), scope=scope)
    # The source is a folder, so that torchvision's rows are counted too; nothing is read from it.
    source = {"locations": [str(root)], "splits": {}}
    folder.publish(generation, source=source, tables={**generation.tables, **tables})
    return sum(count_rows(folder, folder.published(), name) for name in tables if name.startswith("issues/"))


def count_rows(folder: WorkspaceFolder, generation: Generation, table: str) -> int:
    """Return the number of rows of a table."""
    return sum(map(len, folder.batches(generation, table, columns=["sample_id"])))


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def step(name: str, cost: Cost) -> dict[str, object]:
    """Return a row of the result."""
    return {"step": name, "cpu_s": round(cost.cpu_s, 2), "peak_mb": round(cost.peak_mb)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=1_280_000)
    parser.add_argument("--test", type=int, default=50_000)
    parser.add_argument("--keep", type=Path, help="put the workspace there and leave it")
    options = parser.parse_args()
    facts = machine()
    with scratch_folder() as scratch:
        workspace = options.keep or scratch / "ws"
        planted = Planted(options.train, options.test)
        write_workspace(workspace, planted)
        n_issues = publish_findings(workspace, planted)
        expected = planted.expected_removed()
        (scratch / "blurred.yaml").write_text(POLICY)
        del planted
        there = ["-w", workspace]
        steps = [
            step("policy apply, the default one", run([CHAFFINCH, "policy", "apply", *there])),
            step(
                "policy apply, blurred images",
                run([CHAFFINCH, "policy", "apply", scratch / "blurred.yaml", *there]),
            ),
            step("tag, a batch of mislabels", run([CHAFFINCH, "tag", *there, *MISLABELS])),
            step("tag, kept leaks", run([CHAFFINCH, "tag", *there, *KEPT])),
        ]
        resolve = [CHAFFINCH, "resolve", *there, "--to"]
        steps.append(step("resolve, with all lists", run([*resolve, scratch / "one"])))
        run([*resolve, scratch / "two"])
        removed = (scratch / "one" / "imagenet_removal_list.txt").read_text().count("\n")
        result = {
            "n_samples": options.train + options.test,
            "n_issues": n_issues,
            "n_removed": removed,
            "n_removed_by_count": expected,
            "same_bytes_twice": digests(scratch / "one") == digests(scratch / "two"),
            "target": {"resolve_cpu_s": MAX_CPU_S, "resolve_peak_mb": MAX_PEAK_MB},
            "data": "synthetic samples and findings",
            "machine": facts,
            "versions": versions("chaffinch", "duckdb", "numpy", "pyarrow", "sqlalchemy"),
            "steps": steps,
        }
    write_result("resolve_scale", result)


if __name__ == "__main__":
    main()
