// Points counted into the pixels of a picture: works at any number of points and needs no graphics card.

/** Which part of the map is shown: map coordinates 0..65534 to pixels. */
export interface Window {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

type Numbers = ArrayLike<number>;
/** From the left and the top. */
export type Pixel = readonly [number, number];

const MAP_SIDE = 65534;
/** Stands in both columns of an image that has no place: it could not be embedded. */
export const NO_PLACE = 65535;
const MARGIN_PX = 12;
/** At most so many times as close as the whole map. */
const MOST_ZOOM = 100;
/** Up to so many images each is drawn so many pixels wide on the whole map. */
const DOTS: readonly (readonly [number, number])[] = [
  [3_000, 5],
  [30_000, 3],
];
const MOST_DOT = 21;

/** The window in which the whole map is seen. */
export function wholeMap({ width, height }: Size): Window {
  const scale = Math.max(1e-6, (Math.min(width, height) - 2 * MARGIN_PX) / MAP_SIDE);
  return { scale, x: (width - scale * MAP_SIDE) / 2, y: (height - scale * MAP_SIDE) / 2 };
}

/** Closer or farther about a pixel, as far as that is allowed. */
export function zoomed(window: Window, size: Size, factor: number, [px, py]: Pixel): Window {
  const whole = wholeMap(size).scale;
  const scale = Math.min(MOST_ZOOM * whole, Math.max(whole, window.scale * factor));
  const by = scale / window.scale;
  return bounded({ scale, x: px - (px - window.x) * by, y: py - (py - window.y) * by }, size);
}

/** The nearest window in which the map cannot be lost: it covers the middle, and is never smaller than whole. */
export function bounded(window: Window, size: Size): Window {
  const whole = wholeMap(size);
  if (window.scale <= whole.scale) {
    return whole;
  }
  const side = window.scale * MAP_SIDE;
  const within = (at: number, length: number) => Math.min(length / 2, Math.max(length / 2 - side, at));
  return { scale: window.scale, x: within(window.x, size.width), y: within(window.y, size.height) };
}

/** The window after the place of the map has another size: the middle stays, and the whole map stays whole. */
export function resized(window: Window | null, before: Size, size: Size): Window {
  const isWhole = window === null || before.width === 0 || window.scale <= wholeMap(before).scale;
  return isWhole
    ? wholeMap(size)
    : bounded(
        {
          scale: window.scale,
          x: window.x + (size.width - before.width) / 2,
          y: window.y + (size.height - before.height) / 2,
        },
        size,
      );
}

/** The pixel that a row is drawn at; null where it has no place. */
export function pixelOf(xs: Numbers, ys: Numbers, window: Window, row: number): Pixel | null {
  const [x, y] = [xs[row], ys[row]];
  if (x === undefined || y === undefined || x === NO_PLACE) {
    return null;
  }
  return [Math.floor(x * window.scale + window.x), Math.floor(y * window.scale + window.y)];
}

/** The row drawn nearest to a pixel, of some rows and at most so many pixels away; -1 where none is. */
export function nearest(
  xs: Numbers,
  ys: Numbers,
  window: Window,
  [px, py]: Pixel,
  { rows, within }: { readonly rows: Uint32Array; readonly within: number },
): number {
  let [best, found] = [within * within, -1];
  for (const row of rows) {
    const dx = (xs[row] as number) * window.scale + window.x - px;
    const dy = (ys[row] as number) * window.scale + window.y - py;
    const distance = dx * dx + dy * dy;
    if (distance <= best && xs[row] !== NO_PLACE) {
      [best, found] = [distance, row];
    }
  }
  return found;
}

/** Width of a dot in pixels: less where there are many, more the closer one looks; odd, so that it has a middle. */
export function dotWidth(n: number, zoom: number): number {
  const base = DOTS.find(([most]) => n <= most)?.[1] ?? 1;
  return 2 * Math.floor(Math.min(MOST_DOT, base * Math.sqrt(zoom)) / 2) + 1;
}

/** How many points fall on each pixel; with `rows`, of these rows alone. */
export function density(xs: Numbers, ys: Numbers, window: Window, size: Size, rows?: Uint32Array): Uint32Array {
  const counts = new Uint32Array(size.width * size.height);
  const n = rows?.length ?? xs.length;
  for (let i = 0; i < n; i++) {
    const row = rows === undefined ? i : (rows[i] as number);
    if (xs[row] === NO_PLACE) {
      continue;
    }
    const px = Math.floor((xs[row] as number) * window.scale + window.x);
    const py = Math.floor((ys[row] as number) * window.scale + window.y);
    if (px >= 0 && px < size.width && py >= 0 && py < size.height) {
      const pixel = py * size.width + px;
      counts[pixel] = (counts[pixel] as number) + 1;
    }
  }
  return counts;
}

/** Paints counts over what is there: more of the colour where more points are; each point a disc `dot` pixels wide. */
export function paint(
  pixels: Uint8ClampedArray,
  counts: Uint32Array,
  size: Size,
  colour: readonly [number, number, number],
  dot: number,
): void {
  let most = 1;
  for (const count of counts) {
    most = Math.max(most, count);
  }
  const top = Math.log1p(most);
  const disc = discOf(dot);
  for (let pixel = 0; pixel < counts.length; pixel++) {
    const count = counts[pixel] as number;
    if (count > 0) {
      // Dots are told apart by their colour alone. Of many points single ones stay visible, and a logarithm keeps dense
      // places from hiding all others.
      const strength = dot > 1 ? 1 : 0.35 + (0.65 * Math.log1p(count)) / top;
      blend(pixels, size, pixel, { colour, strength, disc });
    }
  }
}

interface Dab {
  readonly colour: readonly [number, number, number];
  readonly strength: number;
  readonly disc: readonly Pixel[];
}

/** The pixels of a disc about its middle; of an odd width. */
function discOf(width: number): Pixel[] {
  const half = (width - 1) / 2;
  const sides = Array.from({ length: width }, (_, place) => place - half);
  const inside = (x: number, y: number) => x * x + y * y <= half * half + half / 2;
  return sides.flatMap((y) => sides.filter((x) => inside(x, y)).map((x): Pixel => [x, y]));
}

function blend(pixels: Uint8ClampedArray, size: Size, pixel: number, { colour, strength, disc }: Dab): void {
  const [x, y] = [pixel % size.width, Math.floor(pixel / size.width)];
  for (const [dx, dy] of disc) {
    const [px, py] = [x + dx, y + dy];
    if (px < 0 || py < 0 || px >= size.width || py >= size.height) {
      continue;
    }
    const at = 4 * (py * size.width + px);
    for (let part = 0; part < 3; part++) {
      const old = pixels[at + part] as number;
      pixels[at + part] = old + ((colour[part] as number) - old) * strength;
    }
  }
}

/** The rows inside a polygon of pixels; the even-odd rule. */
export function inside(
  xs: Numbers,
  ys: Numbers,
  window: Window,
  polygon: readonly (readonly [number, number])[],
  rows: Uint32Array,
): number[] {
  const found: number[] = [];
  if (polygon.length < 3) {
    return found;
  }
  const left = Math.min(...polygon.map(([x]) => x));
  const right = Math.max(...polygon.map(([x]) => x));
  for (const row of rows) {
    const px = (xs[row] as number) * window.scale + window.x;
    if (
      xs[row] !== NO_PLACE &&
      px >= left &&
      px <= right &&
      isInside(polygon, px, (ys[row] as number) * window.scale + window.y)
    ) {
      found.push(row);
    }
  }
  return found;
}

function isInside(polygon: readonly (readonly [number, number])[], px: number, py: number): boolean {
  let isIn = false;
  let [x1, y1] = polygon[polygon.length - 1] as readonly [number, number];
  for (const [x2, y2] of polygon) {
    if (y1 > py !== y2 > py && px < ((x2 - x1) * (py - y1)) / (y2 - y1) + x1) {
      isIn = !isIn;
    }
    [x1, y1] = [x2, y2];
  }
  return isIn;
}
