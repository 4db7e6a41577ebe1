import { beforeEach, describe, expect, test, vi } from "vitest";
import { type Columns, TURN } from "./data/columns";
import { keepOne, keepProposed, proposedKeeper } from "./groups";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeDetail, madeStorage, manyColumns, settled } from "./testing/made";

/** Of Node, which runs the tests; the page itself has none of it. */
declare const process: {
  readonly env: Readonly<Record<string, string | undefined>>;
  cpuUsage(before?: object): { user: number; system: number };
  readonly stdout: { write(text: string): void };
};

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});

function opened(columns: Columns) {
  const source = new MadeSource(columns.meta);
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  state.decisions.tallies.count();
  return { columns, source, state };
}

const actions = (columns: Columns) => [...columns.column("action")];

test("a decision goes on to the next image; a batch stays and can be taken back by its toast", () => {
  const { state, columns } = opened(madeColumns([{}, {}, {}]));
  state.act("remove");
  expect(state.cursor.value).toBe(1);
  state.move(1, true);
  state.act("keep");
  expect(actions(columns)).toEqual([2, 1, 1]);
  state.undo(state.toast.value?.batchId);
  expect(actions(columns)).toEqual([2, 0, 0]);
  expect(state.decisions.tallies.nDecided.value).toBe(1);
});

test("an undo comes back to what it restored, where that is shown", () => {
  const { state, columns } = opened(madeColumns([{}, {}, {}, {}]));
  state.moveTo(1);
  state.act("remove");
  state.move(1);
  state.undo();
  expect(state.cursor.value).toBe(1);
  state.act("keep");
  expect(actions(columns)).toEqual([0, 1, 0, 0]);
  state.decideMany([3, 2], { action: "remove" }, "remove");
  state.moveTo(0);
  state.undo();
  expect(state.cursor.value).toBe(2);
  state.act("remove");
  state.setFilter({ actions: new Set([0]) });
  state.moveTo(1);
  state.undo();
  expect(state.cursor.value).toBe(1);
});

test("a tag leaves cursor and selection where they are, and is counted among what is shown", () => {
  const { state, columns } = opened(madeColumns([{ tags: 2 }, {}, {}]));
  state.toggleTag("duplicate_exact");
  expect(state.cursor.value).toBe(0);
  expect([...columns.column("tags")]).toEqual([3, 0, 0]);
  expect(state.decisions.tallies.nTagged.value).toEqual([1, 1, 0]);
  state.move(1, true);
  state.toggleTag("low_quality_blur");
  expect(state.selected.value.size).toBe(2);
  expect(state.decisions.tallies.nTagged.value).toEqual([1, 2, 0]);
  state.undo();
  expect(state.decisions.tallies.nTagged.value).toEqual([1, 1, 0]);
});

test("the first Ctrl and click takes in what was clicked before", () => {
  const { state } = opened(madeColumns([{}, {}, {}, {}]));
  state.moveTo(0);
  state.toggle(2);
  state.toggle(3);
  expect([...state.selected.value]).toEqual([0, 2, 3]);
  state.moveTo(1);
  state.toggle(1);
  expect([...state.selected.value]).toEqual([1]);
});

test("the action that stands is cleared by saying it again, unless it was said of others too", () => {
  const { state, columns } = opened(madeColumns([{ action: 1 }, {}, {}, {}]));
  // What was said before this page is no word of its own: it is said now.
  state.actOrClear("keep");
  state.actOrClear("remove");
  expect(actions(columns)).toEqual([1, 2, 0, 0]);
  state.moveTo(1);
  state.actOrClear("keep");
  state.moveTo(1);
  state.actOrClear("keep");
  expect(actions(columns)).toEqual([1, 0, 0, 0]);
  expect(state.cursor.value).toBe(1);
  expect(state.toast.value?.text).toBe("undecided again: 1 image");
  state.decideMany([2, 3], { action: "remove" }, "remove");
  state.moveTo(2);
  state.actOrClear("remove");
  expect(actions(columns)).toEqual([1, 0, 2, 2]);
  expect(state.toast.value?.text).toContain("of other images too");
  state.move(1, true);
  state.actOrClear("remove");
  expect(actions(columns)).toEqual([1, 0, 0, 0]);
});

test("the cursor stays on its image when the filter changes", () => {
  const { state } = opened(madeColumns([{ issues: 1 }, { issues: 2 }, { issues: 2 }]));
  state.moveTo(2);
  state.setFilter({ issues: 2 });
  expect([state.cursor.value, state.row.value]).toEqual([1, 2]);
});

test("groups are gone through one by one", () => {
  const { state } = opened(madeColumns([{}, { group: 4 }, {}, { group: 4 }, { group: 2 }]));
  state.nextGroup();
  expect(state.row.value).toBe(1);
  state.selectGroup();
  expect([...state.selected.value]).toEqual([1, 3]);
  state.nextGroup();
  expect(state.row.value).toBe(4);
  state.nextGroup();
  expect(state.row.value).toBe(4);
});

test("keeping one of a group removes the others with the tag, in one act to take back", () => {
  const { state, columns } = opened(madeColumns([{ group: 4 }, { group: 4 }, { group: 4 }]));
  keepOne(state, 1);
  expect(actions(columns)).toEqual([2, 1, 2]);
  state.undo();
  expect(actions(columns)).toEqual([0, 0, 0]);
});

test("the last of a group cannot be removed where the group is looked at", () => {
  const { state, columns } = opened(madeColumns([{ group: 4 }, { group: 4, action: 2 }]));
  state.view.value = "group";
  state.act("remove");
  expect(actions(columns)).toEqual([0, 2]);
  state.view.value = "grid";
  state.act("remove");
  expect(actions(columns)).toEqual([2, 2]);
});

test("proposed is what has most pixels, of equal ones the original", () => {
  const original = madeDetail(3, { findings: [{ is_original: true } as never] });
  expect(proposedKeeper([7, 8, 9], [madeDetail(1), madeDetail(2, { width: 200 }), original])).toBe(8);
  expect(proposedKeeper([7, 8, 9], [madeDetail(1), null, original])).toBe(9);
  expect(proposedKeeper([7, 8], [madeDetail(1), madeDetail(2)])).toBe(7);
  const { state, columns } = opened(madeColumns([{}, {}]));
  keepProposed(state);
  expect(actions(columns)).toEqual([0, 0]);
});

test("a decision about a drawn image says that it is of an audit", async () => {
  const { state, source } = opened(madeColumns([{}, {}]));
  state.audit.draw({ type: 0, low: 0, high: 1, filter: {} }, [0], 1);
  state.act("remove");
  state.act("remove");
  await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  expect(source.acts.map((act) => act.how)).toEqual(["audit", "looked"]);
});

test("a list is shown in its order, from its first", () => {
  const { state } = opened(madeColumns([{}, {}, {}]));
  state.showList([30, 10, 99], "similar");
  expect([...state.rows.value]).toEqual([2, 0]);
  expect(state.cursor.value).toBe(0);
  state.setFilter({ rows: undefined as never });
  expect(state.order.value).toBe("value");
  expect(state.rows.value).toHaveLength(3);
});

describe("at 1.28 million images", () => {
  const N = 1_281_167;
  const LIMIT_MS = 2;

  /** CPU milliseconds of one key, of many pressed. */
  function perKey(press: () => void): number {
    press();
    const start = process.cpuUsage();
    for (let time = 0; time < 200; time++) {
      press();
    }
    const spent = process.cpuUsage(start);
    return (spent.user + spent.system) / 1000 / 200;
  }

  test("no key looks through all of them", { timeout: 60_000 }, () => {
    const { state } = opened(manyColumns(N));
    const keys: Record<string, () => void> = {
      act: () => state.act("remove"),
      tag: () => state.toggleTag("keep"),
      move: () => state.move(7),
      undo: () => state.undo(),
      group: () => state.selectGroup(),
      nextGroup: () => state.nextGroup(),
    };
    const spent = Object.fromEntries(Object.entries(keys).map(([name, press]) => [name, perKey(press)]));
    for (const [name, ms] of Object.entries(spent)) {
      expect(ms, `${name} of ${JSON.stringify(spent)}`).toBeLessThan(LIMIT_MS);
    }
    if (process.env.SHOW_TIMES !== undefined) {
      process.stdout.write(`${JSON.stringify(spent)}\n`);
    }
  });
});

test("a key given twice says what stands now: what was said before it, if anything was", () => {
  const { state, columns } = opened(madeColumns([{ action: 1, version: 1, turn: TURN.spoken }]));
  state.actOrClear("remove");
  state.actOrClear("remove");
  expect([columns.at("action", 0), state.toast.value?.text]).toEqual([1, "keep again: 1 image"]);
});

test("what was not saved is told until somebody has seen it, whatever else is told", async () => {
  const { state, source } = opened(madeColumns([{}, {}]));
  source.answer = () => ({ kind: "conflict", items: [] });
  state.act("remove");
  await settled();
  state.nextGroup();
  expect(state.notSaved.value).toMatchObject([{ sampleIds: [10], text: expect.stringContaining("not saved") }]);
});
