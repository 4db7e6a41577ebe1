// The table of all images as typed arrays: what filters, facets, orders and the map work on.
//
// A part is a block of rows: the columns one after the other, little-endian, each padded to 8 bytes. The server
// sends it as bytes, the offline page carries it as base64; both end here.

import type { Change, ColumnSpec, Meta } from "./api";

export type { Meta } from "./api";
export type Action = Change["action"];
type Dtype = ColumnSpec["dtype"];

type Values = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array;

const BYTES: Record<Dtype, number> = { uint8: 1, uint16: 2, uint32: 4, int32: 4, float32: 4 };

/** Value of a column that says "none". */
export const NO_CLASS = 0xffffffff;
export const NO_TYPE = 0xff;

/** What an image wants of this reviewer; `curate/sharing.py` has the same numbers. */
export const TURN = { yours: 0, shared: 1, others: 2, spoken: 3 } as const;

/** The tags that a reviewer gives; those that are actions come from elsewhere, and are given as actions here. */
export function tagsToGive(meta: Meta): Meta["tags"] {
  const actions: readonly string[] = meta.actions;
  return meta.tags.filter((tag) => !actions.includes(tag.name));
}

/** All rows, column by column; parts are filled in as they come. */
export class Columns {
  /** Rows that are here: parts come in order. */
  nLoaded = 0;
  private readonly values = new Map<string, Values>();
  private readonly classCodes: ReadonlyMap<string, number>;

  constructor(readonly meta: Meta) {
    this.classCodes = new Map(meta.classes.map((name, code) => [name, code]));
    for (const { name, dtype } of meta.columns) {
      this.values.set(name, empty(dtype, meta.n));
    }
  }

  /** Puts in the rows of the next part. */
  addPart(bytes: ArrayBuffer): void {
    const rows = Math.min(this.meta.part_rows, this.meta.n - this.nLoaded);
    let offset = 0;
    for (const { name, dtype } of this.meta.columns) {
      const part = view(dtype, bytes, offset, rows);
      this.column(name).set(part as never, this.nLoaded);
      offset += padded(rows * BYTES[dtype]);
    }
    if (offset !== bytes.byteLength) {
      throw new Error(`a part of ${rows} rows has ${bytes.byteLength} bytes, not ${offset}`);
    }
    this.nLoaded += rows;
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  column(name: string): Values {
    const values = this.values.get(name);
    if (values === undefined) {
      throw new Error(`there is no column ${name}`);
    }
    return values;
  }

  at(name: string, row: number): number {
    return this.column(name)[row] ?? 0;
  }

  set(name: string, row: number, value: number): void {
    this.column(name)[row] = value;
  }

  /** The class that a row is relabelled to; undefined where it is not, or to none of the dataset's. */
  newLabel(row: number): string | undefined {
    return this.meta.classes[this.at("new_label", row) - 1];
  }

  /** A class as the column `new_label` holds it. */
  labelCode(name: string | null): number {
    return (this.classCodes.get(name ?? "") ?? -1) + 1;
  }

  /** The row of a sample; -1 where it is not here. Sample ids rise with the rows. */
  row(sampleId: number): number {
    const ids = this.column("sample_id");
    let low = 0;
    let high = this.nLoaded - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const id = ids[middle] ?? 0;
      if (id === sampleId) {
        return middle;
      }
      if (id < sampleId) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return -1;
  }
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function empty(dtype: Dtype, n: number): Values {
  return view(dtype, new ArrayBuffer(n * BYTES[dtype]), 0, n);
}

function view(dtype: Dtype, bytes: ArrayBuffer, offset: number, n: number): Values {
  switch (dtype) {
    case "uint8":
      return new Uint8Array(bytes, offset, n);
    case "uint16":
      return new Uint16Array(bytes, offset, n);
    case "uint32":
      return new Uint32Array(bytes, offset, n);
    case "int32":
      return new Int32Array(bytes, offset, n);
    case "float32":
      return new Float32Array(bytes, offset, n);
  }
}
