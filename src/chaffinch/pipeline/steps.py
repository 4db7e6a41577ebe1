"""What the steps of `find` share: their report, and the note in the workspace that they have run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from chaffinch.pipeline.pair_search import searched_with
from chaffinch.settings import FindSettings
from chaffinch.storage.findings import SCOPE_DUPLICATES, SCOPE_MISLABELS, SCOPE_QUALITY, STEPS
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
    """How things stand with a step of `find`, for settings, on the images and vectors that are there now."""

    DONE = "done"
    LEFT_OUT = "left out"
    """It was asked for and lacked something, vectors most likely."""
    OPEN = "not done"


def step_state(generation: Generation, step: str, settings: FindSettings) -> StepState:
    """Tell whether a step has run on these images and vectors with these settings."""
    known = generation.info.get(STEPS, {}).get(step)
    if known is None or known.get("rests_on") != _rests_on(generation, step, settings):
        return StepState.OPEN
    return StepState.LEFT_OUT if known["is_left_out"] else StepState.DONE


def noted(
    generation: Generation, step: str, settings: FindSettings, *, is_left_out: bool = False
) -> dict[str, Any]:
    """Return the generation's `info` with the note that a step ran on it, to be published with its findings.

    In one publication with them, so that the note never stands beside findings of another run.
    """
    note = {"rests_on": _rests_on(generation, step, settings), "is_left_out": is_left_out}
    return {**generation.info, STEPS: {**generation.info.get(STEPS, {}), step: note}}


def leave_out(
    folder: WorkspaceFolder, generation: Generation, step: str, *, settings: FindSettings, report: StepReport
) -> StepReport:
    """Note in the workspace that a step could not run; the caller holds the writer lock. Returns `report`."""
    folder.publish(generation, info=noted(generation, step, settings, is_left_out=True))
    return report


def _rests_on(generation: Generation, step: str, settings: FindSettings) -> dict[str, str]:
    """Return what a step's findings rest on besides the images."""
    if step == SCOPE_QUALITY:
        return {}
    if step == SCOPE_DUPLICATES:
        return searched_with(generation, replace(settings.pairs, embedder=settings.embedder))
    if step == SCOPE_MISLABELS and settings.pred_probs is not None:
        return {"pred_probs": settings.pred_probs}
    info = embedder_info(generation, settings.embedder)
    return {"vectors": f"{info.name} {info.fingerprint}" if info else "none"}
