// How many images are decided, wait for this reviewer and bear each tag: counted once, then kept by every change.

import { signal } from "@preact/signals";
import { type Columns, TURN } from "./columns";

/** What is said of a row, as its columns hold it. */
export interface Said {
  readonly action: number;
  readonly tags: number;
  readonly turn: number;
  /** Code of the class plus 1; 0 for none. */
  readonly newLabel: number;
}

export class Tallies {
  /** Rows about which something is said. */
  readonly nDecided = signal(0);
  /** Rows shown that wait for this reviewer. */
  readonly nLeft = signal(0);
  /** Rows shown with each tag. */
  readonly nTagged = signal<readonly number[]>([]);
  private isShown = new Uint8Array();
  private shown: Uint32Array = new Uint32Array();

  constructor(private readonly columns: Columns) {}

  /** Counts everything anew: after loading, and when others' decisions are seen with other eyes. */
  count(): void {
    const actions = this.columns.column("action");
    const tags = this.columns.column("tags");
    let n = 0;
    for (let row = 0; row < this.columns.nLoaded; row++) {
      n += actions[row] !== 0 || tags[row] !== 0 ? 1 : 0;
    }
    this.nDecided.value = n;
    this.countShown(this.shown);
  }

  /** Counts what waits and what is tagged among the rows that are shown now. */
  countShown(rows: Uint32Array): void {
    this.shown = rows;
    this.isShown = new Uint8Array(this.columns.nLoaded);
    const turns = this.columns.column("turn");
    const tags = this.columns.column("tags");
    const tagged = this.columns.meta.tags.map(() => 0);
    let n = 0;
    for (const row of rows) {
      this.isShown[row] = 1;
      n += Number((turns[row] as number) <= TURN.shared);
      addBits(tagged, tags[row] as number, 1);
    }
    this.nLeft.value = n;
    this.nTagged.value = tagged;
  }

  /** Takes in that what is said of a row has changed. */
  changed(row: number, before: Said, after: Said): void {
    this.nDecided.value += Number(isSomething(after)) - Number(isSomething(before));
    if (this.isShown[row] !== 1) {
      return;
    }
    this.nLeft.value += Number(after.turn <= TURN.shared) - Number(before.turn <= TURN.shared);
    if (after.tags !== before.tags) {
      const tagged = [...this.nTagged.value];
      addBits(tagged, before.tags, -1);
      addBits(tagged, after.tags, 1);
      this.nTagged.value = tagged;
    }
  }
}

function isSomething(said: Said): boolean {
  return said.action !== 0 || said.tags !== 0;
}

function addBits(counts: number[], bits: number, by: number): void {
  for (let rest = bits; rest !== 0; ) {
    const bit = 31 - Math.clz32(rest);
    counts[bit] = (counts[bit] ?? 0) + by;
    rest &= ~(1 << bit);
  }
}
