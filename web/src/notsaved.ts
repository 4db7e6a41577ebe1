// What is not decided although it seemed so, in words.

import type { Change } from "./data/source";

export interface NotSaved {
  readonly text: string;
  readonly sampleIds: readonly number[];
}

/** Others came first. */
export function conflictWords(items: readonly Change[], hasMore: boolean): string {
  const why = `somebody else decided about ${items.length.toLocaleString()} of these images meanwhile`;
  return `not saved${since(hasMore)}: ${why}; look again`;
}

/** The server will not have it. */
export function refusedWords(why: string, hasMore: boolean): string {
  return `not saved and taken back${since(hasMore)}: ${why}`;
}

function since(hasMore: boolean): string {
  return hasMore ? ", with what was decided about the same since" : "";
}
