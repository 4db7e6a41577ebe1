// Who decides: whether it is known, and what they may see.

import { Columns } from "./data/columns";
import type { ReviewState } from "./state";

/** Whether it is known who decides; if not, the page asks for the name. */
export function mayDecide(state: ReviewState): boolean {
  const isKnown = state.ownName() !== "";
  state.nameWanted.value = isKnown
    ? null
    : { why: "Nothing was decided yet: a decision bears the name of who makes it. Type yours, then Enter." };
  return isKnown;
}

/** Shows what the reviewer who has just said their name may see. */
export async function seeAsReviewer(state: ReviewState): Promise<void> {
  state.decisions.startAnew();
  state.seenAs.value = state.ownName();
  if (!state.columns.meta.is_live) {
    return;
  }
  const seen = new Columns(state.columns.meta);
  await state.source.load(seen, () => undefined);
  state.decisions.showAs(seen);
  state.details.forgetAll();
}
