// What each reviewer says of an image, in one line; and the actions, where the panel that has them is closed.

import type { Detail } from "../data/source";
import type { ReviewState } from "../state";
import { spelled } from "./settle";

/** Tells verdicts of an image apart: a policy may be named like a person. */
export function keyOf({ origin, reviewer }: Detail["verdicts"][number]): string {
  return `${origin}/${reviewer}`;
}

/** One reviewer's word is on the picture already. */
export function Verdicts({ detail }: { detail: Detail }) {
  return detail.verdicts.length < 2 ? null : (
    <span data-testid="verdicts">
      {detail.verdicts.map((verdict) => (
        <span key={keyOf(verdict)} class="verdict">
          {verdict.reviewer}: <b class={verdict.action}>{spelled(verdict.action, verdict.new_label)}</b>
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
