// Where the page's data comes from: a running server, or the page itself. Everything above this is the same.

import type { Action, Columns, Meta } from "./columns";

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
  /** The facts behind the reason; of a mislabel the neighbours that argue. */
  readonly evidence: {
    readonly for_given?: readonly Neighbour[];
    readonly for_suggested?: readonly Neighbour[];
  };
}

/** An image that a pair method holds for the same. */
export interface Partner {
  readonly sample_id: number;
  readonly method: string;
  readonly similarity: number;
  readonly transform: string | null;
}

/** An image that argues about the label. */
export interface Neighbour {
  readonly sample_id: number;
  readonly similarity: number;
  readonly label: string;
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

export type Saved =
  | { readonly kind: "saved"; readonly items: readonly Versioned[] }
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
  save(act: Act): Promise<Saved>;
  undo(batchId: string): Promise<Saved>;
  /** Tells of other people's decisions; returns what ends it. */
  watch(onChange: (items: readonly Change[]) => void): () => void;
}
