import { beforeEach, expect, test, vi } from "vitest";
import { madeColumns, madeMeta, madeStorage, partOf } from "../testing/made";
import { Columns } from "./columns";
import { LiveSource } from "./live";
import { type Act, RefusedError } from "./source";

const act: Act = {
  batch_id: "b1",
  reviewer: "Ada",
  items: [{ sample_id: 3, version: 0, event_id: "e1" }],
  tags_added: [],
  tags_removed: [],
  action: "remove",
  new_label: null,
  note: "",
  how: "looked",
  time_utc: "2026-01-01T00:00:00Z",
};

let asked: { path: string; headers: Record<string, string>; body: string | undefined }[] = [];

beforeEach(() => {
  asked = [];
  vi.stubGlobal("localStorage", madeStorage());
});

async function opened(status: number, body: unknown): Promise<LiveSource> {
  const answer = (path: string) => (path === "/api/meta" ? [200, madeMeta(0, { reviewer: null })] : [status, body]) as [number, unknown];
  vi.stubGlobal("fetch", async (path: string, given?: { headers?: Record<string, string>; body?: string }) => {
    asked.push({ path, headers: given?.headers ?? {}, body: given?.body });
    const [code, words] = answer(path);
    return new Response(JSON.stringify(words), { status: code });
  });
  return LiveSource.open();
}

test("what is wrong with the act is final and said with the hint; trouble on the way is not", async () => {
  const refused = await opened(422, { error: "no label 'x'", hint: "take one of cat, dog" });
  await expect(refused.save(act)).rejects.toThrow(new RefusedError("no label 'x'; take one of cat, dog"));
  for (const status of [401, 403, 421, 429, 500, 503]) {
    const error = await (await opened(status, {})).save(act).catch((found: unknown) => found);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(RefusedError);
  }
});

test("a stale version comes back as a conflict with what holds now", async () => {
  const now = { sample_id: 3, version: 2, action: "keep", tags: [], n_reviewers: 1 };
  const source = await opened(409, { saved: [], conflicts: [now] });
  expect(await source.save(act)).toEqual({ kind: "conflict", items: [now] });
});

test("a decision goes out with its event ids, the batch and who made it", async () => {
  localStorage.setItem("chaffinch.reviewer", "Bo, who came to the page before it was sent");
  const source = await opened(200, { saved: [{ sample_id: 3, version: 1 }], conflicts: [] });
  await source.save(act);
  const sent = JSON.parse(asked.at(-1)?.body ?? "");
  expect(sent).toMatchObject({
    reviewer: "Ada",
    batch_id: "b1",
    event_ids: ["e1"],
    items: [{ sample_id: 3, version: 0 }],
  });
  expect(sent.time_utc).toBeUndefined();
  expect(asked.at(-1)?.headers["X-Reviewer"]).toBe("Ada");
  await source.undo("b1", "Ada");
  expect(JSON.parse(asked.at(-1)?.body ?? "")).toEqual({ batch_id: "b1", reviewer: "Ada" });
  expect(asked.at(-1)?.headers["X-Reviewer"]).toBe("Ada");
});

test("who asks is always said, whatever letters the name has, and an empty name too", async () => {
  const source = await opened(200, { items: [], saved: [], conflicts: [] });
  for (const [name, header] of [
    ["王", "%E7%8E%8B"],
    ["José", "Jos%C3%A9"],
    ["", ""],
  ] as const) {
    localStorage.setItem("chaffinch.reviewer", name);
    await source.details([3]);
    expect(asked.at(-1)?.headers["X-Reviewer"]).toBe(header);
  }
  await source.save({ ...act, reviewer: "Ада" });
  expect(asked.at(-1)?.headers["X-Reviewer"]).toBe("%D0%90%D0%B4%D0%B0");
  expect(JSON.parse(asked.at(-1)?.body ?? "").reviewer).toBe("Ада");
});

test("each of two tabs asks as the name on its own page, whichever was typed last", async () => {
  const [ada, bo] = [await opened(200, { items: [] }), await opened(200, { items: [] })];
  ada.whose = () => "Ada";
  bo.whose = () => "Bo";
  localStorage.setItem("chaffinch.reviewer", "Bo");
  for (const [source, name] of [
    [ada, "Ada"],
    [bo, "Bo"],
  ] as const) {
    await source.details([3]);
    expect(asked.at(-1)?.headers["X-Reviewer"]).toBe(name);
    await source.hold([3]);
    expect(JSON.parse(asked.at(-1)?.body ?? "").reviewer).toBe(name);
  }
});

/** A stream of news as the browser has it; the test says what comes. */
class MadeEvents {
  static readonly CLOSED = 2;
  static readonly made: MadeEvents[] = [];
  readyState = 1;
  onmessage: (event: { data: string }) => void = () => undefined;
  onerror: () => void = () => undefined;

  constructor(readonly url: string) {
    MadeEvents.made.push(this);
  }
  close(): void {
    this.readyState = MadeEvents.CLOSED;
  }
}

test("the news go on from what was loaded, and from what was heard, also after a refusal", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", MadeEvents);
  const columns = madeColumns([{}, {}]);
  localStorage.setItem("chaffinch.reviewer", "王");
  const source = await opened(200, {});
  (source.meta as { n: number }).n = 2;
  vi.stubGlobal("fetch", async () => new Response(partOf(columns), { headers: { "X-Log-Seq": "7" } }));
  await source.load(new Columns(source.meta), () => undefined);
  const heard: number[] = [];
  const end = source.watch((news) => heard.push(news.seq));
  const url = "/api/events?reviewer=%E7%8E%8B&after=";
  expect(MadeEvents.made.map((events) => events.url)).toEqual([`${url}7`]);
  const [first] = MadeEvents.made as [MadeEvents];
  first.onmessage({ data: '{"seq": 9, "items": [], "held": []}' });
  first.onerror();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(MadeEvents.made).toHaveLength(1);
  first.close();
  first.onerror();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(MadeEvents.made.map((events) => events.url)).toEqual([`${url}7`, `${url}9`]);
  end();
  expect(MadeEvents.made[1]?.readyState).toBe(MadeEvents.CLOSED);
  expect(heard).toEqual([9]);
  vi.useRealTimers();
});

test("the address of a picture names what it shows, so that the browser keeps no other under it", async () => {
  const source = await opened(200, {});
  expect(source.thumbUrl(3)).toBe("/api/thumbs/3?v=p1");
  expect(source.imageUrl(3)).toBe("/api/images/3?v=p1");
});

test("where there are no vectors nothing is similar", async () => {
  expect(await (await opened(404, { error: "no vectors" })).similar(3)).toBeNull();
  expect(await (await opened(200, { items: [{ sample_id: 5, similarity: 0.9 }] })).similar(3)).toEqual([5]);
});
