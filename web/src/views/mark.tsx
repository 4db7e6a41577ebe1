// What is said of an image, at the corner of its picture.

import { saidOf } from "../pairs";
import type { ReviewState } from "../state";

export function Mark({ state, row }: { state: ReviewState; row: number }) {
  void state.decisions.revision.value;
  const action = saidOf(state, row);
  return action === "none" ? null : <span class={`mark ${action}`}>{action}</span>;
}
