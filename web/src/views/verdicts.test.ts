import type { VNode } from "preact";
import { expect, test } from "vitest";
import { madeDetail } from "../testing/made";
import { Verdicts } from "./verdicts";

test("a policy that is named like a person is another voice", () => {
  const verdict = { reviewer: "Ada", action: "keep", new_label: null, tags: [], note: "" } as const;
  const verdicts = [
    { ...verdict, origin: "person" },
    { ...verdict, origin: "policy", action: "remove" },
  ] as const;
  const shown = Verdicts({ detail: madeDetail(10, { verdicts }) }) as VNode<{ children: VNode[] }>;
  expect(new Set(shown.props.children.map(({ key }) => key)).size).toBe(2);
});
