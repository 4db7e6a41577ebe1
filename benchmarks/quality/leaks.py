"""Measure every method that finds copies, beside imagededup and fastdup, on the same files.

    .venv/bin/python benchmarks/quality/leaks.py

Truth, each in a tuning and a holdout half: planted copies of photographs and strangers among them, as in
verified_pairs.py, with fewer crops; and the pairs of CIFAR-10 that people judged to be near-duplicates
(`cifair_pairs.csv`), where nobody judged the others, so that precision is a lower bound. `verified` stands
there with hashes alone and with the vectors of four embedders, `semantic` at several thresholds. Our limits
were fit on the tuning half; thresholds of the others are their defaults. fastdup's licence forbids commercial
use: it is measured here and nothing is taken from it. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from verified_pairs import DATA, KINDS, Pictures, cifar_half, pair_rows, planted, strangers, wilson

from chaffinch.compute.embedding import Embedder, squash
from chaffinch.detect import verified
from chaffinch.detect.pair_sets import exact_pairs, perceptual_pairs
from chaffinch.detect.semantic import semantic_pairs
from chaffinch.pipeline.embedders import open_embedder
from chaffinch.storage.vectors import unit_rows
from peers import python_of
from runs import machine, run, scratch_folder, versions, write_result

N_CROPS = 1
BATCH = 8
SEMANTIC = {
    "chaffinch-s": (0.945, 0.93, 0.9, 0.85),
    "chaffinch-s-128": (0.93, 0.9, 0.85),
    "mobilenet-v2": (0.95, 0.9, 0.85, 0.8),
    "descriptor": (0.95, 0.85, 0.8),
}
"""Thresholds by embedder; each model's own is among them."""

Pairs = set[tuple[int, int]]

IMAGEDEDUP = """
import json, sys
from unittest.mock import MagicMock
for name in ("torch", "torch.nn", "torch.utils", "torch.utils.data", "torchvision", "torchvision.models",
             "torchvision.models.vision_transformer", "torchvision.transforms",
             "torchvision.transforms.transforms"):
    sys.modules[name] = MagicMock(Tensor=type("Tensor", (), {}))
from imagededup.methods import PHash
if __name__ == "__main__":
    found = PHash(verbose=False).find_duplicates(image_dir=sys.argv[1])
    json.dump([[a, b] for a, others in found.items() for b in others], open(sys.argv[2], "w"))
"""
FASTDUP = """
import json, os, sys, tempfile
import fastdup
if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        fd = fastdup.create(work_dir=work, input_dir=sys.argv[1])
        fd.run(overwrite=True)
        rows = fd.similarity()
    names = [[os.path.basename(str(v)) for v in rows[c]] for c in ("filename_from", "filename_to")]
    json.dump([list(pair) for pair in zip(*names)], open(sys.argv[2], "w"))
"""
PEERS = {"imagededup, pHash <= 10": ("imagededup", IMAGEDEDUP), "fastdup, default .9": ("fastdup", FASTDUP)}


class Embedded(Pictures):
    """Pictures with vectors of each embedder, and as files for other programs."""

    def __init__(self, folder: Path, embedders: dict[str, Embedder]) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(parents=True)
        self._embedders = embedders
        self._waiting: list[Image.Image] = []
        self._vectors: dict[str, list[np.ndarray]] = {name: [] for name in embedders}

    def add(self, image: Image.Image, *, name: str, subject: str, data: bytes = b"") -> None:
        file = self.folder / f"{len(self.names):05d}"
        if data:
            file.with_suffix(Path(name).suffix.lower()).write_bytes(data)
        else:
            image.save(file.with_suffix(".png"), compress_level=1)
        super().add(image, name=name, subject=subject, data=data)
        self._waiting.append(image.convert("RGB"))
        if len(self._waiting) == BATCH:
            self._embed()

    def _embed(self) -> None:
        for name, embedder in self._embedders.items() if self._waiting else ():
            pictures = np.stack([squash(np.asarray(image), embedder.side) for image in self._waiting])
            self._vectors[name].append(unit_rows(embedder.embed(pictures)).astype(np.float16))
        self._waiting.clear()

    def vectors(self, name: str) -> np.ndarray:
        """Return the vectors of an embedder, shape (N, D), float16."""
        self._embed()
        return np.concatenate(self._vectors[name])

    def thumbs_of(self, ids: Any) -> list[np.ndarray]:
        return [self.thumbs[i] for i in ids]


def find_all(
    pictures: Embedded, side: np.ndarray | None, embedders: dict[str, Embedder]
) -> Iterator[tuple[str, Pairs]]:
    """Yield each method with the pairs that it finds."""
    columns = pictures.columns()
    yield "exact", pair_rows(exact_pairs(columns, side=side), side)
    for radius in (5, 10):
        pairs = perceptual_pairs(columns, radius=radius, side=side)
        yield f"perceptual <= {radius}", pair_rows(pairs, side)
    yield "verified", pair_rows(verified.verified_pairs(columns, thumbs=pictures.thumbs_of, side=side), side)
    for name, embedder in embedders.items():
        vectors = pictures.vectors(name)
        pairs = verified.verified_pairs(
            columns,
            thumbs=pictures.thumbs_of,
            side=side,
            vectors=vectors,
            copy_cosine=embedder.info.semantic_threshold or 0.9,
        )
        yield f"verified with {name}", pair_rows(pairs, side)
        for threshold in SEMANTIC[name]:
            found = semantic_pairs(columns, vectors, threshold=threshold, side=side)
            yield f"semantic {name} {threshold}", pair_rows(found.pairs, side)
    yield from peer_pairs(pictures)


def peer_pairs(pictures: Embedded) -> Iterator[tuple[str, Pairs]]:
    """Yield what other programs find among all the files, whatever side these are on."""
    for name, (environment, script) in PEERS.items():
        out = pictures.folder.with_suffix(".json")
        run(
            [
                python_of(environment),
                write_script(pictures.folder, script),
                pictures.folder,
                out,
            ]
        )
        pairs = [sorted((int(a[:5]), int(b[:5]))) for a, b in json.loads(out.read_text())]
        yield name, {(a, b) for a, b in pairs if a != b}


def write_script(folder: Path, script: str) -> Path:
    """Write a script to a file: programs that start processes import it again."""
    path = folder.with_suffix(".py")
    path.write_text(script)
    return path


def spelled(share: dict[str, Any]) -> str:
    low, high = share["interval"] or (0, 0)
    return f"{share['rate']:.3f} ({share['hits']} of {share['n']:,}; {low:.3f} to {high:.3f})"


def on_photographs(
    half: int, per_kind: int, make: Callable[[str], Embedded], embedders: dict[str, Embedder]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row for each method, and one for each kind of copy."""
    pictures, side, kinds = planted(half, per_kind, lambda: make("planted"))
    others = strangers(half, N_CROPS, lambda: make("strangers"))
    first = {name: row for row, name in enumerate(pictures.names[: int((side == 0).sum())])}
    copies = [(first[pictures.subject[row]], row) for row in np.flatnonzero(side == 1).tolist()]
    wrong = {name: n_strangers(others, pairs) for name, pairs in find_all(others, None, embedders)}
    rows, by_kind = [], {kind: {"kind of copy": kind} for kind in KINDS}
    for name, pairs in find_all(pictures, side, embedders):
        hits = np.array([pair in pairs for pair in copies])
        rows.append({
            "method": name,
            "recall": spelled(wilson(int(hits.sum()), len(hits))),
            "wrong_pairs_with_copies": n_strangers(pictures, pairs),
            "wrong_pairs_among_strangers": wrong[name],
        })  # fmt: skip
        for kind in KINDS:
            by_kind[kind][name] = round(float(hits[[k == kind for k in kinds]].mean()), 3)
    return rows, list(by_kind.values())


def n_strangers(pictures: Pictures, pairs: Pairs) -> int:
    return sum(pictures.subject[a] != pictures.subject[b] for a, b in pairs)


def on_cifar(
    half: int, make: Callable[[str], Embedded], embedders: dict[str, Embedder]
) -> list[dict[str, Any]]:
    """Return a row for each method."""
    pictures, judged = cifar_half(half, lambda: make("cifar"))
    truth = {(min(a, b), max(a, b)) for a, b, _ in judged}
    rows = []
    for name, pairs in find_all(pictures, None, embedders):
        hits = len(pairs & truth)
        precision = wilson(hits, len(pairs))
        rows.append({
            "method": name,
            "recall": spelled(wilson(hits, len(truth))),
            "precision_at_least": spelled(precision) if precision["n"] else "",
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-kind", type=int, default=20, help="planted copies of each kind in each half")
    args = parser.parse_args()
    model = next(DATA.glob("models/*.onnx"))
    embedders = {
        e.info.name: e
        for e in map(open_embedder, ("chaffinch-s", "chaffinch-s-128", f"onnx:{model}", "descriptor"))
    }
    tables: dict[str, Any] = {}
    with scratch_folder() as scratch:
        for half, name in enumerate(("tuning", "holdout")):

            def make(what: str, folder: Path = scratch / name) -> Embedded:
                return Embedded(folder / what, embedders)

            rows, by_kind = on_photographs(half, args.per_kind, make, embedders)
            tables[f"photographs_{name}"] = rows
            tables[f"cifar10_{name}"] = on_cifar(half, make, embedders)
            tables[f"recall_by_kind_{name}"] = by_kind
    result = {
        "copies_of_each_kind": args.per_kind,
        "crops_of_each_stranger": N_CROPS,
        "machine": machine(),
        "versions": versions("chaffinch", "numpy", "onnxruntime"),
        **dict(sorted(tables.items())),
    }
    write_result("leaks", result)


if __name__ == "__main__":
    main()
