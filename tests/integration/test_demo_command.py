"""`chaffinch demo` twice into one folder: it prints what was planted and found, and makes nothing anew."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("skimage", reason="the demo's photographs come with scikit-image")

FOUND_WHOLLY = ("exact", "repacked", "recompressed", "resized", "mirrored", "duplicate exact")
"""Kinds that must be found to the last one."""


def printed_counts(stdout: str) -> dict[str, tuple[int, int]]:
    """Return planted and found by kind, as printed; without the kinds that nothing looked for."""
    found = re.findall(r"^  (\w[\w ]*?) +(\d+) +(\d+)(?: +\d+)? *$", stdout, re.MULTILINE)
    return {kind: (int(planted), int(n_found)) for kind, planted, n_found in found}


def files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()
    }


def test_demo__twice(commands, table_rows, tmp_path) -> None:
    first = commands.run("demo", "--to", tmp_path / "demo")
    counts = printed_counts(first.stdout)
    truth_file = tmp_path / "demo" / "dataset" / "truth.json"
    plants = json.loads(truth_file.read_text())["plants"]
    for kind in FOUND_WHOLLY:
        planted = len(plants[kind.replace(" ", "_")])
        assert counts[kind] == (planted, planted) and planted > 0, kind
    assert counts["label conflicts"] == (len(plants["label_conflict"]),) * 2
    n_broken = sum(len(plants[kind]) for kind in ("truncated", "empty", "not_an_image"))
    assert counts["broken files"] == (n_broken, n_broken)
    for kind in ("blur", "dark", "bright"):
        assert counts[kind] == (len(plants[kind]),) * 2, kind
    assert counts["wrong label"][0] == len(plants["wrong_label"])
    assert counts["outlier"][0] == len(plants["outlier"])
    rows = table_rows("samples", tmp_path / "demo" / "workspace")
    assert sum(row["outcome"] == "broken" for row in rows) == n_broken
    reports = tmp_path / "demo" / "workspace" / "reports"
    page = reports / "demo_train_val_leaks_report.html"
    assert page.stat().st_size > 10_000
    assert f"open {page}" in first.stderr

    dataset = files(tmp_path / "demo" / "dataset")
    report, cleaning = files(reports), tmp_path / "demo" / "workspace" / "cleaning"
    lists = {path: data for path, (_, data) in files(cleaning).items()}
    second = commands.run("demo", "--to", tmp_path / "demo")
    assert printed_counts(second.stdout) == counts
    assert "duplicates  up to date" in second.stdout
    assert files(tmp_path / "demo" / "dataset") == dataset
    assert files(reports) == report
    assert {path: data for path, (_, data) in files(cleaning).items()} == lists
