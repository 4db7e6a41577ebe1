import { expect, test } from "vitest";
import { MadeSource, madeColumns, madeDetail, settled } from "../testing/made";
import { Details } from "./details";
import type { Detail } from "./source";

/** Answers when told, so that a test may act while words are on their way. */
class SlowSource extends MadeSource {
  readonly asked: (readonly number[])[] = [];
  private readonly waiting: (() => void)[] = [];
  note = "first";

  override details(ids: readonly number[]): Promise<readonly Detail[]> {
    this.asked.push(ids);
    const found = ids.map((id) => madeDetail(id, { note: this.note }));
    return new Promise((resolve) => this.waiting.push(() => resolve(found)));
  }

  async deliver(): Promise<void> {
    this.waiting.shift()?.();
    await settled();
  }
}

function opened() {
  const columns = madeColumns([{}, {}]);
  const source = new SlowSource(columns.meta);
  return { source, details: new Details(columns, source) };
}

const CHANGE = [{ sample_id: 10, version: 2 }] as never;

test("words stay on view until newer ones have come", async () => {
  const { source, details } = opened();
  expect(details.of(0)).toBeNull();
  await source.deliver();
  source.note = "second";
  details.forget(CHANGE);
  expect(details.of(0)?.note).toBe("first");
  await source.deliver();
  expect(details.of(0)?.note).toBe("second");
  expect(source.asked).toEqual([[10], [10]]);
});

test("words that were asked for before a decision are not taken for what came after it", async () => {
  const { source, details } = opened();
  details.of(0);
  details.forget(CHANGE);
  source.note = "second";
  details.of(0);
  await source.deliver();
  expect(details.of(0)).toBeNull();
  await source.deliver();
  expect(details.of(0)?.note).toBe("second");
});

test("what one reviewer said and saw is gone before the next one's words have come", async () => {
  const { source, details } = opened();
  details.of(0);
  await source.deliver();
  details.of(1);
  details.forgetAll();
  expect(details.of(0)).toMatchObject({ key: "train/10.jpg", note: "", verdicts: [], new_label: null });
  source.note = "hers";
  details.of(1);
  await source.deliver();
  expect(details.of(1)).toBeNull();
});
