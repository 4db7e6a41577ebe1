// Data made up for tests: columns of any size, a source that answers as told, a browser's storage.

import { Columns, type Meta, NO_CLASS } from "../data/columns";
import type { PageData } from "../data/offline";
import type { Act, Detail, Saved, Source } from "../data/source";

type Row = Partial<Record<string, number>>;

const NAMES: readonly [string, "uint8" | "uint16" | "uint32" | "int32" | "float32", number][] = [
  ["sample_id", "uint32", 0],
  ["issues", "uint32", 0],
  ["confidence", "uint8", 0],
  ["top", "uint8", 255],
  ["given", "uint32", NO_CLASS],
  ["suggested", "uint32", NO_CLASS],
  ["split", "uint8", 0],
  ["source", "uint8", 0],
  ["group", "int32", -1],
  ["priority", "float32", 0],
  ["action", "uint8", 0],
  ["tags", "uint32", 0],
  ["n_reviewers", "uint8", 0],
  ["turn", "uint8", 0],
  ["new_label", "uint32", 0],
  ["version", "uint32", 0],
  ["x", "uint16", 0],
  ["y", "uint16", 0],
];

export function madeMeta(n: number, change: Partial<Meta> = {}): Meta {
  return {
    dataset: "made",
    dataset_id: "made.1",
    subjects: "samples",
    n,
    part_rows: 131072,
    columns: NAMES.map(([name, dtype]) => ({ name, dtype })),
    classes: ["cat", "dog", "owl"],
    splits: ["train", "val"],
    sources: ["chaffinch"],
    issue_types: ["mislabel", "blur", "duplicate"],
    tags: ["duplicate_exact", "low_quality_blur", "keep"].map((name) => ({ name, description: name })),
    actions: ["none", "keep", "remove", "relabel"],
    reviewer: "Ada",
    reviewers: [],
    is_live: false,
    is_blind: true,
    has_map: false,
    pictures: "p1",
    ...change,
  };
}

/** Columns with some values set; sample ids are 10, 20, 30 ... */
export function madeColumns(rows: readonly Row[], change: Partial<Meta> = {}): Columns {
  const columns = new Columns(madeMeta(rows.length, change));
  fill(columns, rows.length, (row, name, otherwise) => rows[row]?.[name] ?? otherwise);
  return columns;
}

/** Many rows: a sixteenth of them flagged, groups of three, every value from the row's number alone. */
export function manyColumns(n: number): Columns {
  const columns = new Columns(madeMeta(n));
  const rules: Record<string, (row: number) => number> = {
    issues: (row) => (row % 16 === 0 ? 1 << (row % 3) : 0),
    top: (row) => (row % 16 === 0 ? row % 3 : 255),
    confidence: (row) => (row % 16 === 0 ? (row >> 4) % 256 : 0),
    group: (row) => (row % 16 < 3 ? row >> 4 : -1),
    given: (row) => row % 3,
    priority: (row) => ((row * 7919) % 1000) / 1000,
  };
  fill(columns, n, (row, name, otherwise) => rules[name]?.(row) ?? otherwise);
  return columns;
}

function fill(columns: Columns, n: number, value: (row: number, name: string, otherwise: number) => number): void {
  for (const [name, , otherwise] of NAMES) {
    const values = columns.column(name);
    for (let row = 0; row < n; row++) {
      values[row] = name === "sample_id" ? (row + 1) * 10 : value(row, name, otherwise);
    }
  }
  columns.nLoaded = n;
}

/** The bytes of all rows as one part. */
export function partOf(columns: Columns): ArrayBuffer {
  const blocks = columns.meta.columns.map(({ name }) => {
    const values = columns.column(name);
    const padded = new Uint8Array(Math.ceil(values.byteLength / 8) * 8);
    padded.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return padded;
  });
  const bytes = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let offset = 0;
  for (const block of blocks) {
    bytes.set(block, offset);
    offset += block.length;
  }
  return bytes.buffer;
}

export function madePage(columns: Columns): PageData {
  const ids = [...columns.column("sample_id")];
  return {
    meta: columns.meta,
    columns: [btoa(String.fromCharCode(...new Uint8Array(partOf(columns))))],
    details: ids.map((sample_id) => madeDetail(sample_id)),
    thumbs: {},
  };
}

export function madeDetail(sample_id: number, change: Partial<Detail> = {}): Detail {
  return {
    sample_id,
    image_id: `id-${sample_id}`,
    key: `train/${sample_id}.jpg`,
    image_path: `/data/train/${sample_id}.jpg`,
    split: "train",
    given_label: "cat",
    width: 100,
    height: 80,
    content_digest: `d${sample_id}`,
    findings: [],
    partners: [],
    boxes: [],
    n_boxes: 0,
    verdicts: [],
    new_label: null,
    note: "",
    ...change,
  };
}

/** A source that saves whatever it is told, unless `answer` says otherwise; keeps what was asked of it. */
export class MadeSource implements Source {
  readonly acts: Act[] = [];
  readonly undone: string[] = [];
  readonly undoneBy: string[] = [];
  readonly held: (readonly number[])[] = [];
  answer: ((act: Act) => Saved) | null = null;
  undoAnswer: (() => Saved) | null = null;

  constructor(readonly meta: Meta) {}

  async load(): Promise<void> {}
  async details(ids: readonly number[]): Promise<readonly Detail[]> {
    return ids.map((id) => madeDetail(id));
  }
  thumbUrl = () => "";
  imageUrl = () => "";
  search = async () => ({ ids: [], isCut: false });
  similar = async () => null;
  idOfKey = async () => -1;
  agreement = async () => null;
  disputes = async () => ({ disputes: [], is_adjudicator: false });
  hold = async (ids: readonly number[]) => void this.held.push(ids);
  watch = () => () => undefined;

  async save(act: Act): Promise<Saved> {
    this.acts.push(act);
    if (this.answer !== null) {
      return this.answer(act);
    }
    return { kind: "saved", items: act.items.map((i) => ({ sample_id: i.sample_id, version: i.version + 1 })) };
  }

  async undo(batchId: string, reviewer: string): Promise<Saved> {
    this.undone.push(batchId);
    this.undoneBy.push(reviewer);
    return this.undoAnswer?.() ?? { kind: "saved", items: [] };
  }
}

/** What a page keeps in the browser, in memory. */
export function madeStorage(quota = Number.POSITIVE_INFINITY): Storage {
  const kept = new Map<string, string>();
  return {
    get length() {
      return kept.size;
    },
    clear: () => kept.clear(),
    getItem: (key) => kept.get(key) ?? null,
    key: (place) => [...kept.keys()][place] ?? null,
    removeItem: (key) => void kept.delete(key),
    setItem: (key, value) => {
      if ([...kept.values()].join("").length + value.length > quota) {
        throw new DOMException("full", "QuotaExceededError");
      }
      kept.set(key, value);
    },
  };
}

/** Lets everything that waits for nothing but promises run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await Promise.resolve();
  }
}
