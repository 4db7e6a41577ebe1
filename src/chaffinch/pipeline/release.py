"""Writes a release: lists, decisions, changes, checksums, and a cleaned copy of the pictures.

It is built beside its place and swapped in as a whole (`apply.swap`), from a resolution (`pipeline.resolve`).
The source is only ever read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import blake3
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.apply.artifacts import (
    CHANGES,
    LeakSearch,
    ReleaseRecord,
    write_checksums,
    write_decisions,
    write_pictures,
    write_record,
)
from chaffinch.apply.changes import ChangeCounts, changes_text
from chaffinch.apply.copies import (
    LinkMode,
    NamedPicture,
    ReleasedPicture,
    place_picture,
    release_paths,
)
from chaffinch.apply.swap import recover, replaced_folder
from chaffinch.errors import UsageError, WorkspaceError
from chaffinch.formats.reading import fetch
from chaffinch.identity import path_from_text
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.release_plan import CONTENTS, FOLDER, LISTS, ReleasePlan
from chaffinch.pipeline.resolve import Resolution
from chaffinch.pipeline.resolve_artifacts import write_artifacts
from chaffinch.records import Fetched
from chaffinch.settings import METHODS, LeakSettings
from chaffinch.storage.decisions import open_log
from chaffinch.storage.files import atomic_path, write_json
from chaffinch.storage.findings import PHASH_THRESHOLDS, SCOPE_DUPLICATES, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder
from chaffinch.storage.lock import writer_lock
from chaffinch.storage.schema import REF_FIELDS, refs_from

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
    copy = _Copy([], {}, [])
    if FOLDER in plan.settings.contents:
        copy = _write_copy(folder, plan, progress)
        write_pictures(folder, sorted(copy.pictures, key=lambda p: p.path))
    write_decisions(folder, (e for e in open_log(plan.root).read() if e.seq <= plan.head.seq))
    _write_changes(folder, plan, copy.absent)
    write_record(folder, _record(plan, absent=copy.absent, n_pictures=len(copy.pictures)))
    write_checksums(folder, copy.digests)


def _record(plan: ReleasePlan, *, absent: list[str], n_pictures: int) -> ReleaseRecord:
    contents = tuple(name for name in CONTENTS if name == LISTS or name in plan.settings.contents)
    return ReleaseRecord(
        dataset=plan.resolution.dataset,
        contents=contents,
        n_samples=plan.summary.n_samples,
        n_removed=plan.summary.n_removed,
        n_pictures=n_pictures,
        absent=tuple(sorted(absent)),
        searches=tuple(_searches(plan.generation)),
        waivers={w.key: w.who for w in sorted(plan.summary.waivers, key=lambda w: w.key)},
        decisions_head=plan.head.hash,
    )


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
        yield LeakSearch((first, second), tuple(sorted(found, key=METHODS.index)), radius)


# ------------------------------------------------------------------------------------------------ pictures


@dataclass(frozen=True, slots=True)
class _Copy:
    """What a cleaned copy holds."""

    pictures: list[ReleasedPicture]
    digests: dict[str, str]
    """SHA-256 by path."""
    absent: list[str]
    """Keys of samples that stay, and whose files are not there."""


def _write_copy(folder: Path, plan: ReleasePlan, progress: Progress) -> _Copy:
    progress.stage("copying", total=plan.summary.n_samples - plan.summary.n_removed, unit="images")
    copy = _Copy([], {}, [])
    paths = release_paths(_named(plan.resolution, _formats(plan)))
    for fetched, picture in _stay(plan, paths):
        if fetched.data is None:
            copy.absent.append(picture.key)
        else:
            copy.digests[path_from_text(picture.path)] = _place(folder, picture, fetched, plan.settings.link)
            copy.pictures.append(picture)
        progress.advance(1)
    return copy


def _formats(plan: ReleasePlan) -> dict[str, str | None]:
    table = WorkspaceFolder(plan.root).read(plan.generation, "samples", columns=["key", "format"])
    return dict(zip(table.column("key").to_pylist(), table.column("format").to_pylist(), strict=True))


def _named(resolution: Resolution, formats: Mapping[str, str | None]) -> Iterator[NamedPicture]:
    columns = (resolution.samples.column(name).to_pylist() for name in ("key", "split", "given_label"))
    for key, split, given in zip(*columns, strict=True):
        if resolution.action(key) != "remove":
            yield NamedPicture(key, split, given, _label(resolution, key, given), formats[key])


def _label(resolution: Resolution, key: str, given: str | None) -> str | None:
    settled = resolution.settled.get(key)
    return given if settled is None or settled.new_label is None else settled.new_label


def _stay(plan: ReleasePlan, paths: Mapping[str, str]) -> Iterator[tuple[Fetched, ReleasedPicture]]:
    """Yield the bytes of each sample that stays, with what the release says of it, in order of samples."""
    wanted = pa.array(list(paths), type=pa.string())
    columns = [*(f.name for f in REF_FIELDS), "key", "image_id", "bytes_digest"]
    for batch in WorkspaceFolder(plan.root).batches(plan.generation, "samples", columns=columns):
        rows = pa.Table.from_batches([batch.filter(pc.is_in(batch.column("key"), wanted))])
        more = [rows.column(name).to_pylist() for name in ("key", "image_id", "bytes_digest")]
        for fetched, key, image_id, digest in zip(fetch(refs_from(rows)), *more, strict=True):
            ref = fetched.ref
            label = _label(plan.resolution, key, ref.given_label)
            picture = ReleasedPicture(
                key,
                str(image_id),
                ref.split,
                ref.given_label,
                label,
                bytes_digest=digest or "",
                path=paths[key],
            )
            _check(fetched, picture, Path(ref.image_path))
            yield fetched, picture


def _check(fetched: Fetched, picture: ReleasedPicture, where: Path) -> None:
    """Refuse a picture that is not as it was scanned: what was decided may not hold for it."""
    got = "" if fetched.data is None else blake3.blake3(fetched.data).hexdigest(length=16)
    if got != picture.bytes_digest:
        raise WorkspaceError(
            "is gone since the scan" if fetched.data is None else "has changed since the scan",
            where=str(where),
            hint="run the same 'chaffinch scan' again, then apply again; nothing was written",
        )


def _place(folder: Path, picture: ReleasedPicture, fetched: Fetched, link: LinkMode) -> str:
    """Put a picture into the copy; returns the SHA-256 of its bytes."""
    target = folder / path_from_text(picture.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    data, ref = fetched.data or b"", fetched.ref
    is_file = not ref.member and ref.uri.startswith("/")
    place_picture(data, target, original=ref.uri if is_file else None, mode=link)
    return hashlib.sha256(data).hexdigest()


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
            "leaking images are kept by a person": sorted(f"{w.key}: {w.who}" for w in summary.waivers),
            "images that persons disagree about are kept": sorted(
                f"{k}: {s}" for k, s in summary.disagreements
            ),
            "images to be relabelled have no label to get; kept as they are": sorted(summary.without_label),
            "images should go as copies, but no copy of them stays; kept": resolution.last_copies,
            "images stay in the lists, but their files are not there to be copied": sorted(absent),
        },
        policies=[f"{p.name}, version {p.version}" for p in plan.policies],
        decisions=(plan.head.seq, plan.head.hash),
    )
    with atomic_path(folder / CHANGES) as temporary:
        temporary.write_text(changes_text(counts), encoding="utf-8", newline="")
