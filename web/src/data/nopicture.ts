// What stands in the place of a picture that is not there: of a broken file, or one that a page does not carry.

import type { Source } from "./source";

/** Characters of a file's name that fit into the place of its picture; of a longer one the last. */
const NAME_SHOWN = 23;

/** Return the address of a picture that says that there is none, and of which file. */
export function noPicture(path: string): string {
  const whole = path.slice(path.lastIndexOf("/") + 1);
  const name = whole.length > NAME_SHOWN ? `\u2026${whole.slice(1 - NAME_SHOWN)}` : whole;
  // Control characters cannot stand in XML, and marks that turn the writing direction would hide a name's end.
  const shown = name.replace(/[\p{C}&<>]/gu, "\u00b7");
  const text = (y: number, words: string) => `<text x="80" y="${y}">${words}</text>`;
  const dark = "@media(prefers-color-scheme:dark){text{fill:#a8acb3}}";
  const style = `text{font:11px sans-serif;fill:#5b6068;text-anchor:middle}${dark}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120"><style>${style}</style>`;
  return `data:image/svg+xml,${encodeURIComponent(`${svg}${text(56, "no picture")}${text(74, shown)}</svg>`)}`;
}

/** Puts it in the place of an image that did not load, unless that shows something else by then. */
export async function standIn(source: Source, image: HTMLImageElement): Promise<void> {
  const id = /\/api\/(?:thumbs|images)\/(\d+)/.exec(image.src)?.[1];
  if (id === undefined) {
    return;
  }
  const nameless = noPicture("");
  image.src = nameless;
  const [detail] = await source.details([Number(id)]).catch(() => []);
  if (image.src === nameless) {
    image.src = noPicture(detail?.image_path ?? "");
  }
}
