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

const MAP_SIDE = 65534;
/** Stands in both columns of an image that has no place: it could not be embedded. */
export const NO_PLACE = 65535;
const MARGIN_PX = 12;

/** The window in which the whole map is seen. */
export function wholeMap({ width, height }: Size): Window {
  const scale = Math.max(1e-6, (Math.min(width, height) - 2 * MARGIN_PX) / MAP_SIDE);
  return { scale, x: (width - scale * MAP_SIDE) / 2, y: (height - scale * MAP_SIDE) / 2 };
}

export function zoomed(window: Window, factor: number, px: number, py: number): Window {
  return { scale: window.scale * factor, x: px - (px - window.x) * factor, y: py - (py - window.y) * factor };
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

/** Paints counts over what is there: more of the colour where more points are; each point `dot` pixels wide. */
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
  for (let pixel = 0; pixel < counts.length; pixel++) {
    const count = counts[pixel] as number;
    if (count > 0) {
      // Single points stay visible, and a logarithm keeps dense places from hiding all others.
      const strength = 0.35 + (0.65 * Math.log1p(count)) / top;
      blend(pixels, size, pixel, { colour, strength, dot });
    }
  }
}

interface Dab {
  readonly colour: readonly [number, number, number];
  readonly strength: number;
  readonly dot: number;
}

function blend(pixels: Uint8ClampedArray, size: Size, pixel: number, { colour, strength, dot }: Dab): void {
  const [x, y] = [pixel % size.width, Math.floor(pixel / size.width)];
  for (let py = y; py < Math.min(y + dot, size.height); py++) {
    for (let px = x; px < Math.min(x + dot, size.width); px++) {
      const at = 4 * (py * size.width + px);
      for (let part = 0; part < 3; part++) {
        const old = pixels[at + part] as number;
        pixels[at + part] = old + ((colour[part] as number) - old) * strength;
      }
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
