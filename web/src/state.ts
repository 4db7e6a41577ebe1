// Everything that the views share: what is shown, where the cursor is, what is selected, what was just done.

import { batch, computed, signal } from "@preact/signals";
import { Audit } from "./data/audit";
import type { Action, Columns } from "./data/columns";
import { Decisions, type Saying } from "./data/decisions";
import { Details } from "./data/details";
import { remember, remembered } from "./data/remembered";
import { chosenRows, type Filter, firstAbove, firstPlaceOf, type GroupIndex, groupIndex, type Order } from "./data/rows";
import type { Change, Detail, Source } from "./data/source";
import { conflictWords, type NotSaved, refusedWords } from "./notsaved";
import { nextPlace } from "./presence";
import { mayDecide } from "./reviewer";

export type View = "grid" | "single" | "pair" | "group" | "mislabel" | "classes" | "batch" | "team" | "map";
/** The side panel that is open where the window is too narrow for both. */
export type Drawer = "none" | "filter" | "info";

export interface Toast {
  readonly text: string;
  /** Can be taken back by the button of the toast. */
  readonly batchId?: string;
}

const TOAST_MS = 8000;

export class ReviewState {
  readonly filter = signal<Filter>({});
  readonly order = signal<Order>("value");
  readonly view = signal<View>("grid");
  /** Place of the cursor in `rows`. */
  readonly cursor = signal(0);
  readonly selected = signal<ReadonlySet<number>>(new Set());
  readonly rows = signal<Uint32Array>(new Uint32Array());
  readonly toast = signal<Toast | null>(null);
  /** What is not decided although it seemed so; stays until it was seen. */
  readonly notSaved = signal<readonly NotSaved[]>([]);
  readonly isHelpOpen = signal(false);
  /** Whether a class to relabel to is being chosen. */
  readonly isPicking = signal(false);
  /** The first key of each command as people read it, by the command's id. */
  readonly keyNames = signal<ReadonlyMap<string, string>>(new Map());
  readonly drawer = signal<Drawer>("none");
  readonly autoAdvance = signal(true);
  readonly isBoxesShown = signal(true);
  /** Object id of the box that is pointed at. */
  readonly box = signal<number | null>(null);
  /** Decided since the page was opened. */
  readonly nDecidedHere = signal(0);
  /** Who else looks at an image now, by sample id. */
  readonly others = signal<ReadonlyMap<number, string>>(new Map());
  /** As typed; `seenAs` is the name once it is said, whose eyes the columns are for. */
  readonly reviewer = signal(remembered("chaffinch.reviewer") ?? "");
  readonly seenAs = signal("");
  /** Why the reviewer is to say their name; null where nobody waits for it. */
  readonly nameWanted = signal<{ readonly why: string } | null>(null);
  readonly decisions: Decisions;
  readonly audit: Audit;
  readonly startedAt = Date.now();
  readonly details: Details;
  private anchor = 0;
  /** Of the rows shown, and of all rows. */
  private groups: GroupIndex = { members: new Map(), starts: [] };
  private everyGroup = this.groups;
  private nIndexed = -1;
  private toastTimer: ReturnType<typeof setTimeout> | undefined;

  readonly row = computed(() => this.rows.value[this.cursor.value] ?? -1);

  constructor(
    readonly columns: Columns,
    readonly source: Source,
  ) {
    // Each tab asks as whoever is at it, whatever name another tab remembers.
    source.whose = () => this.ownName();
    this.decisions = new Decisions(columns, source, {
      reviewer: () => this.ownName(),
      onConflict: (items, ids, hasMore) => this.noteNotSaved(conflictWords(items, hasMore), ids),
      onRefused: (why, ids, hasMore) => this.noteNotSaved(refusedWords(why, hasMore), ids),
    });
    this.audit = new Audit(columns);
    this.details = new Details(columns, source);
    this.seenAs.value = this.ownName();
  }

  /** Applies filter and order anew; the cursor stays on its image where that is still there. */
  refresh(): void {
    const before = this.row.value;
    if (this.filter.value.rows === undefined && this.order.value === "listed") {
      this.order.value = "value";
    }
    const rows = chosenRows(this.columns, this.filter.value, this.order.value);
    this.groups = groupIndex(this.columns, rows);
    if (this.nIndexed !== this.columns.nLoaded) {
      this.nIndexed = this.columns.nLoaded;
      this.everyGroup = groupIndex(
        this.columns,
        Uint32Array.from({ length: this.nIndexed }, (_, row) => row),
      );
    }
    batch(() => {
      this.rows.value = rows;
      this.decisions.tallies.countShown(rows);
      this.cursor.value = Math.max(0, rows.indexOf(before));
      this.selected.value = new Set();
    });
  }

  setFilter(change: Partial<Filter>): void {
    const next: Record<string, unknown> = { ...this.filter.value, ...change };
    for (const [name, value] of Object.entries(next)) {
      if (value === undefined) {
        delete next[name];
      }
    }
    this.filter.value = next as Filter;
    this.refresh();
  }

  setOrder(order: Order): void {
    this.order.value = order;
    this.refresh();
  }

  /** Shows a list of images alone, in its order. */
  showList(sampleIds: readonly number[], text: string): void {
    const rows = sampleIds.map((id) => this.columns.row(id)).filter((row) => row >= 0);
    batch(() => {
      this.filter.value = { rows: new Set(rows) };
      this.order.value = "listed";
      this.refresh();
      this.cursor.value = 0;
      this.view.value = "grid";
      this.tell({ text: `${text}: ${images(rows.length)}` });
    });
  }

  /** Shows what is most like the image under the cursor. */
  async showSimilar(): Promise<void> {
    const sampleId = this.columns.at("sample_id", this.row.value);
    const similar = await this.source.similar(sampleId).catch(() => null);
    if (similar === null) {
      this.tell({
        text: "nothing to compare it by: it needs vectors (chaffinch scan --embedder) and a running server",
      });
    } else {
      this.showList([sampleId, ...similar.filter((id) => id !== sampleId)], "similar to this");
    }
  }

  setReviewer(name: string): void {
    this.reviewer.value = name;
    remember("chaffinch.reviewer", name);
  }

  /** Who decides here: a token's reviewer, else the name that was typed. */
  ownName(): string {
    return this.columns.meta.reviewer ?? this.reviewer.value.normalize("NFC").trim();
  }

  // ------------------------------------------------------------------------------------------ moving about

  move(by: number, extend = false): void {
    this.moveTo(this.cursor.value + by, extend);
  }

  moveTo(place: number, extend = false): void {
    const last = this.rows.value.length - 1;
    const next = Math.max(0, Math.min(last, place));
    batch(() => {
      if (extend) {
        this.select(this.anchor, next);
      } else {
        this.anchor = next;
        this.selected.value = new Set();
      }
      this.cursor.value = next;
    });
  }

  private select(from: number, to: number): void {
    const rows = this.rows.value.subarray(Math.min(from, to), Math.max(from, to) + 1);
    this.selected.value = new Set(rows);
  }

  toggle(place: number): void {
    const row = this.rows.value[place];
    if (row === undefined) {
      return;
    }
    const selected = new Set(this.selected.value);
    if (selected.size === 0 && place !== this.cursor.value && this.row.value >= 0) {
      // What was clicked before is shown as selected.
      selected.add(this.row.value);
    }
    if (!selected.delete(row)) {
      selected.add(row);
    }
    this.anchor = place;
    batch(() => {
      this.selected.value = selected;
      this.cursor.value = place;
    });
  }

  /** All rows of the cursor's group, shown or not; none where it has no group. */
  groupRows(): readonly number[] {
    const group = this.row.value < 0 ? -1 : this.columns.at("group", this.row.value);
    return this.everyGroup.members.get(group) ?? [];
  }

  /** Selects what is shown of the cursor's group. */
  selectGroup(): void {
    const group = this.row.value < 0 ? -1 : this.columns.at("group", this.row.value);
    this.selected.value = new Set(this.groups.members.get(group) ?? []);
  }

  /** Moves to the first image of the next group. */
  nextGroup(): void {
    const place = firstAbove(this.groups.starts, this.cursor.value);
    if (place === undefined) {
      this.tell({ text: "no more groups below" });
    } else {
      this.moveTo(place);
    }
  }

  /** Moves back to the nearest image before the cursor that is not decided. */
  backToOpen(): void {
    const rows = this.rows.value;
    const actions = this.columns.column("action");
    const tags = this.columns.column("tags");
    // Ends after some steps, unless a million images on end are decided: then it takes some milliseconds.
    for (let place = this.cursor.value - 1; place >= 0; place--) {
      const row = rows[place] as number;
      if (actions[row] === 0 && tags[row] === 0) {
        this.moveTo(place);
        return;
      }
    }
    this.tell({ text: "all before this one are decided" });
  }

  // --------------------------------------------------------------------------------------------- deciding

  /** The rows that a key acts on: the selected ones, else the cursor's. */
  targets(): number[] {
    if (this.selected.value.size > 0) {
      return [...this.selected.value];
    }
    return this.row.value >= 0 ? [this.row.value] : [];
  }

  act(action: Action, newLabel: string | null = null): void {
    if (action === "remove" && this.wouldEmptyGroup()) {
      this.tell({ text: "the others of its group are removed: this one stays" });
      return;
    }
    this.say({ action, newLabel }, action);
  }

  /** Acts, or clears the action where it is the one that this page has said of all that a key acts on. */
  actOrClear(action: Action): void {
    if (!this.clears(action)) {
      this.act(action);
    }
  }

  /** Clears an action that stands by this page's word; says so, and tells whether there was anything to say. */
  clears(action: Action): boolean {
    const rows = this.targets();
    const cleared = this.decisions.clear(rows, action);
    if (cleared === "cleared") {
      this.audit.forget(rows);
      this.tell({ text: `${this.standsNow(rows)}: ${images(rows.length)}` });
    } else if (cleared === "together") {
      this.tell({ text: `${action} was said of other images too: give another action, or take all back with undo` });
    }
    return cleared !== "not said here";
  }

  /** What stands of images of which this page's word was taken back: what was said before it, if anything was. */
  private standsNow(rows: readonly number[]): string {
    const actions = new Set(rows.map((row) => this.columns.meta.actions[this.columns.at("action", row)]));
    const [action] = actions;
    return actions.size > 1 ? "as before" : action === "none" ? "undecided again" : `${action} again`;
  }

  /** Where a group is looked at as one, its last image cannot be removed; elsewhere each is judged by itself. */
  private wouldEmptyGroup(): boolean {
    const isOfGroup = this.view.value === "group" || this.view.value === "pair";
    const members = isOfGroup ? this.groupRows() : [];
    const removing = this.columns.meta.actions.indexOf("remove");
    const targets = new Set(this.targets());
    return (
      members.length > 1 && members.every((row) => targets.has(row) || this.columns.at("action", row) === removing)
    );
  }

  toggleTag(name: string): void {
    const place = this.columns.meta.tags.findIndex((tag) => tag.name === name);
    const rows = this.targets();
    const hasAll = rows.every((row) => (this.columns.at("tags", row) & (1 << place)) !== 0);
    this.say(hasAll ? { tagsRemoved: [name] } : { tagsAdded: [name] }, hasAll ? `not ${name}` : name);
  }

  private say(saying: Saying, words: string): void {
    const rows = this.targets();
    const [row] = rows;
    if (row === undefined) {
      return;
    }
    if (rows.length > 1) {
      this.decideMany(rows, saying, words);
      return;
    }
    if (!mayDecide(this)) {
      return;
    }
    const how = saying.action !== undefined && this.audit.note(row, saying.action) ? "audit" : "looked";
    batch(() => {
      this.decisions.decide(rows, { ...saying, how });
      this.nDecidedHere.value++;
      // A tag may be one of several, or come before an action: it leaves all where it is.
      if (saying.action === undefined) {
        return;
      }
      this.selected.value = new Set();
      if (this.autoAdvance.value) {
        this.moveTo(nextPlace(this));
      }
    });
  }

  /** Says one thing of many rows; a toast takes it back. */
  decideMany(rows: readonly number[], saying: Saying, words: string, link?: string): void {
    if (!mayDecide(this)) {
      return;
    }
    batch(() => {
      const batchId = this.decisions.decide(rows, saying, link);
      this.nDecidedHere.value += rows.length;
      if (saying.action !== undefined) {
        this.selected.value = new Set();
      }
      this.tell({ text: `${words}: ${images(rows.length)}`, batchId });
    });
  }

  undo(batchId?: string): void {
    const restored = this.decisions.undo(batchId);
    this.audit.forget(restored);
    // Back to the first of them, so that a correction hits what it is meant for.
    const place = firstPlaceOf(this.rows.value, restored);
    if (place >= 0) {
      this.moveTo(place);
    }
    this.tell({ text: restored.length === 0 ? "nothing to take back" : `taken back: ${images(restored.length)}` });
  }

  tell(toast: Toast): void {
    clearTimeout(this.toastTimer);
    this.toast.value = toast;
    this.toastTimer = setTimeout(() => {
      this.toast.value = null;
    }, TOAST_MS);
  }

  private noteNotSaved(text: string, sampleIds: readonly number[]): void {
    this.notSaved.value = [...this.notSaved.value, { text, sampleIds }];
  }

  /** The details of a row where they have come, else null; asks for those that have not. */
  detail(row: number): Detail | null {
    return this.details.of(row);
  }

  /** The details of a row where they have come. */
  knownDetail(row: number): Detail | null {
    return this.details.known(row);
  }

  /** Brings the details of rows that will be looked at next. */
  prefetch(rows: Iterable<number>): void {
    this.details.prefetch(rows);
  }

  /** Forgets the details of images that somebody decided about, so that verdicts are shown anew. */
  forget(items: readonly Change[]): void {
    this.details.forget(items);
  }
}

/** A number of images in words. */
export function images(n: number): string {
  return n === 1 ? "1 image" : `${n.toLocaleString()} images`;
}
