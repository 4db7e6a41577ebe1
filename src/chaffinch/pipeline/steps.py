"""What the steps of `find` share: their report, and the note in the workspace that they have run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from chaffinch.settings import FindSettings
from chaffinch.storage.findings import STEPS
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.vectors import embedder_info


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step of `find` did."""

    n_flagged: Mapping[str, int] = field(default_factory=dict)
    """By issue type: images that it flags."""
    figures: Mapping[str, int] = field(default_factory=dict)
    """Further counts, by what they count."""
    left_out: str | None = None
    """Why the step, or a part of it, did not run; None if all of it did."""
    command: str | None = None
    """The command that brings what was lacking; None if nothing was."""


def lacks_vectors(root: Path) -> StepReport:
    """Say that a step needs vectors, and how they come."""
    return StepReport(
        left_out="it compares embedding vectors, and there are none",
        command=f"chaffinch scan SOURCE -w {root} --embedder NAME",
    )


class StepState(Enum):
    """How things stand with a step of `find` on the images and vectors that are there now."""

    DONE = "done"
    LEFT_OUT = "left out"
    """It was asked for and lacked something, vectors most likely."""
    OPEN = "not done"


def step_state(generation: Generation, step: str, settings: FindSettings) -> StepState:
    """Tell whether a step has run on these images and vectors, with whatever thresholds."""
    known = generation.info.get(STEPS, {}).get(step)
    if known is None or known["vectors"] != _vectors(generation, settings):
        return StepState.OPEN
    return StepState.LEFT_OUT if known["is_left_out"] else StepState.DONE


def note_step(folder: WorkspaceFolder, step: str, settings: FindSettings, *, is_left_out: bool) -> None:
    """Note in the workspace that a step was asked for; the caller holds the writer lock."""
    generation = folder.published()
    noted = {"vectors": _vectors(generation, settings), "is_left_out": is_left_out}
    steps = {**generation.info.get(STEPS, {}), step: noted}
    folder.publish(generation, info={**generation.info, STEPS: steps})


def _vectors(generation: Generation, settings: FindSettings) -> str:
    """Return what findings rest on besides the images."""
    info = embedder_info(generation, settings.embedder)
    return f"{info.name} {info.fingerprint}" if info else "no vectors"
