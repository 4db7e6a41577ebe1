// Where the page's data comes from: a running server, or the page itself. Everything above this is the same.

import type { Action, Columns, Meta } from "./columns";

/** The other side understood and will not do it: trying again would not help. */
export class RefusedError extends Error {}

export interface Finding {
  readonly finding_id: string;
  readonly issue_type: string;
  /** 0..1, higher is surer; null where another tool states none. */
  readonly confidence: number | null;
  readonly suggested_label: string | null;
  readonly reason: string;
  readonly method: string;
  readonly source: string;
  readonly group_id: string | null;
  readonly is_original: boolean | null;
  /** The facts behind the reason; `for` and `against` are the neighbours that argue about a label. */
  readonly evidence: Evidence;
}

export interface Evidence {
  readonly for?: readonly Neighbour[];
  readonly against?: readonly Neighbour[];
  readonly neighbours?: number | readonly Neighbour[];
  readonly [fact: string]: unknown;
}

/** An image that a pair method holds for the same. */
export interface Partner {
  readonly sample_id: number;
  readonly method: string;
  readonly similarity: number;
  readonly transform: string | null;
}

/** An image that argues about the label; named by key, and by id where the page has it. */
export interface Neighbour {
  readonly key: string;
  readonly sample_id?: number;
  readonly similarity: number;
  readonly label: string | null;
}

export interface VerdictOf {
  readonly reviewer: string;
  readonly action: Action;
  readonly new_label: string | null;
  readonly tags: readonly string[];
  readonly note: string;
}

/** What is shown of one image when it is looked at. */
export interface Detail {
  readonly sample_id: number;
  readonly image_id: string;
  readonly key: string;
  readonly image_path: string;
  readonly given_label: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly content_digest: string | null;
  readonly findings: readonly Finding[];
  readonly partners: readonly Partner[];
  readonly verdicts: readonly VerdictOf[];
  readonly new_label: string | null;
  readonly note: string;
}

/** One act of the reviewer about one or many images. */
export interface Act {
  readonly batch_id: string;
  readonly items: readonly { sample_id: number; version: number; event_id: string }[];
  readonly tags_added: readonly string[];
  readonly tags_removed: readonly string[];
  readonly action: Action;
  readonly new_label: string | null;
  readonly note: string;
  readonly how: "looked" | "batch" | "audit";
  readonly time_utc: string;
}

export interface Versioned {
  readonly sample_id: number;
  readonly version: number;
}

/** What the server knows of one image after somebody decided. */
export interface Change extends Versioned {
  readonly action: Action;
  readonly tags: readonly string[];
  readonly n_reviewers: number;
}

/** How sure a share is: the estimate and the ends of its interval. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly n_items?: number;
}

export interface Agreement {
  readonly action: Estimate;
  readonly tags: Readonly<Record<string, Estimate>>;
  readonly reviewers: readonly {
    readonly reviewer: string;
    readonly n_subjects: number;
    readonly n_shared: number;
    readonly agreement: number | null;
  }[];
}

/** An image about which reviewers say different things. */
export interface Dispute {
  readonly sample_id: number;
  readonly key: string;
  readonly verdicts: readonly VerdictOf[];
  readonly proposed: Action | null;
}

export type Saved =
  | { readonly kind: "saved"; readonly items: readonly (Versioned | Change)[] }
  | { readonly kind: "conflict"; readonly items: readonly Change[] };

export interface Source {
  readonly meta: Meta;
  /** Fills the columns part by part; resolves when all are there. */
  load(columns: Columns, onPart: () => void): Promise<void>;
  details(sampleIds: readonly number[]): Promise<readonly Detail[]>;
  thumbUrl(sampleId: number): string;
  /** The original; the thumbnail where only that is at hand. */
  imageUrl(sampleId: number): string;
  search(text: string): Promise<readonly number[]>;
  /** The images most like one, nearest first; null where there are no vectors. */
  similar(sampleId: number): Promise<readonly number[] | null>;
  /** The image of a key; -1 where it is not known here. */
  idOfKey(key: string): Promise<number>;
  /** How far reviewers agree; null where only one can be at work. */
  agreement(): Promise<Agreement | null>;
  disputes(): Promise<readonly Dispute[]>;
  save(act: Act): Promise<Saved>;
  undo(batchId: string): Promise<Saved>;
  /** Tells of other people's decisions; returns what ends it. */
  watch(onChange: (items: readonly Change[]) => void): () => void;
}
