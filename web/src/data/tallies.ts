// How many images are decided, wait for this reviewer and bear each tag: counted once, then kept by every change.

import { signal } from "@preact/signals";
import { type Columns, TURN } from "./columns";
import type { Said } from "./said";

export class Tallies {
  /** Rows about which this reviewer has spoken, shown or not. */
  readonly nDecided = signal(0);
  /** Rows shown that wait for this reviewer. */
  readonly nLeft = signal(0);
  /** Of these, rows about which no person has spoken, but a policy or an import. */
  readonly nByPolicy = signal(0);
  /** Rows shown with each tag. */
  readonly nTagged = signal<readonly number[]>([]);
  private isShown = new Uint8Array();
  private shown: Uint32Array = new Uint32Array();

  private readonly actions: ArrayLike<number>;
  private readonly tags: ArrayLike<number>;
  private readonly turns: ArrayLike<number>;
  private readonly reviewers: ArrayLike<number>;

  constructor(private readonly columns: Columns) {
    this.actions = columns.column("action");
    this.tags = columns.column("tags");
    this.turns = columns.column("turn");
    this.reviewers = columns.column("n_reviewers");
  }

  /** Counts everything anew: after loading, and when others' decisions are seen with other eyes. */
  count(): void {
    let n = 0;
    for (let row = 0; row < this.columns.nLoaded; row++) {
      n += Number(isOwn(this.at(row)));
    }
    this.nDecided.value = n;
    this.countShown(this.shown);
  }

  /** Counts what waits and what is tagged among the rows that are shown now. */
  countShown(rows: Uint32Array): void {
    this.shown = rows;
    this.isShown = new Uint8Array(this.columns.nLoaded);
    const tagged = this.columns.meta.tags.map(() => 0);
    let [n, nByPolicy] = [0, 0];
    for (const row of rows) {
      this.isShown[row] = 1;
      const said = this.at(row);
      n += Number(waits(said));
      nByPolicy += Number(isPolicys(said));
      addBits(tagged, said.tags, 1);
    }
    this.nLeft.value = n;
    this.nByPolicy.value = nByPolicy;
    this.nTagged.value = tagged;
  }

  /** Takes in that what is said of a row has changed. */
  changed(row: number, before: Said, after: Said): void {
    this.nDecided.value += Number(isOwn(after)) - Number(isOwn(before));
    if (this.isShown[row] !== 1) {
      return;
    }
    this.nLeft.value += Number(waits(after)) - Number(waits(before));
    this.nByPolicy.value += Number(isPolicys(after)) - Number(isPolicys(before));
    if (after.tags !== before.tags) {
      const tagged = [...this.nTagged.value];
      addBits(tagged, before.tags, -1);
      addBits(tagged, after.tags, 1);
      this.nTagged.value = tagged;
    }
  }

  private at(row: number): Said {
    const [action, tags, turn] = [this.actions[row], this.tags[row], this.turns[row]] as [number, number, number];
    return { action, tags, turn, newLabel: 0, nReviewers: this.reviewers[row] as number };
  }

}

/** Whether an image waits for this reviewer; one of which all was taken back waits again. */
export function waits(said: Pick<Said, "action" | "tags" | "turn">): boolean {
  return said.turn <= TURN.shared || (said.turn === TURN.spoken && !isSomething(said));
}

/** Whether something is said of an image that waits, and by no person. */
function isPolicys(said: Said): boolean {
  return waits(said) && isSomething(said) && said.nReviewers === 0;
}

function isOwn(said: Said): boolean {
  return said.turn === TURN.spoken && isSomething(said);
}

function isSomething(said: Pick<Said, "action" | "tags">): boolean {
  return said.action !== 0 || said.tags !== 0;
}

function addBits(counts: number[], bits: number, by: number): void {
  for (let rest = bits; rest !== 0; ) {
    const bit = 31 - Math.clz32(rest);
    counts[bit] = (counts[bit] ?? 0) + by;
    rest &= ~(1 << bit);
  }
}
