import { expect, test } from "vitest";
import { madeColumns } from "../testing/made";
import { bitCounts, chosenRows, counts, type Filter, firstAbove, groupIndex, type Order } from "./rows";

const columns = madeColumns([
  { issues: 1, confidence: 255, priority: 0.2, given: 0, suggested: 1, group: 5 },
  { issues: 2, confidence: 128, priority: 0.9, given: 1, split: 1 },
  { issues: 3, confidence: 128, priority: 0.9, given: 0, group: 5, action: 2 },
  { issues: 0, confidence: 0, priority: 0, given: 2, tags: 4, group: 7 },
]);
const shown = (filter: Filter, order: Order = "name") => [...chosenRows(columns, filter, order)];

test("each part of a filter narrows, all of them together", () => {
  expect(shown({})).toEqual([0, 1, 2, 3]);
  expect(shown({ issues: 1 })).toEqual([0, 2]);
  expect(shown({ issues: 3 })).toEqual([0, 1, 2]);
  expect(shown({ given: new Set([0]), issues: 2 })).toEqual([2]);
  expect(shown({ suggested: new Set([1]) })).toEqual([0]);
  expect(shown({ splits: new Set([1]) })).toEqual([1]);
  expect(shown({ actions: new Set([2]) })).toEqual([2]);
  expect(shown({ tags: 4 })).toEqual([3]);
  expect(shown({ status: "done" })).toEqual([2, 3]);
  expect(shown({ status: "open" })).toEqual([0, 1]);
  expect(shown({ confidence: [0.5, 1] })).toEqual([0, 1, 2]);
  expect(shown({ rows: new Set([3, 1]) })).toEqual([1, 3]);
});

test("orders put the most worth, the surest or the group first, equal ones by row", () => {
  expect(shown({}, "value")).toEqual([1, 2, 0, 3]);
  expect(shown({}, "confidence")).toEqual([0, 1, 2, 3]);
  expect(shown({}, "group")).toEqual([0, 2, 3, 1]);
});

test("many values come highest first, equal ones by row, as a plain sort puts them", () => {
  const values = [0, 1, 0.5, 0.5, 2 ** -149, 11.25, 3, 0.1, 1e-7, 11.25].map((n) => Math.fround(n));
  const many = madeColumns(values.map((priority, row) => ({ priority, turn: row === 5 ? 2 : 0 })));
  expect([...chosenRows(many, {}, "value")]).toEqual([9, 6, 1, 2, 3, 7, 8, 4, 0, 5]);
  expect([...chosenRows(many, { rows: new Set([4, 1, 3, 5]) }, "value")]).toEqual([1, 3, 4, 5]);
});

test("a list is shown in its own order", () => {
  expect(shown({ rows: new Set([3, 0, 2]) }, "listed")).toEqual([3, 0, 2]);
  expect(shown({ rows: new Set([3, 0, 2]), issues: 1 }, "listed")).toEqual([0, 2]);
});

test("counts count what is shown", () => {
  const rows = chosenRows(columns, { issues: 3 }, "name");
  expect(counts(columns, rows, "given", 3)).toEqual(
    new Map([
      [0, 2],
      [1, 1],
    ]),
  );
  expect(bitCounts(columns, rows, "issues", 3)).toEqual([2, 2, 0]);
});

test("the index knows each group's rows and where the groups begin", () => {
  const index = groupIndex(columns, chosenRows(columns, {}, "name"));
  expect(index.members).toEqual(
    new Map([
      [5, [0, 2]],
      [7, [3]],
    ]),
  );
  expect(index.starts).toEqual([0, 3]);
  expect([-1, 0, 2, 3].map((place) => firstAbove(index.starts, place))).toEqual([0, 3, 3, undefined]);
});
