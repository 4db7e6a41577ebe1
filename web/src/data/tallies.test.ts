import { expect, test } from "vitest";
import { madeColumns } from "../testing/made";
import { TURN } from "./columns";
import type { Said } from "./said";
import { Tallies } from "./tallies";

const said = (change: Partial<Said>): Said => ({ action: 0, tags: 0, turn: TURN.yours, newLabel: 0, nReviewers: 0, ...change });

test("what a policy said still waits for a person, and is counted by itself", () => {
  const columns = madeColumns([{ action: 2 }, { tags: 1 }, {}, { action: 1, turn: TURN.others, n_reviewers: 1 }]);
  const tallies = new Tallies(columns);
  tallies.count();
  tallies.countShown(Uint32Array.of(0, 1, 2, 3));
  expect([tallies.nDecided.value, tallies.nLeft.value, tallies.nByPolicy.value]).toEqual([0, 3, 2]);
  tallies.changed(0, said({ action: 2 }), said({ action: 1, turn: TURN.spoken }));
  expect([tallies.nDecided.value, tallies.nLeft.value, tallies.nByPolicy.value]).toEqual([1, 2, 1]);
  tallies.changed(0, said({ action: 1, turn: TURN.spoken }), said({ action: 2 }));
  expect([tallies.nDecided.value, tallies.nLeft.value, tallies.nByPolicy.value]).toEqual([0, 3, 2]);
  tallies.countShown(Uint32Array.of(2, 3));
  expect([tallies.nLeft.value, tallies.nByPolicy.value]).toEqual([1, 0]);
});

test("an image of which all was taken back waits again", () => {
  const tallies = new Tallies(madeColumns([{}]));
  tallies.countShown(Uint32Array.of(0));
  tallies.changed(0, said({}), said({ tags: 1, turn: TURN.spoken }));
  expect([tallies.nDecided.value, tallies.nLeft.value]).toEqual([1, 0]);
  tallies.changed(0, said({ tags: 1, turn: TURN.spoken }), said({ turn: TURN.spoken }));
  expect([tallies.nDecided.value, tallies.nLeft.value]).toEqual([0, 1]);
});

test("what a person said of a shared image is not the policy's", () => {
  const columns = madeColumns([{ turn: TURN.shared }]);
  const tallies = new Tallies(columns);
  tallies.countShown(Uint32Array.of(0));
  tallies.changed(0, said({ turn: TURN.shared }), said({ turn: TURN.shared, action: 1, nReviewers: 1 }));
  expect([tallies.nLeft.value, tallies.nByPolicy.value]).toEqual([1, 0]);
});
