import { expect, test } from "vitest";
import { madeColumns, madeMeta, partOf } from "../testing/made";
import { Columns } from "./columns";

test("a part is read as it was written, each column padded to 8 bytes", () => {
  const made = madeColumns([{ confidence: 7, priority: 0.5 }, { group: -1 }, { group: 4, given: 2 }]);
  const columns = new Columns(made.meta);
  columns.addPart(partOf(made));
  expect(columns.nLoaded).toBe(3);
  for (const { name } of made.meta.columns) {
    expect([...columns.column(name)]).toEqual([...made.column(name)]);
  }
});

test("parts follow one another, the last is shorter", () => {
  const whole = madeColumns([{ split: 0 }, { split: 1 }, { split: 1 }]);
  const parts = [whole, madeColumns([{ split: 1 }])];
  const columns = new Columns(madeMeta(4, { part_rows: 3 }));
  for (const part of parts) {
    columns.addPart(partOf(part));
  }
  expect([...columns.column("split")]).toEqual([0, 1, 1, 1]);
});

test("a part of another length is refused", () => {
  const columns = new Columns(madeMeta(3));
  expect(() => columns.addPart(new ArrayBuffer(8))).toThrow();
  expect(() => new Columns(madeMeta(2)).addPart(partOf(madeColumns([{}, {}, {}, {}, {}, {}, {}, {}, {}])))).toThrow();
});

test("a sample is found by its id, others are not there", () => {
  const columns = madeColumns([{}, {}, {}, {}]);
  expect([10, 20, 30, 40].map((id) => columns.row(id))).toEqual([0, 1, 2, 3]);
  expect([0, 15, 50].map((id) => columns.row(id))).toEqual([-1, -1, -1]);
});

test("a column that is not there is named", () => {
  expect(() => madeColumns([{}]).column("box_issues")).toThrow("there is no column box_issues");
});
