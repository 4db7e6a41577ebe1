// The keys: one table from key to what it does; `?` shows it, `ownkeys.ts` lets the reviewer change it.

import { stepBox } from "./boxes";
import { type Meta, NO_CLASS } from "./data/columns";
import { keepProposed } from "./groups";
import { decidePair, type Stays } from "./pairs";
import { goToWaiting, isOnView } from "./presence";
import { askForClass, relabelAsSuggested } from "./relabel";
import type { ReviewState, View } from "./state";
import { showWholeMap, zoomMap } from "./views/map";
import { resetZoom, zoomBy } from "./views/zoom";

export interface Command {
  readonly id: string;
  readonly keys: readonly string[];
  readonly says: string;
  /** Whether a key that is held down goes on with it; what says something says it once. */
  readonly repeats?: boolean;
  readonly run: (state: ReviewState, columnsPerLine: number) => void;
}

const move = (id: string, keys: string[], says: string, by: (perLine: number) => number): Command[] => [
  { id, keys, says, repeats: true, run: (state, perLine) => state.move(by(perLine)) },
  {
    id: `extend-${id}`,
    keys: keys.map((key) => `Shift+${key}`),
    says: `${says}, selecting`,
    repeats: true,
    run: (state, perLine) => state.move(by(perLine), true),
  },
];

const show = (view: View) => (state: ReviewState) => {
  state.view.value = state.view.value === view ? "grid" : view;
};

const ifThere = (view: View, isThere: (meta: Meta) => boolean) => (state: ReviewState) => {
  if (isThere(state.columns.meta)) {
    show(view)(state);
  } else {
    state.tell({
      text:
        view === "map"
          ? "there is no map: it is made of vectors (chaffinch scan --embedder, then chaffinch find)"
          : "the team is there on a running server",
    });
  }
};

/** Decides only where the image is seen. */
const ofSeen = (decide: (state: ReviewState) => void) => (state: ReviewState) => {
  if (isOnView(state)) {
    decide(state);
  } else {
    state.tell({ text: "not decided: the image is not on view here; back to the grid with Escape" });
  }
};

/** What is said of both images in the pair view; elsewhere something else, if anything. */
const ofPair = (stays: Stays, otherwise: (state: ReviewState) => void = () => undefined) => (state: ReviewState) => {
  if (state.view.value === "pair") {
    decidePair(state, stays);
  } else {
    otherwise(state);
  }
};

/** The commands in the order in which the help lists them, with the keys that they come with. */
export function commands(tags: readonly string[]): Command[] {
  return [
    { id: "keep", keys: ["k"], says: "keep", run: ofPair("both", ofSeen((state) => state.actOrClear("keep"))) },
    { id: "remove", keys: ["x"], says: "remove", run: ofPair("right", ofSeen((state) => state.actOrClear("remove"))) },
    { id: "relabel", keys: ["r"], says: "relabel as suggested", run: ofSeen(relabel) },
    { id: "relabel-to", keys: ["R"], says: "relabel to another class", run: ofSeen(askForClass) },
    { id: "accept", keys: ["Enter"], says: "accept the suggestion", run: ofSeen(accept) },
    { id: "undo", keys: ["u", "Ctrl+z", "Meta+z"], says: "take the last act back", run: (state) => state.undo() },
    ...tags.slice(0, 10).map((name, place) => ({
      id: `tag-${name}`,
      keys: [String((place + 1) % 10)],
      says: `tag ${name}`,
      run: ofSeen((state) => state.toggleTag(name)),
    })),
    ...move("left", ["ArrowLeft"], "one to the left", () => -1),
    ...move("right", ["ArrowRight"], "one to the right", () => 1),
    ...move("up", ["ArrowUp"], "one up", (perLine) => -perLine),
    ...move("down", ["ArrowDown"], "one down", (perLine) => perLine),
    ...move("page-up", ["PageUp"], "a page up", (perLine) => -5 * perLine),
    ...move("page-down", ["PageDown"], "a page down", (perLine) => 5 * perLine),
    ...move("first", ["Home"], "to the first", () => Number.NEGATIVE_INFINITY),
    ...move("last", ["End"], "to the last", () => Number.POSITIVE_INFINITY),
    { id: "group", keys: ["a"], says: "select the whole group", run: (state) => state.selectGroup() },
    { id: "group-view", keys: ["d"], says: "the group of duplicates, and back", run: show("group") },
    { id: "next-group", keys: ["g"], says: "to the next group", repeats: true, run: (state) => state.nextGroup() },
    { id: "back", keys: ["b"], says: "back to the last undecided", repeats: true, run: (state) => state.backToOpen() },
    { id: "waiting", keys: ["n"], says: "on to the next that waits for me", run: goToWaiting },
    { id: "single", keys: [" "], says: "one image, and back", run: show("single") },
    { id: "pair", keys: ["p"], says: "beside its partner, and back", run: show("pair") },
    { id: "keep-left", keys: ["q"], says: "of a pair: keep left, remove right", run: ofPair("left") },
    { id: "keep-right", keys: ["w"], says: "of a pair: keep right, remove left", run: ofPair("right") },
    { id: "mislabel", keys: ["l"], says: "the doubted label, and back", run: show("mislabel") },
    { id: "classes", keys: ["c"], says: "confused classes, and back", run: show("classes") },
    { id: "closer", keys: ["+", "="], says: "closer to the picture or map", repeats: true, run: closer(1.5) },
    { id: "farther", keys: ["-"], says: "farther from the picture or map", repeats: true, run: closer(1 / 1.5) },
    { id: "whole", keys: ["f"], says: "the whole picture or map", run: showWhole },
    { id: "boxes", keys: ["o"], says: "show or hide the boxes", run: toggleBoxes },
    { id: "next-box", keys: ["."], says: "to the next box, flagged ones first", repeats: true, run: toBox(1) },
    { id: "previous-box", keys: [","], says: "to the box before", repeats: true, run: toBox(-1) },
    { id: "similar", keys: ["s"], says: "what is similar to this", run: (state) => void state.showSimilar() },
    { id: "batch", keys: ["B"], says: "accept many at once, and back", run: show("batch") },
    { id: "map", keys: ["m"], says: "the map, and back", run: ifThere("map", (meta) => meta.has_map) },
    { id: "team", keys: ["t"], says: "the team, and back", run: ifThere("team", (meta) => meta.is_live) },
    { id: "search", keys: ["/"], says: "search by name", run: focusSearch },
    { id: "help", keys: ["?"], says: "this list", run: toggleHelp },
    { id: "escape", keys: ["Escape"], says: "let go of the selection; back to the grid", run: letGo },
  ];
}

function accept(state: ReviewState): void {
  if (state.view.value === "group") {
    keepProposed(state);
  } else if (state.view.value === "pair") {
    decidePair(state, "proposed");
  } else if (state.columns.at("suggested", state.row.value) !== NO_CLASS) {
    relabelAsSuggested(state);
  } else {
    state.act("remove");
  }
}

const closer = (factor: number) => (state: ReviewState) => {
  if (state.view.value === "map") {
    zoomMap(factor);
  } else {
    zoomBy(factor);
  }
};

const toBox = (step: 1 | -1) => (state: ReviewState) => stepBox(state, step);

function showWhole(state: ReviewState): void {
  if (state.view.value === "map") {
    showWholeMap();
  } else {
    resetZoom();
  }
}

function relabel(state: ReviewState): void {
  if (!state.clears("relabel")) {
    relabelAsSuggested(state);
  }
}

function toggleHelp(state: ReviewState): void {
  state.isHelpOpen.value = !state.isHelpOpen.value;
}

function toggleBoxes(state: ReviewState): void {
  state.isBoxesShown.value = !state.isBoxesShown.value;
  state.tell({ text: state.isBoxesShown.value ? "boxes are shown" : "boxes are hidden" });
}

function focusSearch(): void {
  document.querySelector<HTMLInputElement>("[data-testid=search]")?.focus();
}

function letGo(state: ReviewState): void {
  if (state.isHelpOpen.value) {
    state.isHelpOpen.value = false;
  } else if (state.drawer.value !== "none") {
    state.drawer.value = "none";
  } else if (state.selected.value.size > 0) {
    state.selected.value = new Set();
  } else {
    state.view.value = "grid";
  }
}

/** A key press as the table spells it: `x`, `?`, `Ctrl+z`, `Shift+ArrowLeft`. */
export function spelled(event: KeyboardEvent): string {
  const shift = event.shiftKey && event.key.length > 1 ? "Shift+" : "";
  return `${event.ctrlKey ? "Ctrl+" : ""}${event.metaKey ? "Meta+" : ""}${event.altKey ? "Alt+" : ""}${shift}${event.key}`;
}

/** The keys that a control uses itself, by what it is; a field for text uses all but Escape. */
const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
const USED: Readonly<Record<string, readonly string[]>> = {
  BUTTON: [" ", "Enter"],
  checkbox: [" "],
  radio: [" ", ...ARROWS],
  range: [...ARROWS, "PageUp", "PageDown", "Home", "End"],
};

/** Whether a key press belongs to a field or button that has the focus. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) {
    return false;
  }
  const used = USED[target instanceof HTMLInputElement ? target.type : target.tagName];
  if (used !== undefined) {
    return used.includes(event.key);
  }
  const isField = target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
  return isField && event.key !== "Escape";
}

/** Whether a press is of a key that is held down, where that would say again what was meant once. */
export function isOnceMore(event: KeyboardEvent, command: Command | undefined): boolean {
  if (isTyping(event)) {
    // A browser presses the button again with each; a field takes them as letters.
    return event.repeat && event.target instanceof HTMLElement && event.target.tagName === "BUTTON";
  }
  return event.repeat && command !== undefined && command.repeats !== true;
}
