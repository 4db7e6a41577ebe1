// The two images of the pair view: which one is proposed to stay, what is said of both, and which pair comes next.

import { signal } from "@preact/signals";
import type { Action } from "./data/columns";
import { decidedTest } from "./data/rows";
import type { Detail, Partner } from "./data/source";
import { proposedKeeper } from "./groups";
import { firstPlace } from "./presence";
import { mayDecide } from "./reviewer";
import type { ReviewState } from "./state";

/** What stays of a pair; the one under the cursor is at the left. */
export type Stays = "left" | "right" | "both";

/** Findings that speak of two images. */
const OF_TWO = ["duplicate", "leak", "label_conflict"];

/** Which of its partners an image is shown beside; of another image it is the first. */
export const chosen = signal({ row: -1, place: 0 });

/** The partner that an image is shown beside; undefined where it has none. */
export function partnerOf(state: ReviewState, detail: Detail): Partner | undefined {
  const place = chosen.value.row === state.row.value ? chosen.value.place : 0;
  return detail.partners[Math.min(place, detail.partners.length - 1)];
}

/** Whether the left or the right one is proposed to stay: as people have said, else as in a group. */
export function proposedSide(state: ReviewState, detail: Detail, partner: Partner): "left" | "right" {
  const [left, right] = [state.row.value, state.columns.row(partner.sample_id)];
  if (right < 0) {
    return "left";
  }
  const [one, other] = [saidOf(state, left), saidOf(state, right)];
  if (one !== other && (one === "remove" || other === "remove")) {
    return one === "remove" ? "right" : "left";
  }
  const rows = [left, right].sort((a, b) => a - b);
  const details = rows.map((row) => (row === left ? detail : state.detail(row)));
  return proposedKeeper(rows, details) === left ? "left" : "right";
}

/** Says what stays of the pair at the cursor, as one act to take back; goes on to the next pair that is open. */
export function decidePair(state: ReviewState, stays: Stays | "proposed"): void {
  const detail = state.row.value < 0 ? null : state.detail(state.row.value);
  const partner = detail === null ? undefined : partnerOf(state, detail);
  if (detail === null || partner === undefined) {
    state.tell({ text: "this image has no partner" });
    return;
  }
  if (!mayDecide(state)) {
    return;
  }
  const which = stays === "proposed" ? proposedSide(state, detail, partner) : stays;
  const [left, right] = [state.row.value, state.columns.row(partner.sample_id)];
  const kept = [which === "right" ? -1 : left, which === "left" ? -1 : right].filter((row) => row >= 0);
  const gone = [left, right].filter((row) => row >= 0 && !kept.includes(row));
  const how = "looked";
  let link: string | undefined;
  if (kept.length > 0) {
    link = state.decisions.decide(kept, { action: "keep", how });
  }
  if (gone.length > 0) {
    link = state.decisions.decide(gone, { action: "remove", tagsAdded: duplicateTags(state, partner), how }, link);
  }
  state.nDecidedHere.value += kept.length + gone.length;
  const isMore = !state.autoAdvance.value || goToOpenPair(state);
  const words = which === "both" ? "both kept" : `${which} one kept`;
  state.tell({ text: isMore ? words : `${words}; no open pair below`, ...(link !== undefined && { batchId: link }) });
}

/** Moves to the next image below that may have a partner and is not decided; tells whether there is one. */
export function goToOpenPair(state: ReviewState): boolean {
  const { columns } = state;
  const isDecided = decidedTest(columns);
  const bits = OF_TWO.reduce((all, type) => all | bit(columns.meta.issue_types.indexOf(type)), 0);
  // Behind the last pair this looks through all that is shown.
  const [groups, issues] = [columns.column("group"), columns.column("issues")];
  const hasPartner = (row: number) => (groups[row] as number) >= 0 || ((issues[row] as number) & bits) !== 0;
  const place = firstPlace(state, (row) => hasPartner(row) && !isDecided(row));
  if (place === undefined) {
    return false;
  }
  state.moveTo(place);
  return true;
}

function bit(place: number): number {
  return place < 0 ? 0 : 1 << place;
}

/** What the page shows as said about a row. */
export function saidOf(state: ReviewState, row: number): Action {
  return (row < 0 ? undefined : state.columns.meta.actions[state.columns.at("action", row)]) ?? "none";
}

/** The tag that says how the removed one is the same, where the page knows it. */
function duplicateTags(state: ReviewState, partner: Partner): string[] {
  const tag = partner.method === "exact" ? "duplicate_exact" : "duplicate_near";
  return state.columns.meta.tags.some((word) => word.name === tag) ? [tag] : [];
}
