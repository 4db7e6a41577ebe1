// Which rows are shown, and in which order: one pass over the columns when a filter changes, never on a key.

import { type Columns, TURN } from "./columns";

/** `listed`: as the filter's `rows` come, for a list that has an order of its own. */
export type Order = "value" | "confidence" | "name" | "group" | "listed";

/** What is shown; an absent part lets everything through. */
export interface Filter {
  /** Bits of issue types, any of which must be there. */
  readonly issues?: number;
  /** The same of the boxes of an image. */
  readonly boxIssues?: number;
  readonly splits?: ReadonlySet<number>;
  readonly given?: ReadonlySet<number>;
  readonly suggested?: ReadonlySet<number>;
  readonly sources?: ReadonlySet<number>;
  readonly actions?: ReadonlySet<number>;
  /** Bits of tags, any of which must be there. */
  readonly tags?: number;
  /** `open`: nothing is said; `done`: something is. */
  readonly status?: "open" | "done";
  /** Of the surest finding, 0..1, both ends included. */
  readonly confidence?: readonly [number, number];
  /** These rows alone: of a search, a lasso, a group, a queue. */
  readonly rows?: ReadonlySet<number>;
}

/** The rows that a filter lets through, in the order asked for. */
export function chosenRows(columns: Columns, filter: Filter, order: Order): Uint32Array {
  const isChosen = passes(columns, filter);
  const found = new Uint32Array(columns.nLoaded);
  let n = 0;
  for (let row = 0; row < columns.nLoaded; row++) {
    if (isChosen(row)) {
      found[n++] = row;
    }
  }
  const rows = found.subarray(0, n);
  if (order === "listed" && filter.rows !== undefined) {
    const isThere = new Set(rows);
    return Uint32Array.from([...filter.rows].filter((row) => isThere.has(row)));
  }
  return order === "name" || order === "listed" ? rows : sorted(columns, rows, order);
}

/** Tells whether a filter lets a row through. */
export function passes(columns: Columns, filter: Filter): (row: number) => boolean {
  const tests = testsOf(columns, filter);
  return (row) => tests.every((test) => test(row));
}

function testsOf(columns: Columns, filter: Filter): ((row: number) => boolean)[] {
  const tests: ((row: number) => boolean)[] = [];
  const within = (name: string, wanted: ReadonlySet<number> | undefined) => {
    if (wanted !== undefined) {
      const values = columns.column(name);
      tests.push((row) => wanted.has(values[row] as number));
    }
  };
  const anyBit = (name: string, bits: number | undefined) => {
    if (bits !== undefined) {
      const values = columns.column(name);
      tests.push((row) => ((values[row] as number) & bits) !== 0);
    }
  };
  const { rows, confidence, status } = filter;
  if (rows !== undefined) {
    tests.push((row) => rows.has(row));
  }
  anyBit("issues", filter.issues);
  anyBit("box_issues", filter.boxIssues);
  anyBit("tags", filter.tags);
  within("split", filter.splits);
  within("given", filter.given);
  within("suggested", filter.suggested);
  within("source", filter.sources);
  within("action", filter.actions);
  if (confidence !== undefined) {
    const values = columns.column("confidence");
    const [low, high] = [confidence[0] * 255 - 0.5, confidence[1] * 255 + 0.5];
    tests.push((row) => (values[row] as number) >= low && (values[row] as number) <= high);
  }
  if (status !== undefined) {
    const isDone = decidedTest(columns);
    tests.push(status === "done" ? isDone : (row) => !isDone(row));
  }
  return tests;
}

/** Where the groups are among the rows shown, so that no key has to look through all of them. */
export interface GroupIndex {
  /** The rows of each group, as they are shown. */
  readonly members: ReadonlyMap<number, readonly number[]>;
  /** Places of the first rows of the groups, rising. */
  readonly starts: readonly number[];
}

export function groupIndex(columns: Columns, rows: Uint32Array): GroupIndex {
  const groups = columns.column("group");
  const members = new Map<number, number[]>();
  const starts: number[] = [];
  for (let place = 0; place < rows.length; place++) {
    const row = rows[place] as number;
    const group = groups[row] as number;
    if (group < 0) {
      continue;
    }
    const others = members.get(group);
    if (others === undefined) {
      members.set(group, [row]);
      starts.push(place);
    } else {
      others.push(row);
    }
  }
  return { members, starts };
}

/** The first of some rising numbers that is above a limit; undefined where none is. */
export function firstAbove(numbers: readonly number[], limit: number): number | undefined {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] as number) > limit) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return numbers[low];
}

/** The place of the first of some rows among those shown; -1 where none of them is. */
export function firstPlaceOf(shown: Uint32Array, rows: readonly number[]): number {
  if (rows.length === 1) {
    return shown.indexOf(rows[0] as number);
  }
  const wanted = new Set(rows);
  return wanted.size === 0 ? -1 : shown.findIndex((row) => wanted.has(row));
}

/** Tells whether the reviewer has said anything about a row. */
export function decidedTest(columns: Columns): (row: number) => boolean {
  const actions = columns.column("action");
  const tags = columns.column("tags");
  return (row) => actions[row] !== 0 || tags[row] !== 0;
}

/** In order of value images that enough others have done come last. */
function byValue(columns: Columns, rows: Uint32Array): Uint32Array {
  const turns = columns.column("turn");
  const ranked = highestFirst(columns, rows, "priority");
  const done = ranked.filter((row) => turns[row] === TURN.others);
  if (done.length > 0) {
    ranked.set(ranked.filter((row) => turns[row] !== TURN.others));
    ranked.set(done, rows.length - done.length);
  }
  return ranked;
}

/** Rows by a column that holds nothing below 0, equal ones by row.
 *
 * Sorting by a function takes a second for a million rows. Whole numbers that hold the value above the row are
 * sorted by the engine itself in a tenth of that.
 */
function highestFirst(columns: Columns, rows: Uint32Array, name: string): Uint32Array {
  const values = columns.column(name);
  const keys = new BigUint64Array(rows.length);
  const halves = new Uint32Array(keys.buffer);
  const value = new Float32Array(1);
  // Of floats that are not negative the bits rise with the value.
  const bits = new Uint32Array(value.buffer);
  for (let place = 0; place < rows.length; place++) {
    const row = rows[place] as number;
    value[0] = values[row] as number;
    halves[2 * place] = row;
    halves[2 * place + 1] = ~(bits[0] as number);
  }
  keys.sort();
  return rows.map((_, place) => halves[2 * place] as number);
}

/** Groups as they first come in order of value; images of none after them, by row. */
function byGroup(columns: Columns, rows: Uint32Array): Uint32Array {
  const groups = columns.column("group");
  const { members } = groupIndex(columns, byValue(columns, rows));
  const found = new Uint32Array(rows.length);
  let n = 0;
  for (const member of members.values()) {
    found.set([...member].sort((a, b) => a - b), n);
    n += member.length;
  }
  found.set(
    rows.filter((row) => (groups[row] as number) < 0),
    n,
  );
  return found;
}

function sorted(columns: Columns, rows: Uint32Array, order: "value" | "confidence" | "group"): Uint32Array {
  if (order === "group") {
    return byGroup(columns, rows);
  }
  return order === "value" ? byValue(columns, rows) : highestFirst(columns, rows, "confidence");
}

/** How many of some rows have each of a column's `n` codes, by code; what has none is left out. */
export function counts(columns: Columns, rows: Uint32Array, name: string, n: number): Map<number, number> {
  const values = columns.column(name);
  const found = new Uint32Array(n + 1);
  for (const row of rows) {
    (found[Math.min(values[row] as number, n)] as number)++;
  }
  return new Map([...found.subarray(0, n).entries()].filter(([, some]) => some > 0));
}

/** How many of some rows have each bit of a column. */
export function bitCounts(columns: Columns, rows: Uint32Array, name: string, nBits: number): number[] {
  const values = columns.column(name);
  const found = new Array<number>(nBits).fill(0);
  for (const row of rows) {
    let bits = values[row] as number;
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits);
      found[bit] = (found[bit] ?? 0) + 1;
      bits &= ~(1 << bit);
    }
  }
  return found;
}
