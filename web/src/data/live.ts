// The data of a running server.

import type { Columns, Meta } from "./columns";
import type { Act, Change, Detail, Saved, Source, Versioned } from "./source";

/** The server understood and will not do it; trying again would not help. */
export class RefusedError extends Error {}

export class LiveSource implements Source {
  private constructor(readonly meta: Meta) {}

  static async open(): Promise<LiveSource> {
    return new LiveSource(await getJson<Meta>("/api/meta"));
  }

  async load(columns: Columns, onPart: () => void): Promise<void> {
    for (let part = 0; columns.nLoaded < this.meta.n; part++) {
      const answer = await fetched(`/api/columns/${part}`);
      columns.addPart(await answer.arrayBuffer());
      onPart();
    }
  }

  async details(sampleIds: readonly number[]): Promise<readonly Detail[]> {
    const { items } = await getJson<{ items: Detail[] }>(`/api/details?ids=${sampleIds.join(",")}`);
    return items;
  }

  thumbUrl(sampleId: number): string {
    return `/api/thumbs/${sampleId}`;
  }

  imageUrl(sampleId: number): string {
    return `/api/images/${sampleId}`;
  }

  async search(text: string): Promise<readonly number[]> {
    const found = await getJson<{ sample_ids: number[] }>(`/api/search?q=${encodeURIComponent(text)}`);
    return found.sample_ids;
  }

  async similar(sampleId: number): Promise<readonly number[] | null> {
    const answer = await fetch(`/api/similar/${sampleId}`, { headers: authorisation() });
    if (answer.status === 404) {
      return null;
    }
    const found = (await checked(answer).then((a) => a.json())) as { items: { sample_id: number }[] };
    return found.items.map((item) => item.sample_id);
  }

  async save(act: Act): Promise<Saved> {
    const items = act.items.map(({ sample_id, version }) => ({ sample_id, version }));
    const event_ids = act.items.map((item) => item.event_id);
    // The server takes its own clock for the time.
    const { time_utc: _, ...said } = act;
    return saved(await sent("/api/decisions", { ...said, items, event_ids, reviewer: this.reviewer() }));
  }

  async undo(batchId: string): Promise<Saved> {
    return saved(await sent("/api/undo", { batch_id: batchId, reviewer: this.reviewer() }));
  }

  watch(onChange: (items: readonly Change[]) => void): () => void {
    // EventSource sends no headers; the token travels in the cookie that the page itself was given.
    const events = new EventSource("/api/events");
    events.onmessage = (event) => onChange((JSON.parse(event.data) as { items: Change[] }).items);
    return () => events.close();
  }

  private reviewer(): string {
    return localStorage.getItem("chaffinch.reviewer") ?? this.meta.reviewer ?? "";
  }
}

function authorisation(): Record<string, string> {
  const token = sessionStorage.getItem("chaffinch.token");
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

async function fetched(path: string): Promise<Response> {
  return checked(await fetch(path, { headers: authorisation() }));
}

async function getJson<T>(path: string): Promise<T> {
  return (await (await fetched(path)).json()) as T;
}

async function sent(path: string, body: object): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...authorisation() };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function saved(answer: Response): Promise<Saved> {
  if (answer.status === 409) {
    const body = (await answer.json()) as { conflicts: Change[] };
    return { kind: "conflict", items: body.conflicts };
  }
  const body = (await (await checked(answer)).json()) as { saved: Versioned[] };
  return { kind: "saved", items: body.saved };
}

async function checked(answer: Response): Promise<Response> {
  if (answer.ok) {
    return answer;
  }
  const text = await answer.text();
  const what = `${answer.status}: ${text.slice(0, 200)}`;
  throw answer.status >= 400 && answer.status < 500 ? new RefusedError(what) : new Error(what);
}
