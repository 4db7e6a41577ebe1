// The words about images, fetched when they are looked at; the newest few thousand are kept.

import { signal } from "@preact/signals";
import type { Columns } from "./columns";
import type { Change, Detail, Source } from "./source";

const KEPT = 4000;

export class Details {
  /** Rises when some have come or gone, so that what shows them is drawn again. */
  readonly revision = signal(0);
  private readonly byId = new Map<number, Detail>();
  private readonly asked = new Set<number>();

  constructor(
    private readonly columns: Columns,
    private readonly source: Source,
  ) {}

  /** The details of a row where they have come, else null; asks for those that have not. */
  of(row: number): Detail | null {
    void this.revision.value;
    const sampleId = this.columns.at("sample_id", row);
    const found = this.byId.get(sampleId);
    if (found === undefined && row >= 0) {
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
    const missing = sampleIds.filter((id) => !this.byId.has(id) && !this.asked.has(id));
    if (missing.length === 0) {
      return;
    }
    for (const id of missing) {
      this.asked.add(id);
    }
    try {
      for (const detail of await this.source.details(missing)) {
        this.byId.set(detail.sample_id, detail);
      }
    } catch {
      // The line is down, or the page is not let in: asked for again when the image is looked at again.
      return;
    } finally {
      for (const id of missing) {
        this.asked.delete(id);
      }
    }
    while (this.byId.size > KEPT) {
      this.byId.delete(this.byId.keys().next().value as number);
    }
    this.revision.value++;
  }

  /** Forgets the details of images that somebody decided about, so that verdicts are shown anew. */
  forget(items: readonly Change[]): void {
    for (const item of items) {
      this.byId.delete(item.sample_id);
    }
    this.revision.value++;
  }

  forgetAll(): void {
    this.byId.clear();
    this.revision.value++;
  }
}
