// Who decides: known from a link, else the name that is typed here.

import { useEffect, useRef } from "preact/hooks";
import { seeAsReviewer } from "../reviewer";
import type { ReviewState } from "../state";

export function Reviewer({ state }: { state: ReviewState }) {
  const known = state.columns.meta.reviewer;
  const field = useRef<HTMLInputElement>(null);
  const wanted = state.nameWanted.value;
  useEffect(() => {
    if (wanted !== null) {
      field.current?.focus();
    }
  }, [wanted]);
  if (known !== null) {
    return <span>{known}</span>;
  }
  const isMissing = wanted !== null && state.reviewer.value.trim() === "";
  return (
    <span class="who">
      <input
        type="text"
        ref={field}
        data-testid="reviewer"
        placeholder="your name"
        aria-label="your name"
        aria-describedby={isMissing ? "name-missing" : undefined}
        value={state.reviewer.value}
        onInput={(event) => state.setReviewer(event.currentTarget.value)}
        onChange={() => void seeAsReviewer(state)}
        onKeyDown={(event) => {
          if (event.key === "Enter") {
            // The next key decides.
            event.currentTarget.blur();
          }
        }}
      />
      {isMissing && (
        <span class="missing" id="name-missing" role="alert">
          {wanted.why}
        </span>
      )}
    </span>
  );
}
