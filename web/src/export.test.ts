import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Columns } from "./data/columns";
import { OfflineSource } from "./data/offline";
import type { Saved } from "./data/source";
import { exportDecisions } from "./export";
import { ReviewState } from "./state";
import { MadeSource, madeColumns, madePage, madeStorage, settled } from "./testing/made";

let files: string[] = [];
let asked: number[] = [];

beforeEach(() => {
  files = [];
  asked = [];
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", madeStorage());
  vi.stubGlobal("document", { createElement: () => ({ download: "", click: clicked }) });
  vi.stubGlobal("URL", { createObjectURL: () => "blob:", revokeObjectURL: () => undefined });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function clicked(this: { download: string }): void {
  files.push(this.download);
}

/** A page of a server that writes a manifest of some name. */
function live(manifest = "made_final_cleaning_manifest.csv") {
  const columns = madeColumns([{}, {}, {}], { is_live: true });
  const source = new MadeSource(columns.meta);
  vi.stubGlobal("fetch", async () => {
    asked.push(source.acts.length);
    return new Response("csv", { headers: { "Content-Disposition": `attachment; filename*=UTF-8''${manifest}` } });
  });
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  return { source, state };
}

test("a manifest that lacks what waits for the server says how much", async () => {
  const { source, state } = live();
  source.answer = () => {
    throw new Error("down");
  };
  state.act("remove");
  await settled();
  await exportDecisions(state);
  expect(files).toEqual(["made_final_cleaning_manifest.csv"]);
  expect(state.toast.value?.text).toBe("exported: 1 not saved yet is not in it");
  state.act("keep");
  await vi.advanceTimersByTimeAsync(2000);
  await exportDecisions(state);
  expect(state.toast.value?.text).toBe("exported: 2 not saved yet are not in it");
});

test("a manifest waits for what is being saved, and is then no cause for words", async () => {
  const { source, state } = live();
  const save = source.save.bind(source);
  source.save = (act) => new Promise<Saved>((resolve) => setTimeout(() => resolve(save(act)), 500));
  state.act("remove");
  state.act("keep");
  const exporting = exportDecisions(state);
  await vi.advanceTimersByTimeAsync(2000);
  await exporting;
  expect(asked).toEqual([2]);
  expect([files.length, state.toast.value]).toEqual([1, null]);
});

test("a server that takes an act and says nothing holds no export up", async () => {
  const { source, state } = live("made_own_decisions_manifest.csv");
  source.save = () => new Promise<Saved>(() => undefined);
  state.act("remove");
  const exporting = exportDecisions(state);
  await vi.advanceTimersByTimeAsync(4000);
  await exporting;
  expect(files).toHaveLength(1);
  expect(state.toast.value?.text).toMatch(/^exported: your own decisions; .*; 1 not saved yet is not in it$/);
});

test("a file of a page by itself says what it lacks", async () => {
  const page = madePage(madeColumns([{}]));
  localStorage.setItem(`chaffinch.decisions.${page.meta.dataset_id}.0`, "{");
  const source = new OfflineSource(page);
  const state = new ReviewState(new Columns(page.meta), source);
  state.setReviewer("Ada");
  await source.load(state.columns, () => undefined);
  const exporting = exportDecisions(state);
  await vi.advanceTimersByTimeAsync(100);
  await exporting;
  expect(files).toEqual(["made_decisions_Ada.jsonl"]);
  expect(state.toast.value?.text).toBe("exported: without 1 earlier act: it cannot be read");
});
