import { beforeEach, expect, test, vi } from "vitest";
import { stepBox, wordsOf } from "./boxes";
import type { Box, Detail, Finding } from "./data/source";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madeDetail, madeStorage, settled } from "./testing/made";

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});

const finding = (change: Partial<Finding>): Finding => ({
  finding_id: "f",
  issue_type: "mislabel",
  confidence: 0.914,
  suggested_label: null,
  reason: "",
  method: "",
  source: "",
  group_id: null,
  is_original: null,
  evidence: {},
  ...change,
});

const box = (object_id: number, findings: readonly Finding[] = []): Box => ({
  object_id,
  annotation_id: `a${object_id}`,
  given_label: "cat",
  x: 1,
  y: 2,
  width: 3,
  height: 4,
  findings,
});

async function opened(boxes: readonly Box[]) {
  const columns = madeColumns([{}, {}]);
  const source = new MadeSource(columns.meta);
  source.details = async (ids): Promise<readonly Detail[]> => ids.map((id) => madeDetail(id, { boxes }));
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  state.detail(0);
  await settled();
  return state;
}

test("the words of a box name its surest finding, how sure it is and what it suggests", () => {
  expect(wordsOf(box(1))).toBe("cat");
  expect(wordsOf({ ...box(1), given_label: null })).toBe("no label");
  expect(wordsOf(box(1, [finding({ suggested_label: "dog" }), finding({ issue_type: "blur" })]))).toBe(
    "cat: mislabel 0.91 → dog",
  );
  expect(wordsOf(box(1, [finding({ issue_type: "label_outlier", confidence: null })]))).toBe("cat: label outlier");
});

test("keys go round the boxes of the image, from the grid in the view of one image", async () => {
  const state = await opened([box(5), box(7), box(6)]);
  state.isBoxesShown.value = false;
  const seen = [1, 1, 1, 1, -1].map((by) => {
    stepBox(state, by as 1 | -1);
    return state.box.value;
  });
  expect(seen).toEqual([5, 7, 6, 5, 6]);
  expect([state.view.value, state.isBoxesShown.value]).toEqual(["single", true]);
  state.box.value = null;
  stepBox(state, -1);
  expect(state.box.value).toBe(6);
});

test("an image without boxes says so and stays where it is", async () => {
  const state = await opened([]);
  stepBox(state, 1);
  expect([state.view.value, state.toast.value?.text]).toEqual(["grid", "this image has no boxes"]);
});
