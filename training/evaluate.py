"""Measure models on held-back pictures, side by side: JSON, and a table for the model card on stdout.

    python -m training.evaluate --data ../shared/data --to training/work/figures.json \
        --model chaffinch-s=src/chaffinch/compute/weights/chaffinch-s.onnx:192

Each model is an ONNX file with the side length to run it at. The teacher (at 224), `descriptor` and raw
pixels stand beside them. Needs the package, not torch. Models that the JSON file has already stay in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from chaffinch.compute.descriptor import SIDE, describe
from training import held_back, measures
from training.held_back import CopySet, JudgedPairs, LabelSet
from training.teacher import TEACHER, TEACHER_SIZE, open_teacher

BATCH = 8
"""Pictures embedded at a time, as in a scan."""

PIXELS_SIDE = 32
DESCRIPTOR_SHARE = 0.15
"""Weight of the descriptor's cosine where vectors are joined with it."""
PLANTED_SHARE = 0.1
"""Of labels, replaced to measure how well wrong ones are found."""
PLANTING_SEEDS = range(5)
TIMED_BATCHES = 40

Embed = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Model:
    """Something that turns pictures into vectors."""

    side: int
    """Of the pictures, pixels."""
    embed: Embed
    """(N, side, side, 3), uint8, to (N, D)."""
    size_bytes: int
    """Of its file; 0 without one."""


def onnx_model(path: Path, *, side: int) -> Model:
    """Open an ONNX model on one thread; its first output holds the vectors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return Model(side, _embed_with(session, session.get_outputs()[0].name), path.stat().st_size)


def teacher_model(data: Path) -> Model:
    """Open the teacher, its weights unpacked, at the size at which it was trained."""
    embed = _embed_with(open_teacher(data), "embedding")
    return Model(TEACHER_SIZE, embed, (data / TEACHER).stat().st_size)


def _embed_with(session: onnxruntime.InferenceSession, output: str) -> Embed:
    """Return what runs a session in batches."""

    def embed(pictures: np.ndarray) -> np.ndarray:
        parts = np.split(pictures, range(BATCH, len(pictures), BATCH))
        ready = (np.ascontiguousarray(part.transpose(0, 3, 1, 2), dtype=np.float32) for part in parts)
        return np.concatenate([session.run([output], {"input": part})[0] for part in ready])

    return embed


def raw_pixels(pictures: np.ndarray) -> np.ndarray:
    """Return pixels less their mean as vectors."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    centred: np.ndarray = flat - flat.mean(axis=1, keepdims=True)
    return centred


@dataclass(frozen=True, slots=True)
class Sets:
    """Everything that models are measured on."""

    cifar: LabelSet
    boxes: LabelSet
    photographs: LabelSet
    copies: CopySet
    judged: JudgedPairs


def read_sets(data: Path, sides: list[int]) -> Sets:
    """Read and squash all pictures once."""
    return Sets(
        held_back.cifar_labels(data, sides),
        held_back.box_labels(data, sides),
        held_back.photograph_labels(data, sides),
        held_back.planted_copies(data, sides, seed=1),
        held_back.judged_pairs(data, sides),
    )


@dataclass(frozen=True, slots=True)
class Vectors:
    """A model's vectors of all sets, norm 1."""

    cifar: np.ndarray
    boxes: np.ndarray
    photographs: np.ndarray
    originals: np.ndarray
    copies: np.ndarray


def embed_sets(model: Model, sets: Sets) -> Vectors:
    """Embed all sets; the judged pairs are those of the CIFAR-10 slice."""
    parts = (
        sets.cifar.pictures,
        sets.boxes.pictures,
        sets.photographs.pictures,
        sets.copies.originals,
        sets.copies.copies,
    )
    return Vectors(*(measures.units(model.embed(part[model.side])) for part in parts))


def join(first: Vectors, second: Vectors) -> Vectors:
    """Join two models' vectors."""
    names = Vectors.__slots__
    pairs = ((getattr(first, name), getattr(second, name)) for name in names)
    return Vectors(*(measures.joined(a, b, share=DESCRIPTOR_SHARE) for a, b in pairs))


def figures(vectors: Vectors, sets: Sets) -> dict[str, object]:
    """Return all figures of one model's vectors."""
    labelled = {
        "cifar10": (vectors.cifar, sets.cifar),
        "boxes": (vectors.boxes, sets.boxes),
        "photographs": (vectors.photographs, sets.photographs),
    }
    result: dict[str, object] = {}
    for name, (rows, truth) in labelled.items():
        right = measures.label_accuracy(rows, truth.labels, groups=truth.groups, is_asked=truth.is_asked)
        result[f"accuracy_{name}"] = {"rate": round(float(right.mean()), 4), "n": len(right)}
    for name in ("cifar10", "boxes"):
        rows, truth = labelled[name]
        precisions = [
            measures.mislabel_precision(
                rows, truth.labels, groups=truth.groups, share=PLANTED_SHARE, seed=seed
            )
            for seed in PLANTING_SEEDS
        ]
        result[f"mislabel_precision_{name}"] = round(float(np.mean(precisions)), 4)
    found, limit = measures.copies_found(
        vectors.originals, vectors.copies, original_of=sets.copies.original_of
    )
    kinds = dict.fromkeys(sets.copies.kinds.tolist())
    result["copy_recall"] = {"rate": round(float(found.mean()), 4), "n": len(found), "limit": round(limit, 4)}
    result["copy_recall_by_kind"] = {
        kind: round(float(found[sets.copies.kinds == kind].mean()), 3) for kind in kinds
    }
    scores, is_judged = measures.pair_ranking(
        vectors.cifar, is_test=sets.judged.is_test, pairs=sets.judged.pairs
    )
    result["judged_pairs"] = {
        "average_precision": round(measures.average_precision(scores, is_judged), 4),
        "recall_at_precision_.9": round(measures.recall_at_precision(scores, is_judged, precision=0.9), 4),
        "recall_at_precision_.5": round(measures.recall_at_precision(scores, is_judged, precision=0.5), 4),
    }
    return result


def cpu_ms(model: Model) -> float:
    """Return the CPU milliseconds an image on one thread: the least over batches, as others use it too."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (BATCH, model.side, model.side, 3), dtype=np.uint8)
    times = []
    for _ in range(TIMED_BATCHES):
        start = time.process_time()
        model.embed(pictures)
        times.append((time.process_time() - start) / BATCH)
    return round(1000 * min(times), 2)


def compare(data: Path, models: Mapping[str, Model]) -> dict[str, dict[str, object]]:
    """Measure every model, alone and joined with the descriptor."""
    sets = read_sets(data, sorted({model.side for model in models.values()}))
    described = embed_sets(models["descriptor"], sets)
    results: dict[str, dict[str, object]] = {}
    for name, model in models.items():
        vectors = embed_sets(model, sets)
        results[name] = {
            **figures(vectors, sets),
            "cpu_ms": cpu_ms(model),
            "size_bytes": model.size_bytes,
            "dimensions": vectors.cifar.shape[1],
            "side": model.side,
        }
        if name not in ("descriptor", "pixels"):
            results[f"{name} + descriptor"] = figures(join(vectors, described), sets)
    return results


COLUMNS = {
    "CIFAR-10": ("accuracy_cifar10", "rate"),
    "boxes": ("accuracy_boxes", "rate"),
    "photographs": ("accuracy_photographs", "rate"),
    "mislabels, CIFAR-10": ("mislabel_precision_cifar10",),
    "mislabels, boxes": ("mislabel_precision_boxes",),
    "copies": ("copy_recall", "rate"),
    "judged pairs": ("judged_pairs", "average_precision"),
    "at precision .5": ("judged_pairs", "recall_at_precision_.5"),
    "ms": ("cpu_ms",),
    "MB": ("size_bytes",),
}
"""Column of the table to its place in a model's figures."""


def _cell(figures: Mapping[str, Any], place: tuple[str, ...]) -> str:
    value: Any = figures
    for name in place:
        value = value.get(name) if value is not None else None
    if value is None:
        return "-"
    if place == ("size_bytes",):
        return f"{value / 1e6:.1f}"
    return f"{value:.1f}" if place == ("cpu_ms",) else f"{value:.3f}".removeprefix("0")


def as_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figures as a table in Markdown, a line per model."""
    lines = [f"| vectors | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for name, found in results.items():
        lines.append(f"| {name} | {' | '.join(_cell(found, place) for place in COLUMNS.values())} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the command line, measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE:SIDE")
    parser.add_argument("--without-teacher", action="store_true")
    arguments = parser.parse_args()
    # Before a minute of work whose result has nowhere to go.
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    models = {
        "descriptor": Model(SIDE, describe, 0),
        "pixels": Model(PIXELS_SIDE, raw_pixels, 0),
    }
    if not arguments.without_teacher:
        models["teacher"] = teacher_model(arguments.data)
    for text in arguments.model:
        name, _, place = text.partition("=")
        path, _, side = place.rpartition(":")
        models[name] = onnx_model(Path(path), side=int(side))
    known = json.loads(arguments.to.read_text(encoding="utf-8")) if arguments.to.exists() else {}
    results = {**known, **compare(arguments.data, models)}
    arguments.to.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(as_table(results))


if __name__ == "__main__":
    main()
