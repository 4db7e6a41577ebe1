"""Store what the teacher says about many crops, once, so that training never runs it.

    python -m training.teacher --data ../shared/data --to training/work/crops-0 --rounds 0 4

Each round takes four crops of every photograph. Written are `pixels.npy` (N, 224, 224, 3), uint8;
`features.npy` (N, 1280) and `logits.npy` (N, 1001), float16; `photographs.npy` (N,), the row of each crop's
photograph; and last `crops.json`. More rounds go to a folder of their own; training reads several. Cost:
about 10 ms CPU and 155 kB a crop.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.lib.format import open_memmap

from training.photographs import WHOLE_EVERY, cut_out, photographs, read_rgb, take_crops

TEACHER = "models/tf2_mobilenet_v2_1.0_224_ptq.onnx"
"""Below the data folder."""
TEACHER_SIZE = 224
"""Side length at which the teacher was trained, pixels."""
CROPS_PER_ROUND = WHOLE_EVERY
"""Crops of one photograph taken at one decoding, the whole picture among them."""
BATCH = 32

log = logging.getLogger(__name__)


def open_teacher(data: Path, *, n_threads: int = 1) -> onnxruntime.InferenceSession:
    """Open the teacher with its weights unpacked to floats once, which halves its time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(data / TEACHER, options, providers=["CPUExecutionProvider"])


def ask_teacher(teacher: onnxruntime.InferenceSession, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the teacher's features and logits.

    Args:
        teacher: From `open_teacher`.
        pixels: Shape (N, 224, 224, 3), uint8.

    Returns:
        Shapes (N, 1280) and (N, 1001), float32.
    """
    channels_first = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
    features, logits = teacher.run(["embedding", "logits"], {"input": channels_first})
    return features, logits


def crops_of(paths: list[Path], *, rounds: range, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield for each round and photograph its row and its crops, shape (4, 224, 224, 3)."""
    for number in rounds:
        numbers = range(number * CROPS_PER_ROUND, (number + 1) * CROPS_PER_ROUND)
        for row, path in enumerate(paths):
            picture = read_rgb(path)
            crops = take_crops(picture.size, photograph=row, numbers=numbers, seed=seed)
            yield row, np.stack([cut_out(picture, crop, size=TEACHER_SIZE) for crop in crops])


def store_crops(data: Path, folder: Path, *, rounds: range, seed: int) -> int:
    """Write crops and what the teacher says about them; returns their number.

    `crops.json` comes last: a folder without it is unfinished.
    """
    paths = photographs(data, held_back=False)
    n_crops = len(paths) * len(rounds) * CROPS_PER_ROUND
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {
        "pixels": ((n_crops, TEACHER_SIZE, TEACHER_SIZE, 3), np.uint8),
        "features": ((n_crops, 1280), np.float16),
        "logits": ((n_crops, 1001), np.float16),
        "photographs": ((n_crops,), np.int32),
    }
    stored = {
        name: open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (shape, dtype) in shapes.items()
    }
    teacher = open_teacher(data)
    for step, (row, pixels) in enumerate(crops_of(paths, rounds=rounds, seed=seed)):
        place = slice(step * CROPS_PER_ROUND, (step + 1) * CROPS_PER_ROUND)
        features, logits = ask_teacher(teacher, pixels)
        stored["pixels"][place], stored["photographs"][place] = pixels, row
        stored["features"][place], stored["logits"][place] = features, logits
        if (step + 1) % len(paths) == 0:
            log.info("%d of %d crops", place.stop, n_crops)
    for array in stored.values():
        array.flush()
    names = [path.relative_to(data).as_posix() for path in paths]
    (folder / "crops.json").write_text(json.dumps({"seed": seed, "photographs": names}, indent=1))
    return n_crops


def main() -> None:
    """Read the command line and store the crops."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--rounds", type=int, nargs=2, default=(0, 4), metavar=("FIRST", "END"))
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    store_crops(arguments.data, arguments.to, rounds=range(*arguments.rounds), seed=arguments.seed)


if __name__ == "__main__":
    main()
