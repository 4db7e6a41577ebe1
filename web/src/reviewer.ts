// Who decides: whether it is known, and what they may see.

import { Columns } from "./data/columns";
import type { ReviewState } from "./state";

const AGAIN_MS = 2000;

/** Whether it is known who decides; if not, the page asks for the name. */
export function mayDecide(state: ReviewState): boolean {
  const isKnown = state.ownName() !== "";
  state.nameWanted.value = isKnown
    ? null
    : { why: "Nothing was decided yet: a decision bears the name of who makes it. Type yours, then Enter." };
  return isKnown;
}

/** Shows what the reviewer who has just said their name may see; until that is there, nothing of the one before. */
export async function seeAsReviewer(state: ReviewState): Promise<void> {
  const [before, name] = [state.seenAs.value, state.ownName()];
  if (name === before) {
    return;
  }
  state.decisions.startAnew();
  state.seenAs.value = name;
  if (!state.columns.meta.is_live) {
    return;
  }
  if (before !== "") {
    state.decisions.showNothing();
  }
  state.details.forgetAll();
  const seen = await loaded(state, name);
  if (seen !== null) {
    state.decisions.showAs(seen);
    state.details.forgetAll();
  }
}

/** The columns as a reviewer may see them, asked for until they come; null once another name was said. */
async function loaded(state: ReviewState, name: string): Promise<Columns | null> {
  while (state.seenAs.value === name) {
    const seen = new Columns(state.columns.meta);
    try {
      await state.source.load(seen, () => undefined);
      return state.seenAs.value === name ? seen : null;
    } catch {
      state.tell({ text: "the server does not answer: what was decided comes once it does" });
      await new Promise((again) => setTimeout(again, AGAIN_MS));
    }
  }
  return null;
}
