import { beforeEach, expect, test, vi } from "vitest";
import { keepOne } from "./groups";
import { decidePair } from "./pairs";
import { askForClass } from "./relabel";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeDetail, madeStorage, settled } from "./testing/made";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
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
