// What is said of a row, as its columns hold it, and what an act makes of it.

import { type Columns, TURN } from "./columns";
import type { Act, Change } from "./source";

export interface Said {
  readonly action: number;
  readonly tags: number;
  readonly turn: number;
  /** Code of the class plus 1; 0 for none. */
  readonly newLabel: number;
  /** People who have said something, as far as the viewer may know. */
  readonly nReviewers: number;
}

export const NOTHING: Said = { action: 0, tags: 0, turn: TURN.yours, newLabel: 0, nReviewers: 0 };

/** What a change that the server told says. */
export function told(columns: Columns, item: Change): Said {
  return {
    action: columns.meta.actions.indexOf(item.action),
    tags: tagBits(columns, item.tags),
    turn: item.turn,
    newLabel: columns.labelCode(item.new_label),
    nReviewers: Math.min(255, item.n_reviewers),
  };
}

/** The bits of some tags; words that are no tag have none. */
export function tagBits(columns: Columns, names: readonly string[]): number {
  let bits = 0;
  for (const name of names) {
    const place = columns.meta.tags.findIndex((tag) => tag.name === name);
    bits |= place < 0 ? 0 : 1 << place;
  }
  return bits;
}

/** What is said of a row after an act. */
export function after(columns: Columns, row: number, said: Said, act: Act): Said {
  const tags = ((said.tags & ~tagBits(columns, act.tags_removed)) | tagBits(columns, act.tags_added)) >>> 0;
  if (act.action === "none") {
    return { ...said, tags, turn: TURN.spoken };
  }
  // Without a label it is relabelled as suggested.
  const label = act.new_label ?? columns.meta.classes[columns.at("suggested", row)] ?? null;
  const newLabel = act.action === "relabel" ? columns.labelCode(label) : 0;
  return { ...said, action: columns.meta.actions.indexOf(act.action), tags, turn: TURN.spoken, newLabel };
}

export function putSaid(columns: Columns, row: number, said: Said): void {
  columns.set("action", row, said.action);
  columns.set("tags", row, said.tags);
  columns.set("turn", row, said.turn);
  columns.set("new_label", row, said.newLabel);
  columns.set("n_reviewers", row, said.nReviewers);
}

/** What the columns say of a row. */
export function saidOf(columns: Columns, row: number): Said {
  const at = (name: string) => columns.at(name, row);
  return {
    action: at("action"),
    tags: at("tags"),
    turn: at("turn"),
    newLabel: at("new_label"),
    nReviewers: at("n_reviewers"),
  };
}
