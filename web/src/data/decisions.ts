// The reviewer's decisions: shown at once, saved one act at a time, and taken back as they were made.
//
// An act is applied to the columns first; saving follows in order. A stale act is refused as a whole: the columns
// then show what the server knows, and the reviewer is told. So is an act that the server will not have: the
// columns go back to what they were. Acts made on top of one that was not saved go with it: nobody has seen what
// they would now be about. Acts that could not be sent yet stay queued and are tried again; `state`
// says so.

import { batch, signal } from "@preact/signals";
import type { Action, Columns } from "./columns";
import { newId } from "./ids";
import { type Refused, untilAnswered } from "./retry";
import { after, NOTHING, putSaid, type Said, saidOf, told } from "./said";
import type { Act, Change, Saved, Source } from "./source";
import { Tallies, waits } from "./tallies";

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
  /** Those taken back that the server may yet refuse: their versions never come to be. */
  readonly undone: Set<Act>;
}

/** Where an act belongs: acts of one link are one, and those of another reviewer than now touch nothing on view. */
interface Origin {
  readonly link: string;
  readonly turnover: number;
}

/** What became of an action that was to be cleared; `together`: its act names other images too. */
export type Cleared = "cleared" | "together" | "not said here";

export type SaveState =
  | { readonly kind: "saved" }
  | { readonly kind: "saving"; readonly left: number }
  | { readonly kind: "waiting"; readonly left: number; readonly why: string };

/** Says who decides, and is told of acts that were not saved and never will be. */
export interface Listener {
  reviewer(): string;
  /** `sampleIds`: what is not decided now; `hasMore`: with what was decided on top of it. */
  onConflict(items: readonly Change[], sampleIds: readonly number[], hasMore: boolean): void;
  onRefused(why: string, sampleIds: readonly number[], hasMore: boolean): void;
}

/** Images of one act, as many as the server takes at once; more are several acts of one link. */
export const MAX_ITEMS = 200_000;

export class Decisions {
  readonly state = signal<SaveState>({ kind: "saved" });
  /** Rises with every change of the columns, so that what shows them is drawn again. */
  readonly revision = signal(0);
  readonly tallies: Tallies;
  /** Acts of this page that can be taken back, oldest first; acts of one link are taken back together. */
  private readonly done: { readonly act: Act; readonly link: string }[] = [];
  private readonly histories = new Map<number, History>();
  /** Batches that were never saved: there is nothing to take back on the server. */
  private readonly failed = new Set<string>();
  /** Acts about which the server has said nothing yet, oldest first. */
  private readonly unsaved = new Map<Act, Origin>();
  /** How often another reviewer took over. */
  private turnover = 0;
  /** Rows that the server told about since then. */
  private readonly news = new Set<number>();
  private readonly queue: (() => Promise<void>)[] = [];
  private isRunning = false;

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
    const origin = { link: link ?? act.batch_id, turnover: this.turnover };
    this.done.push({ act, link: origin.link });
    this.unsaved.set(act, origin);
    this.enqueue(() => this.save(act, origin));
    return origin.link;
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
        const { turnover } = this;
        this.enqueue(() => this.takeBack(act, turnover));
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

  /**
   * Starts anew for another reviewer: what was said before is saved all the same, but is not theirs to see or to take
   * back.
   */
  startAnew(): void {
    this.turnover++;
    this.done.length = 0;
    this.histories.clear();
    this.news.clear();
  }

  /** Shows nobody's word, until it is known what the new reviewer may see. */
  showNothing(): void {
    batch(() => {
      for (let row = 0; row < this.columns.nLoaded; row++) {
        putSaid(this.columns, row, NOTHING);
      }
      this.tallies.count();
      this.revision.value++;
    });
  }

  /** Shows what another reviewer may see, but of rows about which this page or the server has said something since. */
  showAs(seen: Columns): void {
    batch(() => {
      for (let row = 0; row < seen.nLoaded; row++) {
        const isNewer = this.news.has(row) && this.columns.at("version", row) > seen.at("version", row);
        if (!isNewer && (this.histories.get(row)?.acts.length ?? 0) === 0) {
          putSaid(this.columns, row, saidOf(seen, row));
          this.columns.set("version", row, seen.at("version", row));
        }
      }
      this.tallies.count();
      this.revision.value++;
    });
  }

  /** Whether a row waits for this reviewer. */
  waits(row: number): boolean {
    return waits(saidOf(this.columns, row));
  }

  // ---------------------------------------------------------------------------------------------- columns

  private history(row: number): History {
    let history = this.histories.get(row);
    if (history === undefined) {
      history = { said: saidOf(this.columns, row), acts: [], undone: new Set() };
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
        const { acts, undone } = this.history(row);
        const place = acts.indexOf(act);
        if (place >= 0) {
          acts.splice(place, 1);
          if (versions === 1) {
            undone.add(act);
          }
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
          this.news.add(row);
          this.put(row, told(this.columns, item));
          this.columns.set("version", row, item.version);
        }
      }
      this.revision.value++;
    });
  }

  // ----------------------------------------------------------------------------------------------- saving

  private async save(act: Act, origin: Origin): Promise<void> {
    if (this.failed.has(act.batch_id)) {
      return;
    }
    const saved = await this.persistent(() => this.source.save(act));
    const isOnView = origin.turnover === this.turnover;
    if (saved.kind === "saved") {
      this.unsaved.delete(act);
      this.noteSaved(saved, isOnView);
      return;
    }
    const [rows, hasMore] = this.giveUp(origin);
    if (saved.kind === "conflict") {
      this.takeIn(isOnView ? saved.items : []);
      this.listener.onConflict(saved.items, rows, hasMore);
    } else {
      this.listener.onRefused(saved.why, rows, hasMore);
    }
  }

  /**
   * Takes back an act that was not saved, what is one with it, and what was made on top of them; returns the images, and
   * whether there was more on top.
   */
  private giveUp({ link }: Origin): [number[], boolean] {
    const touched = new Set<number>();
    let hasMore = false;
    for (const [act, origin] of [...this.unsaved]) {
      const isOne = origin.link === link;
      if (!isOne && !act.items.some(({ sample_id }) => touched.has(sample_id))) {
        continue;
      }
      act.items.forEach(({ sample_id }) => void touched.add(sample_id));
      this.unsaved.delete(act);
      this.failed.add(act.batch_id);
      const place = this.done.findIndex((done) => done.act === act);
      if (place >= 0) {
        this.done.splice(place, 1);
        this.drop(act, -1);
        hasMore ||= !isOne;
      } else {
        this.forgetUndone(act);
      }
    }
    return [[...touched], hasMore];
  }

  /** Takes off the versions of an act that was taken back before it could be refused: neither came to be. */
  private forgetUndone(act: Act): void {
    for (const { sample_id } of act.items) {
      const row = this.columns.row(sample_id);
      if (this.histories.get(row)?.undone.delete(act)) {
        this.addVersion(row, -2);
      }
    }
  }

  private async takeBack(act: Act, turnover: number): Promise<void> {
    if (this.failed.has(act.batch_id)) {
      return;
    }
    const saved = await this.persistent(() => this.source.undo(act.batch_id, act.reviewer));
    const isOnView = turnover === this.turnover;
    if (saved.kind === "saved") {
      this.noteSaved(saved, isOnView);
    } else if (saved.kind === "refused") {
      for (const { sample_id } of isOnView ? act.items : []) {
        const row = this.columns.row(sample_id);
        this.history(row).acts.push(act);
        this.redraw(row);
        this.addVersion(row, -1);
      }
      this.revision.value++;
      this.listener.onRefused(saved.why, act.items.map((item) => item.sample_id), false);
    }
  }

  /** Takes in what the server says beyond our act; raises versions to what it counts, unless a later act is ahead. */
  private noteSaved(saved: Saved & { kind: "saved" }, isOnView: boolean): void {
    this.take(isOnView ? saved.items.filter((item): item is Change => "action" in item) : []);
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
    } else if (this.state.value.kind !== "saved") {
      this.state.value = { ...this.state.value, left: this.queue.length + 1 };
    }
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.state.value = { kind: "saving", left: this.queue.length + 1 };
      await next();
    }
    this.isRunning = false;
    this.state.value = { kind: "saved" };
  }
}
