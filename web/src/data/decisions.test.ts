import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MadeSource, madeColumns, settled } from "../testing/made";
import { TURN } from "./columns";
import { Decisions } from "./decisions";
import { type Act, type Change, RefusedError } from "./source";

const [NONE, KEEP, REMOVE] = [0, 1, 2];

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function made() {
  const columns = madeColumns([{}, { action: KEEP }, {}]);
  const source = new MadeSource(columns.meta);
  const told: { conflicts: Change[]; refused: string[]; hadMore: boolean[] } = {
    conflicts: [],
    refused: [],
    hadMore: [],
  };
  const who = { name: "Ada" };
  const decisions = new Decisions(columns, source, {
    reviewer: () => who.name,
    onConflict: (items, _, hasMore) => {
      told.conflicts.push(...items);
      told.hadMore.push(hasMore);
    },
    onRefused: (why, _, hasMore) => {
      told.refused.push(why);
      told.hadMore.push(hasMore);
    },
  });
  decisions.tallies.count();
  const said = (row: number) => ["action", "tags", "version"].map((name) => columns.at(name, row));
  return { columns, source, decisions, told, said, who };
}

const refusing = (): never => {
  throw new RefusedError("no such label");
};
const change = (sample_id: number, version: number, action: Change["action"]): Change => ({
  sample_id,
  version,
  action,
  tags: [],
  n_reviewers: 1,
  new_label: null,
  turn: TURN.others,
});

test("a decision is shown before it is saved, and saved as it was made", async () => {
  const { source, decisions, said } = made();
  decisions.decide([0], { action: "remove", tagsAdded: ["keep"] });
  expect(said(0)).toEqual([REMOVE, 4, 1]);
  expect(decisions.tallies.nDecided.value).toBe(1);
  expect(decisions.state.value.kind).toBe("saving");
  await settled();
  expect(decisions.state.value).toEqual({ kind: "saved" });
  expect(source.acts).toMatchObject([{ action: "remove", how: "looked", items: [{ sample_id: 10, version: 0 }] }]);
});

test("an act is whose name stood on the page when it was made, however late it is saved", async () => {
  const { source, decisions, who } = made();
  let isDown = true;
  source.answer = (act) => {
    if (isDown) {
      throw new Error("the line is down");
    }
    return { kind: "saved", items: act.items };
  };
  decisions.decide([0], { action: "remove" });
  decisions.decide([2], { action: "keep" });
  await settled();
  who.name = "Bo";
  isDown = false;
  await vi.advanceTimersByTimeAsync(1000);
  decisions.undo();
  await settled();
  expect(source.acts.map((act) => act.reviewer)).toEqual(["Ada", "Ada", "Ada"]);
  expect(source.undoneBy).toEqual(["Ada"]);
});

test("a tag that nobody knows changes nothing", () => {
  const { decisions, said } = made();
  decisions.decide([0], { tagsAdded: ["nonsense"] });
  expect(said(0)).toEqual([NONE, 0, 1]);
});

test("acts on one image follow one another with rising versions", async () => {
  const { source, decisions } = made();
  decisions.decide([0], { action: "remove" });
  decisions.decide([0], { action: "keep" });
  await settled();
  expect(source.acts.map((act) => act.items[0]?.version)).toEqual([0, 1]);
});

test("a conflict shows what the server knows and is told; nothing of it can be taken back", async () => {
  const { source, decisions, told, said } = made();
  source.answer = () => ({ kind: "conflict", items: [change(10, 5, "keep")] });
  decisions.decide([0, 2], { action: "remove" });
  await settled();
  expect(said(0)).toEqual([KEEP, 0, 5]);
  expect(said(2)).toEqual([NONE, 0, 0]);
  expect(told.conflicts).toHaveLength(1);
  expect(decisions.undo()).toHaveLength(0);
});

test("what was decided on top of a stale act goes with it: nobody has seen what holds", async () => {
  const { source, decisions, told, said } = made();
  // Somebody has kept the first image meanwhile; the server counts and the page does not know it yet.
  const versions = new Map([[10, 1]]);
  source.answer = ({ items }) => {
    const stale = items.filter((item) => item.version !== (versions.get(item.sample_id) ?? 0));
    if (stale.length > 0) {
      return { kind: "conflict", items: stale.map((item) => change(item.sample_id, 1, "keep")) };
    }
    const saved = items.map(({ sample_id, version }) => ({ sample_id, version: version + 1 }));
    for (const { sample_id, version } of saved) {
      versions.set(sample_id, version);
    }
    return { kind: "saved", items: saved };
  };
  decisions.decide([0], { action: "remove" });
  decisions.decide([0, 1], { action: "relabel", newLabel: "dog" });
  decisions.decide([1], { tagsAdded: ["keep"] });
  decisions.decide([2], { action: "remove" });
  await settled();
  expect(source.acts.map((act) => act.items.map((item) => item.sample_id))).toEqual([[10], [30]]);
  expect([said(0), said(1), said(2)]).toEqual([
    [KEEP, 0, 1],
    [KEEP, 0, 0],
    [REMOVE, 0, 1],
  ]);
  expect(told.conflicts.map((item) => item.sample_id)).toEqual([10]);
  expect(told.hadMore).toEqual([true]);
  // What was seen since is decided about as ever.
  decisions.decide([0, 1], { action: "remove" });
  await settled();
  expect([said(0), said(1)]).toEqual([
    [REMOVE, 0, 2],
    [REMOVE, 0, 1],
  ]);
  expect(told.hadMore).toEqual([true]);
});

test("an act on top of one that is refused is not sent, nor taken back on the server when it was undone", async () => {
  const { source, decisions, told, said } = made();
  source.answer = refusing;
  decisions.decide([0], { action: "relabel", newLabel: "nonsense" });
  decisions.decide([0], { action: "keep" });
  decisions.decide([0], { action: "remove" });
  decisions.undo();
  await settled();
  expect(source.acts).toHaveLength(1);
  expect(source.undone).toEqual([]);
  expect(said(0).slice(0, 2)).toEqual([NONE, 0]);
  expect(told.hadMore).toEqual([true]);
});

test("more than the server takes at once are several acts, taken back together", async () => {
  const columns = madeColumns(Array.from({ length: 5 }, () => ({})));
  const source = new MadeSource(columns.meta);
  const nothing = () => undefined;
  const listener = { reviewer: () => "Ada", onConflict: nothing, onRefused: nothing };
  const decisions = new Decisions(columns, source, listener, 2);
  const link = decisions.decide([0, 1, 2, 3, 4], { action: "keep" });
  await settled();
  expect(source.acts.map((act) => [act.items.map((item) => item.sample_id), act.how])).toEqual([
    [[10, 20], "batch"],
    [[30, 40], "batch"],
    [[50], "batch"],
  ]);
  expect(new Set(source.acts.map((act) => act.batch_id)).size).toBe(3);
  expect(decisions.undo(link).sort()).toEqual([0, 1, 2, 3, 4]);
  await settled();
  expect(source.undone).toHaveLength(3);
});

test("what the server will not have is tried once; the columns go back and the reviewer is told", async () => {
  const { source, decisions, told, said } = made();
  source.answer = refusing;
  decisions.decide([0, 1], { action: "remove" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(source.acts).toHaveLength(1);
  expect([said(0), said(1)]).toEqual([
    [NONE, 0, 0],
    [KEEP, 0, 0],
  ]);
  expect(decisions.tallies.nDecided.value).toBe(0);
  expect(told.refused).toEqual(["no such label"]);
  expect(decisions.state.value.kind).toBe("saved");
});

test("an act that was refused after it was undone is not taken back on the server", async () => {
  const { source, decisions, said } = made();
  source.answer = refusing;
  decisions.decide([1], { action: "remove" });
  decisions.undo();
  await vi.advanceTimersByTimeAsync(1000);
  expect(source.undone).toEqual([]);
  expect(said(1).slice(0, 2)).toEqual([KEEP, 0]);
});

test("a retry carries the same event ids and the state says that it waits", async () => {
  const { source, decisions } = made();
  let fails = 2;
  source.answer = (act: Act) => {
    if (fails-- > 0) {
      throw new Error("the line is down");
    }
    return { kind: "saved", items: [{ sample_id: 10, version: act.items.length }] };
  };
  decisions.decide([0], { action: "keep" });
  decisions.decide([2], { action: "keep" });
  await vi.advanceTimersByTimeAsync(100);
  expect(decisions.state.value).toEqual({ kind: "waiting", left: 2, why: "the line is down" });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(source.acts).toHaveLength(4);
  expect(new Set(source.acts.slice(0, 3).map((act) => act.items[0]?.event_id)).size).toBe(1);
  expect(decisions.state.value.kind).toBe("saved");
});

test("undo shows what was there before, newest first or by batch", async () => {
  const { source, decisions, said } = made();
  const first = decisions.decide([0, 1], { action: "remove" });
  decisions.decide([1], { tagsAdded: ["keep"] });
  expect(decisions.undo(first)).toHaveLength(2);
  expect(said(0).slice(0, 2)).toEqual([NONE, 0]);
  expect(said(1).slice(0, 2)).toEqual([KEEP, 4]);
  expect(decisions.undo()).toHaveLength(1);
  expect(said(1).slice(0, 2)).toEqual([KEEP, 0]);
  expect(decisions.undo()).toHaveLength(0);
  await settled();
  expect(source.undone).toHaveLength(2);
  expect(decisions.tallies.nDecided.value).toBe(0);
});

test("an undo that is refused shows the decision again", async () => {
  const { source, decisions, told, said } = made();
  decisions.decide([0], { action: "remove" });
  await settled();
  source.undoAnswer = refusing;
  decisions.undo();
  expect(said(0)[0]).toBe(NONE);
  await settled();
  expect(said(0)[0]).toBe(REMOVE);
  expect(told.refused).toHaveLength(1);
});

test("news of others is shown; older news than what was just said here is not", () => {
  const { decisions, said } = made();
  decisions.decide([0], { action: "remove" });
  decisions.take([change(10, 1, "none"), change(30, 2, "keep"), change(99, 1, "keep")]);
  expect(said(0)).toEqual([REMOVE, 0, 1]);
  expect(said(2)).toEqual([KEEP, 0, 2]);
  expect(decisions.tallies.nDecided.value).toBe(1);
});

test("for another reviewer the columns show what they may see, but what was just said here stays", () => {
  const { decisions, columns, said } = made();
  decisions.startAnew();
  decisions.decide([0], { action: "remove" });
  const seen = madeColumns([{ version: 3 }, { version: 4 }, { action: KEEP, version: 2 }]);
  decisions.showAs(seen);
  expect([said(0), said(1), said(2)]).toEqual([
    [REMOVE, 0, 1],
    [NONE, 0, 4],
    [KEEP, 0, 2],
  ]);
  expect(decisions.tallies.nDecided.value).toBe(1);
  expect(columns.nLoaded).toBe(3);
});

test("a refusal of what was taken back already leaves the version as the server counts it", async () => {
  const { source, decisions, said } = made();
  source.answer = refusing;
  decisions.decide([0], { action: "remove" });
  decisions.undo();
  await settled();
  expect(said(0)).toEqual([NONE, 0, 0]);
  decisions.take([change(10, 1, "keep")]);
  expect(said(0)).toEqual([KEEP, 0, 1]);
});

test("what somebody else decided before an answer that was lost is shown with the answer", async () => {
  const { source, decisions, said } = made();
  source.answer = () => ({ kind: "saved", items: [change(10, 2, "keep")] });
  decisions.decide([0], { action: "remove" });
  await settled();
  expect(said(0)).toEqual([KEEP, 0, 2]);
});

test("of acts that are one, none is saved where the first is not", async () => {
  const { source, decisions, said, told } = made();
  source.answer = (act) =>
    act.action === "keep"
      ? { kind: "conflict", items: [change(10, 1, "remove")] }
      : { kind: "saved", items: act.items.map((item) => ({ ...item, version: item.version + 1 })) };
  const link = decisions.decide([0], { action: "keep" });
  decisions.decide([2], { action: "remove" }, link);
  await settled();
  expect([said(0)[0], said(2)]).toEqual([REMOVE, [NONE, 0, 0]]);
  expect(source.acts.map((act) => act.action)).toEqual(["keep"]);
  expect(told.hadMore).toEqual([false]);
});

test("what waits to be saved hides nothing that was saved for the reviewer before, and is saved as theirs", async () => {
  const { source, decisions, said, who } = made();
  decisions.decide([0], { action: "remove" });
  await settled();
  source.answer = () => {
    throw new Error("the line is down");
  };
  decisions.decide([2], { action: "remove" });
  await settled();
  who.name = "Bo";
  decisions.startAnew();
  expect([decisions.clear([0], "remove"), decisions.undo()]).toEqual(["not said here", []]);
  decisions.showNothing();
  expect([said(0)[0], said(2)[0]]).toEqual([NONE, NONE]);
  decisions.showAs(madeColumns([{ version: 1 }, {}, {}]));
  expect([said(0), said(2)]).toEqual([
    [NONE, 0, 1],
    [NONE, 0, 0],
  ]);
  source.answer = () => ({ kind: "conflict", items: [change(30, 4, "remove")] });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(source.acts.at(-1)).toMatchObject({ reviewer: "Ada", action: "remove" });
  expect(said(2)[0]).toBe(NONE);
});

test("news that come while another reviewer's columns are on their way are not overwritten by them", () => {
  const { decisions, said } = made();
  decisions.startAnew();
  decisions.take([change(10, 1, "keep")]);
  decisions.showAs(madeColumns([{}, {}, {}]));
  expect(said(0)).toEqual([KEEP, 0, 1]);
});

test("another reviewer cannot take back what was saved for the one before", async () => {
  const { decisions, said } = made();
  decisions.decide([0], { action: "remove" });
  await settled();
  decisions.startAnew();
  expect(decisions.undo()).toHaveLength(0);
  expect(said(0)[0]).toBe(REMOVE);
});

test("what waits for the reviewer is counted among the rows shown, and again after an undo", () => {
  const { columns, decisions } = made();
  columns.set("turn", 1, TURN.shared);
  decisions.tallies.countShown(Uint32Array.of(0, 1));
  expect(decisions.tallies.nLeft.value).toBe(2);
  decisions.decide([0, 1, 2], { action: "keep" });
  expect(decisions.tallies.nLeft.value).toBe(0);
  decisions.undo();
  expect(decisions.tallies.nLeft.value).toBe(2);
  expect([0, 1, 2].map((row) => columns.at("turn", row))).toEqual([TURN.yours, TURN.shared, TURN.yours]);
  decisions.take([change(10, 7, "none")]);
  expect(decisions.tallies.nLeft.value).toBe(1);
});
