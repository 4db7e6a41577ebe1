// What is not decided although it seemed so: it stays on view until somebody has seen it.

import type { ReviewState } from "../state";

export function NotSaved({ state }: { state: ReviewState }) {
  const all = state.notSaved.value;
  if (all.length === 0) {
    return null;
  }
  const ids = [...new Set(all.flatMap((one) => one.sampleIds))];
  const forget = () => {
    state.notSaved.value = [];
  };
  return (
    <div class="hint" role="alert" data-testid="not-saved">
      <span>
        {[...new Set(all.map((one) => one.text))].map((text) => (
          <span key={text}>{text}. </span>
        ))}
      </span>
      <button
        type="button"
        onClick={() => {
          forget();
          state.showList(ids, "not saved");
        }}
      >
        show {ids.length === 1 ? "it" : `all ${ids.length.toLocaleString()}`}
      </button>
      <button type="button" onClick={forget}>
        seen
      </button>
    </div>
  );
}
