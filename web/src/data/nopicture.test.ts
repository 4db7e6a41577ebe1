import { expect, test } from "vitest";
import { MadeSource, madeDetail, madeMeta } from "../testing/made";
import { noPicture, standIn } from "./nopicture";

const words = (address: string) => [...decodeURIComponent(address).matchAll(/<text[^>]*>([^<]*)/g)].map(([, text]) => text);

test("it says that there is no picture, and the end of the file's name", () => {
  expect(words(noPicture("/data/train/a.jpg"))).toEqual(["no picture", "a.jpg"]);
  expect(words(noPicture("a/1234567890123456789_0001.jpg"))).toEqual(["no picture", "…7890123456789_0001.jpg"]);
  expect(words(noPicture("a/<b>.jpg"))).toEqual(["no picture", "·b·.jpg"]);
});

test("it stands in for what did not load, unless another picture is shown by then", async () => {
  const source = new MadeSource(madeMeta(1));
  source.details = async ([id]) => [madeDetail(id as number)];
  const image = (src: string) => ({ src }) as HTMLImageElement;
  const broken = image("http://127.0.0.1/api/images/30");
  await standIn(source, broken);
  expect(words(broken.src)).toEqual(["no picture", "30.jpg"]);
  const other = image("http://127.0.0.1/favicon.ico");
  await standIn(source, other);
  expect(other.src).toBe("http://127.0.0.1/favicon.ico");
  const changed = image("http://127.0.0.1/api/thumbs/30");
  const done = standIn(source, changed);
  changed.src = "http://127.0.0.1/api/thumbs/40";
  await done;
  expect(changed.src).toBe("http://127.0.0.1/api/thumbs/40");
});
