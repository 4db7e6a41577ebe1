"""Imports synthetic exports of ImageNet's size and measures CPU time and peak memory of the whole program.

    python benchmarks/import_export.py            # 1.3 M items: JSON and CSV, and the JSON readers alone
    python benchmarks/import_export.py --n 20000  # a quick look

Each case runs in a process of its own, so that its peak is its own. The JSON resembles a real export: a third
of the items carry issues, some several, all a label, a tenth a tag.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "import_export.json"
N_CLASSES = 1000


def write_json(path: Path, n: int) -> None:
    """Write a schema 1.1 export of `n` items."""
    rng = random.Random(0)
    info = {"schema_version": "1.1", "dataset": "Synthetic", "total_media_items": n}
    with path.open("w", encoding="utf-8") as out:
        out.write('{"info":' + json.dumps(info) + ',"media_items":[')
        for i in range(n):
            out.write(("," if i else "") + json.dumps(item(i, rng), separators=(",", ":")))
        out.write("]}")


def item(i: int, rng: random.Random) -> dict:
    """Return one media item."""
    wnid = f"n{i % N_CLASSES:08d}"
    properties = {"original_id": i, "category_name": f"class {i % N_CLASSES}", "source": "User"}
    metadata = [{"type": "image_label", "properties": properties}]
    if i % 3 == 0:
        for threshold in range(1 + i % 4):
            properties = {"issue_type": "duplicates", "confidence": round(rng.random(), 6)}
            properties |= {"duplicate_group_id": f"{i // 6:032x}-{threshold}", "duplicate_threshold": 0.96}
            metadata.append({"type": "issue", "properties": properties})
        properties = {"issue_type": "mislabels", "confidence": round(rng.random(), 6)}
        metadata.append({"type": "issue", "properties": properties})
    if i % 10 == 0:
        properties = {"tag_name": "completed", "assigned_date": "2026-01-07T23:29:42.690709"}
        metadata.append({"type": "user_tag", "properties": properties})
    media_id = f"{i:08x}-711f-445c-befd-84b67b7587c8"
    return {
        "media_id": media_id,
        "media_type": "image",
        "file_name": f"{wnid}_{i}.JPEG",
        "file_path": f"imagenet/train/{wnid}/{wnid}_{i}.JPEG",
        "file_size": "185.09KB",
        "uniqueness_score": round(rng.random(), 12),
        "height": 375,
        "width": 500,
        "url": f"http://app.example.com/dataset/9378d384-c39a-11f0-9df2-d6a6b06514ba/data/image/{media_id}",
        "cluster_id": f"{i // 20:032x}",
        "metadata_items": metadata,
    }


def write_csv(path: Path, n: int) -> None:
    """Write a table of `n` findings."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow("image_id image_path label issue_type confidence suggested_label reason".split())
        for i in range(n):
            wnid = f"n{i % N_CLASSES:08d}"
            path_text = f"imagenet/train/{wnid}/{wnid}_{i}.JPEG"
            reason = f"Looks like class {(i + 7) % N_CLASSES}, see its neighbours"
            row = [i, path_text, f"class {i % N_CLASSES}", "mislabel", f"{rng.random():.4f}"]
            writer.writerow([*row, f"class {(i + 7) % N_CLASSES}", reason])


def run_case(case: str, export: Path, n: int) -> None:
    """Do one thing and print what it cost."""
    started, quality = time.process_time(), {}
    if case == "read with ijson":
        import ijson

        with export.open("rb") as file:
            quality = {"n_items": sum(1 for _ in ijson.items(file, "media_items.item"))}
    elif case == "read with our reader":
        from chaffinch.formats.json_stream import JsonListReader

        with export.open("rb") as file:
            reader = JsonListReader(file, where="export", list_key="media_items")
            quality = {"n_items": sum(1 for _ in reader)}
    else:
        quality = import_case(export)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu_s = time.process_time() - started
    print(json.dumps({"case": case, "n": n, "cpu_s": round(cpu_s, 1), "peak_mb": round(peak_mb), **quality}))


def import_case(export: Path) -> dict:
    """Import into a new workspace."""
    from chaffinch.pipeline.import_export import VISUAL_LAYER, import_exports

    report = import_exports(Path(tempfile.mkdtemp()) / "ws", [export], tool=VISUAL_LAYER)
    found = report.findings
    return {
        "n_linked": found.n_linked,
        "n_issues": sum(found.issues.values()),
        "n_unused": found.unused.total(),
    }


def main() -> None:
    """Run all cases and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=1_300_000)
    parser.add_argument("--case")
    parser.add_argument("--export", type=Path)
    parser.add_argument("--python", default=sys.executable, help="interpreter with ijson, for that case")
    args = parser.parse_args()
    if args.case:
        run_case(args.case, args.export, args.n)
        return
    with tempfile.TemporaryDirectory() as folder:
        exports = {"json": Path(folder) / "export.json", "csv": Path(folder) / "flags.csv"}
        write_json(exports["json"], args.n)
        write_csv(exports["csv"], args.n)
        sizes = {f"{kind}_mb": round(path.stat().st_size / 1e6) for kind, path in exports.items()}
        cases = [
            run_apart("read with ijson", exports["json"], args.n, python=args.python, folder=folder),
            run_apart("read with our reader", exports["json"], args.n, python=sys.executable, folder=folder),
            run_apart(
                "import json, new workspace", exports["json"], args.n, python=sys.executable, folder=folder
            ),
            run_apart(
                "import csv, new workspace", exports["csv"], args.n, python=sys.executable, folder=folder
            ),
        ]
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    result = {"machine": machine, "n": args.n, **sizes, "cases": [c for c in cases if c]}
    if args.n >= 1_000_000:
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def run_apart(case: str, export: Path, n: int, *, python: str, folder: str) -> dict | None:
    """Run one case in its own process; None where its library is not installed."""
    command = [python, __file__, "--case", case, "--export", str(export), "--n", str(n)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": folder}
    )
    if done.returncode:
        print(f"{case}: {done.stderr.splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
