// Which image of a duplicate group to keep, and keeping it.

import type { Detail } from "./data/source";
import { mayDecide } from "./reviewer";
import type { ReviewState } from "./state";

const ORIGINAL = 0.5;
/** Members that are looked at to tell which to keep. */
const JUDGED = 60;

/** The row to keep: the one with the most pixels, of equal ones the one that the search holds for the original. */
export function proposedKeeper(rows: readonly number[], details: readonly (Detail | null)[]): number {
  const worth = (detail: Detail | null) => {
    const isOriginal = detail?.findings.some((finding) => finding.is_original === true) ?? false;
    return (detail?.width ?? 0) * (detail?.height ?? 0) + (isOriginal ? ORIGINAL : 0);
  };
  let best = 0;
  for (let place = 1; place < details.length; place++) {
    if (worth(details[place] ?? null) > worth(details[best] ?? null)) {
      best = place;
    }
  }
  return rows[best] as number;
}

/** Keeps the proposed image of the cursor's group. */
export function keepProposed(state: ReviewState): void {
  const rows = state.groupRows().slice(0, JUDGED);
  if (rows.length > 1) {
    keepOne(
      state,
      proposedKeeper(
        rows,
        rows.map((row) => state.detail(row)),
      ),
    );
  }
}

/** The tag that says how the members of a group are the same. */
export function duplicateTag(details: readonly (Detail | null)[]): string {
  const methods = details.flatMap((detail) => detail?.findings ?? []).filter((f) => f.issue_type === "duplicate");
  return methods.length > 0 && methods.every((f) => f.method === "exact") ? "duplicate_exact" : "duplicate_near";
}

/** Keeps one image of the cursor's group and removes the others with the duplicate tag; goes on to the next group. */
export function keepOne(state: ReviewState, keeper: number): void {
  const members = state.groupRows();
  const others = members.filter((row) => row !== keeper);
  if (others.length === 0 || !members.includes(keeper) || !mayDecide(state)) {
    return;
  }
  const tag = duplicateTag(members.slice(0, JUDGED).map((row) => state.detail(row)));
  const known = state.columns.meta.tags.some((word) => word.name === tag);
  const how = "looked";
  const link = state.decisions.decide([keeper], { action: "keep", how });
  if (state.autoAdvance.value) {
    state.nextGroup();
  }
  state.decideMany(others, { action: "remove", tagsAdded: known ? [tag] : [], how }, "one kept, removed", link);
}
