"""Measure what vectors cost in a scan, and what they are worth: copies found, neighbours of one class.

    .venv/bin/python benchmarks/embed.py      # some minutes

Cost: whole scans without an embedder, with the models that come along, with `descriptor` and with a
MobileNetV2 by ONNX, each over all and over a few of the same photographs; the difference per image leaves the
start out, and the least of some rounds counts. Beside it the embedder alone on one thread, from decoded
pixels to vectors, squashing included.

Worth, of the embedders that were not trained on these photographs (what `chaffinch-s` is worth stands in
docs/chaffinch-s.md, on pictures held back from its training): altered copies of photographs on which nothing
was tuned, 16 kinds of each; recall at the embedder's own threshold, and the pairs of different photographs
that reach it. Whether the nearest neighbour of a photograph shows the same class, among 1,000 of 200 classes.
"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from chaffinch.compute.embedding import Embedder, squash
from chaffinch.pipeline.embedders import open_embedder
from runs import CHAFFINCH, DATA, machine, photographs, run, scratch_folder, versions, write_result

MODEL = DATA / "models" / "tf2_mobilenet_v2_1.0_224_ptq.onnx"
EMBEDDERS = {"descriptor": "descriptor", "mobilenet-v2 (ONNX)": f"onnx:{MODEL}"}
OWN = {name: name for name in ("chaffinch-s", "chaffinch-s-128")}
NONE = "none"
ROUNDS = 3
N_FEW = 40
N_TUNED_ON = 150
"""The descriptor was tuned on copies of the first this many photographs; they serve no more."""
LONGER_SIDE = 400


def scan_cost(folder: Path, files: list[Path], spec: str) -> tuple[float, float]:
    """Return CPU seconds and peak MiB of a scan of copies of `files`."""
    images, workspace = folder / "images", folder / "ws"
    images.mkdir()
    for path in files:
        shutil.copy(path, images / path.name)
    cost = run([CHAFFINCH, "scan", images, "-w", workspace, "--embedder", spec])
    shutil.rmtree(images)
    shutil.rmtree(workspace)
    return cost.cpu_s, cost.peak_mb


def costs(files: list[Path]) -> Iterator[dict[str, object]]:
    bare_ms = 0.0
    for name, spec in {"no embedder": NONE, **OWN, **EMBEDDERS}.items():
        with scratch_folder() as folder:
            few = [scan_cost(folder, files[:N_FEW], spec) for _ in range(ROUNDS)]
            all_ = [scan_cost(folder, files, spec) for _ in range(ROUNDS)]
        ms = (min(all_)[0] - min(few)[0]) / (len(files) - N_FEW) * 1e3
        bare_ms = bare_ms or ms
        yield {
            "embedder": name,
            "scan_ms_per_image": round(ms, 2),
            "to_scan_without": round(ms / bare_ms, 2),
            "added_ms": round(ms - bare_ms, 2),
            "alone_ms": None if spec == NONE else round(alone_ms(open_embedder(spec), files), 2),
            "scan_peak_mb": round(max(peak_mb for _, peak_mb in all_)),
        }


def alone_ms(embedder: Embedder, files: list[Path], n: int = 64) -> float:
    pixels = [np.array(Image.open(path).convert("RGB")) for path in files[:n]]
    taken = []
    for _ in range(ROUNDS + 1):
        started = time.process_time()
        for start in range(0, n, embedder.batch):
            batch = pixels[start : start + embedder.batch]
            embedder.embed(np.stack([squash(picture, embedder.side) for picture in batch]))
        taken.append(time.process_time() - started)
    return min(taken) / n * 1e3


def copies(image: Image.Image, rng: np.random.Generator) -> dict[str, Image.Image]:
    width, height = image.size

    def crop(share: float) -> Image.Image:
        w, h = int(width * share), int(height * share)
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        return image.crop((x, y, x + w, y + h))

    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=20)
    band = image.copy()
    ImageDraw.Draw(band).rectangle((0, int(height * 0.8), width, height), fill=(255, 255, 255))
    return {
        "JPEG quality 20": Image.open(buffer).convert("RGB"),
        "half size": image.resize((width // 2, height // 2)),
        "64 px wide": image.resize((64, max(1, 64 * height // width))),
        "height 80 %": image.resize((width, int(height * 0.8))),
        "crop 95 %": crop(0.95),
        "crop 90 %": crop(0.9),
        "crop 80 %": crop(0.8),
        "crop 60 %": crop(0.6),
        "black border 8 %": ImageOps.expand(image, int(0.08 * width), (0, 0, 0)),
        "brighter": image.point(lambda v: min(255, int(v * 1.3))),
        "darker": image.point(lambda v: int(v * 0.7)),
        "gamma 0.7": image.point(lambda v: int(255 * (v / 255) ** 0.7)),
        "gray": image.convert("L").convert("RGB"),
        "blurred": image.filter(ImageFilter.GaussianBlur(width / 150)),
        "white band 20 %": band,
        "more contrast": ImageOps.autocontrast(image, 2),
    }


def unit_vectors(embedder: Embedder, pictures: list[np.ndarray]) -> np.ndarray:
    blocks = [
        np.asarray(embedder.embed(np.stack(pictures[i : i + embedder.batch])))
        for i in range(0, len(pictures), embedder.batch)
    ]
    vectors = np.concatenate(blocks).astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def worth(files: list[Path]) -> dict[str, object]:
    embedders = {name: open_embedder(spec) for name, spec in EMBEDDERS.items()}
    pictures: dict[str, dict[str, list[np.ndarray]]] = {name: {} for name in embedders}
    rng = np.random.default_rng(1)
    for path in files:
        image = Image.open(path).convert("RGB")
        image.thumbnail((LONGER_SIDE, LONGER_SIDE))
        for kind, altered in {"original": image, **copies(image, rng)}.items():
            for name, embedder in embedders.items():
                pictures[name].setdefault(kind, []).append(squash(np.array(altered), embedder.side))
    recall: dict[str, dict[str, object]] = {}
    strangers = []
    for name, embedder in embedders.items():
        vectors = {kind: unit_vectors(embedder, images) for kind, images in pictures[name].items()}
        originals = vectors.pop("original")
        threshold = embedder.info.semantic_threshold or 1.0
        found = {kind: float(((v * originals).sum(1) >= threshold).mean()) for kind, v in vectors.items()}
        for kind, share in {"all kinds": float(np.mean(list(found.values()))), **found}.items():
            recall.setdefault(kind, {"copy": kind})[name] = round(share, 3)
        cosines = (originals @ originals.T)[np.triu_indices(len(originals), 1)]
        strangers.append(
            {
                "embedder": name,
                "threshold": threshold,
                "pairs_of_strangers": len(cosines),
                "reach_it": int((cosines >= threshold).sum()),
                "closest": round(float(cosines.max()), 3),
                "same_class_neighbour": round(same_class(embedder), 3),
            }
        )
    return {"thresholds": strangers, "recall_of_altered_copies": list(recall.values())}


def same_class(embedder: Embedder) -> float:
    """Return the share of photographs whose nearest neighbour shows the same class."""
    files = sorted((DATA / "photos-256").glob("*.jpg"))
    classes = np.array([path.name.split("_")[0] for path in files])
    squashed = [squash(np.array(Image.open(path).convert("RGB")), embedder.side) for path in files]
    vectors = unit_vectors(embedder, squashed)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    return float((classes[cosines.argmax(1)] == classes).mean())


def main() -> None:
    files = photographs()
    held_out = files[N_TUNED_ON:]
    write_result(
        "embed",
        {
            "n_images": len(files),
            "n_photographs_held_out": len(held_out),
            "machine": machine(),
            "versions": versions("chaffinch", "onnxruntime", "numba", "numpy", "simplejpeg"),
            "cost": list(costs(files)),
            **worth(held_out),
        },
    )


if __name__ == "__main__":
    main()
