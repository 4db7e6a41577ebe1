// The data inside the page itself: one file, opened by a double click. Decisions stay in this browser until they
// are exported; `chaffinch review --collect` takes the export.

import { signal } from "@preact/signals";
import type { Columns, Meta } from "./columns";
import { newId } from "./decisions";
import type { Act, Detail, Saved, Source } from "./source";

/** What the page carries in its script element `data`. */
export interface PageData {
  readonly meta: Meta;
  /** The parts of `Columns`, base64. */
  readonly columns: readonly string[];
  readonly details: readonly Detail[];
  /** JPEG by sample id, base64; also of partners that are not among the rows. */
  readonly thumbs: Readonly<Record<string, string>>;
}

/** One event of an export, as `review --collect` reads it. */
interface StoredAct {
  readonly act: Act;
  /** For an undo: the batch that it takes back. */
  readonly undo_of: string | null;
}

/** Whether everything decided is kept in the browser; false after it refused to store any more. */
export const isKept = signal(true);

const NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

export class OfflineSource implements Source {
  readonly meta: Meta;
  private readonly byId: Map<number, number>;
  private readonly acts: StoredAct[];

  constructor(private readonly page: PageData) {
    this.meta = page.meta;
    this.byId = new Map(page.details.map((detail, row) => [detail.sample_id, row]));
    this.acts = stored(page.meta.dataset_id);
  }

  async load(columns: Columns, onPart: () => void): Promise<void> {
    for (const part of this.page.columns) {
      columns.addPart(decoded(part));
    }
    for (const { act, undo_of } of this.acts) {
      if (undo_of === null && !this.isUndone(act.batch_id)) {
        this.replay(columns, act);
      }
    }
    onPart();
  }

  async details(sampleIds: readonly number[]): Promise<readonly Detail[]> {
    return sampleIds.flatMap((id) => this.page.details[this.byId.get(id) ?? -1] ?? []);
  }

  thumbUrl(sampleId: number): string {
    const thumb = this.page.thumbs[sampleId];
    return thumb === undefined ? NO_PICTURE : `data:image/jpeg;base64,${thumb}`;
  }

  imageUrl(sampleId: number): string {
    return this.thumbUrl(sampleId);
  }

  async search(text: string): Promise<readonly number[]> {
    const wanted = text.toLowerCase();
    const isMeant = ({ image_path, image_id, given_label }: Detail) =>
      [image_path, image_id, given_label ?? ""].some((words) => words.toLowerCase().includes(wanted));
    return this.page.details.filter(isMeant).map((detail) => detail.sample_id);
  }

  async similar(): Promise<null> {
    return null;
  }

  async save(act: Act): Promise<Saved> {
    this.keep({ act, undo_of: null });
    return {
      kind: "saved",
      items: act.items.map(({ sample_id, version }) => ({ sample_id, version: version + 1 })),
    };
  }

  async undo(batchId: string): Promise<Saved> {
    const taken = this.acts.find((stored) => stored.act.batch_id === batchId && stored.undo_of === null);
    if (taken === undefined) {
      return { kind: "saved", items: [] };
    }
    const items = taken.act.items.map((item) => ({ ...item, event_id: newId() }));
    this.keep({ act: { ...taken.act, batch_id: newId(), items, time_utc: new Date().toISOString() }, undo_of: batchId });
    return { kind: "saved", items: [] };
  }

  watch(): () => void {
    return () => undefined;
  }

  /** The decisions as the file that `review --collect` reads: one JSON object a line, a head first. */
  exported(reviewer: string): string {
    const head = { format: "chaffinch decisions", version: 1, dataset: this.meta.dataset, reviewer };
    const lines = this.acts.flatMap(({ act, undo_of }) =>
      act.items.map((item) => {
        const detail = this.page.details[this.byId.get(item.sample_id) ?? -1];
        return {
          event_id: item.event_id,
          batch_id: act.batch_id,
          key: detail?.key,
          content_digest: detail?.content_digest ?? null,
          findings: (detail?.findings ?? []).map((finding) => finding.finding_id),
          time_utc: act.time_utc,
          how: act.how,
          tags_added: act.tags_added,
          tags_removed: act.tags_removed,
          action: act.action,
          new_label: act.new_label,
          note: act.note,
          undo_of,
        };
      }),
    );
    return [head, ...lines].map((line) => `${JSON.stringify(line)}\n`).join("");
  }

  private isUndone(batchId: string): boolean {
    return this.acts.some((stored) => stored.undo_of === batchId);
  }

  private replay(columns: Columns, act: Act): void {
    const bits = (names: readonly string[]) =>
      names.reduce((all, name) => all | (1 << this.meta.tags.findIndex((tag) => tag.name === name)), 0);
    for (const { sample_id } of act.items) {
      const row = columns.row(sample_id);
      if (row >= 0) {
        if (act.action !== "none") {
          columns.set("action", row, this.meta.actions.indexOf(act.action));
        }
        columns.set("tags", row, (columns.at("tags", row) & ~bits(act.tags_removed)) | bits(act.tags_added));
      }
    }
  }

  private keep(entry: StoredAct): void {
    this.acts.push(entry);
    try {
      // One entry an act: writing all of them again with every key press would grow slow.
      localStorage.setItem(entryKey(this.meta.dataset_id, this.acts.length - 1), JSON.stringify(entry));
      isKept.value = true;
    } catch {
      // The quota is used up: the page goes on, says so, and the export still holds everything.
      isKept.value = false;
    }
  }
}

function entryKey(datasetId: string, number: number): string {
  return `chaffinch.decisions.${datasetId}.${number}`;
}

function stored(datasetId: string): StoredAct[] {
  const acts: StoredAct[] = [];
  for (let entry = item(datasetId, 0); entry !== null; entry = item(datasetId, acts.length)) {
    acts.push(entry);
  }
  return acts;
}

function item(datasetId: string, number: number): StoredAct | null {
  const text = localStorage.getItem(entryKey(datasetId, number));
  return text === null ? null : (JSON.parse(text) as StoredAct);
}

function decoded(base64: string): ArrayBuffer {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return bytes.buffer;
}
