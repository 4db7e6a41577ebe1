"""Says what a release would hold, where it would go, and whether it may go there; changes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.compute as pc

from chaffinch.apply.artifacts import CHECKSUMS, read_checksums, read_record, release_files
from chaffinch.apply.copies import LinkMode
from chaffinch.curate.answers import ResolveSettings
from chaffinch.curate.policy import Policy
from chaffinch.curate.policy_apply import applied_policies
from chaffinch.errors import ChaffinchError, UsageError
from chaffinch.formats.location import local_path
from chaffinch.identity import path_from_text, path_text
from chaffinch.pipeline.resolve import Resolution, resolve
from chaffinch.pipeline.resolve_artifacts import Exceeded, ResolveSummary, exceeded_limits, summarise
from chaffinch.storage.decisions import Head, open_log
from chaffinch.storage.folder import Generation, WorkspaceFolder

LISTS, FOLDER, HF, FILELIST = "lists", "folder", "hf", "filelist"
CONTENTS = (LISTS, FOLDER, HF, FILELIST)
"""What a release may hold; the lists are always in it."""

Target = Literal["new", "empty", "own", "other"]
"""What is where a release is to go: nothing, an empty folder, an earlier release as it was written, or
anything else."""


@dataclass(frozen=True, slots=True)
class ReleaseSettings:
    """How to write a release."""

    contents: tuple[str, ...] = (LISTS, FOLDER)
    """Any of `CONTENTS`: lists for training scripts, the pictures by class, the pictures in Hugging Face
    shards, lists of the files that stay."""
    link: LinkMode = "auto"
    """How pictures get into the copy."""
    resolve: ResolveSettings | None = None
    """How to resolve; None takes what the workspace remembers."""

    def __post_init__(self) -> None:
        """Refuse contents that are not known."""
        unknown = [name for name in self.contents if name not in CONTENTS]
        if unknown or not self.contents:
            raise UsageError(
                f"cannot write {', '.join(unknown) or 'nothing'}", hint=f"--as takes {', '.join(CONTENTS)}"
            )


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """What `release.write_release` would write."""

    root: Path
    """The workspace."""
    target: Path
    """The folder."""
    target_is: Target
    """What is there now."""
    foreign_files: tuple[str, ...]
    """Files in it that would go and that no release has written, some examples."""
    settings: ReleaseSettings
    """How."""
    resolution: Resolution
    """What happens to each sample."""
    summary: ResolveSummary
    """Counts of it."""
    exceeded: tuple[Exceeded, ...]
    """Limits that are exceeded; nothing is written then."""
    policies: tuple[Policy, ...]
    """Policies that were applied."""
    generation: Generation
    """Tables that it was resolved from."""
    head: Head
    """The last decision that it was resolved from."""


def plan_release(root: Path, target: Path, settings: ReleaseSettings) -> ReleasePlan:
    """Say what `release.write_release` would write; changes nothing.

    Raises:
        UsageError: If the target is in the source, holds it, or is a file, or if files are to be listed that
            lie in archives.
        WorkspaceError: If no scan has ended yet.
    """
    target = target.resolve()
    generation = WorkspaceFolder(root).published()
    resolution = resolve(root, settings=settings.resolve)
    _check_target(target, root, resolution)
    _check_listable(settings, resolution)
    if _holds_pictures(target, WorkspaceFolder(root), generation):
        raise UsageError(
            "holds pictures of the source, which is never written to",
            where=str(target),
            hint="name a folder outside of it",
        )
    target_is, foreign = _look_at(target, root, resolution.dataset)
    if target_is == "other" and _touch(target, root.resolve()):
        raise UsageError(
            "holds something else, and lies in the workspace", where=str(target), hint="name a new folder"
        )
    summary, policies = summarise(resolution), applied_policies(root)
    exceeded = tuple(exceeded_limits(summary, policies))
    return ReleasePlan(
        root,
        target,
        target_is,
        foreign,
        settings=settings,
        resolution=resolution,
        summary=summary,
        exceeded=exceeded,
        policies=tuple(policies),
        generation=generation,
        head=open_log(root).head(),
    )


def _check_target(target: Path, root: Path, resolution: Resolution) -> None:
    source = resolution.source
    for location in (*source.get("locations", ()), *source.get("splits", {}).values(), source.get("images")):
        place = local_path(path_from_text(location)) if location else None
        if place is not None and _touch(target, Path(place).resolve()):
            raise UsageError(
                f"lies in the source {place}, or holds it; the source is never written to",
                where=str(target),
                hint="name a folder outside of it",
            )
    if root.resolve().is_relative_to(target):
        raise UsageError("holds the workspace", where=str(target), hint="name a folder of its own")
    if target.exists() and not target.is_dir():
        raise UsageError("is a file", where=str(target), hint="name a folder with --to")


def _check_listable(settings: ReleaseSettings, resolution: Resolution) -> None:
    """Refuse a list of files where pictures are no files of their own."""
    members = resolution.samples.column("member")
    n_packed = len(members) - pc.sum(pc.equal(members, "")).as_py()
    if FILELIST in settings.contents and n_packed:
        raise UsageError(
            f"{n_packed:,} pictures lie in archives, where no list of files can lead",
            where="--as filelist",
            hint="--as folder or --as hf takes them out",
        )


def _holds_pictures(target: Path, folder: WorkspaceFolder, generation: Generation) -> bool:
    """Tell whether a picture lies below `target`: a list or annotation file names them anywhere."""
    places: set[str] = set()
    for batch in folder.batches(generation, "samples", columns=["uri"]):
        places |= {uri.rpartition("/")[0] for uri in batch.column(0).to_pylist() if uri.startswith("/")}
    return any(Path(path_from_text(place)).resolve().is_relative_to(target) for place in places)


def _touch(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _look_at(target: Path, root: Path, dataset: str) -> tuple[Target, tuple[str, ...]]:
    if not target.exists():
        return "new", ()
    files = release_files(target)
    if not files and not any(target.iterdir()):
        return "empty", ()
    with suppress(ChaffinchError, OSError):
        written, record = {*read_checksums(target), CHECKSUMS}, read_record(target)
        if record.workspace not in ("", path_text(str(root.resolve()))):
            return "other", (f"the release of the workspace {record.workspace}",)
        if record.dataset == dataset:
            foreign = tuple(name for name in files if name not in written)
            return ("other" if foreign else "own"), foreign[:5]
    return "other", tuple(files[:5])
