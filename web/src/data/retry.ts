// Sending something until there is an answer: what went wrong on the way may go well the next time.

import { RefusedError } from "./source";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** The other side understood and will not do it. */
export interface Refused {
  readonly kind: "refused";
  readonly why: string;
}

/** Tries until there is an answer; the same events again are no second decision, since they carry their ids. */
export async function untilAnswered<T>(send: () => Promise<T>, onWait: (why: string) => void): Promise<T | Refused> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await send();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof RefusedError) {
        return { kind: "refused", why };
      }
      onWait(why);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
