// Who looks at what: this reviewer's leases follow the cursor; those of others come with the news.

import { effect, untracked } from "@preact/signals";
import { decidedTest } from "./data/rows";
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

/** The next place that nobody else is looking at; the very next where all are. */
export function nextPlace(state: ReviewState): number {
  const rows = state.rows.value;
  // Ends after some steps: nobody holds more than a few images.
  for (let place = state.cursor.value + 1; place < rows.length; place++) {
    if (heldBy(state, rows[place] as number) === undefined) {
      return place;
    }
  }
  return state.cursor.value + 1;
}

/** The samples that this reviewer looks at, and those that come next and are nobody's yet. */
export function toHold(state: ReviewState): number[] {
  if (!SWEEPING.has(state.view.value) || state.row.value < 0) {
    return [];
  }
  const isWhole = state.view.value === "pair" || state.view.value === "group";
  const held = new Set([state.row.value, ...(isWhole ? state.groupRows().slice(0, HELD) : [])]);
  const isDecided = decidedTest(state.columns);
  const rows = state.rows.value;
  const last = Math.min(rows.length, state.cursor.value + LOOKED_THROUGH);
  for (let place = state.cursor.value + 1; place < last && held.size < HELD; place++) {
    const row = rows[place] as number;
    if (heldBy(state, row) === undefined && !isDecided(row)) {
      held.add(row);
    }
  }
  return [...held].map((row) => state.columns.at("sample_id", row));
}
