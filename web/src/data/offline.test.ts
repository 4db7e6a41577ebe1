import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { madeColumns, madeDetail, madePage, madeStorage } from "../testing/made";
import { Columns } from "./columns";
import { Decisions } from "./decisions";
import { isKept, OfflineSource, unread } from "./offline";

const page = madePage(madeColumns([{}, {}, {}]));

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});
afterEach(() => {
  vi.unstubAllGlobals();
});

async function opened(who = { name: "Ada" }) {
  const source = new OfflineSource(page);
  const columns = new Columns(page.meta);
  await source.load(columns, () => undefined);
  const refused: string[] = [];
  const decisions = new Decisions(columns, source, {
    reviewer: () => who.name,
    onConflict: () => undefined,
    onRefused: (why) => refused.push(why),
  });
  return { source, columns, decisions, refused };
}

const wait = () => new Promise((resolve) => setTimeout(resolve));
const lines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("what was decided is there again when the page is opened anew", async () => {
  const first = await opened();
  first.decisions.decide([0, 2], { action: "remove", tagsAdded: ["keep"] });
  first.decisions.decide([2], { tagsRemoved: ["keep"] });
  await wait();
  const { columns } = await opened();
  expect([...columns.column("action")]).toEqual([2, 0, 2]);
  expect([...columns.column("tags")]).toEqual([4, 0, 0]);
  expect([...columns.column("version")]).toEqual([1, 0, 2]);
});

test("what was taken back stays so", async () => {
  const first = await opened();
  first.decisions.decide([0], { action: "remove" });
  first.decisions.undo();
  await wait();
  const { columns } = await opened();
  expect(columns.at("action", 0)).toBe(0);
});

test("the export is a head and one line an event, undos with ids of their own", async () => {
  const { source, decisions } = await opened();
  const batch = decisions.decide([0, 1], { action: "remove" });
  decisions.undo();
  await wait();
  const [head, ...events] = lines(await source.exported("Ada"));
  expect(head).toEqual({
    format: "chaffinch decisions",
    version: 1,
    dataset: "made",
    subjects: "samples",
    reviewer: "Ada",
  });
  expect(events).toHaveLength(4);
  expect(events[0]).toMatchObject({ key: "train/10.jpg", content_digest: "d10", action: "remove", undo_of: null });
  expect(events.slice(2).map((event) => event.undo_of)).toEqual([batch, batch]);
  expect(new Set(events.map((event) => event.event_id)).size).toBe(4);
  expect(new Set(events.map((event) => event.batch_id)).size).toBe(2);
});

test("each line is whose name stood on the page when it was decided, whoever exports and undoes", async () => {
  const who = { name: "Ada" };
  const { source, decisions } = await opened(who);
  decisions.decide([0], { action: "remove" });
  decisions.decide([1], { action: "remove" });
  await wait();
  who.name = "Bo";
  decisions.undo();
  decisions.decide([2], { action: "keep" });
  await wait();
  const [head, ...events] = lines(await source.exported("Bo"));
  expect(head.reviewer).toBe("Bo");
  expect(events.map((event) => [event.key, event.reviewer])).toEqual([
    ["train/10.jpg", "Ada"],
    ["train/20.jpg", "Ada"],
    ["train/20.jpg", "Ada"],
    ["train/30.jpg", "Bo"],
  ]);
});

test("nothing is kept of somebody without a name; the page asks for it", async () => {
  const { source, columns, decisions, refused } = await opened({ name: "" });
  decisions.decide([0], { action: "remove" });
  await wait();
  expect(refused).toEqual(["say your name first, in the bar at the top: it goes with each decision"]);
  expect(columns.at("action", 0)).toBe(0);
  expect(lines(await source.exported("Ada"))).toHaveLength(1);
});

test("two windows of one page lose nothing of each other", async () => {
  const [one, two] = [await opened(), await opened()];
  one.decisions.decide([0], { action: "remove" });
  two.decisions.decide([1], { action: "keep" });
  one.decisions.decide([2], { action: "keep" });
  await wait();
  expect(lines(await two.source.exported("Ada"))).toHaveLength(4);
  expect([...(await opened()).columns.column("action")]).toEqual([2, 1, 1]);
});

test("a full storage is told, and the export still holds everything", async () => {
  vi.stubGlobal("localStorage", madeStorage(10));
  const { source, decisions } = await opened();
  decisions.decide([0], { action: "keep" });
  await wait();
  expect(isKept.value).toBe(false);
  expect(lines(await source.exported("Ada"))).toHaveLength(2);
});

test("a browser that lets nobody near its storage: the page opens, says what is not kept, and exports it", async () => {
  const denied = () => {
    throw new DOMException("denied", "SecurityError");
  };
  vi.stubGlobal("localStorage", new Proxy({}, { get: denied }));
  const { source, decisions } = await opened();
  expect([isKept.value, unread.value]).toEqual([true, ""]);
  decisions.decide([0], { action: "remove" });
  expect(lines(await source.exported("Ada"))).toHaveLength(2);
  expect(isKept.value).toBe(false);
});

const noActs = ['{"act":', "null", '{"act":{"batch_id":"b"}}'];
test.each(noActs)("an entry that is no act is passed over and told: %s", async (text) => {
  const first = await opened();
  first.decisions.decide([0], { action: "remove" });
  await wait();
  localStorage.setItem("chaffinch.decisions.made.1.1", text);
  first.decisions.decide([1], { action: "keep" });
  await wait();
  const { source, columns } = await opened();
  expect([...columns.column("action")]).toEqual([2, 1, 0]);
  expect(unread.value).toBe("1 earlier act");
  expect(lines(await source.exported("Ada"))).toHaveLength(3);
  expect(localStorage.getItem("chaffinch.decisions.made.1.1")).toBe(text);
});

/** A storage of the second choice that takes its time; `isDown`: it does not open. */
function slowStorage() {
  const at = { kept: [] as unknown[], isDown: false };
  const store = {
    getAll: () => ({ result: [...at.kept] }),
    add: (entry: unknown) => ({ result: at.kept.push(entry) }),
  };
  const transaction = () => {
    const made = { objectStore: () => store, oncomplete: () => undefined };
    setTimeout(() => made.oncomplete(), 30);
    return made;
  };
  const open = () => {
    const request = { result: { transaction, close: () => undefined }, onsuccess: () => {}, onerror: () => {} };
    setTimeout(() => (at.isDown ? request.onerror() : request.onsuccess()));
    return request;
  };
  vi.stubGlobal("indexedDB", { open });
  return at;
}

test("an export holds all that was decided before, also what is still being written", async () => {
  vi.stubGlobal("localStorage", madeStorage(0));
  slowStorage();
  const { source, decisions } = await opened();
  for (const row of [0, 1, 2]) {
    decisions.decide([row], { action: "remove" });
  }
  expect(lines(await source.exported("Ada"))).toHaveLength(4);
  expect(isKept.value).toBe(true);
});

test("a storage that does not give back what it keeps is told: it is none that keeps nothing", async () => {
  vi.stubGlobal("localStorage", madeStorage(0));
  const storage = slowStorage();
  const first = await opened();
  first.decisions.decide([0], { action: "remove" });
  await first.source.exported("Ada");
  expect(storage.kept).toHaveLength(1);
  storage.isDown = true;
  const { source } = await opened();
  expect([isKept.value, unread.value]).toEqual([false, "what the browser does not give back"]);
  expect(lines(await source.exported("Ada"))).toHaveLength(1);
});

test("what was decided on an earlier page is exported, whichever images this page shows", async () => {
  const first = await opened();
  first.decisions.decide([0], { action: "remove" });
  await wait();
  const later = new OfflineSource({ ...madePage(madeColumns([])), meta: { ...page.meta, n: 0 } });
  const [, event] = lines(await later.exported("Ada"));
  expect(event).toMatchObject({ key: "train/10.jpg", image_id: "id-10", image_path: "/data/train/10.jpg", split: "train" });
});

test("in place of a picture that is not there stands the end of its name, in letters that XML can hold", () => {
  const detail = madeDetail(10, { image_path: "a/\u202egpj<\u0001> of a name that is far too long for it.jpg" });
  const source = new OfflineSource({ ...page, details: [detail] });
  const svg = decodeURIComponent(source.thumbUrl(10));
  expect(svg).toContain(">\u2026ar too long for it.jpg</text>");
  const short = new OfflineSource({ ...page, details: [{ ...detail, image_path: "a/\u202e<\u0001\ud800.jpg" }] });
  expect(decodeURIComponent(short.thumbUrl(10))).toContain(">\u00b7\u00b7\u00b7\u00b7.jpg</text>");
});

test("search looks at path, id and label, whatever the case", async () => {
  const { source } = await opened();
  expect(await source.search("TRAIN/20")).toEqual({ ids: [20], isCut: false });
  expect((await source.search("CAT")).ids).toEqual([10, 20, 30]);
  expect(await source.idOfKey("train/30.jpg")).toBe(30);
  expect(await source.idOfKey("val/30.jpg")).toBe(-1);
});
