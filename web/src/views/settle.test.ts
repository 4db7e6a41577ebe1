import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DisputeOut } from "../data/api";
import { ReviewState } from "../state";
import { MadeSource, madeColumns, madeStorage, settled } from "../testing/made";
import { settle } from "./settle";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const dispute = (sample_id: number, version: number, proposed: DisputeOut["proposed"]): DisputeOut => ({
  sample_id,
  version,
  key: `train/${sample_id}.jpg`,
  verdicts: [],
  proposed,
  new_label: null,
});

/** A page that knows of two words about each image. */
function made() {
  const columns = madeColumns([{ version: 2 }, { version: 2 }, { version: 2 }], { is_live: true });
  const source = new MadeSource(columns.meta);
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  const sent = () =>
    source.acts.map(({ action, items }) => [action, items.map((item) => [item.sample_id, item.version])]);
  return { state, source, sent };
}

test("what is settled is decided as of the list, also where the news of it has not come yet", async () => {
  const { state, sent } = made();
  settle(state, [dispute(10, 2, "keep"), dispute(20, 3, "keep"), dispute(30, 2, "remove")]);
  await settled();
  expect(sent()).toEqual([
    ["keep", [[10, 2], [20, 3]]],
    ["remove", [[30, 2]]],
  ]);
  expect(state.toast.value?.text).toBe("settled as most say: 3");
  state.undo(state.toast.value?.batchId);
  expect([...state.columns.column("action")]).toEqual([0, 0, 0]);
});

test("what somebody decided about since the list was made is not settled over their word", async () => {
  const { state, sent } = made();
  settle(state, [dispute(10, 1, "keep"), dispute(20, 2, "keep"), dispute(40, 0, "keep")]);
  await settled();
  expect(sent()).toEqual([["keep", [[20, 2]]]]);
  expect(state.toast.value?.text).toBe("settled as most say: 1; not as listed any more, look again: 2");
  settle(state, [dispute(10, 1, "keep")]);
  expect(state.toast.value).toEqual({ text: "not as listed any more, look again: 1" });
});
