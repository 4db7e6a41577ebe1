"""The table `issues`: one row for each sample that a finding flags.

Both members of a duplicate and both sides of a leak carry a row. Rows come sorted by type, group, sample; the
same findings give the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import pyarrow as pa

SOURCE = "chaffinch"
"""`source` of our own findings; those of other tools carry the tool's name."""

DUPLICATE, LEAK, LABEL_CONFLICT = "duplicate", "leak", "label_conflict"
"""Issue types found from pairs."""
MISLABEL, AMBIGUOUS_CLASS, OUTLIER, LABEL_OUTLIER = "mislabel", "ambiguous_class", "outlier", "label_outlier"
"""Issue types found from vectors."""

ISSUES_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("object_id", pa.string()),
        pa.field("finding_id", pa.string()),
        pa.field("issue_type", pa.string()),
        pa.field("confidence", pa.float32()),
        pa.field("suggested_label", pa.string()),
        pa.field("group_id", pa.string()),
        pa.field("is_original", pa.bool_()),
        pa.field("reason", pa.string()),
        pa.field("evidence", pa.string()),
        pa.field("source", pa.string()),
        pa.field("method", pa.string()),
    ]
)
"""The exported table. `object_id` is empty for a whole image; `is_original` is true for the member of a
duplicate group that is kept, false for the others, empty elsewhere; `evidence` is JSON."""


_AS_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
"""Made once: `json.dumps` with options makes one for each of a million rows."""


@dataclass(slots=True)
class IssueRows:
    """Issues, column by column; all lists are of one length."""

    sample_id: list[int] = field(default_factory=list)
    """Row number of the sample in this workspace."""
    key: list[str] = field(default_factory=list)
    """Key of the sample."""
    finding_id: list[str] = field(default_factory=list)
    """What the finding is, whatever its threshold; see `identity.finding_id`."""
    issue_type: list[str] = field(default_factory=list)
    """Singular issue word."""
    confidence: list[float | None] = field(default_factory=list)
    """0..1, higher is surer that this is an issue; None where another tool states none."""
    suggested_label: list[str | None] = field(default_factory=list)
    """Label that would be right; None where nothing speaks for one."""
    group_id: list[str | None] = field(default_factory=list)
    """Shared by the samples of one group; None where the type has no groups."""
    is_original: list[bool | None] = field(default_factory=list)
    """True for the kept member of a duplicate group."""
    reason: list[str] = field(default_factory=list)
    """A sentence that names the neighbour, the number and its threshold."""
    evidence: list[str] = field(default_factory=list)
    """JSON object with the same facts for programs."""
    method: list[str] = field(default_factory=list)
    """How it was found."""
    object_id: list[str | None] = field(default_factory=list)
    """`object_id` of the table `objects`, as text; None where the whole image is meant."""
    source: list[str] = field(default_factory=list)
    """Who found it: `SOURCE`, or the name of another tool."""

    def __len__(self) -> int:
        return len(self.sample_id)

    def add(
        self,
        subject: tuple[int, str],
        issue_type: str,
        *,
        finding_id: str,
        confidence: float | None,
        reason: str,
        evidence: Mapping[str, object],
        more: Mapping[str, object],
    ) -> None:
        """Append a row.

        Args:
            subject: Sample id and key.
            issue_type: Singular issue word.
            finding_id: See `identity.finding_id`.
            confidence: 0..1; None where nobody states one.
            reason: A sentence.
            evidence: Facts, as JSON takes them.
            more: Any of the other columns; those left out are None, and `source` is our own.
        """
        row = {
            "sample_id": subject[0],
            "key": subject[1],
            "issue_type": issue_type,
            "finding_id": finding_id,
            "confidence": None if confidence is None else min(max(confidence, 0.0), 1.0),
            "reason": reason,
            "evidence": _AS_JSON.encode(evidence),
            "source": SOURCE,
            **more,
        }
        for column in self.__slots__:
            getattr(self, column).append(row.get(column))

    def table(self) -> pa.Table:
        """Return the rows as `ISSUES_SCHEMA`."""
        columns: dict[str, Sequence[object]] = {
            column.name: getattr(self, column.name) for column in fields(self)
        }
        return pa.table({name: columns[name] for name in ISSUES_SCHEMA.names}, schema=ISSUES_SCHEMA)
