"""What the steps of `find` share: their report, and the note in the workspace that they have run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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


def is_up_to_date(generation: Generation, step: str, settings: FindSettings) -> bool:
    """Tell whether a step has run, to its end, on these images and vectors; with whatever thresholds."""
    return bool(generation.info.get(STEPS, {}).get(step) == _vectors(generation, settings))


def note_step(folder: WorkspaceFolder, step: str, settings: FindSettings) -> None:
    """Note in the workspace that a step has run; the caller holds the writer lock."""
    generation = folder.published()
    done = {**generation.info.get(STEPS, {}), step: _vectors(generation, settings)}
    folder.publish(generation, info={**generation.info, STEPS: done})


def _vectors(generation: Generation, settings: FindSettings) -> str:
    """Return what findings rest on besides the images."""
    info = embedder_info(generation, settings.embedder)
    return f"{info.name} {info.fingerprint}" if info else "no vectors"
