// How far a band of findings can be trusted: images drawn from it at random, and what the reviewer said of them.
//
// Which images were drawn and looked at is kept in the browser; what was said of them stands in the columns, so
// that an undo counts at once.

import type { Columns } from "./columns";
import { remember, remembered } from "./remembered";

/** Images whose surest finding is of one type and confidence within both ends, 0..1. */
export interface Band {
  /** Place of the issue type. */
  readonly type: number;
  readonly low: number;
  readonly high: number;
}

export interface Precision {
  readonly nAudited: number;
  readonly nConfirmed: number;
  /** Ends of the Wilson 95 % interval of the share confirmed; 0 and 1 where none was audited. */
  readonly low: number;
  readonly high: number;
}

/** Images that must have been audited before more than `FREE_BATCH` are accepted at once. */
export const MIN_AUDIT = 10;
export const FREE_BATCH = 100;
const Z_95 = 1.959964;

/** The Wilson interval of a share; far better than the normal one for few images or shares near 0 and 1. */
export function wilson(nConfirmed: number, n: number): readonly [number, number] {
  if (n === 0) {
    return [0, 1];
  }
  const share = nConfirmed / n;
  const z2n = (Z_95 * Z_95) / n;
  const middle = (share + z2n / 2) / (1 + z2n);
  const half = (Z_95 * Math.sqrt((share * (1 - share)) / n + z2n / (4 * n))) / (1 + z2n);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

export class Audit {
  /** Sample ids: drawn, and of these the ones that were decided about one by one. */
  private readonly drawn: Set<number>;
  private readonly judged: Set<number>;

  constructor(private readonly columns: Columns) {
    const kept = read(this.key);
    this.drawn = new Set(kept.drawn);
    this.judged = new Set(kept.judged);
  }

  /** Draws some of the rows at random, all equally likely, and notes them. */
  draw(rows: readonly number[], n: number, random: () => number = Math.random): number[] {
    const pool = [...rows];
    const count = Math.min(n, pool.length);
    for (let place = 0; place < count; place++) {
      const other = place + Math.floor(random() * (pool.length - place));
      [pool[place], pool[other]] = [pool[other] as number, pool[place] as number];
    }
    const chosen = pool.slice(0, count);
    for (const row of chosen) {
      this.drawn.add(this.columns.at("sample_id", row));
    }
    this.store();
    return chosen;
  }

  /** Notes a decision about one row; tells whether it is one of an audit. */
  note(row: number): boolean {
    const sampleId = this.columns.at("sample_id", row);
    if (!this.drawn.has(sampleId)) {
      return false;
    }
    this.judged.add(sampleId);
    this.store();
    return true;
  }

  /** What the audit says of a band so far: keeping an image refutes its finding, removing and relabelling confirm it. */
  precision(band: Band): Precision {
    const isIn = inBand(this.columns, band);
    const { actions } = this.columns.meta;
    let [nAudited, nConfirmed] = [0, 0];
    for (const sampleId of this.judged) {
      const row = this.columns.row(sampleId);
      const action = row >= 0 && isIn(row) ? actions[this.columns.at("action", row)] : "none";
      nAudited += action === "none" ? 0 : 1;
      nConfirmed += action === "remove" || action === "relabel" ? 1 : 0;
    }
    const [low, high] = wilson(nConfirmed, nAudited);
    return { nAudited, nConfirmed, low, high };
  }

  private get key(): string {
    return `chaffinch.audit.${this.columns.meta.dataset_id}`;
  }

  private store(): void {
    remember(this.key, JSON.stringify({ drawn: [...this.drawn], judged: [...this.judged] }));
  }
}

/** Tells whether a row is in a band. */
export function inBand(columns: Columns, { type, low, high }: Band): (row: number) => boolean {
  const tops = columns.column("top");
  const confidences = columns.column("confidence");
  const [from, to] = [low * 255 - 0.5, high * 255 + 0.5];
  return (row) => tops[row] === type && (confidences[row] as number) >= from && (confidences[row] as number) <= to;
}

/** Rows that are not decided yet and in a band. */
export function openInBand(columns: Columns, rows: Uint32Array, band: Band): number[] {
  const isIn = inBand(columns, band);
  const actions = columns.column("action");
  const found: number[] = [];
  for (const row of rows) {
    if (actions[row] === 0 && isIn(row)) {
      found.push(row);
    }
  }
  return found;
}

/** Leaves one image of each group out of what is removed: none of them may lose its last. */
export function sparingOne(columns: Columns, rows: readonly number[]): number[] {
  const groups = columns.column("group");
  const actions = columns.column("action");
  const removing = columns.meta.actions.indexOf("remove");
  const chosen = new Set(rows);
  const hasOther = new Set<number>();
  for (let row = 0; row < columns.nLoaded; row++) {
    if ((groups[row] as number) >= 0 && !chosen.has(row) && actions[row] !== removing) {
      hasOther.add(groups[row] as number);
    }
  }
  return rows.filter((row) => {
    const group = groups[row] as number;
    if (group < 0 || hasOther.has(group)) {
      return true;
    }
    hasOther.add(group);
    return false;
  });
}

function read(key: string): { drawn: number[]; judged: number[] } {
  try {
    return JSON.parse(remembered(key) ?? '{"drawn":[],"judged":[]}') as { drawn: number[]; judged: number[] };
  } catch {
    return { drawn: [], judged: [] };
  }
}
