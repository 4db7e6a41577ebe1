import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { commands, isOnceMore, isTyping, spelled } from "./keys";
import { keyNames, keyTable, storedKeys, storeKeys, withKey } from "./ownkeys";
import { ReviewState, type Toast } from "./state";
import { MadeSource, madeColumns, madeStorage } from "./testing/made";

const list = commands(["duplicate_exact", "low_quality_blur", "keep"]);
const press = (key: string, held: Partial<Record<"shiftKey" | "ctrlKey" | "metaKey" | "altKey", boolean>> = {}) =>
  spelled({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held } as KeyboardEvent);

/** What has the focus, as far as keys ask. */
class MadeElement {
  readonly isContentEditable = false;
  constructor(
    readonly tagName: string,
    readonly type = "",
  ) {}
}
class MadeInput extends MadeElement {
  constructor(type: string) {
    super("INPUT", type);
  }
}
const pressAt = (target: object, key: string, repeat = false) => ({ key, target, repeat }) as unknown as KeyboardEvent;

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
  vi.stubGlobal("HTMLElement", MadeElement);
  vi.stubGlobal("HTMLInputElement", MadeInput);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

test("no key does two things", () => {
  const keys = list.flatMap((command) => command.keys);
  expect(new Set(keys).size).toBe(keys.length);
});

test("every command says what it does and has an id of its own", () => {
  expect(list.every((command) => command.says.length > 2)).toBe(true);
  expect(new Set(list.map((command) => command.id)).size).toBe(list.length);
});

test("no key decides about an image that is not on view", () => {
  const columns = madeColumns([{}]);
  const state = new ReviewState(columns, new MadeSource(columns.meta));
  state.setOrder("name");
  const deciding = ["keep", "remove", "relabel", "accept", "tag-duplicate_exact"];
  for (const view of ["batch", "classes", "team", "map"] as const) {
    state.view.value = view;
    for (const command of list.filter(({ id }) => deciding.includes(id))) {
      state.toast.value = null;
      command.run(state, 1);
      expect(columns.at("action", 0) + columns.at("tags", 0), `${command.id} in ${view}`).toBe(0);
      expect((state.toast.value as Toast | null)?.text).toContain("not on view here");
    }
  }
  state.view.value = "single";
  list.find(({ id }) => id === "keep")?.run(state, 1);
  expect(columns.at("action", 0)).toBe(1);
});

test("a press is spelled with what is held; Shift counts for keys that have no capital", () => {
  expect(press("x")).toBe("x");
  expect(press("?", { shiftKey: true })).toBe("?");
  expect(press("B", { shiftKey: true })).toBe("B");
  expect(press("z", { ctrlKey: true })).toBe("Ctrl+z");
  expect(press("ArrowLeft", { shiftKey: true })).toBe("Shift+ArrowLeft");
});

test("tags take the digits in their order, the tenth is 0", () => {
  const tags = commands(Array.from({ length: 12 }, (_, place) => `t${place}`));
  const table = keyTable(tags, {});
  expect(table.get("1")?.id).toBe("tag-t0");
  expect(table.get("0")?.id).toBe("tag-t9");
  expect([...table.values()].some((command) => command.id === "tag-t10")).toBe(false);
});

test("a changed key replaces those that came; the others stay", () => {
  const table = keyTable(list, { remove: ["y"] });
  expect(table.get("y")?.id).toBe("remove");
  expect(table.has("x")).toBe(false);
  expect(table.get("k")?.id).toBe("keep");
});

test("buttons name the first key of their command, as it is set now", () => {
  expect(keyNames(list, {}).get("remove")).toBe("x");
  expect(keyNames(list, {}).get("single")).toBe("space");
  expect(keyNames(list, { remove: ["j"] }).get("remove")).toBe("j");
});

test("a key that another command has is refused in words; a free one and its own are taken", () => {
  expect(withKey(list, {}, "remove", "k")).toBe("k is already: keep");
  expect(withKey(list, { keep: ["q"] }, "remove", "q")).toBe("q is already: keep");
  expect(withKey(list, { keep: ["q"] }, "remove", "k")).toEqual({ keep: ["q"], remove: ["k"] });
  expect(withKey(list, {}, "remove", "x")).toEqual({ remove: ["x"] });
  expect(withKey(list, {}, "remove", " ")).toBe("space is already: one image, and back");
});

test("remembered keys with two meanings, or of no command, are given up; the others stay", () => {
  const kept = (keys: object) => {
    storeKeys(keys as Record<string, string[]>);
    return storedKeys(list);
  };
  expect(kept({ remove: ["k"], undo: ["z"] })).toEqual({ undo: ["z"] });
  expect(kept({ keep: ["j"], remove: ["j"] })).toEqual({ keep: ["j"] });
  expect(kept({ keep: ["x"], remove: ["k"] })).toEqual({ keep: ["x"], remove: ["k"] });
  // Without the second the first has nowhere to go either.
  expect(kept({ keep: ["x"], remove: ["r"] })).toEqual({});
  expect(kept({ nothing: ["q"], keep: "q", remove: [1] })).toEqual({});
});

test.each([
  ["checkbox", new MadeInput("checkbox"), [" "], ["Enter", "k", "ArrowDown", "Escape"]],
  ["range", new MadeInput("range"), ["ArrowLeft", "ArrowUp", "PageDown", "Home", "End"], [" ", "Enter", "k", "Escape"]],
  ["radio", new MadeInput("radio"), [" ", "ArrowDown"], ["Enter", "k"]],
  ["button", new MadeElement("BUTTON"), [" ", "Enter"], ["k", "ArrowDown", "Escape"]],
  ["select", new MadeElement("SELECT"), [" ", "Enter", "k", "ArrowDown"], ["Escape"]],
  ["text", new MadeInput("text"), [" ", "Enter", "k", "Home"], ["Escape"]],
  ["search", new MadeInput("search"), [" ", "Enter", "k", "Home"], ["Escape"]],
  ["tile", new MadeElement("DIV"), [], [" ", "Enter", "k", "Escape"]],
])("a %s has the keys that it uses, the page has the others", (_, target, own, others) => {
  expect(own.filter((key) => !isTyping(pressAt(target, key)))).toEqual([]);
  expect(others.filter((key) => isTyping(pressAt(target, key)))).toEqual([]);
});

test("a key that is held down goes on moving, and says nothing twice", () => {
  const goesOn = list.filter((command) => !isOnceMore(pressAt(new MadeElement("DIV"), "any", true), command));
  const moves = ["left", "right", "up", "down", "page-up", "page-down", "first", "last"];
  expect(goesOn.map(({ id }) => id).sort()).toEqual(
    [
      ...moves,
      ...moves.map((id) => `extend-${id}`),
      ...["next-group", "back", "closer", "farther", "next-box", "previous-box"],
    ].sort(),
  );
  expect(list.some((command) => isOnceMore(pressAt(new MadeElement("DIV"), "any"), command))).toBe(false);
});

test("a button is pressed once by a key that is held down; a field takes every letter", () => {
  expect(isOnceMore(pressAt(new MadeElement("BUTTON"), "Enter", true), undefined)).toBe(true);
  expect(isOnceMore(pressAt(new MadeElement("BUTTON"), "Enter"), undefined)).toBe(false);
  expect(isOnceMore(pressAt(new MadeInput("text"), "k", true), list[0])).toBe(false);
});
