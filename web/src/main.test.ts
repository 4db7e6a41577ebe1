import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Columns } from "./data/columns";
import { LiveSource } from "./data/live";
import type { ReviewState } from "./state";
import { MadeSource, madeColumns, madeStorage, partOf, settled } from "./testing/made";

/** What was drawn last, and what the window was asked to tell of. */
const page = { drawn: [] as { type: unknown; props: { state?: ReviewState } }[], heard: new Map<string, unknown>() };

vi.mock("preact", async (original) => ({
  ...(await original<object>()),
  render: (what: (typeof page.drawn)[number]) => void page.drawn.push(what),
}));

beforeEach(() => {
  vi.resetModules();
  page.drawn = [];
  page.heard = new Map();
  vi.stubGlobal("localStorage", madeStorage());
  const element = { dataset: {} as Record<string, string> };
  vi.stubGlobal("document", { getElementById: (id: string) => (id === "app" ? {} : null), documentElement: element });
  vi.stubGlobal("window", { addEventListener: (name: string, hear: unknown) => page.heard.set(name, hear) });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Opens the page of a server of three images whose parts come as told. */
async function opened(load: (columns: Columns, onPart: () => void) => Promise<void>) {
  const source = Object.assign(new MadeSource(madeColumns([{}, {}, {}], { part_rows: 2 }).meta), { load });
  const { LiveSource: Fresh } = await import("./data/live");
  vi.spyOn(Fresh as typeof LiveSource, "open").mockResolvedValue(source as unknown as LiveSource);
  await import("./main");
  await settled();
}

const first = partOf(madeColumns([{}, {}]));

test("whoever leaves before all is loaded is asked about what is not saved yet", async () => {
  await opened((columns, onPart) => {
    columns.addPart(first);
    onPart();
    return new Promise(() => undefined);
  });
  const state = page.drawn[0]?.props.state as ReviewState;
  expect(state.rows.value).toHaveLength(2);
  Object.assign(state.source, { save: () => new Promise(() => undefined) });
  state.act("remove");
  const event = { preventDefault: vi.fn() };
  (page.heard.get("beforeunload") as ((event: unknown) => void) | undefined)?.(event);
  expect(event.preventDefault).toHaveBeenCalledOnce();
});

test("a part that is refused leaves the page with those that came", async () => {
  const { RefusedError } = await import("./data/source");
  await opened(async (columns, onPart) => {
    if (columns.nLoaded > 0) {
      throw new RefusedError("no such part");
    }
    columns.addPart(first);
    onPart();
    throw new Error("the server answers 503");
  });
  expect(page.drawn).toHaveLength(1);
  const state = page.drawn[0]?.props.state as ReviewState;
  expect(state.toast.value?.text).toContain("not all images are here");
  expect(state.rows.value).toHaveLength(2);
});

test("a page of which no part comes says that it cannot be shown", async () => {
  await opened(async () => {
    throw new Error("the server answers 404");
  });
  expect(page.drawn).toHaveLength(2);
  expect(JSON.stringify(page.drawn[1]?.props)).toContain("the server answers 404");
});
