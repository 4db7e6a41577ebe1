import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ReviewState } from "../state";
import { MadeSource, madeColumns, madeStorage, settled } from "../testing/made";
import { Searching } from "./search";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", madeStorage());
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A box over three images, of which each search finds the first; what was asked. */
function made() {
  const columns = madeColumns([{}, {}, {}]);
  const source = new MadeSource(columns.meta);
  const asked: string[] = [];
  const find = { answer: async (): Promise<number[]> => [10], isCut: false };
  Object.assign(source, {
    search: (text: string) => {
      asked.push(text);
      const { isCut } = find;
      return find.answer().then((ids) => ({ ids, isCut }));
    },
  });
  const state = new ReviewState(columns, source);
  state.setOrder("name");
  const box = new Searching(state);
  box.follow();
  return { state, box, asked, find, says: () => [box.text.value, box.answered.value, state.rows.value.length] };
}

test("what is typed is searched for after a pause, once", async () => {
  const { box, asked, says } = made();
  box.type("d");
  box.type("dog");
  await vi.advanceTimersByTimeAsync(300);
  await box.search("dog");
  expect(asked).toEqual(["dog"]);
  expect(says()).toEqual(["dog", "dog", 1]);
});

test.each([
  ["all", 3],
  ["a list", 2],
])("the box is empty once %s is shown, and the same is found again", async (shown, n) => {
  const { state, box, says } = made();
  box.type("dog");
  await box.search("dog");
  if (shown === "all") {
    state.filter.value = {};
    state.refresh();
  } else {
    state.showList([20, 30], "similar");
  }
  expect(says()).toEqual(["", "", n]);
  box.type("dog");
  await box.search("dog");
  expect(says()).toEqual(["dog", "dog", 1]);
});

test("another filter beside the words leaves them in the box", async () => {
  const { state, box, says } = made();
  box.type("dog");
  await box.search("dog");
  state.setFilter({ status: "open" });
  expect(says()).toEqual(["dog", "dog", 1]);
});

test("an answer that comes after all is shown again is dropped", async () => {
  const { state, box, find, says } = made();
  await box.search("cat");
  let answer: (ids: number[]) => void = () => undefined;
  find.answer = () => new Promise((resolve) => (answer = resolve));
  const searching = box.search("dog");
  state.filter.value = {};
  state.refresh();
  answer([20]);
  await searching;
  expect(says()).toEqual(["", "", 3]);
});

test("a search that fails is told, and the same may be tried again", async () => {
  const { state, box, asked, find, says } = made();
  const works = find.answer;
  find.answer = () => Promise.reject(new Error("the server answers 503"));
  box.type("dog");
  await vi.advanceTimersByTimeAsync(300);
  await settled();
  expect(state.toast.value?.text).toBe("not searched, Enter tries again: the server answers 503");
  expect(says()).toEqual(["dog", "", 3]);
  find.answer = works;
  await box.search("dog");
  expect(asked).toEqual(["dog", "dog"]);
  expect(says()).toEqual(["dog", "dog", 1]);
});

test("a late answer to what is no longer asked says nothing", async () => {
  const { state, box, find } = made();
  find.isCut = true;
  const late = box.search("dog");
  find.isCut = false;
  await box.search("cat");
  await late;
  expect(state.toast.value).toBeNull();
});

test("a search that finds more than it shows says so", async () => {
  const { state, box, find } = made();
  find.isCut = true;
  await box.search("dog");
  expect(state.toast.value?.text).toBe("more than 1 image found: only the first are shown; say more of the name");
});
