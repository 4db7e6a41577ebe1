// Which images of the map have which colour, and what the legend says of them.

import type { Columns } from "./columns";
import { NO_PLACE } from "./raster";

export type Rgb = readonly [number, number, number];
export type Colouring = "none" | "finding" | "class";

/** Chosen by search for the largest least distance in OKLab, for eyes that do not tell red from green too; contrast of
 * at least 3 to the ground. */
const LIGHT: readonly Rgb[] = [
  [30, 0, 255],
  [255, 90, 0],
  [15, 90, 15],
  [165, 0, 105],
  [0, 150, 255],
  [255, 60, 210],
  [0, 165, 90],
  [135, 75, 210],
  [30, 75, 150],
  [165, 75, 0],
];
const DARK: readonly Rgb[] = [
  [240, 0, 255],
  [120, 195, 0],
  [0, 90, 255],
  [240, 0, 0],
  [135, 195, 255],
  [45, 120, 30],
  [255, 135, 165],
  [255, 225, 60],
  [60, 255, 210],
  [180, 60, 150],
];
/** What has no colour of its own. */
export const GRAY: Rgb = [128, 136, 148];
const PLAIN: Rgb = [25, 118, 210];

/** Images drawn in one colour. */
export interface Layer {
  readonly name: string;
  readonly rows: Uint32Array;
  readonly colour: Rgb;
}

/** What of some rows is drawn over the gray of all, images without a place left out, least frequent last, so that it lies on top.
 *
 * The most frequent values of the whole dataset have the colours, so that a filter changes none; the others are one
 * layer in gray. Cost: some passes over the rows.
 */
export function layersOf(columns: Columns, shown: Uint32Array, colouring: Colouring, isDark: boolean): Layer[] {
  if (colouring === "none") {
    return shown.length === columns.nLoaded ? [] : [{ name: "shown", rows: shown, colour: PLAIN }];
  }
  const xs = columns.column("x");
  const rows = shown.filter((row) => xs[row] !== NO_PLACE);
  const { issue_types, classes } = columns.meta;
  const names = colouring === "finding" ? issue_types : classes;
  const values = columns.column(colouring === "finding" ? "top" : "given");
  const palette = isDark ? DARK : LIGHT;
  const coloured = mostFrequent(values.subarray(0, columns.nLoaded), names.length).slice(0, palette.length);
  const layers = coloured.map((code, place) => ({
    name: (names[code] ?? "").replaceAll("_", " "),
    rows: rows.filter((row) => values[row] === code),
    colour: palette[place] as Rgb,
  }));
  const isColoured = new Set(coloured);
  const others = rows.filter((row) => !isColoured.has(values[row] as number));
  const name = colouring === "finding" ? "nothing found" : "other";
  return [{ name, rows: others, colour: GRAY }, ...layers].filter((layer) => layer.rows.length > 0);
}

/** Codes below a limit, the most frequent first, equal ones by code. */
function mostFrequent(values: ArrayLike<number>, limit: number): number[] {
  const counts = new Uint32Array(limit + 1);
  for (let row = 0; row < values.length; row++) {
    (counts[Math.min(values[row] as number, limit)] as number)++;
  }
  return Array.from({ length: limit }, (_, code) => code)
    .filter((code) => counts[code] !== 0)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b);
}
