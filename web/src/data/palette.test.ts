import { expect, test } from "vitest";
import { manyColumns, madeColumns } from "../testing/made";
import { NO_CLASS } from "./columns";
import { GRAY, layersOf } from "./palette";

const all = (n: number) => Uint32Array.from({ length: n }, (_, row) => row);

test("the legend has only what is there, the most frequent first, and a filter changes no colour", () => {
  const columns = madeColumns([{ given: 1 }, { given: 1 }, { given: 0 }, { given: NO_CLASS }]);
  const layers = layersOf(columns, all(4), "class", false);
  expect(layers.map(({ name, rows }) => [name, [...rows]])).toEqual([
    ["other", [3]],
    ["dog", [0, 1]],
    ["cat", [2]],
  ]);
  expect(layers[0]?.colour).toEqual(GRAY);
  const [cat] = layersOf(columns, Uint32Array.of(2), "class", false);
  expect(cat).toEqual({ ...layers[2], rows: Uint32Array.of(2) });
});

test("what has no place on the map is not in its legend", () => {
  const columns = madeColumns([{ top: 1, x: 65535 }, { top: 2 }]);
  expect(layersOf(columns, all(2), "finding", false).map(({ name }) => name)).toEqual(["duplicate"]);
});

test("by finding the surest one counts; light and dark have colours of their own", () => {
  const columns = madeColumns([{ top: 1 }, {}]);
  const names = (isDark: boolean) => layersOf(columns, all(2), "finding", isDark).map(({ name }) => name);
  expect(names(false)).toEqual(["nothing found", "blur"]);
  const [light, dark] = [false, true].map((isDark) => layersOf(columns, all(2), "finding", isDark)[1]?.colour);
  expect(light).not.toEqual(dark);
});

test("without a choice what is shown stands out, all of it does not", () => {
  const columns = manyColumns(3);
  expect(layersOf(columns, all(3), "none", false)).toEqual([]);
  expect(layersOf(columns, all(2), "none", false).map(({ name }) => name)).toEqual(["shown"]);
});
