// What goes over the wire, as types; tools/page_types.py writes them from the server's OpenAPI document. To
// change them: src/chaffinch/serve/schema.py, then `make api`.

/** One annotated box of a sample, in pixels of the original image. */
export interface Box {
  readonly object_id: number;
  readonly annotation_id: string;
  readonly given_label: string | null;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly findings: readonly Finding[];
}

/** What holds about one sample now. */
export interface Change {
  readonly sample_id: number;
  readonly version: number;
  readonly action: "none" | "keep" | "remove" | "relabel";
  readonly tags: readonly string[];
  readonly n_reviewers: number;
  readonly new_label: string | null;
  /** What the sample wants of this reviewer; `curate.sharing.Turn`. */
  readonly turn: number;
}

/** One column of a part of all samples. */
export interface ColumnSpec {
  readonly name: string;
  readonly dtype: "uint8" | "uint16" | "uint32" | "int32" | "float32";
}

/** A decision about some samples. */
export interface DecisionIn {
  readonly reviewer?: string;
  readonly items: readonly DecisionItem[];
  readonly tags_added?: readonly string[];
  readonly tags_removed?: readonly string[];
  readonly action?: "none" | "keep" | "remove" | "relabel";
  readonly new_label?: string | null;
  readonly note?: string;
  readonly event_ids?: readonly string[] | null;
  readonly batch_id?: string | null;
  readonly how?: "looked" | "batch" | "audit";
}

/** One sample of a decision, with the version that was looked at. */
export interface DecisionItem {
  readonly sample_id: number;
  readonly version: number;
}

/** Everything about one sample. */
export interface Detail {
  readonly sample_id: number;
  readonly image_id: string;
  readonly image_path: string;
  readonly version: number;
  readonly user_tags: string;
  readonly user_action: "none" | "keep" | "remove" | "relabel";
  readonly key: string;
  readonly split: string;
  readonly given_label: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly error: string | null;
  readonly content_digest: string | null;
  readonly findings: readonly Finding[];
  readonly partners: readonly Partner[];
  readonly boxes: readonly Box[];
  readonly n_boxes: number;
  readonly verdicts: readonly VerdictOut[];
  readonly new_label: string | null;
  readonly note: string;
}

/** Details of the samples asked for, in that order; unknown ones are left out. */
export interface DetailList {
  readonly items: readonly Detail[];
}

/** One sample that people disagree about. */
export interface DisputeOut {
  readonly sample_id: number;
  /** Of the sample as of these verdicts: what settles them names it. */
  readonly version: number;
  readonly key: string;
  readonly verdicts: readonly VerdictOut[];
  readonly proposed: "none" | "keep" | "remove" | "relabel" | null;
  readonly new_label: string | null;
}

/** The samples that wait for an adjudicator. */
export interface DisputesOut {
  readonly disputes: readonly DisputeOut[];
  /** Whether who asks may settle them. */
  readonly is_adjudicator: boolean;
}

/** A figure with its 95 % interval; null where the ratings do not determine it. */
export interface EstimateOut {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly n_items: number;
}

/** One finding of a sample. */
export interface Finding {
  readonly finding_id: string;
  readonly issue_type: string;
  /** 0..1, higher is surer; null where a tool states none. */
  readonly confidence: number | null;
  readonly suggested_label: string | null;
  readonly group_id: string | null;
  readonly is_original: boolean | null;
  readonly reason: string;
  /** The facts behind the reason. */
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly method: string | null;
  readonly source: string;
}

/** A sample that somebody is looking at. */
export interface LeaseHeld {
  readonly sample_id: number;
  readonly reviewer: string;
}

/** The sample that a reviewer looks at, then those that come next; in place of those before. */
export interface LeaseIn {
  readonly reviewer?: string;
  readonly sample_ids: readonly number[];
}

/** What a reviewer has for themselves now, and what others have. */
export interface LeaseOut {
  readonly granted: readonly number[];
  readonly held: readonly LeaseHeld[];
}

/** What is said once about a dataset. */
export interface Meta {
  readonly dataset: string;
  /** Tells this dataset's decisions from another's in the browser's storage. */
  readonly dataset_id: string;
  /** What is decided about: samples of a workspace, or rows of a manifest that has none. */
  readonly subjects: "samples" | "manifest";
  readonly n: number;
  readonly part_rows: number;
  readonly columns: readonly ColumnSpec[];
  readonly classes: readonly string[];
  readonly splits: readonly string[];
  readonly sources: readonly string[];
  /** The place of a type is its bit in the column `issues`. */
  readonly issue_types: readonly string[];
  /** The place of a tag is its bit in the column `tags`. */
  readonly tags: readonly TagWord[];
  /** The place of an action is its code in the column `action`. */
  readonly actions: readonly ("none" | "keep" | "remove" | "relabel")[];
  readonly reviewer: string | null;
  readonly reviewers: readonly string[];
  readonly is_live: boolean;
  readonly is_blind: boolean;
  readonly has_map: boolean;
  /** Names what the pictures show: `?v=` of their addresses. '' where no server has them. */
  readonly pictures: string;
}

/** What was decided since the last news, and who looks at what now. */
export interface News {
  readonly seq: number;
  readonly items: readonly Change[];
  readonly held: readonly LeaseHeld[];
}

/** An image that a pair method holds for the same. */
export interface Partner {
  readonly sample_id: number;
  readonly method: string;
  readonly similarity: number;
  readonly transform: string | null;
}

/** Why a request was not answered as asked. */
export interface Refusal {
  readonly error: string;
  readonly hint?: string;
}

/** One reviewer in numbers. */
export interface ReviewerOut {
  readonly reviewer: string;
  readonly n_subjects: number;
  readonly n_shared: number;
  /** With most of the others, 0..1; null where nothing is shared. */
  readonly agreement: number | null;
  /** Share of the gold items answered right; null where no adjudicator asks. */
  readonly gold: EstimateOut | null;
  /** Of the voice in what is proposed; null for an adjudicator, and where none asks. */
  readonly weight: number | null;
}

/** A page of the list of samples. */
export interface SamplePage {
  readonly total: number;
  readonly items: readonly SampleRow[];
}

/** One sample in a list. */
export interface SampleRow {
  readonly sample_id: number;
  readonly image_id: string;
  readonly image_path: string;
  readonly version: number;
  readonly user_tags: string;
  readonly user_action: "none" | "keep" | "remove" | "relabel";
}

/** What became of a decision: all of it is saved, or none. */
export interface SavedOut {
  readonly saved: readonly Change[];
  readonly conflicts: readonly Change[];
}

/** Samples whose name or label holds a text, at most `serve.team.MAX_FOUND`. */
export interface SearchOut {
  readonly sample_ids: readonly number[];
  /** Whether there are more than these. */
  readonly is_cut: boolean;
}

/** A sample and how close it is. */
export interface SimilarItem {
  readonly sample_id: number;
  readonly similarity: number;
}

/** The samples most like one, nearest first. */
export interface SimilarOut {
  readonly items: readonly SimilarItem[];
}

/** A tag that can be given. */
export interface TagWord {
  readonly name: string;
  readonly description: string;
}

/** How a team agrees. */
export interface TeamOut {
  readonly action: EstimateOut;
  readonly tags: Readonly<Record<string, EstimateOut>>;
  readonly reviewers: readonly ReviewerOut[];
  readonly n_disputes: number;
  /** Disagreements on which an adjudicator has spoken. */
  readonly n_settled: number;
}

/** A batch to take back. */
export interface UndoIn {
  readonly reviewer?: string;
  readonly batch_id: string;
}

/** What one reviewer, policy or import says. */
export interface VerdictOut {
  readonly reviewer: string;
  readonly origin: string;
  readonly action: "none" | "keep" | "remove" | "relabel";
  readonly new_label: string | null;
  readonly tags: readonly string[];
  readonly note: string;
}
