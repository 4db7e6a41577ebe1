"""Resolves a workspace: what happens to each sample, from its findings, pairs and decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chaffinch.curate.answers import Case, ResolveSettings
from chaffinch.curate.current import current_decisions
from chaffinch.curate.labels import Labels
from chaffinch.curate.resolve import Settled, looseness, settle
from chaffinch.curate.state import SubjectState, fold, standing
from chaffinch.detect.groups import rank_of
from chaffinch.pipeline.copies import NOT_RULED, CopyRules, copies_to_remove, group_pairs
from chaffinch.pipeline.copy_claims import CopyClaims, copy_claims, kept_copies
from chaffinch.pipeline.found_issues import FoundIssues, found_issues
from chaffinch.pipeline.resolve_choices import remembered
from chaffinch.records import LoggedDecision
from chaffinch.storage.findings import SCOPE_DUPLICATES, read_pairs, scopes
from chaffinch.storage.folder import Generation, WorkspaceFolder, open_table
from chaffinch.storage.issues import DUPLICATE, LABEL_CONFLICT, LEAK
from chaffinch.storage.pairs import PairSet
from chaffinch.storage.samples import present_samples, rows_of_keys

SAMPLE_COLUMNS = [
    "sample_id",
    "key",
    "image_id",
    "split",
    "split_row",
    "image_path",
    "member",
    "given_label",
    "width",
    "height",
]
_FEWEST_ISSUES_BUT = (DUPLICATE,)
"""Issue types that do not count against an image among its copies: all of them have it."""


@dataclass(slots=True)
class Resolution:
    """What happens to every sample of a workspace."""

    dataset: str
    """Name of the dataset."""
    source: Mapping[str, Any]
    """How the dataset was opened."""
    settings: ResolveSettings
    """How it was resolved."""
    samples: pa.Table
    """The samples that are there, `SAMPLE_COLUMNS`, by `sample_id`; vanished ones are left out."""
    settled: dict[str, Settled]
    """By key, in the order of the samples; nothing happens to those that are not in it."""
    states: dict[str, SubjectState]
    """What the log says, by key."""
    issues: FoundIssues
    """Issues of whole images."""
    last_copies: list[str] = field(default_factory=list)
    """Keys of samples that should go as copies, and stay since no copy of them does; sorted."""
    claims: CopyClaims = field(default_factory=CopyClaims)
    """What is promised about duplicates."""
    reattached: dict[str, str] = field(default_factory=dict)
    """Keys that are gone, and the key whose sample took over their decisions."""
    unattached: list[str] = field(default_factory=list)
    """Keys that decisions name and no sample has; sorted."""
    reopened: list[str] = field(default_factory=list)
    """Keys of samples that were decided about when they had other content; sorted."""

    def action(self, key: str) -> str:
        """Return what happens to a sample."""
        return self.settled[key].action if key in self.settled else "none"

    def disputed_copies(self) -> list[str]:
        """Return the keys of copies that wait for a person, since equal images have other labels; sorted."""
        is_open = {key: self.action(key) == "none" for key in self.claims.disputed}
        return sorted(key for key, waits in is_open.items() if waits)

    def places(self, keys: Iterable[str]) -> np.ndarray:
        """Return the rows of `samples` that have these keys, all of which are there; shape (N,), int64."""
        wanted = pa.array(list(keys), pa.string())
        hits = pc.index_in(self.samples.column("key"), value_set=wanted).combine_chunks()
        is_hit = pc.is_valid(hits)
        places = np.empty(len(wanted), dtype=np.int64)
        places[hits.filter(is_hit).to_numpy()] = np.flatnonzero(is_hit.to_numpy(zero_copy_only=False))
        return places


def resolve(root: Path, *, settings: ResolveSettings | None = None) -> Resolution:
    """Resolve a workspace; reads only.

    Args:
        root: The workspace.
        settings: How; None takes what the workspace remembers.

    Raises:
        WorkspaceError: If no scan has ended yet.

    Cost: see benchmarks/results/resolve_scale.json.
    """
    settings, folder = settings or remembered(root), WorkspaceFolder(root)
    generation = folder.published()
    is_here = present_samples(folder, generation)
    samples = _samples(folder, generation, is_here)
    numbers = samples.column("sample_id").to_numpy()
    attached = current_decisions(folder, generation, is_here=is_here)
    issues = found_issues(folder, generation, is_here)
    resolution = Resolution(
        dataset=generation.dataset,
        source=generation.source,
        settings=settings,
        samples=samples,
        settled={},
        states=fold(attached.log),
        issues=issues,
        reattached=attached.moved,
        unattached=attached.lost,
        reopened=attached.reopened,
    )
    by_key: dict[str, list[LoggedDecision]] = defaultdict(list)
    for entry in attached.log:
        by_key[entry.decision.key].append(entry)
    spoken = rows_of_keys(folder.files(generation, "samples"), list(by_key))
    spoken = spoken[(spoken >= 0) & is_here[spoken]]
    if settings.leak_side is not None:
        spoken = np.concatenate([spoken, issues.sample_id[issues.of_type(LEAK)]])
    places = np.searchsorted(numbers, np.unique(spoken))
    labels = Labels.of(folder, generation)
    for case in _cases(resolution, by_key, places, labels=labels):
        resolution.settled[case.key] = settle(case, settings)
    copies = np.searchsorted(numbers, np.unique(issues.sample_id[issues.is_copy()]))
    cases = _cases(resolution, by_key, copies, labels=labels)
    pair_sets = _pair_sets(folder, generation)
    resolution.claims = copy_claims(cases, [pairs.method for pairs in pair_sets])
    _settle_copies(resolution, places, pair_sets, is_here=is_here)
    return resolution


def _samples(folder: WorkspaceFolder, generation: Generation, is_here: np.ndarray) -> pa.Table:
    """Return the samples that are there; one part at a time, since a filter copies."""
    parts = []
    for path in folder.files(generation, "samples"):
        with open_table(path) as file:
            table = file.read(columns=SAMPLE_COLUMNS)
        mask = is_here[table.column("sample_id").to_numpy()]
        parts.append(table if mask.all() else table.filter(pa.array(mask)))
    return pa.concat_tables(parts)


def _cases(
    resolution: Resolution,
    by_key: Mapping[str, Sequence[LoggedDecision]],
    places: np.ndarray,
    *,
    labels: Labels,
) -> Iterator[Case]:
    """Yield what is known of the samples in these rows of `Resolution.samples`."""
    rows = resolution.samples.select(["sample_id", "key", "given_label"]).take(pa.array(places))
    findings = resolution.issues.findings(rows.column("sample_id").to_numpy(), labels)
    columns = (rows.column(name).to_pylist() for name in ("key", "given_label"))
    for key, label, own in zip(*columns, findings, strict=True):
        yield Case(key, label, own, tuple(standing(by_key.get(key, ()))))


def _pair_sets(folder: WorkspaceFolder, generation: Generation) -> list[PairSet]:
    return [
        read_pairs(folder, generation, scope=scope, method=method)
        for scope, method in scopes(generation)
        if scope == SCOPE_DUPLICATES
    ]


# -------------------------------------------------------------------------------------------------- copies


def _settle_copies(
    resolution: Resolution, places: np.ndarray, pair_sets: list[PairSet], *, is_here: np.ndarray
) -> None:
    """Settle the duplicates among the survivors, and note which stay, in place.

    Args:
        resolution: With everything else settled.
        places: Rows of the samples that are.
        pair_sets: The duplicates found.
        is_here: Shape (n_samples,), bool.
    """
    if any(settled.copy_method for settled in resolution.settled.values()):
        _take_out_copies(resolution, places, pair_sets, n=len(is_here))
    claims, settled = resolution.claims, resolution.settled
    keys = list(dict.fromkeys([*settled, *sorted(claims.left | claims.disputed)]))
    rows = resolution.samples.column("sample_id").to_numpy()[resolution.places(keys)]
    kept = kept_copies(
        claims,
        settled,
        pair_sets,
        numbers=dict(zip(keys, rows.tolist(), strict=True)),
        is_here=is_here,
        reviewers={key: state.reviewer for key, state in resolution.states.items()},
    )
    resolution.claims = replace(claims, kept=kept)


def _take_out_copies(resolution: Resolution, places: np.ndarray, pair_sets: list[PairSet], *, n: int) -> None:
    """Take out the copies that should go, in place; `places` are the rows of the settled."""
    foreign = _foreign_groups(resolution.issues)
    every = [*pair_sets, *([group_pairs(foreign)] if foreign else [])]
    numbers = resolution.samples.column("sample_id").to_numpy()
    out = copies_to_remove(every, _rules(resolution, numbers[places], n=n))
    changed = np.flatnonzero(out.is_removed[numbers] | out.is_last[numbers])
    keys = resolution.samples.column("key").take(pa.array(changed)).to_pylist()
    for key, number in zip(keys, numbers[changed].tolist(), strict=True):
        if out.is_removed[number]:
            settled = resolution.settled.get(key, Settled(key))
            resolution.settled[key] = replace(
                settled, action="remove", new_label=None, reasons=(DUPLICATE,), lacks_label=False
            )
        else:
            resolution.last_copies.append(key)
    resolution.last_copies.sort()


def _foreign_groups(issues: FoundIssues) -> list[np.ndarray]:
    """Return the duplicate groups of other tools, of which no pairs are stored, as sample ids."""
    is_unsaid = pc.is_null(issues.rows.column("is_original")).to_numpy()
    rows = np.flatnonzero(issues.is_first & is_unsaid & (issues.group >= 0))
    members = np.unique(np.stack([issues.group[rows], issues.sample_id[rows]]), axis=1)
    starts = np.flatnonzero(np.diff(members[0], prepend=-1))
    return [group for group in np.split(members[1], starts[1:]) if len(group) > 1]


def _rules(resolution: Resolution, spoken: np.ndarray, *, n: int) -> CopyRules:
    rules = CopyRules(
        is_alive=np.zeros(n, dtype=bool),
        looseness=np.full(n, NOT_RULED, dtype=np.int64),
        original_looseness=np.full(n, NOT_RULED, dtype=np.int64),
        is_kept=np.zeros(n, dtype=bool),
        is_waived=np.zeros(n, dtype=bool),
        is_by_person=np.zeros(n, dtype=bool),
        rank=np.arange(n),
    )
    rules.is_alive[resolution.samples.column("sample_id").to_numpy()] = True
    for settled, place in zip(resolution.settled.values(), spoken.tolist(), strict=True):
        rules.is_alive[place] = settled.action != "remove"
        rules.is_kept[place] = settled.is_kept
        rules.is_waived[place] = settled.waiver is not None
        rules.is_by_person[place] = settled.is_copy_by_person
        if settled.copy_method is not None:
            # Where policies remove every copy of a method, one goes beside any copy by that method that
            # stays, also where the one that it was found by is gone.
            level = NOT_RULED if settled.is_copy_by_person else resolution.claims.looseness
            rules.looseness[place] = max(looseness(settled.copy_method), level)
    _put_originals(rules, resolution.issues)
    return replace(rules, rank=_rank(resolution.samples, resolution.issues, rules))


def _put_originals(rules: CopyRules, issues: FoundIssues) -> None:
    """Let the original of each group with a copy that should go stand for election too, in place."""
    rows = np.flatnonzero(issues.is_first & (issues.group >= 0))
    groups, members = issues.group[rows], issues.sample_id[rows]
    asked = np.full(int(groups.max(initial=-1)) + 1, NOT_RULED, dtype=np.int64)
    np.maximum.at(asked, groups, rules.looseness[members])
    is_original = pc.fill_null(issues.rows.column("is_original"), False).to_numpy()[rows]
    np.maximum.at(rules.original_looseness, members[is_original], asked[groups[is_original]])
    # Which of images with contradicting labels stays is for people: neither goes for an unlabelled copy.
    rules.original_looseness[issues.sample_id[issues.of_type(LABEL_CONFLICT)]] = NOT_RULED


def _rank(samples: pa.Table, issues: FoundIssues, rules: CopyRules) -> np.ndarray:
    """Rank all samples for being kept; see the module `copies`."""
    n = len(rules.is_alive)
    at = samples.column("sample_id").to_numpy()
    counted = issues.is_first & ~issues.of_type(*_FEWEST_ISSUES_BUT)
    n_issues = np.bincount(issues.sample_id[counted], minlength=n)
    pixels, by_key = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    sides = [samples.column(name).fill_null(0).to_numpy().astype(np.int64) for name in ("width", "height")]
    pixels[at] = sides[0] * sides[1]
    by_key[at[pc.sort_indices(samples.column("key")).to_numpy()]] = np.arange(len(at))
    is_last = rules.is_by_person & (rules.looseness >= 0)
    return rank_of(is_last, ~rules.is_kept, n_issues, -pixels, by_key)
