// Who looks at what: this reviewer's leases follow the cursor; those of others come with the news.

import { effect, untracked } from "@preact/signals";
import { TURN } from "./data/columns";
import type { ReviewState, View } from "./state";

/** Images held ahead of the cursor: some minutes of work, and enough left for the others. */
const HELD = 24;
/** Places looked through for them. */
const LOOKED_THROUGH = 200;
/** A cursor that stays this long has arrived. */
const ARRIVED_MS = 300;
/** Well before the server lets go of a lease. */
const RENEW_MS = 120_000;
/** Whoever does nothing for so long has left the page open. */
const IDLE_MS = 600_000;

/** Views in which images are gone through one after the other. */
const SWEEPING: ReadonlySet<View> = new Set<View>(["grid", "single", "pair", "group", "mislabel"]);

/** Whether the image under the cursor is on view, so that a key may decide about it. */
export function isOnView(state: ReviewState): boolean {
  return SWEEPING.has(state.view.value);
}

/** Takes in what others decide and look at, as the reviewer of the moment may see it. */
export function followNews(state: ReviewState): void {
  effect(() => {
    const own = state.seenAs.value;
    return untracked(() =>
      state.source.watch(({ items, held }) => {
        state.decisions.take(items);
        state.forget(items);
        const others = held.filter((lease) => lease.reviewer !== own);
        state.others.value = new Map(others.map((lease) => [lease.sample_id, lease.reviewer]));
      }),
    );
  });
}

/** Tells the server what is looked at, renews it, and gives it back when the page closes. */
export function holdWhatIsLookedAt(state: ReviewState): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let movedAt = Date.now();
  const tell = (sampleIds: readonly number[]) => {
    if (state.seenAs.value !== "") {
      // A lease is a courtesy: without it two may do the same image, and the versions still keep both right.
      void state.source.hold(sampleIds).catch(() => undefined);
    }
  };
  effect(() => {
    void [state.row.value, state.view.value, state.seenAs.value];
    movedAt = Date.now();
    clearTimeout(timer);
    timer = setTimeout(() => tell(toHold(state)), ARRIVED_MS);
  });
  setInterval(() => {
    if (document.visibilityState === "visible" && Date.now() - movedAt < IDLE_MS) {
      tell(toHold(state));
    }
  }, RENEW_MS);
  window.addEventListener("pagehide", () => tell([]));
}

/** Who else looks at a row now. */
export function heldBy(state: ReviewState, row: number): string | undefined {
  return state.others.value.get(state.columns.at("sample_id", row));
}

/** Whether the others see to a row: enough have spoken, or one is at an image that wants no more than one. */
function isOthers(state: ReviewState, row: number): boolean {
  const turn = state.columns.at("turn", row);
  return turn === TURN.others || (turn === TURN.yours && heldBy(state, row) !== undefined);
}

/** The next place that the others do not see to; the very next where they see to all. A pair is left by a word about
 * both: one about the left image alone stays at it. */
export function nextPlace(state: ReviewState): number {
  if (state.view.value === "pair") {
    return state.cursor.value;
  }
  return firstPlace(state, (row) => !isOthers(state, row)) ?? state.cursor.value + 1;
}

/** Moves to the next image that waits for this reviewer. */
export function goToWaiting(state: ReviewState): void {
  const place = firstPlace(state, (row) => state.decisions.waits(row) && !isOthers(state, row));
  if (place === undefined) {
    state.tell({ text: "nothing below waits for you" });
  } else {
    state.moveTo(place);
  }
}

/** The first place below the cursor of a row that is meant. */
export function firstPlace(state: ReviewState, isMeant: (row: number) => boolean): number | undefined {
  const rows = state.rows.value;
  // Ends after some steps, unless a million images on end are done: then it takes some milliseconds.
  for (let place = state.cursor.value + 1; place < rows.length; place++) {
    if (isMeant(rows[place] as number)) {
      return place;
    }
  }
  return undefined;
}

/** The samples that this reviewer looks at, and those that come next and are nobody's yet. */
export function toHold(state: ReviewState): number[] {
  if (!SWEEPING.has(state.view.value) || state.row.value < 0) {
    return [];
  }
  const isWhole = state.view.value === "pair" || state.view.value === "group";
  const held = new Set([state.row.value, ...(isWhole ? state.groupRows().slice(0, HELD) : [])]);
  const rows = state.rows.value;
  const last = Math.min(rows.length, state.cursor.value + LOOKED_THROUGH);
  for (let place = state.cursor.value + 1; place < last && held.size < HELD; place++) {
    const row = rows[place] as number;
    // Of an image that wants several, nobody need be kept away.
    if (state.columns.at("turn", row) === TURN.yours && heldBy(state, row) === undefined) {
      held.add(row);
    }
  }
  return [...held].map((row) => state.columns.at("sample_id", row));
}
