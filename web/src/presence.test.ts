import { beforeEach, expect, test, vi } from "vitest";
import { TURN } from "./data/columns";
import { goToWaiting, nextPlace, toHold } from "./presence";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeStorage } from "./testing/made";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});

/** A page over rows with the samples 10, 20, 30 ..., at the first of them. */
function opened(n: number, others: Record<number, string> = {}) {
  const columns = madeColumns(Array.from({ length: n }, () => ({ group: 7 })));
  const state = new ReviewState(columns, new MadeSource(columns.meta));
  state.setOrder("name");
  state.others.value = new Map(Object.entries(others).map(([id, name]) => [Number(id), name]));
  return state;
}

test("what is looked at is held, and what comes next and is nobody's yet", () => {
  const state = opened(5, { 30: "Bo" });
  state.decisions.decide([3], { action: "keep" });
  expect(toHold(state)).toEqual([10, 20, 50]);
  state.moveTo(2);
  expect(toHold(state)).toEqual([30, 50]);
});

test("no more than some images ahead are held, and none where nothing is gone through", () => {
  const state = opened(1000);
  expect(toHold(state)).toHaveLength(24);
  state.view.value = "team";
  expect(toHold(state)).toEqual([]);
});

test("a group that is looked at as one is held as one", () => {
  const state = opened(3);
  state.moveTo(2);
  expect(toHold(state)).toEqual([30]);
  state.view.value = "group";
  expect(toHold(state)).toEqual([30, 10, 20]);
});

test("a decision goes on to the next image that nobody else looks at", () => {
  const state = opened(4, { 20: "Bo", 30: "Bo" });
  state.act("keep");
  expect(state.cursor.value).toBe(3);
});

test("where others look at all that is left the cursor goes on by one", () => {
  const state = opened(3, { 20: "Bo", 30: "Bo" });
  expect(nextPlace(state)).toBe(1);
});

test("an image that wants several reviewers is not skipped, one that enough others have done is", () => {
  const state = opened(4, { 20: "Bo" });
  state.columns.set("turn", 1, TURN.shared);
  expect(nextPlace(state)).toBe(1);
  state.columns.set("turn", 1, TURN.others);
  expect(nextPlace(state)).toBe(2);
  state.columns.set("turn", 2, TURN.spoken);
  state.columns.set("action", 2, 1);
  expect(nextPlace(state)).toBe(2);
  goToWaiting(state);
  expect(state.cursor.value).toBe(3);
  goToWaiting(state);
  expect(state.toast.value?.text).toBe("nothing below waits for you");
});

test("images that enough others have done are last in the queue, and not left to do", () => {
  const columns = madeColumns([{ priority: 1 }, { priority: 9, turn: TURN.others }, { priority: 5 }]);
  const state = new ReviewState(columns, new MadeSource(columns.meta));
  state.refresh();
  expect([...state.rows.value]).toEqual([2, 0, 1]);
  expect(state.decisions.tallies.nLeft.value).toBe(2);
});
