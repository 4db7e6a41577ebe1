// The reviewer's decisions: shown at once, saved one act at a time, and taken back as they were made.
//
// An act is applied to the columns first; saving follows in order. A stale act is refused as a whole: the columns
// then show what the server knows, and the reviewer is told. So is an act that the server will not have: the
// columns go back to what they were. Acts made on top of one that was not saved go with it: nobody has seen what
// they would now be about. Acts that could not be sent yet stay queued and are tried again; `state`
// says so.

import { batch, signal } from "@preact/signals";
import { type Action, type Columns, TURN } from "./columns";
import { type Refused, untilAnswered } from "./retry";
import type { Act, Change, Saved, Source } from "./source";
import { type Said, Tallies, waits } from "./tallies";

export interface Saying {
  readonly action?: Action;
  readonly newLabel?: string | null;
  readonly tagsAdded?: readonly string[];
  readonly tagsRemoved?: readonly string[];
  readonly note?: string;
  readonly how?: Act["how"];
}

/** What was said of a row before this page's acts, and those acts. */
interface History {
  readonly said: Said;
  readonly acts: Act[];
}

/** What became of an action that was to be cleared; `together`: its act names other images too. */
export type Cleared = "cleared" | "together" | "not said here";

export type SaveState =
  | { readonly kind: "saved"; readonly n: number }
  | { readonly kind: "saving"; readonly left: number }
  | { readonly kind: "waiting"; readonly left: number; readonly why: string };

/** Says who decides, and is told of acts that were not saved and never will be. */
export interface Listener {
  reviewer(): string;
  /** `hasMore`: what was decided on top of it is taken back too. */
  onConflict(items: readonly Change[], hasMore: boolean): void;
  onRefused(why: string, hasMore: boolean): void;
}

/** Images of one act, as many as the server takes at once; more are several acts of one link. */
export const MAX_ITEMS = 200_000;

export class Decisions {
  readonly state = signal<SaveState>({ kind: "saved", n: 0 });
  /** Rises with every change of the columns, so that what shows them is drawn again. */
  readonly revision = signal(0);
  readonly tallies: Tallies;
  /** Acts of this page that can be taken back, oldest first; acts of one link are taken back together. */
  private readonly done: { readonly act: Act; readonly link: string }[] = [];
  private readonly histories = new Map<number, History>();
  /** Batches that were never saved: there is nothing to take back on the server. */
  private readonly failed = new Set<string>();
  /** Acts about which the server has said nothing yet, oldest first. */
  private readonly unsaved = new Set<Act>();
  private readonly queue: (() => Promise<void>)[] = [];
  private isRunning = false;
  private nSaved = 0;

  constructor(
    private readonly columns: Columns,
    private readonly source: Source,
    private readonly listener: Listener,
    private readonly maxItems = MAX_ITEMS,
  ) {
    this.tallies = new Tallies(columns);
  }

  /** Decides about some rows; returns the link by which it can be taken back, together with acts of the same. */
  decide(rows: readonly number[], saying: Saying, link?: string): string {
    const how = saying.how ?? (rows.length > 1 ? "batch" : "looked");
    return batch(() => {
      let all = link;
      for (let first = 0; first < rows.length; first += this.maxItems) {
        all = this.decideAtOnce(rows.slice(first, first + this.maxItems), { ...saying, how }, all);
      }
      this.revision.value++;
      return all ?? "";
    });
  }

  private decideAtOnce(rows: readonly number[], saying: Saying & Pick<Act, "how">, link?: string): string {
    const act: Act = {
      batch_id: newId(),
      reviewer: this.listener.reviewer(),
      items: rows.map((row) => ({
        sample_id: this.columns.at("sample_id", row),
        version: this.columns.at("version", row),
        event_id: newId(),
      })),
      tags_added: saying.tagsAdded ?? [],
      tags_removed: saying.tagsRemoved ?? [],
      action: saying.action ?? "none",
      new_label: saying.newLabel ?? null,
      note: saying.note ?? "",
      how: saying.how,
      time_utc: new Date().toISOString(),
    };
    for (const row of rows) {
      this.history(row).acts.push(act);
      this.redraw(row);
      this.addVersion(row, 1);
    }
    this.done.push({ act, link: link ?? act.batch_id });
    this.unsaved.add(act);
    this.enqueue(() => this.save(act));
    return link ?? act.batch_id;
  }

  /** Takes back the newest act, or those of a link; returns the rows, none where there is none. */
  undo(link = this.done.at(-1)?.link): number[] {
    return this.takeBackAll(this.done.filter((done) => done.link === link).map((done) => done.act));
  }

  /** Takes back what this page's acts say of the action of some rows, if the newest of them say this one. */
  clear(rows: readonly number[], action: Action): Cleared {
    const own = rows.map((row) => (this.histories.get(row)?.acts ?? []).filter((act) => act.action !== "none"));
    const newest = new Set(own.map((acts) => acts.at(-1)));
    if (rows.length === 0 || [...newest].some((act) => act?.action !== action)) {
      return "not said here";
    }
    const ids = new Set(rows.map((row) => this.columns.at("sample_id", row)));
    const within = new Set(
      [...new Set(own.flat())].filter((act) => act.items.every(({ sample_id }) => ids.has(sample_id))),
    );
    if (![...newest].every((act) => act !== undefined && within.has(act))) {
      return "together";
    }
    this.takeBackAll([...within]);
    return "cleared";
  }

  /** Takes back some acts, the newest first; returns their rows. */
  private takeBackAll(acts: readonly Act[]): number[] {
    const taken = new Set(acts);
    const rows: number[] = [];
    for (let place = this.done.length - 1; place >= 0; place--) {
      const act = this.done[place]?.act;
      if (act !== undefined && taken.has(act)) {
        this.done.splice(place, 1);
        this.drop(act, 1);
        this.enqueue(() => this.takeBack(act));
        for (const { sample_id } of act.items) {
          rows.push(this.columns.row(sample_id));
        }
      }
    }
    return rows;
  }

  /** Takes in what others decided; what this page has said since is not overwritten by older news. */
  take(items: readonly Change[]): void {
    // Of the same version is what this page has said itself, told back.
    this.takeIn(items.filter((item) => item.version > this.columns.at("version", this.columns.row(item.sample_id))));
  }

  /** Starts anew for another reviewer: what was said before is theirs to take back. Acts under way are kept. */
  startAnew(): void {
    if (this.state.value.kind === "saved") {
      this.done.length = 0;
      this.histories.clear();
    }
  }

  /** Shows what another reviewer may see, but of rows about which this page has said something since. */
  showAs(seen: Columns): void {
    for (const name of ["action", "tags", "n_reviewers", "turn", "new_label", "version"]) {
      const from = seen.column(name);
      const to = this.columns.column(name);
      for (let row = 0; row < seen.nLoaded; row++) {
        if ((this.histories.get(row)?.acts.length ?? 0) === 0) {
          to[row] = from[row] as number;
        }
      }
    }
    this.tallies.count();
    this.revision.value++;
  }

  /** Whether a row waits for this reviewer. */
  waits(row: number): boolean {
    return waits(saidOf(this.columns, row));
  }

  // ---------------------------------------------------------------------------------------------- columns

  private history(row: number): History {
    let history = this.histories.get(row);
    if (history === undefined) {
      history = { said: saidOf(this.columns, row), acts: [] };
      this.histories.set(row, history);
    }
    return history;
  }

  /** Shows of a row what its acts say in turn. */
  private redraw(row: number): void {
    const history = this.history(row);
    let said = history.said;
    for (const act of history.acts) {
      said = after(this.columns, row, said, act);
    }
    this.put(row, said);
  }

  private put(row: number, said: Said): void {
    this.tallies.changed(row, saidOf(this.columns, row), said);
    putSaid(this.columns, row, said);
  }

  /** Shows the rows of an act as if it had never been; the version counts on for an undo, back for a refusal. */
  private drop(act: Act, versions: 1 | -1): void {
    batch(() => {
      for (const { sample_id } of act.items) {
        const row = this.columns.row(sample_id);
        const { acts } = this.history(row);
        const place = acts.indexOf(act);
        if (place >= 0) {
          acts.splice(place, 1);
          this.redraw(row);
          this.addVersion(row, versions);
        }
      }
      this.revision.value++;
    });
  }

  private addVersion(row: number, by: number): void {
    this.columns.set("version", row, Math.max(0, this.columns.at("version", row) + by));
  }

  private takeIn(items: readonly Change[]): void {
    batch(() => {
      for (const item of items) {
        const row = this.columns.row(item.sample_id);
        if (row >= 0) {
          this.histories.delete(row);
          this.put(row, {
            action: this.columns.meta.actions.indexOf(item.action),
            tags: tagBits(this.columns, item.tags),
            turn: item.turn,
            newLabel: this.columns.labelCode(item.new_label),
          });
          this.columns.set("version", row, item.version);
          this.columns.set("n_reviewers", row, Math.min(255, item.n_reviewers));
        }
      }
      this.revision.value++;
    });
  }

  // ----------------------------------------------------------------------------------------------- saving

  private async save(act: Act): Promise<void> {
    if (this.failed.has(act.batch_id)) {
      return;
    }
    const saved = await this.persistent(() => this.source.save(act));
    if (saved.kind === "saved") {
      this.unsaved.delete(act);
      this.noteSaved(saved);
      return;
    }
    const hasMore = this.giveUp(act);
    if (saved.kind === "conflict") {
      this.takeIn(saved.items);
      this.listener.onConflict(saved.items, hasMore);
    } else {
      this.listener.onRefused(saved.why, hasMore);
    }
  }

  /** Takes back an act that was not saved, and those made on top of it; tells whether there were any. */
  private giveUp(failed: Act): boolean {
    const touched = new Set<number>();
    let hasMore = false;
    for (const act of [...this.unsaved]) {
      if (act !== failed && !act.items.some(({ sample_id }) => touched.has(sample_id))) {
        continue;
      }
      act.items.forEach(({ sample_id }) => void touched.add(sample_id));
      this.unsaved.delete(act);
      this.failed.add(act.batch_id);
      const place = this.done.findIndex((done) => done.act === act);
      if (place >= 0) {
        this.done.splice(place, 1);
        this.drop(act, -1);
        hasMore ||= act !== failed;
      }
    }
    return hasMore;
  }

  private async takeBack(act: Act): Promise<void> {
    if (this.failed.has(act.batch_id)) {
      return;
    }
    const saved = await this.persistent(() => this.source.undo(act.batch_id, act.reviewer));
    if (saved.kind === "saved") {
      this.take(saved.items.filter((item): item is Change => "action" in item));
      this.noteSaved(saved);
    } else if (saved.kind === "refused") {
      for (const { sample_id } of act.items) {
        const row = this.columns.row(sample_id);
        this.history(row).acts.push(act);
        this.redraw(row);
        this.addVersion(row, -1);
      }
      this.revision.value++;
      this.listener.onRefused(saved.why, false);
    }
  }

  /** Raises versions to what the server counts, unless a later act of ours is ahead of it. */
  private noteSaved(saved: Saved & { kind: "saved" }): void {
    this.nSaved += saved.items.length;
    for (const { sample_id, version } of saved.items) {
      const row = this.columns.row(sample_id);
      if (row >= 0 && this.columns.at("version", row) < version) {
        this.columns.set("version", row, version);
      }
    }
  }

  private persistent(send: () => Promise<Saved>): Promise<Saved | Refused> {
    return untilAnswered(send, (why) => {
      this.state.value = { kind: "waiting", left: this.queue.length + 1, why };
    });
  }

  private enqueue(save: () => Promise<void>): void {
    this.queue.push(save);
    if (!this.isRunning) {
      void this.run();
    }
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.state.value = { kind: "saving", left: this.queue.length + 1 };
      await next();
    }
    this.isRunning = false;
    this.state.value = { kind: "saved", n: this.nSaved };
  }
}

/** The bits of some tags; words that are no tag have none. */
export function tagBits(columns: Columns, names: readonly string[]): number {
  let bits = 0;
  for (const name of names) {
    const place = columns.meta.tags.findIndex((tag) => tag.name === name);
    bits |= place < 0 ? 0 : 1 << place;
  }
  return bits;
}

/** What is said of a row after an act. */
export function after(columns: Columns, row: number, said: Said, act: Act): Said {
  const tags = ((said.tags & ~tagBits(columns, act.tags_removed)) | tagBits(columns, act.tags_added)) >>> 0;
  if (act.action === "none") {
    return { ...said, tags, turn: TURN.spoken };
  }
  // Without a label it is relabelled as suggested.
  const label = act.new_label ?? columns.meta.classes[columns.at("suggested", row)] ?? null;
  const newLabel = act.action === "relabel" ? columns.labelCode(label) : 0;
  return { action: columns.meta.actions.indexOf(act.action), tags, turn: TURN.spoken, newLabel };
}

export function putSaid(columns: Columns, row: number, said: Said): void {
  columns.set("action", row, said.action);
  columns.set("tags", row, said.tags);
  columns.set("turn", row, said.turn);
  columns.set("new_label", row, said.newLabel);
}

/** What the columns say of a row. */
export function saidOf(columns: Columns, row: number): Said {
  const at = (name: string) => columns.at(name, row);
  return { action: at("action"), tags: at("tags"), turn: at("turn"), newLabel: at("new_label") };
}

/** A new id of 32 hexadecimal digits. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
