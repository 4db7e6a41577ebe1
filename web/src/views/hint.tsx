// What the page is for, in one line, for those who have decided nothing yet.

import { signal } from "@preact/signals";
import { remember, remembered } from "../data/remembered";
import type { ReviewState } from "../state";

const STORED = "chaffinch.hint";

const isRead = signal(remembered(STORED) !== null);

export function Hint({ state }: { state: ReviewState }) {
  const { columns, decisions } = state;
  // It stays with the first decisions, so that nothing moves under the eyes of those who make them.
  const isNew = decisions.tallies.nDecided.value <= state.nDecidedHere.value;
  const isLoaded = state.rows.value.length > 0 && columns.nLoaded === columns.meta.n;
  if (isRead.value || !isNew || !isLoaded) {
    return null;
  }
  const key = (id: string) => <kbd>{state.keyNames.value.get(id)}</kbd>;
  return (
    <p class="hint" data-testid="hint">
      <span>
        Say what becomes of each image, most suspect first: {key("keep")} keep, {key("remove")} remove,{" "}
        {key("relabel")} relabel; {key("help")} has all keys.
      </span>
      <button
        type="button"
        onClick={() => {
          remember(STORED, "read");
          isRead.value = true;
        }}
      >
        got it
      </button>
    </p>
  );
}
