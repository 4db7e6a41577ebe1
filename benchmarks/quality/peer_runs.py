"""Runs cleanlab and fastdup on planted vectors, each in its own environment."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from peers import PEERS, Peer
from runs import run

CLEANLAB = Peer("cleanlab", "", "label issues, outliers", ("cleanlab[datalab]==2.9.0",))
FASTDUP = next(peer for peer in PEERS if peer.name == "fastdup")
Found = dict[str, np.ndarray]
"""Scores and flags by ``<tool> <method>|score`` or ``|flag``."""


def run_peers(
    task: str, arrays: Mapping[str, np.ndarray], folder: Path
) -> tuple[dict[str, Found], dict[str, float]]:
    """Run both on a task of peer_vectors.py; returns what they found by case, and their CPU seconds."""
    np.savez(folder / "cases.npz", **arrays)
    found: dict[str, Found] = defaultdict(dict)
    seconds = {}
    for peer in (CLEANLAB, FASTDUP):
        target = folder / f"{peer.name}.npz"
        script = Path(__file__).with_name("peer_vectors.py").resolve()
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        run([peer.python(), script, peer.name, task, folder / "cases.npz", target], more_env=threads)
        with np.load(target) as data:
            seconds[peer.name] = float(data["seconds"])
            for key in data.files[:-1]:
                case, _, name = key.rpartition(f"|{peer.name} ")
                found[case][f"{peer.name} {name}"] = data[key]
    return found, seconds
