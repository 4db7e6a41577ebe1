// What each reviewer says of an image, in one line; and the actions, where the panel that has them is closed.

import type { Detail } from "../data/source";
import type { ReviewState } from "../state";

/** One reviewer's word is on the picture already. */
export function Verdicts({ detail }: { detail: Detail }) {
  return detail.verdicts.length < 2 ? null : (
    <span data-testid="verdicts">
      {detail.verdicts.map(({ reviewer, action, new_label }) => (
        <span key={reviewer} class="verdict">
          {reviewer}: <b class={action}>{new_label === null ? action : `${action} to ${new_label}`}</b>
        </span>
      ))}
    </span>
  );
}

/** The style sheet shows them where the panel is a drawer. */
export function Actions({ state }: { state: ReviewState }) {
  return (
    <span class="if-narrow">
      <button type="button" class="keep" onClick={() => state.act("keep")}>
        keep
      </button>{" "}
      <button type="button" class="remove" onClick={() => state.act("remove")}>
        remove
      </button>
    </span>
  );
}
