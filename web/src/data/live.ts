// The data of a running server.

import type {
  DecisionIn,
  DetailList,
  DisputesOut,
  LeaseIn,
  Meta,
  News,
  SavedOut,
  SearchOut,
  SimilarOut,
  TeamOut,
  UndoIn,
} from "./api";
import type { Columns } from "./columns";
import { remembered } from "./remembered";
import { type Act, type Detail, type Found, RefusedError, type Saved, type Source } from "./source";

/**
 * Refusals that another time may lift: not let in (the link, the name or the origin is wrong until somebody puts it
 * right), and to come again later. Every other 4xx would be answered the same once more.
 */
const PASSING = new Set([401, 403, 421, 408, 425, 429]);

/** A stream that a proxy or server has ended for good is asked for again after this long. */
const AGAIN_MS = 5000;

export class LiveSource implements Source {
  /** Up to where in the log this page knows what was decided; the news go on from there. */
  private seq = 0;

  /** The name on this page; what the browser remembers may be that of another tab. */
  whose = (): string => (remembered("chaffinch.reviewer") ?? "").normalize("NFC").trim();

  private constructor(readonly meta: Meta) {}

  static async open(): Promise<LiveSource> {
    return new LiveSource((await (await checked(await fetch("/api/meta"))).json()) as Meta);
  }

  async load(columns: Columns, onPart: () => void): Promise<void> {
    // Goes on where an earlier try ended.
    for (let part = Math.floor(columns.nLoaded / this.meta.part_rows); columns.nLoaded < this.meta.n; part++) {
      const answer = await this.fetched(`/api/columns/${part}`);
      columns.addPart(await answer.arrayBuffer());
      // The first part is the oldest. Told twice is harmless: a change of a version that is known is passed over.
      this.seq = part === 0 ? Number(answer.headers.get("X-Log-Seq")) : this.seq;
      onPart();
    }
  }

  async details(sampleIds: readonly number[]): Promise<readonly Detail[]> {
    const { items } = await this.getJson<DetailList>(`/api/details?ids=${sampleIds.join(",")}`);
    return items;
  }

  thumbUrl(sampleId: number): string {
    return `/api/thumbs/${sampleId}?v=${this.meta.pictures}`;
  }

  imageUrl(sampleId: number): string {
    return `/api/images/${sampleId}?v=${this.meta.pictures}`;
  }

  async search(text: string): Promise<Found> {
    const found = await this.getJson<SearchOut>(`/api/search?q=${encodeURIComponent(text)}`);
    return { ids: found.sample_ids, isCut: found.is_cut };
  }

  async similar(sampleId: number): Promise<readonly number[] | null> {
    try {
      const { items } = await this.getJson<SimilarOut>(`/api/similar/${sampleId}`);
      return items.map((near) => near.sample_id);
    } catch (error) {
      if (error instanceof RefusedError) {
        return null;
      }
      throw error;
    }
  }

  async idOfKey(key: string): Promise<number> {
    const { ids } = await this.search(key);
    const details = ids.length === 0 ? [] : await this.details(ids.slice(0, 20));
    return details.find((detail) => detail.key === key)?.sample_id ?? -1;
  }

  agreement(): Promise<TeamOut> {
    return this.getJson<TeamOut>("/api/agreement");
  }

  disputes(): Promise<DisputesOut> {
    return this.getJson<DisputesOut>("/api/disputes");
  }

  async save(act: Act): Promise<Saved> {
    // The server takes the time itself.
    const { time_utc: _, ...said } = act;
    const items = act.items.map(({ sample_id, version }) => ({ sample_id, version }));
    const event_ids = act.items.map((item) => item.event_id);
    const decision: DecisionIn & { reviewer: string } = { ...said, items, event_ids };
    return saved(await sent("/api/decisions", decision));
  }

  async undo(batchId: string, reviewer: string): Promise<Saved> {
    const wanted: UndoIn & { reviewer: string } = { batch_id: batchId, reviewer };
    return saved(await sent("/api/undo", wanted));
  }

  async hold(sampleIds: readonly number[]): Promise<void> {
    const looking: LeaseIn & { reviewer: string } = { sample_ids: sampleIds, reviewer: this.reviewer() };
    // Kept alive, so that a page that closes can still give back what it held.
    await checked(await sent("/api/leases", looking, true));
  }

  watch(onNews: (news: News) => void): () => void {
    let events: EventSource;
    let again: ReturnType<typeof setTimeout> | undefined;
    const follow = () => {
      // EventSource sends no headers: a token travels in the cookie, a name in the address.
      events = new EventSource(`/api/events?reviewer=${encodeURIComponent(this.reviewer())}&after=${this.seq}`);
      events.onmessage = (event) => {
        const news = JSON.parse(event.data) as News;
        this.seq = news.seq;
        onNews(news);
      };
      // It comes again by itself where the line breaks, but not where it is refused.
      events.onerror = () => {
        if (events.readyState === EventSource.CLOSED) {
          again = setTimeout(follow, AGAIN_MS);
        }
      };
    };
    follow();
    return () => {
      clearTimeout(again);
      events.close();
    };
  }

  private async fetched(path: string): Promise<Response> {
    return checked(await fetch(path, { headers: asking(this.reviewer()) }));
  }

  private async getJson<T>(path: string): Promise<T> {
    return (await (await this.fetched(path)).json()) as T;
  }

  /** A token's reviewer, else the name that was typed. */
  private reviewer(): string {
    return this.meta.reviewer ?? this.whose();
  }
}

/** Says who asks: what others said is hidden from a blind reviewer until they have said something themselves. */
function asking(name: string): Record<string, string> {
  // A header holds no letters beyond ASCII.
  return { "X-Reviewer": encodeURIComponent(name) };
}

async function sent(path: string, body: { reviewer: string }, keepalive = false): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...asking(body.reviewer) };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body), keepalive });
}

async function saved(answer: Response): Promise<Saved> {
  if (answer.status === 409) {
    return { kind: "conflict", items: ((await answer.json()) as SavedOut).conflicts };
  }
  return { kind: "saved", items: ((await (await checked(answer)).json()) as SavedOut).saved };
}

async function checked(answer: Response): Promise<Response> {
  if (answer.ok) {
    return answer;
  }
  const why = told(await answer.text()) || `the server answers ${answer.status}`;
  const isFinal = answer.status >= 400 && answer.status < 500 && !PASSING.has(answer.status);
  throw isFinal ? new RefusedError(why) : new Error(why);
}

/** The words of an error: what is wrong and the hint. */
function told(text: string): string {
  try {
    const body = JSON.parse(text) as { error?: string; hint?: string; detail?: unknown };
    const what = body.error ?? (typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail ?? ""));
    return [what, body.hint].filter(Boolean).join("; ").slice(0, 300);
  } catch {
    return text.slice(0, 200);
  }
}
