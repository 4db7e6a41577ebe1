"""What goes over the wire, as types: the OpenAPI document and the page's own types come from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SampleId = Annotated[int, Field(ge=0, le=2**53)]
Action = Literal["none", "keep", "remove", "relabel"]
Text = Annotated[str, Field(max_length=10_000)]
EventId = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[0-9A-Za-z._-]+$")]

MAX_ITEMS = 200_000
"""Samples of one decision."""


class Wire(BaseModel):
    """Base of all: unknown fields are refused, so that a misspelled one is noticed."""

    model_config = ConfigDict(extra="forbid")


class Refusal(BaseModel):
    """Why a request was not answered as asked."""

    error: str
    hint: str = ""


class DecisionItem(Wire):
    """One sample of a decision, with the version that was looked at."""

    sample_id: SampleId
    version: Annotated[int, Field(ge=0, le=2**53)]


class DecisionIn(Wire):
    """A decision about some samples."""

    reviewer: Annotated[str, Field(max_length=200)] = ""
    items: Annotated[list[DecisionItem], Field(min_length=1, max_length=MAX_ITEMS)]
    tags_added: Annotated[list[Text], Field(max_length=64)] = []
    tags_removed: Annotated[list[Text], Field(max_length=64)] = []
    action: Action = "none"
    new_label: Text | None = None
    note: Text = ""
    event_ids: Annotated[list[EventId], Field(max_length=MAX_ITEMS)] | None = None
    batch_id: EventId | None = None
    how: Literal["looked", "batch", "audit"] = "looked"


class UndoIn(Wire):
    """A batch to take back."""

    reviewer: Annotated[str, Field(max_length=200)] = ""
    batch_id: EventId


class LeaseIn(Wire):
    """The sample that a reviewer looks at, then those that come next; in place of those before."""

    reviewer: Annotated[str, Field(max_length=200)] = ""
    sample_ids: Annotated[list[SampleId], Field(max_length=1000)]


class Change(BaseModel):
    """What holds about one sample now."""

    sample_id: int
    version: int
    action: Action
    tags: list[str]
    n_reviewers: int
    new_label: str | None
    turn: int = Field(description="What the sample wants of this reviewer; `curate.sharing.Turn`.")


class SavedOut(BaseModel):
    """What became of a decision: all of it is saved, or none."""

    saved: list[Change]
    conflicts: list[Change]


class LeaseHeld(BaseModel):
    """A sample that somebody is looking at."""

    sample_id: int
    reviewer: str


class News(BaseModel):
    """What was decided since the last news, and who looks at what now."""

    seq: int
    items: list[Change]
    held: list[LeaseHeld]


class ColumnSpec(BaseModel):
    """One column of a part of all samples."""

    name: str
    dtype: Literal["uint8", "uint16", "uint32", "int32", "float32"]


class TagWord(BaseModel):
    """A tag that can be given."""

    name: str
    description: str


class Meta(BaseModel):
    """What is said once about a dataset."""

    dataset: str
    dataset_id: str = Field(
        description="Tells this dataset's decisions from another's in the browser's storage."
    )
    subjects: Literal["samples", "manifest"] = Field(
        description="What is decided about: samples of a workspace, or rows of a manifest that has none."
    )
    n: int
    part_rows: int
    columns: list[ColumnSpec]
    classes: list[str]
    splits: list[str]
    sources: list[str]
    issue_types: list[str] = Field(description="The place of a type is its bit in the column `issues`.")
    tags: list[TagWord] = Field(description="The place of a tag is its bit in the column `tags`.")
    actions: list[Action] = Field(description="The place of an action is its code in the column `action`.")
    reviewer: str | None
    reviewers: list[str]
    is_live: bool
    is_blind: bool
    has_map: bool
    pictures: str = Field(
        description="Names what the pictures show: `?v=` of their addresses. '' where no server has them."
    )


class SampleRow(BaseModel):
    """One sample in a list."""

    sample_id: int
    image_id: str
    image_path: str
    version: int
    user_tags: str
    user_action: Action


class SamplePage(BaseModel):
    """A page of the list of samples."""

    total: int
    items: list[SampleRow]


class Partner(BaseModel):
    """An image that a pair method holds for the same."""

    sample_id: int
    method: str
    similarity: float
    transform: str | None


class Finding(BaseModel):
    """One finding of a sample."""

    finding_id: str
    issue_type: str
    confidence: float | None = Field(description="0..1, higher is surer; null where a tool states none.")
    suggested_label: str | None
    group_id: str | None
    is_original: bool | None
    reason: str
    evidence: dict[str, Any] = Field(description="The facts behind the reason.")
    method: str | None
    source: str


class Box(BaseModel):
    """One annotated box of a sample, in pixels of the original image."""

    object_id: int
    annotation_id: str
    given_label: str | None
    x: float
    y: float
    width: float
    height: float
    findings: list[Finding]


class VerdictOut(BaseModel):
    """What one reviewer, policy or import says."""

    reviewer: str
    origin: str
    action: Action
    new_label: str | None
    tags: list[str]
    note: str


class Detail(SampleRow):
    """Everything about one sample."""

    key: str
    split: str
    given_label: str | None
    width: int | None
    height: int | None
    error: str | None
    content_digest: str | None
    findings: list[Finding]
    partners: list[Partner]
    boxes: list[Box]
    n_boxes: int
    verdicts: list[VerdictOut]
    new_label: str | None
    note: str


class DetailList(BaseModel):
    """Details of the samples asked for, in that order; unknown ones are left out."""

    items: list[Detail]


class EstimateOut(BaseModel):
    """A figure with its 95 % interval; null where the ratings do not determine it."""

    value: float | None
    low: float | None
    high: float | None
    n_items: int


class ReviewerOut(BaseModel):
    """One reviewer in numbers."""

    reviewer: str
    n_subjects: int
    n_shared: int
    agreement: float | None = Field(
        description="With most of the others, 0..1; null where nothing is shared."
    )
    gold: EstimateOut | None = Field(
        description="Share of the gold items answered right; null where no adjudicator asks."
    )
    weight: float | None = Field(
        description="Of the voice in what is proposed; null for an adjudicator, and where none asks."
    )


class DisputeOut(BaseModel):
    """One sample that people disagree about."""

    sample_id: int
    version: int = Field(description="Of the sample as of these verdicts: what settles them names it.")
    key: str
    verdicts: list[VerdictOut]
    proposed: Action | None
    new_label: str | None


class TeamOut(BaseModel):
    """How a team agrees."""

    action: EstimateOut
    tags: dict[str, EstimateOut]
    reviewers: list[ReviewerOut]
    n_disputes: int
    n_settled: int = Field(description="Disagreements on which an adjudicator has spoken.")


class DisputesOut(BaseModel):
    """The samples that wait for an adjudicator."""

    disputes: list[DisputeOut]
    is_adjudicator: bool = Field(description="Whether who asks may settle them.")


class SearchOut(BaseModel):
    """Samples whose name or label holds a text, at most `serve.team.MAX_FOUND`."""

    sample_ids: list[int]
    is_cut: bool = Field(description="Whether there are more than these.")


class SimilarItem(BaseModel):
    """A sample and how close it is."""

    sample_id: int
    similarity: float


class SimilarOut(BaseModel):
    """The samples most like one, nearest first."""

    items: list[SimilarItem]


class LeaseOut(BaseModel):
    """What a reviewer has for themselves now, and what others have."""

    granted: list[int]
    held: list[LeaseHeld]
