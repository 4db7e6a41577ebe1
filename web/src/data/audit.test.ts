import { beforeEach, expect, test, vi } from "vitest";
import { madeColumns, madeStorage } from "../testing/made";
import { Audit, openInBand, type Pool, sparingOne, wilson } from "./audit";
import type { Columns } from "./columns";
import type { Filter } from "./rows";

const BLUR = 1;
const [KEEP, REMOVE] = [1, 2];
const band = { type: BLUR, low: 0.5, high: 1, filter: {} };

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
  expect(audit.note(0, "keep")).toBe(false);
  const drawn = audit.draw(band, [0, 1, 2, 3], 4);
  for (const row of drawn.slice(0, 3)) {
    expect(audit.note(row, row === drawn[0] ? "keep" : "remove")).toBe(true);
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
  new Audit(columns).draw(band, [0, 1], 2);
  const audit = new Audit(columns);
  audit.note(0, "remove");
  columns.set("action", 0, REMOVE);
  expect(new Audit(columns).precision(band).nAudited).toBe(1);
  columns.set("action", 0, 0);
  expect(audit.precision(band).nAudited).toBe(0);
});

test("what a batch says is no judgement, not even where the image was looked at before", () => {
  const columns = blurred(2);
  const audit = new Audit(columns);
  audit.draw(band, [0, 1], 2);
  audit.note(0, "remove");
  audit.forget([0]);
  audit.note(1, "keep");
  columns.set("action", 0, REMOVE);
  columns.set("action", 1, REMOVE);
  expect(audit.precision(band).nAudited).toBe(0);
});

/** Draws all of some rows, and removes what was drawn. */
function confirmAll(columns: Columns, pool: Pool, rows: readonly number[]): void {
  const audit = new Audit(columns);
  for (const row of audit.draw(pool, rows, rows.length)) {
    audit.note(row, "remove");
    columns.set("action", row, REMOVE);
  }
}

test("of a wider band than was drawn from nothing is known, of a narrower one what lies in it", () => {
  const sure = Array.from({ length: 4 }, () => ({ top: BLUR, confidence: 255 }));
  const doubtful = Array.from({ length: 4 }, () => ({ top: BLUR, confidence: 153 }));
  const columns = madeColumns([...sure, ...doubtful]);
  confirmAll(columns, { ...band, low: 1 }, [0, 1, 2]);
  const measured = (low: number, high = 1) => new Audit(columns).precision({ ...band, low, high }).nAudited;
  expect([measured(1), measured(0.9), measured(0.5)]).toEqual([3, 0, 0]);
  confirmAll(columns, band, [3, 4, 5]);
  expect([measured(1), measured(0.9), measured(0.5), measured(0.4)]).toEqual([4, 1, 3, 0]);
  expect([measured(0.5, 0.6), measured(0.6, 0.9)]).toEqual([2, 2]);
});

test("a draw under a filter says nothing of what the filter hid", () => {
  const [TRAIN, VAL] = [0, 1];
  const splits = [TRAIN, TRAIN, TRAIN, VAL, VAL, VAL];
  const columns = madeColumns(splits.map((split) => ({ top: BLUR, confidence: 255, split })));
  const measured = (filter: Filter) => new Audit(columns).precision({ ...band, filter }).nAudited;
  const train = { ...band, filter: { splits: new Set([TRAIN]) } };
  confirmAll(columns, train, [0, 1]);
  expect(measured({ splits: new Set([TRAIN]) })).toBe(2);
  expect(measured({ splits: new Set([VAL, TRAIN]) })).toBe(0);
  expect(measured({ splits: new Set([VAL]) })).toBe(0);
  expect(measured({})).toBe(0);
  confirmAll(columns, band, [2, 3, 4]);
  expect(measured({})).toBe(3);
  expect(measured({ splits: new Set([VAL]) })).toBe(2);
  expect(measured({ splits: new Set([TRAIN]) })).toBe(3);
});

test("a filter is as narrow as each of its parts; what deciding changes must be the same", () => {
  const row = { top: BLUR, issues: 0b110, confidence: 255, given: 1 };
  const cases: readonly (readonly [Filter, Filter, number])[] = [
    [{ issues: 0b110 }, { issues: 0b010 }, 1],
    [{ issues: 0b010 }, { issues: 0b110 }, 0],
    [{ confidence: [0.5, 1] }, { confidence: [0.9, 1] }, 1],
    [{ confidence: [0.9, 1] }, { confidence: [0.5, 1] }, 0],
    [{ given: new Set([1, 2]) }, { given: new Set([1]) }, 1],
    [{ status: "open" }, { status: "open" }, 1],
    [{ status: "open" }, {}, 0],
    [{}, { status: "open" }, 0],
    [{ rows: new Set([0, 1]) }, { rows: new Set([1, 0]) }, 1],
    [{ rows: new Set([0]) }, { rows: new Set([0, 1]) }, 0],
    [{}, { rows: new Set([0]) }, 1],
    [{}, { rows: new Set([1]) }, 0],
  ];
  for (const [drawn, now, n] of cases) {
    vi.stubGlobal("localStorage", madeStorage());
    const columns = madeColumns([row, row]);
    confirmAll(columns, { ...band, filter: drawn }, [0]);
    const told = new Audit(columns).precision({ ...band, filter: now }).nAudited;
    expect([drawn, now, told]).toEqual([drawn, now, n]);
  }
});

test("an image drawn again counts for its newest draw", () => {
  const columns = blurred(2);
  const audit = new Audit(columns);
  audit.draw(band, [0, 1], 2);
  audit.draw({ ...band, low: 0.7 }, [0], 1);
  audit.note(0, "remove");
  columns.set("action", 0, REMOVE);
  expect(audit.precision(band).nAudited).toBe(0);
  expect(audit.precision({ ...band, low: 0.7 }).nAudited).toBe(1);
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
    const drawn = audit.draw(band, [0, 1, 2, 3], 2, random);
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
