import { expect, test } from "vitest";
import { density, inside, paint, wholeMap, zoomed } from "./raster";

const size = { width: 4, height: 4 };
const window = { scale: 1, x: 0, y: 0 };
const xs = Uint16Array.of(0, 0, 3, 9);
const ys = Uint16Array.of(0, 0, 2, 9);

test("points are counted where they fall, those outside not at all", () => {
  const counts = density(xs, ys, window, size);
  expect([counts[0], counts[2 * 4 + 3], counts.reduce((a, b) => a + b)]).toEqual([2, 1, 3]);
  expect(density(xs, ys, window, size, Uint32Array.of(2))[0]).toBe(0);
});

test("an image without a place is nowhere, however far the map reaches", () => {
  const nowhere = Uint16Array.of(65535);
  const far = { scale: 1 / 65535, x: 0, y: 0 };
  expect(density(nowhere, nowhere, far, size).every((count) => count === 0)).toBe(true);
  const all: [number, number][] = [
    [-9, -9],
    [9, -9],
    [9, 9],
    [-9, 9],
  ];
  expect(inside(nowhere, nowhere, far, all, Uint32Array.of(0))).toEqual([]);
});

test("more points paint more, none leave the ground", () => {
  const pixels = new Uint8ClampedArray(64).fill(0);
  paint(pixels, density(xs, ys, window, size), size, [200, 0, 0], 1);
  const [dense, single] = [pixels[0] as number, pixels[4 * 11] as number];
  expect(dense).toBeGreaterThan(single);
  expect(single).toBeGreaterThan(0);
  expect(pixels[4]).toBe(0);
});

test("the whole map fits, and zooming leaves the point under the pointer where it is", () => {
  const whole = wholeMap({ width: 800, height: 600 });
  expect(whole.y).toBeGreaterThan(0);
  expect(65534 * whole.scale + whole.y).toBeLessThan(600);
  const near = zoomed(whole, 3, 400, 300);
  const at = (w: typeof whole) => (400 - w.x) / w.scale;
  expect(at(near)).toBeCloseTo(at(whole), 6);
});

test("a line around points chooses what is inside, of the rows that are shown", () => {
  const square: [number, number][] = [
    [-1, -1],
    [4, -1],
    [4, 4],
    [-1, 4],
  ];
  expect(inside(xs, ys, window, square, Uint32Array.of(0, 1, 2, 3))).toEqual([0, 1, 2]);
  expect(inside(xs, ys, window, square, Uint32Array.of(1))).toEqual([1]);
  expect(inside(xs, ys, window, square.slice(0, 2), Uint32Array.of(0))).toEqual([]);
});
