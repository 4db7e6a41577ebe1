"""How a team agrees, as tables: for `Workspace.agreement` and `chaffinch adjudicate --format csv`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaffinch.curate.team import TeamReport

if TYPE_CHECKING:
    import pandas as pd

REVIEWER_COLUMNS = (
    "reviewer",
    "n_subjects",
    "n_shared",
    "agreement",
    "weight",
    "gold",
    "gold_low",
    "gold_high",
    "n_gold",
    "n_keep",
    "n_remove",
    "n_relabel",
)
AGREEMENT_COLUMNS = ("measure", "about", "value", "low", "high", "n_items")
DISPUTE_COLUMNS = (
    "key",
    "reviewer_name",
    "user_action",
    "new_label",
    "user_tags",
    "notes",
    "majority",
    "majority_label",
)

Row = tuple[str | int | float, ...]


@dataclass(frozen=True, slots=True)
class TeamTables:
    """How a team agrees, as DataFrames."""

    reviewers: pd.DataFrame
    """One row a reviewer: subjects, agreement with the others, gold items, actions."""
    agreement: pd.DataFrame
    """One row a figure: alpha of the action and each tag, kappa of each two reviewers."""
    disputes: pd.DataFrame
    """One row a verdict on a subject that waits for an adjudicator, with what most say."""


def team_tables(report: TeamReport) -> TeamTables:
    """Return a report as DataFrames; a figure that is not determined is NaN."""
    import pandas as pd

    return TeamTables(
        reviewers=pd.DataFrame(_reviewer_rows(report), columns=list(REVIEWER_COLUMNS)),
        agreement=pd.DataFrame(_agreement_rows(report), columns=list(AGREEMENT_COLUMNS)),
        disputes=pd.DataFrame(dispute_rows(report), columns=list(DISPUTE_COLUMNS)),
    )


def _reviewer_rows(report: TeamReport) -> Iterator[Row]:
    for f in report.reviewers:
        counts = (f.n_by_action["keep"], f.n_by_action["remove"], f.n_by_action["relabel"])
        gold = (f.gold.value, f.gold.low, f.gold.high, f.gold.n_items)
        yield (f.reviewer, f.n_subjects, f.n_shared, f.agreement, f.weight, *gold, *counts)


def _agreement_rows(report: TeamReport) -> Iterator[Row]:
    alphas = {"action": report.action, **report.tags}
    pairs = {f"{first}, {second}": estimate for (first, second), estimate in report.kappas.items()}
    for measure, estimates in (("alpha", alphas), ("kappa", pairs)):
        for about, e in estimates.items():
            yield (measure, about, e.value, e.low, e.high, e.n_items)


def dispute_rows(report: TeamReport) -> Iterator[Row]:
    """Yield `DISPUTE_COLUMNS` for each verdict on a disputed subject."""
    for dispute in report.disputes:
        majority = (dispute.proposed or "", dispute.new_label or "")
        for v in dispute.verdicts:
            yield (dispute.key, v.reviewer, v.action, v.new_label or "", ",".join(v.tags), v.note, *majority)
