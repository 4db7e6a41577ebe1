"""Measure how well bad quality is found: planted degradations, and false alarms among sound photographs.

    .venv/bin/python benchmarks/quality/quality_issues.py                # about 8 minutes of CPU
    .venv/bin/python benchmarks/quality/quality_issues.py --no-peers     # ours alone, 1 minute

With --no-peers what the results say of others stays: the files are the same in each run.

Truth: each kind and strength of `degradations` on photographs of the holdout half, beside all sound
photographs of that half (bad ones among them count as false alarms; exactly gray ones are no false alarms
of `grayscale`). Three collections, each a dataset of its own: photos-256, imagenet-photos at natural size,
and cifar10-slice at 32 pixels. Limits in `chaffinch.detect.quality_issues` were fit on the tuning half.

Others stand beside it twice: as they come, and with a limit of theirs fit to each collection's own tuning
half so that 4 of 1,000 sound photographs are flagged, which is what ours aim at.
Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from degradations import PLANTS, SMALL_PLANTS, Plant, encode

import chaffinch.detect.quality_issues as rules
from chaffinch.pipeline.find import find
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import FindSettings
from chaffinch.storage.export import read_exported
from peers import PEERS
from runs import DATA, RESULTS, machine, run, scratch_folder

COLLECTIONS = {"photos-256": "*.jpg", "imagenet-photos": "*.JPEG", "cifar10-slice": "**/*.png"}
PER_KIND = {"photos-256": 40, "imagenet-photos": 20, "cifar10-slice": 40}
TYPES = ("blur", "dark", "bright", "low_information", "grayscale", "odd_size", "odd_aspect_ratio", "corrupt")
REFIT_SHARE = 0.004

CLEANVISION = """
import json, sys
from cleanvision import Imagelab
if __name__ == "__main__":
    lab = Imagelab(data_path=sys.argv[1])
    wanted = ("dark", "light", "blurry", "low_information", "odd_size", "odd_aspect_ratio", "grayscale")
    lab.find_issues({name: {} for name in wanted}, verbose=False)
    lab.issues.index = [path.rsplit("/", 1)[-1] for path in lab.issues.index]
    lab.issues.to_json(sys.argv[2], orient="index")
"""
FASTDUP = """
import json, sys, tempfile
import fastdup
if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        found = fastdup.create(work_dir=work, input_dir=sys.argv[1])
        found.run(overwrite=True)
        stats = found.img_stats()
        bad = found.invalid_instances()
        rows = {row["filename"].rsplit("/", 1)[-1]: {k: row[k] for k in ("blur", "mean", "stdv")}
                for row in stats.to_dict("records")}
        for name in bad["filename"]:
            rows[name.rsplit("/", 1)[-1]] = {"bad": True}
        json.dump(rows, open(sys.argv[2], "w"), default=float)
"""

Flags = Mapping[str, set[str]]
"""File name to the issue types it is flagged with."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One file of a collection."""

    name: str
    half: int
    """0: tuning, 1: holdout."""
    plant: Plant | None
    """None for a sound photograph."""
    is_gray: bool = False


def half_of(path: Path) -> int:
    return hashlib.blake2b(path.name.encode(), digest_size=1).digest()[0] & 1


def build(collection: str, folder: Path, *, per_kind: int) -> list[Planted]:
    """Write all sound photographs, and degraded ones of the holdout half, into a folder."""
    paths = sorted((DATA / collection).glob(COLLECTIONS[collection]))
    if not paths:
        raise SystemExit(f"no photographs in {DATA / collection}; set CHAFFINCH_TEST_DATA")
    folder.mkdir()
    files = []
    for number, path in enumerate(paths):
        name = f"sound{number:05d}{path.suffix}"
        (folder / name).write_bytes(path.read_bytes())
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.int16)
        files.append(Planted(name, half_of(path), None, bool((np.ptp(pixels, axis=2) == 0).all())))
    holdout = [path for path in paths if half_of(path) == 1]
    for number, plant in enumerate(SMALL_PLANTS if collection == "cifar10-slice" else PLANTS):
        rng = np.random.default_rng(1000 + number)
        for index in rng.permutation(len(holdout))[:per_kind].tolist():
            files.append(spoiled(holdout[index], plant, rng, folder=folder, number=number))
    return files


def spoiled(path: Path, plant: Plant, rng: np.random.Generator, *, folder: Path, number: int) -> Planted:
    container = plant.container or ("PNG" if path.suffix == ".png" else "JPEG")
    data = encode(plant.change(Image.open(path).convert("RGB"), rng), container)
    name = f"plant{number:02d}_{path.stem}.{'png' if container == 'PNG' else 'jpg'}"
    (folder / name).write_bytes(plant.damage(data) if plant.damage else data)
    return Planted(name, 1, plant)


def ours(folder: Path, workspace: Path) -> Flags:
    scan(workspace, SourceSpec(locations=(str(folder),)))
    find(workspace, settings=FindSettings(only=("quality",)))
    found: dict[str, set[str]] = defaultdict(set)
    for row in read_exported(workspace, "issues").to_pylist():
        found[row["key"].rpartition("/")[2]].add(row["issue_type"])
    return found


def peer_rows(name: str, script: str, folder: Path, scratch: Path) -> dict[str, dict[str, Any]]:
    """Run another program on a folder; returns what it says of each file."""
    python = next(peer for peer in PEERS if peer.name == name).python()
    source, out = scratch / f"run_{name}.py", scratch / f"{name}.json"
    source.write_text(script)
    run([python, source, folder, out])
    rows: dict[str, dict[str, Any]] = json.loads(out.read_text())
    return rows


def of_cleanvision(rows: Mapping[str, Mapping[str, Any]]) -> Flags:
    words = {"dark": "dark", "light": "bright", "blurry": "blur"}
    words |= {name: name for name in ("low_information", "odd_size", "odd_aspect_ratio", "grayscale")}
    return {
        name: {word for own, word in words.items() if row[f"is_{own}_issue"]} for name, row in rows.items()
    }


def of_fastdup(rows: Mapping[str, Mapping[str, Any]]) -> Flags:
    """Flag by the limits that its own summary counts with."""
    found = {}
    for name, row in rows.items():
        tests = {
            "corrupt": bool(row.get("bad")),
            "blur": row.get("blur", math.inf) < 150,
            "dark": row.get("mean", 100) < 4,
            "bright": row.get("mean", 100) > 253,
        }
        found[name] = {word for word, is_flagged in tests.items() if is_flagged}
    return found


Score = Callable[[Mapping[str, Any]], float]
SCORES: Mapping[str, Mapping[str, Score]] = {
    "cleanvision": {
        "blur": lambda row: row["blurry_score"],
        "dark": lambda row: row["dark_score"],
        "bright": lambda row: row["light_score"],
        "low_information": lambda row: row["low_information_score"],
    },
    "fastdup": {
        "blur": lambda row: row.get("blur", math.inf),
        "dark": lambda row: row.get("mean", math.inf),
        "bright": lambda row: -row.get("mean", -math.inf),
        "low_information": lambda row: row.get("stdv", math.inf),
    },
}
"""By program and issue type, a score of which low is bad."""


def refit(name: str, rows: Mapping[str, Mapping[str, Any]], files: Sequence[Planted], flags: Flags) -> Flags:
    """Flag by limits fit on the tuning half; types without a score stay as they are flagged."""
    found = {file: {word for word in words if word not in SCORES[name]} for file, words in flags.items()}
    for word, score in SCORES[name].items():
        sound = [score(rows[f.name]) for f in files if f.half == 0 and f.plant is None and f.name in rows]
        limit = float(np.quantile(sound, REFIT_SHARE))
        for file, row in rows.items():
            if score(row) < limit:
                found[file].add(word)
    return found


def wilson(hits: int, n: int) -> str:
    if not n:
        return ""
    z, rate = 1.96, hits / n
    middle, spread = rate + z * z / (2 * n), z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low, high = (abs(middle + sign * spread) / (1 + z * z / n) for sign in (-1, 1))
    return f"{rate:.3f} ({low:.3f} to {high:.3f})"


def recall_rows(
    by_tool: Mapping[str, Flags], files: Iterable[Planted], *, by_kind: bool
) -> list[dict[str, Any]]:
    """Return a row for each kind and strength, or for each issue type, with the recall of each tool."""
    groups: dict[tuple[str, ...], list[Planted]] = defaultdict(list)
    for file in files:
        if file.plant is not None:
            plant = file.plant
            groups[(plant.kind, plant.strength) if by_kind else (plant.expected[0],)].append(file)
    rows = []
    for group, members in groups.items():
        row: dict[str, Any] = dict(zip(("kind", "strength") if by_kind else ("type",), group, strict=True))
        row["n"] = len(members)
        for tool, flags in by_tool.items():
            hits = sum(bool(flags.get(f.name, set()) & set(f.plant.expected)) for f in members if f.plant)
            row[tool] = round(hits / len(members), 3) if by_kind else wilson(hits, len(members))
        rows.append(row)
    return rows


def alarm_rows(by_tool: Mapping[str, Flags], files: Iterable[Planted]) -> list[dict[str, Any]]:
    """Return false alarms of each type among the sound photographs of the holdout half."""
    sound = [file for file in files if file.plant is None and file.half == 1]
    rows = []
    for word in TYPES:
        judged = [file for file in sound if word != "grayscale" or not file.is_gray]
        row: dict[str, Any] = {"type": word, "n_sound": len(judged)}
        for tool, flags in by_tool.items():
            row[tool] = sum(word in flags.get(file.name, set()) for file in judged)
        rows.append(row)
    return rows


def measure_collection(
    collection: str, scratch: Path, *, with_peers: bool
) -> tuple[dict[str, Flags], list[Planted]]:
    folder = scratch / "images"
    files = build(collection, folder, per_kind=PER_KIND[collection])
    by_tool: dict[str, Flags] = {"chaffinch": ours(folder, scratch / "ws")}
    if not with_peers:
        return by_tool, files
    rows = peer_rows("fastdup", FASTDUP, folder, scratch)
    by_tool["fastdup"] = of_fastdup(rows)
    by_tool["fastdup, refit"] = refit("fastdup", rows, files, by_tool["fastdup"])
    # It ends at the first file that is cut off, and is measured without them.
    for file in files:
        if file.plant is not None and file.plant.damage is not None:
            (folder / file.name).unlink()
    rows = peer_rows("cleanvision", CLEANVISION, folder, scratch)
    by_tool["cleanvision"] = of_cleanvision(rows)
    by_tool["cleanvision, refit"] = refit("cleanvision", rows, files, by_tool["cleanvision"])
    return by_tool, files


def keep_peers(result: dict[str, Any], earlier: Mapping[str, Any]) -> None:
    """Put the figures of other programs from earlier results behind ours."""
    for collection in COLLECTIONS:
        for table in ("recall_by_type", "false_alarms", "recall_by_kind"):
            for row, known in zip(result[collection][table], earlier[collection][table], strict=True):
                row |= {name: value for name, value in known.items() if name not in row}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--no-peers", action="store_true", help="measure ours alone, keep others' figures")
    parser.add_argument("--out", type=Path, default=RESULTS / "quality_issues.json")
    options = parser.parse_args()
    names = [name for name in dir(rules) if name.endswith(("_LIMIT", "_RATIO", "_SHARE", "_SIDE"))]
    result: dict[str, Any] = {
        "machine": machine(),
        "limits": {name.lower(): getattr(rules, name) for name in names if not name.startswith("_")},
    }
    for collection in COLLECTIONS:
        with scratch_folder() as scratch:
            by_tool, files = measure_collection(collection, scratch, with_peers=not options.no_peers)
        result[collection] = {
            "sizes": dict(Counter("sound" if f.plant is None else "degraded" for f in files)),
            "recall_by_type": recall_rows(by_tool, files, by_kind=False),
            "false_alarms": alarm_rows(by_tool, files),
            "recall_by_kind": recall_rows(by_tool, files, by_kind=True),
        }
        print(json.dumps(result[collection], indent=1), flush=True)
    if options.no_peers and options.out.exists():
        keep_peers(result, json.loads(options.out.read_text()))
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
