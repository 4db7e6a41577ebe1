import { expect, test } from "vitest";
import { commands, keyTable, spelled } from "./keys";

const list = commands(["duplicate_exact", "low_quality_blur", "keep"]);
const press = (key: string, held: Partial<Record<"shiftKey" | "ctrlKey" | "metaKey" | "altKey", boolean>> = {}) =>
  spelled({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held } as KeyboardEvent);

test("no key does two things", () => {
  const keys = list.flatMap((command) => command.keys);
  expect(new Set(keys).size).toBe(keys.length);
});

test("every command says what it does and has an id of its own", () => {
  expect(list.every((command) => command.says.length > 2)).toBe(true);
  expect(new Set(list.map((command) => command.id)).size).toBe(list.length);
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
  const table = keyTable(list, { remove: ["q"] });
  expect(table.get("q")?.id).toBe("remove");
  expect(table.has("x")).toBe(false);
  expect(table.get("k")?.id).toBe("keep");
});
