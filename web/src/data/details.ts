// The words about images, fetched when they are looked at; the newest few thousand are kept.

import { signal } from "@preact/signals";
import type { Columns } from "./columns";
import type { Change, Detail, Source } from "./source";

const KEPT = 4000;

export class Details {
  /** Rises when some have come or gone, so that what shows them is drawn again. */
  readonly revision = signal(0);
  private readonly byId = new Map<number, Detail>();
  /** Shown until newer words have come, so that nothing on view vanishes for a moment. */
  private readonly outdated = new Set<number>();
  /** What is on its way, and by which request: words asked for before they were outdated are not taken in. */
  private readonly asked = new Map<number, symbol>();

  constructor(
    private readonly columns: Columns,
    private readonly source: Source,
  ) {}

  /** The details of a row where they have come, else null; asks for those that have not. */
  of(row: number): Detail | null {
    void this.revision.value;
    const sampleId = this.columns.at("sample_id", row);
    const found = this.byId.get(sampleId);
    if (row >= 0 && (found === undefined || this.outdated.has(sampleId))) {
      void this.fetch([sampleId]);
    }
    return found ?? null;
  }

  /** The details of a row where they have come. */
  known(row: number): Detail | null {
    return this.byId.get(this.columns.at("sample_id", row)) ?? null;
  }

  /** Brings the details of rows that will be looked at next. */
  prefetch(rows: Iterable<number>): void {
    void this.fetch([...rows].map((row) => this.columns.at("sample_id", row)));
  }

  private async fetch(sampleIds: readonly number[]): Promise<void> {
    const missing = sampleIds.filter((id) => !this.asked.has(id) && (!this.byId.has(id) || this.outdated.has(id)));
    if (missing.length === 0) {
      return;
    }
    const request = Symbol();
    for (const id of missing) {
      this.asked.set(id, request);
    }
    try {
      for (const detail of await this.source.details(missing)) {
        if (this.asked.get(detail.sample_id) === request) {
          this.byId.set(detail.sample_id, detail);
          this.outdated.delete(detail.sample_id);
        }
      }
    } catch {
      // The line is down, or the page is not let in: asked for again when the image is looked at again.
      return;
    } finally {
      for (const id of missing.filter((one) => this.asked.get(one) === request)) {
        this.asked.delete(id);
      }
    }
    while (this.byId.size > KEPT) {
      const oldest = this.byId.keys().next().value as number;
      this.byId.delete(oldest);
      this.outdated.delete(oldest);
    }
    this.revision.value++;
  }

  /** Asks anew for the details of images that somebody decided about, so that verdicts are shown as they are now. */
  forget(items: readonly Change[]): void {
    this.outdate(items.map((item) => item.sample_id));
  }

  /** Asks anew for all, for the eyes of somebody else: what the one before said and saw is gone at once. */
  forgetAll(): void {
    for (const [id, detail] of this.byId) {
      this.byId.set(id, { ...detail, verdicts: [], new_label: null, note: "" });
    }
    this.outdate([...this.byId.keys(), ...this.asked.keys()]);
  }

  private outdate(sampleIds: readonly number[]): void {
    for (const id of sampleIds) {
      this.asked.delete(id);
      if (this.byId.has(id)) {
        this.outdated.add(id);
      }
    }
    this.revision.value++;
  }
}
