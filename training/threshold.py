"""Find the cosine above which two photographs are near duplicates: what do different ones reach?

    python -m training.threshold --data ../shared/data \
        --model src/chaffinch/compute/weights/chaffinch-s.onnx:192

Prints the nearest pairs of all photographs, those of training too, as JSON: look at them, for a true copy
says nothing about strangers. A threshold lies above the nearest strangers.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from training.evaluate import onnx_model
from training.held_back import squashed_to
from training.measures import units
from training.photographs import photographs, read_rgb

N_NEAREST = 24
QUANTILES = (0.5, 0.99, 0.9999, 0.99999)


def nearest_pairs(data: Path, model: Path, *, side: int) -> dict[str, object]:
    """Return the nearest pairs of different photographs and quantiles of the cosine over all pairs."""
    paths = photographs(data, held_back=False) + photographs(data, held_back=True)
    pictures = squashed_to((read_rgb(path) for path in paths), [side])[side]
    vectors = units(onnx_model(model, side=side).embed(pictures))
    a, b = np.triu_indices(len(paths), 1)
    cosines = (vectors @ vectors.T)[a, b]
    order = np.argsort(-cosines)[:N_NEAREST]
    return {
        "n_pairs": len(cosines),
        "quantiles": {str(q): round(float(np.quantile(cosines, q)), 4) for q in QUANTILES},
        "nearest": [
            [round(float(cosines[k]), 4), *(paths[row].relative_to(data).as_posix() for row in (a[k], b[k]))]
            for k in order
        ],
    }


def main() -> None:
    """Read the command line and write to standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True, metavar="FILE:SIDE")
    arguments = parser.parse_args()
    path, _, side = arguments.model.rpartition(":")
    json.dump(nearest_pairs(arguments.data, Path(path), side=int(side)), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
