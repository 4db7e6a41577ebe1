import { beforeEach, expect, test, vi } from "vitest";
import type { Columns } from "./data/columns";
import { commands } from "./keys";
import { keyTable } from "./ownkeys";
import { chosen, decidePair, proposedSide } from "./pairs";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeDetail, madeStorage, settled } from "./testing/made";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
  chosen.value = { row: -1, place: 0 };
});

/** Who is beside whom, by sample id. */
const BESIDE: Record<number, number> = { 10: 20, 20: 10, 40: 50, 50: 40 };

/** Two pairs, rows 0 and 1, 3 and 4; the second of the latter is larger. */
async function opened(columns: Columns) {
  const source = new MadeSource(columns.meta);
  source.details = async (ids) =>
    ids.map((id) => {
      const other = BESIDE[id];
      const partner = { sample_id: other ?? 0, method: "exact", similarity: 1, transform: null };
      return madeDetail(id, { partners: other === undefined ? [] : [partner], width: id === 50 ? 300 : 100 });
    });
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  state.decisions.tallies.count();
  state.view.value = "pair";
  state.prefetch([0, 1, 2, 3, 4]);
  await settled();
  return state;
}

const two = () => madeColumns([{ group: 1 }, { group: 1 }, {}, { group: 2 }, { group: 2 }]);
const actions = (columns: Columns) => [...columns.column("action")];

test.each([
  ["left", [1, 2, 0, 0, 0]],
  ["right", [2, 1, 0, 0, 0]],
  ["both", [1, 1, 0, 0, 0]],
] as const)("what stays is %s: both are decided in one act, then the next open pair comes", async (stays, wanted) => {
  const columns = two();
  const state = await opened(columns);
  decidePair(state, stays);
  expect(actions(columns)).toEqual(wanted);
  expect(state.row.value).toBe(3);
  expect(state.decisions.tallies.nDecided.value).toBe(2);
  state.undo();
  expect(actions(columns)).toEqual([0, 0, 0, 0, 0]);
});

test("the removed one says how it is the same; the page says when no open pair is left", async () => {
  const columns = two();
  const state = await opened(columns);
  state.moveTo(3);
  decidePair(state, "proposed");
  expect(actions(columns)).toEqual([0, 0, 0, 2, 1]);
  expect(columns.at("tags", 3)).toBe(1);
  expect(state.row.value).toBe(3);
  expect(state.toast.value?.text).toBe("right one kept; no open pair below");
});

test("proposed is the larger one, of equal ones the same from both sides, and never one that was removed", async () => {
  const columns = two();
  const state = await opened(columns);
  const side = () => {
    const detail = state.detail(state.row.value);
    return detail?.partners[0] === undefined ? null : proposedSide(state, detail, detail.partners[0]);
  };
  const at = (place: number) => {
    state.moveTo(place);
    return side();
  };
  expect([0, 1, 2, 3, 4].map(at)).toEqual(["left", "right", null, "right", "left"]);
  columns.set("action", 0, 2);
  expect([0, 1].map(at)).toEqual(["right", "left"]);
});

test("keys decide the pair, and act on one image elsewhere", async () => {
  const columns = two();
  const state = await opened(columns);
  const table = keyTable(commands([]), {});
  const press = (key: string) => table.get(key)?.run(state, 1);
  for (const [key, wanted] of Object.entries({ q: [1, 2], w: [2, 1], x: [2, 1], k: [1, 1], Enter: [1, 2] })) {
    state.moveTo(0);
    press(key);
    expect(actions(columns).slice(0, 2), key).toEqual(wanted);
    state.undo();
  }
  state.view.value = "grid";
  state.moveTo(0);
  press("q");
  press("x");
  expect(actions(columns)).toEqual([2, 0, 0, 0, 0]);
});

test("a word about the left image alone stays at its pair", async () => {
  const state = await opened(two());
  state.toggleTag("low_quality_blur");
  expect(state.row.value).toBe(0);
});
