import { beforeEach, expect, test, vi } from "vitest";
import { type Columns, NO_CLASS } from "./data/columns";
import { classesLike, commonLabel, relabelAsSuggested, relabelNothing, relabelTo, withSuggestion } from "./relabel";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeStorage, settled } from "./testing/made";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});

const NONE = NO_CLASS;
const labels = (columns: Columns) => [0, 1, 2].map((row) => columns.newLabel(row));

function opened() {
  const columns = madeColumns([
    { given: 0, suggested: 1 },
    { given: 0, suggested: NONE },
    { given: 2, suggested: 0 },
  ]);
  const source = new MadeSource(columns.meta);
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  return { columns, source, state };
}

test("what is suggested is taken; without a suggestion a class is asked for and nothing is decided", async () => {
  const { columns, source, state } = opened();
  relabelAsSuggested(state);
  expect(labels(columns)).toEqual(["dog", undefined, undefined]);
  expect(state.cursor.value).toBe(1);
  relabelAsSuggested(state);
  expect(state.isPicking.value).toBe(true);
  relabelNothing(state);
  expect(state.isPicking.value).toBe(false);
  expect(state.toast.value?.text).toBe("not relabelled: no class was chosen");
  expect([...columns.column("action")]).toEqual([3, 0, 0]);
  relabelTo(state, "owl");
  expect(labels(columns)).toEqual(["dog", "owl", undefined]);
  expect(state.cursor.value).toBe(2);
  state.undo();
  expect(labels(columns)).toEqual(["dog", undefined, undefined]);
  await settled();
  expect(source.acts.map((act) => act.new_label)).toEqual(["dog", "owl"]);
});

test("of several, those without a suggestion are left and counted", () => {
  const { columns, state } = opened();
  state.move(2, true);
  relabelAsSuggested(state);
  expect(labels(columns)).toEqual(["dog", undefined, "cat"]);
  expect(state.toast.value?.text).toContain("1 without a suggestion left");
});

test("of a band only what is suggested can be relabelled", () => {
  const { columns } = opened();
  expect(withSuggestion(columns, [2, 1, 0])).toEqual([2, 0]);
});

test("another action takes the new label away", () => {
  const { columns, state } = opened();
  relabelTo(state, "owl");
  state.moveTo(0);
  state.act("keep");
  expect(labels(columns)).toEqual([undefined, undefined, undefined]);
});

test("classes that begin with what is typed come first; few are listed of many", () => {
  const names = ["house cat", "Cat", "dog", "catfish"];
  expect(classesLike(names, "cat")).toEqual({ names: ["Cat", "catfish", "house cat"], n: 3 });
  expect(classesLike(names, " CAT ", "Cat")).toEqual({ names: ["catfish", "house cat"], n: 2 });
  expect(classesLike(names, "zebra")).toEqual({ names: [], n: 0 });
  const many = Array.from({ length: 5000 }, (_, n) => `n${n}`);
  expect(classesLike(many, "")).toMatchObject({ n: 5000 });
  expect(classesLike(many, "").names).toHaveLength(50);
});

test("the label that all have is known, so that it is not offered", () => {
  const { columns } = opened();
  expect(commonLabel(columns, [0, 1])).toBe("cat");
  expect(commonLabel(columns, [0, 2])).toBeUndefined();
  expect(commonLabel(columns, [])).toBeUndefined();
});
