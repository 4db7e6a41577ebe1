"""Writes a release: lists, decisions, changes, checksums, and a cleaned copy of the pictures.

It is built beside its place and swapped in as a whole (`apply.swap`), from a resolution (`pipeline.resolve`).
The source is only ever read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from chaffinch.apply.artifacts import (
    CHANGES,
    CopySearch,
    LeakSearch,
    NamedSource,
    ReleaseRecord,
    write_checksums,
    write_decisions,
    write_pictures,
    write_record,
)
from chaffinch.apply.changes import ChangeCounts, changes_text
from chaffinch.apply.swap import recover, replaced_folder
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.identity import order_splits, path_text
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.release_pictures import write_forms
from chaffinch.pipeline.release_plan import CONTENTS, LISTS, ReleasePlan
from chaffinch.pipeline.resolve_artifacts import write_artifacts
from chaffinch.settings import METHODS, LeakSettings
from chaffinch.storage.decisions import open_log
from chaffinch.storage.files import atomic_path, write_json
from chaffinch.storage.findings import PHASH_THRESHOLDS, SCOPE_DUPLICATES, scopes, search_vectors
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock

LAST_RELEASE = "last_release.json"
"""Where a workspace notes the release that was applied last."""


def write_release(plan: ReleasePlan, *, may_replace: bool = False, progress: Progress | None = None) -> Path:
    """Write the release and note it in the workspace; returns its folder.

    Killed at any moment, the target holds what was there before or the whole release.

    Args:
        plan: From `plan_release`.
        may_replace: Whether a target that holds anything but an earlier release may be replaced.
        progress: Who watches.

    Raises:
        UsageError: If the target holds something else, or more goes than a policy allows.
        WorkspaceError: If a picture is not as it was scanned.
        LockedError: If another process writes to the workspace.

    Cost: one read of every picture that stays, and about 1 KB of memory for each.
    """
    if plan.target_is == "other" and not may_replace:
        raise UsageError(
            f"holds something else, such as {', '.join(plan.foreign_files) or 'folders'}",
            where=str(plan.target),
            hint="--yes replaces all of it; or name a new folder with --to",
        )
    if plan.exceeded:
        raise UsageError("more would be removed than the policy allows", hint="narrow its rules")
    with writer_lock(plan.root):
        if WorkspaceFolder(plan.root).published().number != plan.generation.number:
            raise WorkspaceError("has changed meanwhile", where=str(plan.root), hint="apply again")
        recover(plan.target)
        with replaced_folder(plan.target) as folder:
            _fill(folder, plan, progress or Silent())
    write_json(plan.root / LAST_RELEASE, {"path": str(plan.target)})
    return plan.target


def last_release(root: Path) -> Path:
    """Return the release that was applied last.

    Raises:
        WorkspaceError: If none was.
    """
    WorkspaceFolder(root).current()
    try:
        return Path(json.loads((root / LAST_RELEASE).read_text(encoding="utf-8"))["path"])
    except FileNotFoundError:
        raise WorkspaceError(
            "nothing was applied yet", where=str(root), hint=f"chaffinch apply -w {root} --to DIR"
        ) from None


def _fill(folder: Path, plan: ReleasePlan, progress: Progress) -> None:
    write_artifacts(plan.resolution, folder)
    written = write_forms(folder, plan, progress)
    write_pictures(folder, sorted(written.pictures, key=lambda p: (p.path, p.key)))
    log = open_log(plan.root).read(with_hashes=True)
    write_decisions(folder, (entry for entry in log if entry.seq <= plan.head.seq))
    _write_changes(folder, plan, written.absent)
    write_record(folder, _record(plan, absent=written.absent, n_pictures=len(written.pictures)))
    write_checksums(folder, written.digests)


def _record(plan: ReleasePlan, *, absent: list[str], n_pictures: int) -> ReleaseRecord:
    source = plan.resolution.source
    contents = tuple(name for name in CONTENTS if name == LISTS or name in plan.settings.contents)
    return ReleaseRecord(
        dataset=plan.resolution.dataset,
        contents=contents,
        source=NamedSource(
            tuple(source.get("locations", ())), dict(source.get("splits", {})), source.get("images")
        ),
        splits=tuple(order_splits(plan.resolution.samples.column("split").to_pylist())),
        n_samples=plan.summary.n_samples,
        n_removed=plan.summary.n_removed,
        n_pictures=n_pictures,
        absent=tuple(sorted(absent)),
        searches=tuple(_searches(plan.generation)),
        waivers={w.key: w.who for w in sorted(plan.summary.waivers, key=lambda w: w.key)},
        copies=_copies(plan),
        leak_side=plan.resolution.settings.leak_side,
        adjudicators=tuple(sorted(plan.resolution.settings.adjudicators)),
        decisions_head=plan.head.hash,
        workspace=path_text(str(plan.root.resolve())),
    )


def _copies(plan: ReleasePlan) -> CopySearch | None:
    """Return the duplicates of which policies remove every copy."""
    claims = plan.resolution.claims
    if not claims.methods:
        return None
    thresholds = plan.generation.info.get(PHASH_THRESHOLDS, {})
    radius = thresholds.get(SCOPE_DUPLICATES, LeakSettings().phash_threshold)
    vectors = search_vectors(plan.generation, SCOPE_DUPLICATES)
    used = {method: info for method, info in vectors.items() if method in claims.methods}
    return CopySearch(claims.methods, radius, claims.kept, used)


def _searches(generation: Generation) -> Iterator[LeakSearch]:
    """Yield the searches for leaks whose pairs the workspace holds."""
    methods: dict[str, list[str]] = {}
    for scope, method in scopes(generation):
        if scope != SCOPE_DUPLICATES:
            methods.setdefault(scope, []).append(method)
    thresholds = generation.info.get(PHASH_THRESHOLDS, {})
    for scope, found in sorted(methods.items()):
        _, first, second = scope.split("/")
        radius = thresholds.get(scope, LeakSettings().phash_threshold)
        vectors = search_vectors(generation, scope)
        yield LeakSearch((first, second), tuple(sorted(found, key=METHODS.index)), radius, vectors)


def _write_changes(folder: Path, plan: ReleasePlan, absent: list[str]) -> None:
    summary, resolution = plan.summary, plan.resolution
    counts = ChangeCounts(
        dataset=resolution.dataset,
        n_samples=summary.n_samples,
        n_removed=summary.n_removed,
        n_relabelled=summary.n_relabelled,
        removed_by=summary.removed_by,
        relabelled_by=summary.relabelled_by,
        classes=[(c.label, c.before, c.after) for c in summary.classes],
        remarks={
            "leaking images kept by a person": sorted(f"{w.key}: {w.who}" for w in summary.waivers),
            "images that persons disagree about are kept": sorted(
                f"{k}: {s}" for k, s in summary.disagreements
            ),
            "images to be relabelled have no label to get; kept as they are": sorted(summary.without_label),
            "copies have other labels; kept until a person decides": resolution.disputed_copies(),
            "images should go as copies, but no copy of them stays; kept": resolution.last_copies,
            "images stay in the lists, but their files are not there to be copied": sorted(absent),
        },
        policies=[f"{p.name}, version {p.version}" for p in plan.policies],
        decisions=(plan.head.seq, plan.head.hash),
    )
    with atomic_path(folder / CHANGES) as temporary:
        temporary.write_text(changes_text(counts), encoding="utf-8", newline="")
