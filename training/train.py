"""Train `chaffinch-s`: the teacher's weights, fine-tuned at a smaller size to see a copy as the original.

    python -m training.train training/chaffinch-s.toml

Every step takes a batch of stored crops in two views, plain and strong, pulls both towards what the teacher
said about the crop, and contrasts the two with the rest of the batch. The folder of the run gets
`checkpoint.pt` every few minutes, written whole and then renamed; `log.csv` and `curve.svg`. Started again, a
run goes on where its checkpoint is. Each step draws from a generator of its own, seeded by run and step: a
resumed run sees the same crops.
"""

from __future__ import annotations

import argparse
import copy
import csv
import logging
import math
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import losses
from training.curve import write_curve
from training.network import Network
from training.photographs import photographs, read_rgb, squashed
from training.projection import Projection, fit_projection, untrained_network
from training.schedule import rate_at
from training.stored_crops import StoredCrops
from training.teacher import TEACHER, TEACHER_SIZE, ask_teacher, open_teacher
from training.views import drawn_detail, plain_view, strong_view

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run does; the names of the TOML file."""

    data: str
    """Folder of the photographs and the teacher."""
    crops: tuple[str, ...]
    """Folders that `training.teacher` wrote."""
    folder: str
    """Where checkpoints, log and curve go."""
    seed: int
    steps: int
    """Length of the schedule."""
    batch: int
    """Crops a step; each is seen twice."""
    sizes: tuple[int, ...]
    """Side lengths, one drawn for each step, pixels."""
    tiny_share: float
    """Share of the crops whose views show no more than a tiny picture."""
    learning_rate: float
    head_learning_rate: float
    """Of the projection and the classifier."""
    weight_decay: float
    n_fixed: int
    """First modules of the trunk that keep the teacher's weights: edges and colours, half of the time."""
    bfloat16: bool
    """Whether convolutions run in bfloat16: twice as fast where the processor has it."""
    warm_up: int
    """Steps in which the learning rate rises."""
    average: float
    """Share of the averaged weights that a step keeps."""
    direction_weight: float
    """Of 1 - cosine to the teacher, for the plain view."""
    strong_weight: float
    """The same for the strong view, relative to it."""
    logit_weight: float
    """Of the divergence from the teacher's probabilities."""
    copy_weight: float
    """Of the contrast between copies and strangers."""
    entropy_weight: float
    """Of the term that keeps strangers apart."""
    temperature: float
    """Of the contrast."""
    probe_every: int
    """Steps between measurements on held-back photographs."""
    checkpoint_every_s: float
    """Seconds between checkpoints."""
    n_threads: int


def read_settings(path: Path) -> Settings:
    """Read a run's TOML file.

    Raises:
        TypeError: If a name is missing or unknown.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    lists = {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
    return Settings(**{**table, **lists})


class Probe:
    """Held-back photographs with a strong view of each, and what the teacher says of them."""

    def __init__(self, data: Path, projection: Projection, *, size: int, seed: int) -> None:
        pictures = [read_rgb(path) for path in photographs(data, held_back=True)]
        pixels = np.stack([squashed(picture, size=TEACHER_SIZE) for picture in pictures])
        random = np.random.default_rng((seed, 0))
        self._targets = torch.from_numpy(projection(ask_teacher(open_teacher(data), pixels)[0]))
        self._plain = np.stack([plain_view(picture, size=size) for picture in pixels])
        self._strong = np.stack([strong_view(picture, size=size, random=random) for picture in pixels])

    @torch.no_grad()
    def measure(self, network: Network) -> tuple[float, float]:
        """Return the mean cosine to the teacher, and the share of copies nearer than any stranger."""
        network.eval()
        batches = [*np.array_split(self._plain, 8), *np.array_split(self._strong, 8)]
        vectors = torch.cat([network(as_images(batch)).vectors for batch in batches])
        network.train()
        plain, strong = torch.nn.functional.normalize(vectors, dim=1).chunk(2)
        cosine = 1 - losses.direction_loss(plain, self._targets)
        pairs = strong @ plain.T
        own = pairs.diagonal().clone()
        nearest_stranger = pairs.fill_diagonal_(-1).max()
        return float(cosine), float((own > nearest_stranger).float().mean())


def as_images(pixels: np.ndarray) -> Tensor:
    """Turn pixels, (N, S, S, 3), uint8, into the network's input; channels stay last in memory: faster."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


@dataclass(slots=True)
class Run:
    """What a checkpoint holds."""

    network: Network
    averaged: Network
    """Moving average of the weights: what is exported."""
    optimizer: torch.optim.AdamW
    step: int = 0
    cpu_s: float = 0.0
    """CPU seconds spent so far, over all starts."""


def new_run(settings: Settings, projection: Projection) -> Run:
    """Begin with the teacher's weights."""
    network = untrained_network(Path(settings.data) / TEACHER, projection)
    network = network.to(memory_format=torch.channels_last)
    heads = [*network.head.parameters(), *network.classifier.parameters()]
    for module in network.trunk[: settings.n_fixed]:
        module.requires_grad_(False)
    learning = [weights for weights in network.trunk.parameters() if weights.requires_grad]
    groups = [
        {"params": learning, "peak": settings.learning_rate},
        {"params": heads, "peak": settings.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    return Run(network, copy.deepcopy(network).eval(), optimizer)


def load_checkpoint(run: Run, path: Path) -> None:
    """Bring a run to where its checkpoint is; nothing if there is none."""
    if not path.exists():
        return
    stored = torch.load(path, weights_only=True)
    run.network.load_state_dict(stored["network"])
    run.averaged.load_state_dict(stored["averaged"])
    run.optimizer.load_state_dict(stored["optimizer"])
    run.step, run.cpu_s = stored["step"], stored["cpu_s"]


def save_checkpoint(run: Run, path: Path) -> None:
    """Write the checkpoint beside its place, then put it there."""
    parts = {name: getattr(run, name).state_dict() for name in ("network", "averaged", "optimizer")}
    unfinished = path.with_suffix(".part")
    torch.save({**parts, "step": run.step, "cpu_s": run.cpu_s}, unfinished)
    unfinished.replace(path)


def batch_losses(
    run: Run, crops: StoredCrops, *, projection: Projection, settings: Settings
) -> dict[str, tuple[float, Tensor]]:
    """Return each loss of the step's batch with its weight."""
    random = np.random.default_rng((settings.seed, run.step))
    size = int(random.choice(settings.sizes))
    rows = np.sort(random.choice(len(crops), settings.batch, replace=False))
    pixels = [crops.pixels(row) for row in rows]
    details = [drawn_detail(random, tiny_share=settings.tiny_share) for _ in rows]
    plain = [plain_view(crop, size=size, detail=n) for crop, n in zip(pixels, details, strict=True)]
    strong = [
        strong_view(crop, size=size, random=random, detail=n) for crop, n in zip(pixels, details, strict=True)
    ]
    targets = torch.from_numpy(projection(crops.features[rows]))
    teacher_logits = torch.from_numpy(crops.logits[rows].astype(np.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.bfloat16):
        outputs = run.network(as_images(np.stack(plain + strong)))
    of_plain, of_strong = outputs.vectors.chunk(2)
    contrast, crowding = losses.copy_losses(
        of_plain,
        of_strong,
        photographs=torch.from_numpy(crops.photographs[rows]),
        temperature=settings.temperature,
    )
    strong_weight = settings.direction_weight * settings.strong_weight
    return {
        "direction": (settings.direction_weight, losses.direction_loss(of_plain, targets)),
        "strong": (strong_weight, losses.direction_loss(of_strong, targets)),
        "logits": (
            settings.logit_weight,
            losses.logit_loss(outputs.logits[: len(rows)], teacher_logits),
        ),
        "copies": (settings.copy_weight, contrast),
        "entropy": (settings.entropy_weight, crowding),
    }


@torch.no_grad()
def follow(averaged: Network, network: Network, *, step: int, keep: float) -> None:
    """Move the averaged weights towards the network's; faster in the first steps, when all is new."""
    kept = min(keep, (1 + step) / (10 + step))
    for mean, current in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(current, 1 - kept)


def take_step(
    run: Run, crops: StoredCrops, *, projection: Projection, settings: Settings
) -> dict[str, float]:
    """Take one step; returns the losses, unweighted."""
    for group in run.optimizer.param_groups:
        group["lr"] = group["peak"] * rate_at(run.step, warm_up=settings.warm_up, steps=settings.steps)
    parts = batch_losses(run, crops, projection=projection, settings=settings)
    total = torch.stack([weight * loss for weight, loss in parts.values()]).sum()
    run.optimizer.zero_grad()
    total.backward()
    run.optimizer.step()
    follow(run.averaged, run.network, step=run.step, keep=settings.average)
    run.step += 1
    return {name: float(loss.detach()) for name, (_, loss) in parts.items()}


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add a line to the log; the first one brings the header."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row.keys())
        if is_new:
            writer.writeheader()
        writer.writerow({name: f"{value:.5g}" for name, value in row.items()})


def train(settings: Settings, *, until: int | None = None) -> Run:
    """Run the schedule, from the checkpoint where there is one; returns the run.

    Args:
        settings: What to do.
        until: Step at which to stop and write the checkpoint; None: at the end of the schedule.
    """
    until = settings.steps if until is None else min(until, settings.steps)
    torch.set_num_threads(settings.n_threads)
    torch.manual_seed(settings.seed)
    folder = Path(settings.folder)
    folder.mkdir(parents=True, exist_ok=True)
    crops = StoredCrops(settings.crops)
    projection = fit_projection(crops.features)
    run = new_run(settings, projection)
    load_checkpoint(run, folder / "checkpoint.pt")
    probe = Probe(Path(settings.data), projection, size=min(settings.sizes), seed=settings.seed)
    log.info("%d crops, from step %d of %d", len(crops), run.step, settings.steps)
    saved_at, cpu_before = time.monotonic(), run.cpu_s - time.process_time()
    sums: dict[str, float] = {}
    while run.step < until:
        if run.step % settings.probe_every == 0:
            _note(run, probe, folder=folder, sums=sums, n_steps=settings.probe_every)
            sums = {}
        for name, value in take_step(run, crops, projection=projection, settings=settings).items():
            sums[name] = sums.get(name, 0.0) + value
        run.cpu_s = cpu_before + time.process_time()
        if time.monotonic() - saved_at > settings.checkpoint_every_s:
            save_checkpoint(run, folder / "checkpoint.pt")
            saved_at = time.monotonic()
    _note(run, probe, folder=folder, sums=sums, n_steps=settings.probe_every)
    save_checkpoint(run, folder / "checkpoint.pt")
    return run


def _note(run: Run, probe: Probe, *, folder: Path, sums: dict[str, float], n_steps: int) -> None:
    """Write a line of the log, with the mean losses since the last one, and draw the curve anew."""
    cosine, recall = probe.measure(run.averaged)
    row = {"step": run.step, "cpu_s": run.cpu_s, "probe_cosine": cosine, "probe_recall": recall}
    means = {name: total / n_steps for name, total in sums.items()}
    names = ("direction", "strong", "logits", "copies", "entropy")
    append_row(folder / "log.csv", {**row, **{name: means.get(name, math.nan) for name in names}})
    write_curve(folder / "log.csv", folder / "curve.svg")
    log.info(" ".join(f"{name} {value:.4g}" for name, value in {**row, **means}.items()))


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path, help="TOML file with a value for each field of Settings")
    parser.add_argument("--until", type=int, metavar="STEP", help="stop before the schedule's end")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(read_settings(arguments.settings), until=arguments.until)


if __name__ == "__main__":
    main()
