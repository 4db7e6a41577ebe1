import type { Component } from "preact";
import { expect, test } from "vitest";
import { memo } from "./memo";

test("memo draws again when a property differs, and only then", () => {
  const list = [1];
  const Tile = memo((_: { row: number; list: number[]; other: string | undefined }) => null);
  const drawn = { props: { row: 1, list, other: undefined } } as unknown as Component;
  Tile.call(drawn, drawn.props as never);
  const redraws = (props: object) => drawn.shouldComponentUpdate?.(props, {}, {});
  expect(redraws({ row: 1, list, other: undefined })).toBe(false);
  expect(redraws({ row: 2, list, other: undefined })).toBe(true);
  expect(redraws({ row: 1, list: [1], other: undefined })).toBe(true);
  expect(redraws({ row: 1, list, other: "Ben" })).toBe(true);
});
