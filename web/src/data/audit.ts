// How far a band of findings can be trusted: images drawn from it at random, and what the reviewer said of them.
//
// Which images were drawn and looked at is kept in the browser; what was said of them stands in the columns, so
// that an undo counts at once.

import type { Action, Columns } from "./columns";
import { remember, remembered } from "./remembered";
import { type Filter, passes } from "./rows";

/** Images whose surest finding is of one type and confidence within both ends, 0..1. */
export interface Band {
  /** Place of the issue type. */
  readonly type: number;
  readonly low: number;
  readonly high: number;
}

/** What is drawn from: the images of a band that a filter lets through. */
export interface Pool extends Band {
  readonly filter: Filter;
}

/** One draw as it is kept. */
interface Draw extends Band {
  readonly filter: KeptFilter;
  /** Sample ids. */
  readonly ids: readonly number[];
}

/** A filter as text can hold it: sets as lists, a list of images as its digest. */
type KeptFilter = Readonly<Record<string, unknown>>;

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

/** Parts of a filter that an image may leave by being decided. */
const CHANGING = ["status", "actions", "tags"] as const;

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
  /** Those that an image was last drawn in, oldest first. */
  private draws: Draw[];
  /** The newest draw of each sample id, and what was said of those that were decided about one by one. */
  private readonly drawn = new Map<number, Draw>();
  private readonly judged: Map<number, Action>;

  constructor(private readonly columns: Columns) {
    const kept = read(this.key);
    this.draws = kept.draws;
    this.judged = new Map(kept.judged);
    for (const draw of this.draws) {
      this.index(draw);
    }
  }

  /** Draws some rows of a pool at random, all equally likely, and notes them. */
  draw(pool: Pool, rows: readonly number[], n: number, random: () => number = Math.random): number[] {
    const left = [...rows];
    const count = Math.min(n, left.length);
    for (let place = 0; place < count; place++) {
      const other = place + Math.floor(random() * (left.length - place));
      [left[place], left[other]] = [left[other] as number, left[place] as number];
    }
    const chosen = left.slice(0, count);
    const ids = chosen.map((row) => this.columns.at("sample_id", row));
    const draw = { type: pool.type, low: pool.low, high: pool.high, filter: kept(this.columns, pool.filter), ids };
    this.index(draw);
    this.draws = [...this.draws, draw].filter((one) => one.ids.some((id) => this.drawn.get(id) === one));
    this.store();
    return chosen;
  }

  /** Notes an action said of one row; tells whether it is one of an audit. */
  note(row: number, action: Action): boolean {
    const sampleId = this.columns.at("sample_id", row);
    if (!this.drawn.has(sampleId)) {
      return false;
    }
    this.judged.set(sampleId, action);
    this.store();
    return true;
  }

  /** Takes back that some rows were decided about. */
  forget(rows: readonly number[]): void {
    const n = this.judged.size;
    for (const row of rows) {
      this.judged.delete(this.columns.at("sample_id", row));
    }
    if (this.judged.size < n) {
      this.store();
    }
  }

  /**
   * What the audit says of a pool so far: keeping an image refutes its finding, removing and relabelling confirm it.
   *
   * Of a draw from more than the pool, what lies in the pool is a fair sample of it; one from less says nothing of the
   * rest.
   */
  precision(pool: Pool): Precision {
    const isIn = inPool(this.columns, pool);
    const now = kept(this.columns, pool.filter);
    const covers = new Map(this.draws.map((draw) => [draw, isCovered(pool, now, draw)]));
    const { actions } = this.columns.meta;
    let [nAudited, nConfirmed] = [0, 0];
    for (const [sampleId, action] of this.judged) {
      const row = this.columns.row(sampleId);
      const isOf = row >= 0 && covers.get(this.drawn.get(sampleId) as Draw) === true && isIn(row);
      // What a batch has said over it since is no judgement.
      if (isOf && action !== "none" && actions[this.columns.at("action", row)] === action) {
        nAudited++;
        nConfirmed += action === "keep" ? 0 : 1;
      }
    }
    const [low, high] = wilson(nConfirmed, nAudited);
    return { nAudited, nConfirmed, low, high };
  }

  private index(draw: Draw): void {
    for (const sampleId of draw.ids) {
      this.drawn.set(sampleId, draw);
    }
  }

  private get key(): string {
    return `chaffinch.audit.${this.columns.meta.dataset_id}`;
  }

  private store(): void {
    remember(this.key, JSON.stringify({ draws: this.draws, judged: [...this.judged] }));
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

type Judged = [sampleId: number, action: Action][];

function read(key: string): { draws: Draw[]; judged: Judged } {
  try {
    const { draws = [], judged = [] } = JSON.parse(remembered(key) ?? "{}") as { draws?: Draw[]; judged?: Judged };
    return { draws, judged };
  } catch {
    return { draws: [], judged: [] };
  }
}

/** Tells whether a row was in a pool before anybody decided about it. */
function inPool(columns: Columns, pool: Pool): (row: number) => boolean {
  const isInBand = inBand(columns, pool);
  const lasting = Object.entries(pool.filter).filter(([part]) => !CHANGING.some((name) => name === part));
  const isPassed = passes(columns, Object.fromEntries(lasting));
  return (row) => isInBand(row) && isPassed(row);
}

/** Tells whether all of a pool could have been drawn; what it cannot tell counts as no. */
function isCovered(pool: Band, filter: KeptFilter, draw: Draw): boolean {
  const isInBand = draw.type === pool.type && draw.low <= pool.low && draw.high >= pool.high;
  return (
    isInBand &&
    CHANGING.every((part) => isSame(filter[part], draw.filter[part])) &&
    Object.entries(draw.filter).every(([part, wide]) => isWithin(part, filter[part], wide))
  );
}

/** Tells whether one part of a filter lets nothing through that the same part of another would not. */
function isWithin(part: string, narrow: unknown, wide: unknown): boolean {
  if (typeof narrow === "number" && typeof wide === "number") {
    return (narrow & ~wide) === 0;
  }
  if (!Array.isArray(narrow) || !Array.isArray(wide)) {
    return isSame(narrow, wide);
  }
  if (part === "confidence") {
    return narrow[0] >= wide[0] && narrow[1] <= wide[1];
  }
  return narrow.every((value) => wide.includes(value));
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function kept(columns: Columns, filter: Filter): KeptFilter {
  const { rows, ...parts } = filter;
  const lists = Object.entries(parts).map(([part, value]) => [part, value instanceof Set ? sorted(value) : value]);
  return { ...Object.fromEntries(lists), ...(rows === undefined ? {} : { rows: digest(columns, rows) }) };
}

function sorted(values: ReadonlySet<number>): number[] {
  return [...values].sort((a, b) => a - b);
}

/** Tells one list of images from another: how many, and their FNV-1a hash. It may hold a million. */
function digest(columns: Columns, rows: ReadonlySet<number>): string {
  const ids = columns.column("sample_id");
  let hash = 0x811c9dc5;
  for (const row of Uint32Array.from(rows).sort()) {
    hash = Math.imul(hash ^ (ids[row] as number), 0x01000193) >>> 0;
  }
  return `${rows.size}:${hash}`;
}
