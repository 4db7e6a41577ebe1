// Where the page's data comes from: a running server, or the page itself. Everything above this is the same.

import type { Change, DecisionIn, DecisionItem, DisputesOut, News, TeamOut, Detail as WholeDetail } from "./api";
import type { Action, Columns, Meta } from "./columns";

export type { Box, Change, Finding, Partner } from "./api";

/** The other side understood and will not do it: trying again would not help. */
export class RefusedError extends Error {}

/** What is shown of one image when it is looked at; what is decided is in the columns. */
export type Detail = Omit<WholeDetail, "version" | "user_tags" | "user_action" | "error">;

/** One act of the reviewer about one or many images. */
export interface Act {
  readonly batch_id: string;
  /** Who decided; another name typed before it is saved does not make it theirs. */
  readonly reviewer: string;
  readonly items: readonly { sample_id: number; version: number; event_id: string }[];
  readonly tags_added: readonly string[];
  readonly tags_removed: readonly string[];
  readonly action: Action;
  readonly new_label: string | null;
  readonly note: string;
  readonly how: Required<DecisionIn>["how"];
  readonly time_utc: string;
}

export type Versioned = DecisionItem;

export type Saved =
  | { readonly kind: "saved"; readonly items: readonly (Versioned | Change)[] }
  | { readonly kind: "conflict"; readonly items: readonly Change[] };

/** Images that a search found; `isCut` where there are more than are told. */
export interface Found {
  readonly ids: readonly number[];
  readonly isCut: boolean;
}

export interface Source {
  readonly meta: Meta;
  /** Says the name on the page, for a source that asks as its reviewer; the page sets it. */
  whose?: () => string;
  /** Fills the columns part by part; resolves when all are there. */
  load(columns: Columns, onPart: () => void): Promise<void>;
  details(sampleIds: readonly number[]): Promise<readonly Detail[]>;
  thumbUrl(sampleId: number): string;
  /** The original; the thumbnail where only that is at hand. */
  imageUrl(sampleId: number): string;
  search(text: string): Promise<Found>;
  /** The images most like one, nearest first; null where there are no vectors. */
  similar(sampleId: number): Promise<readonly number[] | null>;
  /** The image of a key; -1 where it is not known here. */
  idOfKey(key: string): Promise<number>;
  /** How far reviewers agree; null where only one can be at work. */
  agreement(): Promise<TeamOut | null>;
  disputes(): Promise<DisputesOut>;
  save(act: Act): Promise<Saved>;
  /** Takes a batch back, as the reviewer who made it. */
  undo(batchId: string, reviewer: string): Promise<Saved>;
  /** Says what this reviewer looks at now, in place of before; where only one can be at work it is nobody's news. */
  hold(sampleIds: readonly number[]): Promise<void>;
  /** Tells of other people's decisions, and who looks at what; returns what ends it. */
  watch(onNews: (news: News) => void): () => void;
}
