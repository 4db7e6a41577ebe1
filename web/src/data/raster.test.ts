import { expect, test } from "vitest";
import {
  bounded,
  density,
  dotWidth,
  inside,
  nearest,
  NO_PLACE,
  paint,
  pixelOf,
  resized,
  wholeMap,
  zoomed,
} from "./raster";

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

test("a dot is a disc about its pixel", () => {
  const pixels = new Uint8ClampedArray(4 * 49).fill(0);
  const counts = new Uint32Array(49);
  counts[3 * 7 + 3] = 1;
  paint(pixels, counts, { width: 7, height: 7 }, [200, 0, 0], 5);
  const reds = Array.from({ length: 7 }, (_, y) =>
    Array.from({ length: 7 }, (_, x) => (pixels[4 * (7 * y + x)] === 0 ? "." : "#")).join(""),
  );
  expect(reds).toEqual([".......", "..###..", ".#####.", ".#####.", ".#####.", "..###..", "......."]);
});

const page = { width: 800, height: 600 };

test("the whole map fits, and zooming leaves the point under the pointer where it is", () => {
  const whole = wholeMap(page);
  expect(whole.y).toBeGreaterThan(0);
  expect(65534 * whole.scale + whole.y).toBeLessThan(600);
  const near = zoomed(whole, page, 3, [450, 350]);
  const at = (w: typeof whole) => (450 - w.x) / w.scale;
  expect(at(near)).toBeCloseTo(at(whole), 6);
});

test("the map cannot be lost: it covers the middle and is never smaller than whole, nor closer than helps", () => {
  const whole = wholeMap(page);
  expect(zoomed(whole, page, 0.2, [0, 0])).toEqual(whole);
  expect(zoomed(whole, page, 1e9, [400, 300]).scale).toBeCloseTo(100 * whole.scale);
  const away = bounded({ scale: 2 * whole.scale, x: 9000, y: -9000 }, page);
  expect([away.x, away.y + 65534 * away.scale]).toEqual([400, 300]);
});

test("in another size the whole map stays whole, and a part keeps its middle", () => {
  const larger = { width: 1000, height: 700 };
  expect(resized(null, page, larger)).toEqual(wholeMap(larger));
  expect(resized(wholeMap(page), page, larger)).toEqual(wholeMap(larger));
  const near = zoomed(wholeMap(page), page, 4, [400, 300]);
  const after = resized(near, page, larger);
  expect([after.scale, after.x - near.x, after.y - near.y]).toEqual([near.scale, 100, 50]);
});

test("the nearest dot is the one that is pointed at, where one is near enough", () => {
  const rows = Uint32Array.of(0, 2, 3);
  expect(nearest(xs, ys, window, [3.4, 2.5], { rows, within: 2 })).toBe(2);
  expect(nearest(xs, ys, window, [5.5, 5.5], { rows, within: 2 })).toBe(-1);
  expect(pixelOf(xs, ys, { scale: 2.5, x: 1, y: 0 }, 2)).toEqual([8, 5]);
  expect(pixelOf([NO_PLACE], [NO_PLACE], window, 0)).toBeNull();
});

test("dots are smaller where there are many, and grow with zoom", () => {
  expect([300, 20_000, 1_000_000].map((n) => dotWidth(n, 1))).toEqual([5, 3, 1]);
  expect([4, 16, 100].map((zoom) => dotWidth(300, zoom))).toEqual([11, 21, 21]);
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
