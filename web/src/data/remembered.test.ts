import { afterEach, expect, test, vi } from "vitest";
import { madeStorage } from "../testing/made";
import { remember, remembered } from "./remembered";

afterEach(() => {
  vi.unstubAllGlobals();
});

test("what the browser keeps is read from there", () => {
  vi.stubGlobal("localStorage", madeStorage());
  remember("name", "Ana");
  expect(localStorage.getItem("name")).toBe("Ana");
  localStorage.setItem("name", "Bo");
  expect([remembered("name"), remembered("other")]).toEqual(["Bo", null]);
});

test("where nothing may be kept it lasts as long as the page", () => {
  const denied = {
    get: () => {
      throw new DOMException("denied", "SecurityError");
    },
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  Object.defineProperty(globalThis, "localStorage", { ...denied, configurable: true });
  try {
    expect(remembered("name")).toBeNull();
    remember("name", "Cy");
    expect(remembered("name")).toBe("Cy");
  } finally {
    Object.defineProperty(globalThis, "localStorage", before ?? { value: undefined, configurable: true });
  }
});

test("where storage is full the newest word holds", () => {
  vi.stubGlobal("localStorage", madeStorage(3));
  remember("key", "abc");
  remember("key", "abcdef");
  expect([remembered("key"), localStorage.getItem("key")]).toEqual(["abcdef", "abc"]);
});
