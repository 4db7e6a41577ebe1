import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Leisure } from "./leisure";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** What looks for so long, and when it began to. */
function made(tookMs = 0) {
  const looks: number[] = [];
  const look = async () => {
    looks.push(Date.now() - began);
    await new Promise((resolve) => setTimeout(resolve, tookMs));
  };
  const began = Date.now();
  return { leisure: new Leisure(look, 700), looks };
}

test("news that go on coming are looked at as they come, at leisure", async () => {
  const { leisure, looks } = made();
  for (let i = 0; i < 12; i++) {
    leisure.tell();
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(looks[0]).toBe(0);
  expect(looks.length).toBeGreaterThan(4);
  expect(looks.length).toBeLessThan(9);
});

test("what comes while it looks is looked at afterwards, and never two at a time", async () => {
  const { leisure, looks } = made(3000);
  leisure.tell();
  await vi.advanceTimersByTimeAsync(1000);
  leisure.tell();
  leisure.tell();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(looks).toEqual([0, 3700]);
});

test("what is stopped looks no more", async () => {
  const { leisure, looks } = made();
  leisure.tell();
  leisure.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(looks).toEqual([]);
});
