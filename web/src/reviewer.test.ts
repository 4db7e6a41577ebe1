import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Columns } from "./data/columns";
import { keepOne } from "./groups";
import { decidePair } from "./pairs";
import { askForClass } from "./relabel";
import { seeAsReviewer } from "./reviewer";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeDetail, madeStorage, partOf, settled } from "./testing/made";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});

afterEach(() => {
  vi.useRealTimers();
});

const REMOVE = 2;

/** A page of a server that one reviewer looks at, who has removed its image. */
function livePage() {
  const columns = madeColumns([{ action: REMOVE, version: 1 }], { reviewer: null, is_live: true });
  const source = new MadeSource(columns.meta);
  source.details = async (ids) => ids.map((id) => madeDetail(id, { note: "hers" }));
  const state = new ReviewState(columns, source);
  state.setReviewer("Ada");
  state.seenAs.value = "Ada";
  state.setOrder("name");
  return { state, columns, source };
}

test("of two names said in a row the second counts, whichever answer comes first", async () => {
  const { state, columns, source } = livePage();
  const answers: (() => void)[] = [];
  source.load = (async (seen: Columns) => {
    const action = state.ownName() === "Bo" ? REMOVE : 0;
    await new Promise<void>((go) => answers.push(go));
    seen.addPart(partOf(madeColumns([{ action, version: 1 }])));
  }) as never;
  state.setReviewer("Bo");
  const bo = seeAsReviewer(state);
  state.setReviewer("Cy");
  const cy = seeAsReviewer(state);
  answers[1]?.();
  await cy;
  answers[0]?.();
  await bo;
  expect([state.seenAs.value, columns.at("action", 0)]).toEqual(["Cy", 0]);
});

test("while the server does not answer, nothing of the reviewer before is on view; it is asked again", async () => {
  vi.useFakeTimers();
  const { state, columns, source } = livePage();
  state.prefetch([0]);
  await settled();
  let isDown = true;
  source.load = (async (seen: Columns) => {
    if (isDown) {
      throw new Error("the line is down");
    }
    seen.addPart(partOf(madeColumns([{ action: 1, version: 1 }])));
  }) as never;
  state.setReviewer("Bo");
  const bo = seeAsReviewer(state);
  await settled();
  expect([columns.at("action", 0), state.knownDetail(0)?.note]).toEqual([0, ""]);
  isDown = false;
  await vi.advanceTimersByTimeAsync(2000);
  await bo;
  expect(columns.at("action", 0)).toBe(1);
});

test("the same name typed anew changes nothing: what was decided can still be taken back", async () => {
  const { state } = livePage();
  state.act("keep");
  await settled();
  state.setReviewer("Ada ");
  await seeAsReviewer(state);
  expect(state.decisions.undo()).toHaveLength(1);
});

test("nobody decides before they have said their name; then they do", async () => {
  const columns = madeColumns([{ group: 1 }, { group: 1 }], { reviewer: null });
  const source = new MadeSource(columns.meta);
  source.details = async (ids) =>
    ids.map((id) =>
      madeDetail(id, { partners: [{ sample_id: 30 - id, method: "exact", similarity: 1, transform: null } as never] }),
    );
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  state.prefetch([0, 1]);
  await settled();
  const acts: Record<string, () => void> = {
    act: () => state.act("remove"),
    tag: () => state.toggleTag("keep"),
    many: () => state.decideMany([0, 1], { action: "keep" }, "keep"),
    group: () => keepOne(state, 0),
    pair: () => decidePair(state, "left"),
    class: () => askForClass(state),
  };
  for (const [name, act] of Object.entries(acts)) {
    state.nameWanted.value = null;
    act();
    expect([...columns.column("action"), ...columns.column("tags")], name).toEqual([0, 0, 0, 0]);
    expect(state.nameWanted.value, name).not.toBeNull();
    expect([state.cursor.value, state.isPicking.value], name).toEqual([0, false]);
  }
  state.setReviewer("Ada");
  state.act("remove");
  expect(columns.at("action", 0)).toBe(2);
  expect(state.nameWanted.value).toBeNull();
  await settled();
  expect(source.acts.map((act) => act.reviewer)).toEqual(["Ada"]);
});
