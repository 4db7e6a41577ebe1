"""The whole run: scan, find, leaks, policy, resolve; each step skipped where it is up to date.

Nothing of the dataset is changed. What comes out is the manifest and the lists; a cleaned copy is for
`chaffinch apply` to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chaffinch.curate.answers import ResolveSettings
from chaffinch.curate.current import until_current
from chaffinch.curate.policy import DEFAULT, Policy, read_policy
from chaffinch.curate.policy_apply import PolicyPlan, applied_policies, apply_policy, plan_policy
from chaffinch.detect.verified import KnownPairs
from chaffinch.identity import order_splits
from chaffinch.pipeline.find import FindReport, find
from chaffinch.pipeline.leak_report import LeakReport, report_leaks
from chaffinch.pipeline.pair_search import searched_with
from chaffinch.pipeline.progress import Progress, Silent
from chaffinch.pipeline.resolve import resolve
from chaffinch.pipeline.resolve_artifacts import (
    Exceeded,
    ResolveSummary,
    exceeded_limits,
    summarise,
    write_artifacts,
)
from chaffinch.pipeline.resolve_choices import remember
from chaffinch.pipeline.scan import ScanReport, SourceSpec, scan
from chaffinch.report.contact_sheet import contact_sheet_path
from chaffinch.settings import LeakSettings, ScanSettings
from chaffinch.storage.findings import LEAK_SEARCHES, leak_scope
from chaffinch.storage.folder import Generation, WorkspaceFolder


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What a whole run did; None where a step was up to date."""

    scan: ScanReport
    """What was read."""
    found: list[FindReport]
    """What each step of `find` found."""
    leaks: dict[tuple[str, str], LeakReport | None]
    """Leaks between train and each other split."""
    pages: list[Path]
    """Pages to look at: the contact sheets."""
    policy: PolicyPlan
    """What the policy decided."""
    summary: ResolveSummary
    """What happens to the images."""
    exceeded: list[Exceeded]
    """Limits of the policy that the removals exceed; nothing was written then."""
    files: list[Path]
    """Manifest and lists."""


def clean(
    root: Path,
    spec: SourceSpec,
    *,
    policy: Path | None = None,
    settings: ScanSettings | None = None,
    resolve_settings: ResolveSettings | None = None,
    progress: Progress | None = None,
) -> CleanReport:
    """Find what is wrong in a dataset and what a policy would do about it.

    Args:
        root: The workspace.
        spec: What to clean.
        policy: YAML file; None takes the one that comes with the program.
        settings: How to scan.
        resolve_settings: How to resolve, now and later; None takes what the workspace remembers.
        progress: Who watches.

    Raises:
        SourceError: If the source cannot be read.
        UsageError: If the policy cannot be understood.
        LockedError: If another process writes to the workspace.
    """
    progress = progress or Silent()
    rules = read_policy(policy or DEFAULT)
    scanned = scan(root, spec, settings=settings, progress=progress)
    folder = WorkspaceFolder(root)
    known = KnownPairs()
    found = find(root, skip_done=True, known=known, progress=progress)
    leaks = {pair: _leaks(folder, pair, known, progress) for pair in split_pairs(scanned.splits)}
    progress.stage("deciding", total=None, unit="images")
    plan = until_current(lambda: _applied(root, rules, policy or DEFAULT))
    if resolve_settings is not None:
        remember(root, resolve_settings)
    resolution = resolve(root)
    summary = summarise(resolution)
    exceeded = exceeded_limits(summary, applied_policies(root))
    return CleanReport(
        scan=scanned,
        found=found,
        leaks=leaks,
        pages=[page for pair in leaks if (page := contact_sheet_path(leak_report_path(root, pair))).exists()],
        policy=plan,
        summary=summary,
        exceeded=exceeded,
        files=[] if exceeded else list(write_artifacts(resolution, root / "cleaning")),
    )


def split_pairs(splits: list[str]) -> list[tuple[str, str]]:
    """Return the pairs to search leaks between: the first split (train, if there) with each other one."""
    ordered = order_splits(splits)
    return [(ordered[0], other) for other in ordered[1:]]


def _is_searched(generation: Generation, scope: str) -> bool:
    """Tell whether a search with default settings would find what is there already."""
    noted: dict[str, str] = generation.info.get(LEAK_SEARCHES, {}).get(scope, {})
    return searched_with(generation, LeakSettings()).items() <= noted.items()


def leak_report_path(root: Path, pair: tuple[str, str]) -> Path:
    """Return where the whole run puts the leak report of two splits."""
    name = "_".join((WorkspaceFolder(root).published().dataset, *pair, "leaks_report.csv"))
    return root / "reports" / name


def _leaks(
    folder: WorkspaceFolder, pair: tuple[str, str], known: KnownPairs, progress: Progress
) -> LeakReport | None:
    output = leak_report_path(folder.root, pair)
    if _is_searched(folder.published(), leak_scope(*pair)) and output.exists():
        return None
    return report_leaks(folder.root, pair, output=output, known=known, progress=progress)


def _applied(root: Path, rules: Policy, source: Path) -> PolicyPlan:
    plan = plan_policy(root, rules)
    apply_policy(root, plan, source=source)
    return plan
