import { beforeEach, expect, test, vi } from "vitest";
import { madeColumns, madeStorage } from "../testing/made";
import { Audit, openInBand, sparingOne, wilson } from "./audit";

const BLUR = 1;
const [KEEP, REMOVE] = [1, 2];
const band = { type: BLUR, low: 0.5, high: 1 };

beforeEach(() => {
  vi.stubGlobal("localStorage", madeStorage());
});

function blurred(n: number) {
  return madeColumns(Array.from({ length: n }, () => ({ top: BLUR, confidence: 200 })));
}

test("the interval is Wilson's", () => {
  // Brown, Cai and DasGupta 2001, formula 4, worked by hand for 8 of 10.
  const [low, high] = wilson(8, 10);
  expect(low).toBeCloseTo(0.4902, 4);
  expect(high).toBeCloseTo(0.9433, 4);
  expect(wilson(0, 0)).toEqual([0, 1]);
  expect(wilson(10, 10)[1]).toBeCloseTo(1, 12);
  expect(wilson(0, 10)[0]).toBeCloseTo(0, 12);
});

test("only images that were drawn and decided one by one count; removing confirms, keeping refutes", () => {
  const columns = blurred(6);
  const audit = new Audit(columns);
  expect(audit.note(0)).toBe(false);
  const drawn = audit.draw([0, 1, 2, 3], 4);
  for (const row of drawn.slice(0, 3)) {
    expect(audit.note(row)).toBe(true);
    columns.set("action", row, row === drawn[0] ? KEEP : REMOVE);
  }
  columns.set("action", drawn[3] as number, REMOVE);
  columns.set("action", 5, REMOVE);
  expect(audit.precision(band)).toMatchObject({ nAudited: 3, nConfirmed: 2 });
  expect(audit.precision({ ...band, type: 0 })).toMatchObject({ nAudited: 0, low: 0, high: 1 });
  expect(audit.precision({ ...band, low: 0.9 }).nAudited).toBe(0);
});

test("what was taken back counts no more; the audit is there again after a reload", () => {
  const columns = blurred(2);
  new Audit(columns).draw([0, 1], 2);
  const audit = new Audit(columns);
  audit.note(0);
  columns.set("action", 0, REMOVE);
  expect(new Audit(columns).precision(band).nAudited).toBe(1);
  columns.set("action", 0, 0);
  expect(audit.precision(band).nAudited).toBe(0);
});

test("a draw takes each row once and every row equally often", () => {
  const audit = new Audit(blurred(1));
  const hits = [0, 0, 0, 0];
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (let time = 0; time < 4000; time++) {
    const drawn = audit.draw([0, 1, 2, 3], 2, random);
    expect(new Set(drawn).size).toBe(2);
    for (const row of drawn) {
      hits[row] = (hits[row] ?? 0) + 1;
    }
  }
  expect(hits.every((n) => Math.abs(n - 2000) < 150)).toBe(true);
});

test("a band holds what is not decided, by the surest finding, both ends included", () => {
  const columns = madeColumns([
    { top: BLUR, confidence: 128 },
    { top: BLUR, confidence: 126 },
    { top: BLUR, confidence: 255, action: KEEP },
    { top: 0, confidence: 255 },
    { top: BLUR, confidence: 255 },
  ]);
  expect(openInBand(columns, Uint32Array.of(0, 1, 2, 3, 4), band)).toEqual([0, 4]);
});

test("of what is removed one of each group stays, unless another of it does", () => {
  const columns = madeColumns([
    { group: 1 },
    { group: 1 },
    { group: 2 },
    { group: 2 },
    {},
    { group: 3 },
    { group: 3, action: REMOVE },
  ]);
  expect(sparingOne(columns, [0, 1, 2, 4, 5])).toEqual([1, 2, 4]);
});
