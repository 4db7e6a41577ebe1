// The boxes of an image: the words for one, and going from one to the next.

import type { Box } from "./data/source";
import type { ReviewState, View } from "./state";

/** The views that draw boxes. */
const DRAWN_IN: readonly View[] = ["single", "pair", "group", "mislabel"];

/** What stands beside a box: its label, and what was found about it by whoever is surest. */
export function wordsOf(box: Box): string {
  const label = box.given_label || "no label";
  const [finding] = box.findings;
  if (finding === undefined) {
    return label;
  }
  const sure = finding.confidence === null ? "" : ` ${finding.confidence.toFixed(2)}`;
  const perhaps = finding.suggested_label === null ? "" : ` → ${finding.suggested_label}`;
  return `${label}: ${finding.issue_type.replaceAll("_", " ")}${sure}${perhaps}`;
}

/** Points at the next or the previous box of the image under the cursor, round and round; flagged ones come first. */
export function stepBox(state: ReviewState, by: 1 | -1): void {
  const boxes = (state.row.value < 0 ? null : state.detail(state.row.value))?.boxes ?? [];
  if (boxes.length === 0) {
    state.tell({ text: "this image has no boxes" });
    return;
  }
  const place = boxes.findIndex((box) => box.object_id === state.box.value);
  const from = place < 0 && by < 0 ? 0 : place;
  state.isBoxesShown.value = true;
  if (!DRAWN_IN.includes(state.view.value)) {
    state.view.value = "single";
  }
  state.box.value = boxes[(from + by + boxes.length) % boxes.length]?.object_id ?? null;
}
