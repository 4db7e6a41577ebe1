// The data inside the page itself: one file, opened by a double click. Decisions stay in this browser until they
// are exported; `chaffinch review --collect` takes the export, or `vl_tagging_workflow.py --merge`.

import { signal } from "@preact/signals";
import type { DisputesOut } from "./api";
import type { Columns, Meta } from "./columns";
import { newId } from "./ids";
import { noPicture } from "./nopicture";
import { Overflow } from "./overflow";
import { after, putSaid, saidOf } from "./said";
import { type Act, type Detail, type Found, RefusedError, type Saved, type Source } from "./source";

/** What the page carries in its script element `data`. */
export interface PageData {
  readonly meta: Meta;
  /** The parts of `Columns`, base64. */
  readonly columns: readonly string[];
  readonly details: readonly Detail[];
  /** JPEG by sample id, base64; also of partners that are not among the rows. */
  readonly thumbs: Readonly<Record<string, string>>;
}

/** One act as it is kept; an undo names the batch that it takes back. */
interface StoredAct {
  readonly act: Act;
  readonly undo_of: string | null;
  /** What was decided about, by item of the act: a later page with the same name may not show these images. */
  readonly subjects: readonly Subject[];
}

/** What the export says of an image. */
interface Subject {
  readonly key: string;
  readonly image_id: string;
  readonly image_path: string;
  readonly split: string;
  readonly content_digest: string | null;
  readonly findings: readonly string[];
}

/** Whether everything decided is kept in the browser; false after it refused to store any more, or to give back. */
export const isKept = signal(true);
/** What was kept before and cannot be read, in words; empty where all of it can. */
export const unread = signal("");

/** A write that takes longer is not waited for. */
const LONGEST_WRITE_MS = 5000;
const WRITE_LOOK_MS = 10;

export class OfflineSource implements Source {
  readonly meta: Meta;
  private readonly byId: Map<number, number>;
  private readonly byKey: Map<string, number>;
  private acts: StoredAct[] = [];
  private readonly overflow: Overflow<StoredAct>;
  private nextEntry = 0;
  private nWriting = 0;

  constructor(private readonly page: PageData) {
    this.meta = page.meta;
    this.byId = new Map(page.details.map((detail, row) => [detail.sample_id, row]));
    this.byKey = new Map(page.details.map((detail) => [detail.key, detail.sample_id]));
    this.overflow = new Overflow(`chaffinch.decisions.${page.meta.dataset_id}`);
    isKept.value = true;
    unread.value = "";
  }

  async load(columns: Columns, onPart: () => void): Promise<void> {
    for (const part of this.page.columns) {
      columns.addPart(decoded(part));
    }
    this.acts = await this.everything();
    const undone = new Set(this.acts.map((entry) => entry.undo_of));
    for (const { act, undo_of } of this.acts) {
      if (undo_of === null && !undone.has(act.batch_id)) {
        replay(columns, act);
      }
    }
    onPart();
  }

  async details(sampleIds: readonly number[]): Promise<readonly Detail[]> {
    return sampleIds.flatMap((id) => this.page.details[this.byId.get(id) ?? -1] ?? []);
  }

  thumbUrl(sampleId: number): string {
    const thumb = this.page.thumbs[sampleId];
    return thumb === undefined ? this.placeholder(sampleId) : `data:image/jpeg;base64,${thumb}`;
  }

  imageUrl(sampleId: number): string {
    return this.thumbUrl(sampleId);
  }

  /** A picture that says there is none, and of which file. */
  private placeholder(sampleId: number): string {
    return noPicture(this.page.details[this.byId.get(sampleId) ?? -1]?.image_path ?? "");
  }

  async search(text: string): Promise<Found> {
    const wanted = text.toLowerCase();
    const isMeant = ({ image_path, image_id, given_label }: Detail) =>
      [image_path, image_id, given_label ?? ""].some((words) => words.toLowerCase().includes(wanted));
    return { ids: this.page.details.filter(isMeant).map((detail) => detail.sample_id), isCut: false };
  }

  async similar(): Promise<null> {
    return null;
  }

  async idOfKey(key: string): Promise<number> {
    return this.byKey.get(key) ?? -1;
  }

  async agreement(): Promise<null> {
    return null;
  }

  async disputes(): Promise<DisputesOut> {
    return { disputes: [], is_adjudicator: false };
  }

  /** Keeps an act; without a name it is refused, since the export says of each decision who made it. */
  async save(act: Act): Promise<Saved> {
    if (act.reviewer === "") {
      throw new RefusedError("say your name first, in the bar at the top: it goes with each decision");
    }
    await this.keep({ act, undo_of: null, subjects: this.subjects(act) });
    return {
      kind: "saved",
      items: act.items.map(({ sample_id, version }) => ({ sample_id, version: version + 1 })),
    };
  }

  async undo(batchId: string): Promise<Saved> {
    const taken = this.acts.find((entry) => entry.act.batch_id === batchId && entry.undo_of === null);
    if (taken !== undefined) {
      const items = taken.act.items.map((item) => ({ ...item, event_id: newId() }));
      const act = { ...taken.act, batch_id: newId(), items, time_utc: new Date().toISOString() };
      await this.keep({ act, undo_of: batchId, subjects: taken.subjects });
    }
    return { kind: "saved", items: [] };
  }

  async hold(): Promise<void> {}

  watch(): () => void {
    return () => undefined;
  }

  /** The decisions as the file that `review --collect` reads: one JSON object a line, a head with who exports first. */
  async exported(reviewer: string): Promise<string> {
    await this.written();
    const { dataset, subjects } = this.meta;
    const head = { format: "chaffinch decisions", version: 1, dataset, subjects, reviewer };
    const lines = (await this.everything()).flatMap(exportedLines);
    return [head, ...lines].map((line) => `${JSON.stringify(line)}\n`).join("");
  }

  /** Waits for writes under way, and for those that follow: acts are handed to `save` one after the other. */
  private async written(): Promise<void> {
    const deadline = Date.now() + LONGEST_WRITE_MS;
    do {
      await new Promise((resolve) => setTimeout(resolve, WRITE_LOOK_MS));
    } while (this.nWriting > 0 && Date.now() < deadline);
  }

  /** All acts: what is stored, which another window of this page may have added to, and what could not be. What
   * cannot be read is told, and holds up nothing else. */
  private async everything(): Promise<StoredAct[]> {
    const { acts, nDamaged } = stored(this.meta.dataset_id);
    const elsewhere = await this.overflow.all().catch(() => null);
    isKept.value &&= elsewhere !== null;
    unread.value = unreadInWords(nDamaged, elsewhere !== null);
    const entries = [...acts, ...(elsewhere ?? []), ...this.acts];
    return [...new Map(entries.map((entry) => [entry.act.batch_id, entry])).values()].sort(byTime);
  }

  private subjects(act: Act): Subject[] {
    return act.items.map((item) => {
      const row = this.byId.get(item.sample_id);
      const { key, image_id, image_path, split, content_digest, findings } = this.page.details[row ?? -1] as Detail;
      return { key, image_id, image_path, split, content_digest, findings: findings.map((found) => found.finding_id) };
    });
  }

  private async keep(entry: StoredAct): Promise<void> {
    this.acts.push(entry);
    this.nWriting++;
    try {
      // One entry an act: writing all of them again with every key press would grow slow. A place that is
      // taken was taken by another window of the same page.
      while (localStorage.getItem(entryKey(this.meta.dataset_id, this.nextEntry)) !== null) {
        this.nextEntry++;
      }
      localStorage.setItem(entryKey(this.meta.dataset_id, this.nextEntry), JSON.stringify(entry));
    } catch {
      await this.keepElsewhere(entry);
    } finally {
      this.nWriting--;
    }
  }

  /** Keeps what the first storage has no more room for. */
  private async keepElsewhere(entry: StoredAct): Promise<void> {
    try {
      await this.overflow.add(entry);
    } catch {
      // Nothing is left: the page goes on and says so until it is closed; the export holds everything.
      isKept.value = false;
    }
  }
}

/** The lines of the export that one act makes. */
function exportedLines({ act, undo_of, subjects }: StoredAct): object[] {
  return act.items.map((item, place) => ({
    event_id: item.event_id,
    batch_id: act.batch_id,
    reviewer: act.reviewer,
    ...subjects[place],
    time_utc: act.time_utc,
    how: act.how,
    tags_added: act.tags_added,
    tags_removed: act.tags_removed,
    action: act.action,
    new_label: act.new_label,
    note: act.note,
    undo_of,
  }));
}

/** Orders acts as the log does: both storages, and all windows, count as one. */
function byTime(one: StoredAct, other: StoredAct): number {
  return one.act.time_utc.localeCompare(other.act.time_utc);
}

function replay(columns: Columns, act: Act): void {
  for (const { sample_id } of act.items) {
    const row = columns.row(sample_id);
    if (row >= 0) {
      putSaid(columns, row, after(columns, row, saidOf(columns, row), act));
      columns.set("version", row, columns.at("version", row) + 1);
    }
  }
}

function entryKey(datasetId: string, number: number): string {
  return `chaffinch.decisions.${datasetId}.${number}`;
}

function unreadInWords(nDamaged: number, isAllGivenBack: boolean): string {
  const words = nDamaged === 0 ? [] : [`${nDamaged.toLocaleString()} earlier ${nDamaged === 1 ? "act" : "acts"}`];
  return [...words, ...(isAllGivenBack ? [] : ["what the browser does not give back"])].join(" and ");
}

/** The acts that can be read, and how many cannot. */
function stored(datasetId: string): { readonly acts: StoredAct[]; readonly nDamaged: number } {
  const acts: StoredAct[] = [];
  let place = 0;
  for (let text = item(datasetId, 0); text !== null; text = item(datasetId, ++place)) {
    acts.push(...parsed(text));
  }
  return { acts, nDamaged: place - acts.length };
}

function item(datasetId: string, number: number): string | null {
  try {
    return localStorage.getItem(entryKey(datasetId, number));
  } catch {
    // A page that may not touch the browser's storage has kept nothing there either.
    return null;
  }
}

/** The act that an entry holds; none where it is damaged. */
function parsed(text: string): StoredAct[] {
  try {
    const { act, undo_of, subjects } = JSON.parse(text) as StoredAct;
    const lists = [act.items, act.tags_added, act.tags_removed, subjects];
    const words = [act.batch_id, act.time_utc];
    const isWhole = lists.every(Array.isArray) && words.every((word) => typeof word === "string");
    return isWhole ? [{ act, undo_of, subjects }] : [];
  } catch {
    return [];
  }
}

function decoded(base64: string): ArrayBuffer {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return bytes.buffer;
}
