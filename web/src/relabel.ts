// Relabelling: as suggested where something is, else to a class that the reviewer chooses. Never without a class.

import { type Columns, NO_CLASS } from "./data/columns";
import { mayDecide } from "./reviewer";
import type { ReviewState } from "./state";

/** Classes that are listed at once. */
export const LISTED = 50;

/** Relabels as suggested; asks for the class where nothing is suggested. */
export function relabelAsSuggested(state: ReviewState): void {
  const { columns } = state;
  const rows = state.targets();
  const suggested = withSuggestion(columns, rows);
  const [first] = suggested;
  if (first === undefined) {
    askForClass(state);
  } else if (rows.length === 1) {
    state.act("relabel", columns.meta.classes[columns.at("suggested", first)] ?? null);
  } else if (suggested.length === rows.length) {
    state.act("relabel");
  } else {
    const left = (rows.length - suggested.length).toLocaleString();
    state.decideMany(suggested, { action: "relabel" }, `${left} without a suggestion left as they are; relabel`);
  }
}

/** Those of some rows for which a label is suggested. */
export function withSuggestion(columns: Columns, rows: readonly number[]): number[] {
  return rows.filter((row) => columns.at("suggested", row) !== NO_CLASS);
}

/** Opens the list of classes for what a key would act on. */
export function askForClass(state: ReviewState): void {
  if (state.targets().length > 0 && mayDecide(state)) {
    state.isPicking.value = true;
  }
}

export function relabelTo(state: ReviewState, label: string): void {
  state.isPicking.value = false;
  state.act("relabel", label);
}

/** Closes the list of classes with nothing decided. */
export function relabelNothing(state: ReviewState): void {
  state.isPicking.value = false;
  state.tell({ text: "not relabelled: no class was chosen" });
}

/** Classes that hold a text, those that begin with it first; the first few, and how many there are. */
export function classesLike(names: readonly string[], text: string, except?: string): { names: string[]; n: number } {
  const wanted = text.trim().toLowerCase();
  const begin: string[] = [];
  const hold: string[] = [];
  for (const name of names) {
    const at = name === except ? -1 : name.toLowerCase().indexOf(wanted);
    if (at >= 0) {
      (at === 0 ? begin : hold).push(name);
    }
  }
  return { names: [...begin, ...hold].slice(0, LISTED), n: begin.length + hold.length };
}

/** The label that all of some rows have, which they cannot be relabelled to; undefined where they differ. */
export function commonLabel(columns: Columns, rows: readonly number[]): string | undefined {
  const [first] = rows;
  const code = first === undefined ? NO_CLASS : columns.at("given", first);
  return rows.every((row) => columns.at("given", row) === code) ? columns.meta.classes[code] : undefined;
}
