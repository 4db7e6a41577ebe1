// The reviewer's decisions: shown at once, saved one act at a time, and taken back as they were made.
//
// An act is applied to the columns first; saving follows in order. A stale act is refused as a whole: the columns
// then show what the server knows, and the reviewer is told. Acts that could not be saved yet stay queued and are
// tried again; `state` says so.

import { signal } from "@preact/signals";
import type { Action, Columns } from "./columns";
import type { Act, Change, Saved, Source } from "./source";

export interface Saying {
  readonly action?: Action;
  readonly newLabel?: string | null;
  readonly tagsAdded?: readonly string[];
  readonly tagsRemoved?: readonly string[];
  readonly note?: string;
  readonly how?: Act["how"];
}

interface Before {
  readonly row: number;
  readonly action: number;
  readonly tags: number;
}

interface Done {
  readonly act: Act;
  readonly before: readonly Before[];
}

export type SaveState =
  | { readonly kind: "saved"; readonly n: number }
  | { readonly kind: "saving"; readonly left: number }
  | { readonly kind: "waiting"; readonly left: number; readonly why: string };

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export class Decisions {
  readonly state = signal<SaveState>({ kind: "saved", n: 0 });
  /** Rises with every change of the columns, so that what shows them is drawn again. */
  readonly revision = signal(0);
  /** Acts of this page that can be taken back, oldest first. */
  private readonly done: Done[] = [];
  private readonly queue: (() => Promise<void>)[] = [];
  private isRunning = false;
  private nSaved = 0;

  constructor(
    private readonly columns: Columns,
    private readonly source: Source,
    private readonly onConflict: (items: readonly Change[]) => void,
  ) {}

  /** Decides about some rows; returns the batch, by which it can be taken back. */
  decide(rows: readonly number[], saying: Saying): string {
    const before = rows.map((row) => this.before(row));
    const act: Act = {
      batch_id: newId(),
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
      how: saying.how ?? (rows.length > 1 ? "batch" : "looked"),
      time_utc: new Date().toISOString(),
    };
    for (const row of rows) {
      this.apply(row, act);
    }
    this.done.push({ act, before });
    this.revision.value++;
    this.enqueue(() => this.source.save(act), act.batch_id);
    return act.batch_id;
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  /** Takes back the newest act, or that of a batch; returns the number of images, 0 where there is none. */
  undo(batchId?: string): number {
    const place = batchId === undefined ? this.done.length - 1 : this.done.findIndex((d) => d.act.batch_id === batchId);
    const [taken] = place < 0 ? [] : this.done.splice(place, 1);
    if (taken === undefined) {
      return 0;
    }
    for (const { row, action, tags } of taken.before) {
      this.columns.set("action", row, action);
      this.columns.set("tags", row, tags);
      this.columns.set("version", row, this.columns.at("version", row) + 1);
    }
    this.revision.value++;
    this.enqueue(() => this.source.undo(taken.act.batch_id), null);
    return taken.before.length;
  }

  /** Takes in what others decided. */
  take(items: readonly Change[]): void {
    for (const item of items) {
      const row = this.columns.row(item.sample_id);
      if (row >= 0) {
        this.show(row, item);
      }
    }
    this.revision.value++;
  }

  private before(row: number): Before {
    return { row, action: this.columns.at("action", row), tags: this.columns.at("tags", row) };
  }

  private apply(row: number, act: Act): void {
    const { meta } = this.columns;
    if (act.action !== "none") {
      this.columns.set("action", row, meta.actions.indexOf(act.action));
    }
    const bits = (names: readonly string[]) =>
      names.reduce((all, name) => all | (1 << meta.tags.findIndex((tag) => tag.name === name)), 0);
    const tags = (this.columns.at("tags", row) & ~bits(act.tags_removed)) | bits(act.tags_added);
    this.columns.set("tags", row, tags);
    this.columns.set("version", row, this.columns.at("version", row) + 1);
  }

  private show(row: number, item: Change): void {
    const { meta } = this.columns;
    const bits = item.tags.reduce((all, name) => all | (1 << meta.tags.findIndex((tag) => tag.name === name)), 0);
    this.columns.set("action", row, meta.actions.indexOf(item.action));
    this.columns.set("tags", row, bits);
    this.columns.set("version", row, item.version);
    this.columns.set("n_reviewers", row, item.n_reviewers);
  }

  private enqueue(save: () => Promise<Saved>, batchId: string | null): void {
    this.queue.push(async () => {
      const saved = await persistent(save, (why) => {
        this.state.value = { kind: "waiting", left: this.queue.length + 1, why };
      });
      if (saved.kind === "conflict") {
        this.forget(batchId);
        this.take(saved.items);
        this.onConflict(saved.items);
      } else {
        this.nSaved += saved.items.length;
        for (const { sample_id, version } of saved.items) {
          this.atLeast(sample_id, version);
        }
      }
    });
    void this.run();
  }

  /** Raises a version to what the server counts, unless a later act of ours is ahead of it. */
  private atLeast(sampleId: number, version: number): void {
    const row = this.columns.row(sampleId);
    if (row >= 0 && this.columns.at("version", row) < version) {
      this.columns.set("version", row, version);
    }
  }

  private forget(batchId: string | null): void {
    const place = this.done.findIndex((done) => done.act.batch_id === batchId);
    if (place >= 0) {
      this.done.splice(place, 1);
    }
  }

  private async run(): Promise<void> {
    if (this.isRunning) {
      return;
    }
    this.isRunning = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.state.value = { kind: "saving", left: this.queue.length + 1 };
      await next();
    }
    this.isRunning = false;
    this.state.value = { kind: "saved", n: this.nSaved };
  }
}

/** Tries until it is done; the same events again are no second decision, since they carry their ids. */
async function persistent(save: () => Promise<Saved>, onWait: (why: string) => void): Promise<Saved> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await save();
    } catch (error) {
      onWait(error instanceof Error ? error.message : String(error));
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** A new id of 32 hexadecimal digits. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
