// The search box: what is typed is searched for after a pause, or at once with Enter.

import { effect, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { images, type ReviewState } from "../state";

/** A pause in typing after which what is typed so far is searched for. */
const PAUSE_MS = 250;

export class Searching {
  /** What the box says. */
  readonly text = signal("");
  /** What the images shown were searched for. */
  readonly answered = signal("");
  private wanted = "";
  /** The images found last; undefined where nothing is searched for. */
  private found: ReadonlySet<number> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly state: ReviewState) {}

  /** Empties the box once something else than what it found is shown; returns what ends that. */
  follow(): () => void {
    return effect(() => {
      if (this.state.filter.value.rows !== this.found) {
        clearTimeout(this.timer);
        this.found = this.state.filter.value.rows;
        this.wanted = "";
        this.text.value = "";
        this.answered.value = "";
      }
    });
  }

  type(text: string): void {
    this.text.value = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.search(text), PAUSE_MS);
  }

  async search(text: string): Promise<void> {
    clearTimeout(this.timer);
    if (this.wanted === text) {
      return;
    }
    this.wanted = text;
    const found = text.trim() === "" ? undefined : await this.ask(text);
    // A slow answer to what is no longer asked must not take the place of the one that is.
    if (found !== null && this.wanted === text) {
      this.found = found;
      this.state.setFilter({ rows: found as never });
      this.answered.value = text;
    }
  }

  /** The images that a text finds; null, and told, where there is no answer: the same may be asked again. */
  private async ask(text: string): Promise<ReadonlySet<number> | null> {
    const { source, columns } = this.state;
    try {
      const { ids, isCut } = await source.search(text.trim());
      if (isCut && this.wanted === text) {
        this.state.tell({ text: `more than ${images(ids.length)} found: only the first are shown; say more of the name` });
      }
      return new Set(ids.map((id) => columns.row(id)));
    } catch (error) {
      if (this.wanted === text) {
        this.wanted = this.answered.value;
        const why = error instanceof Error ? error.message : String(error);
        this.state.tell({ text: `not searched, Enter tries again: ${why}` });
      }
      return null;
    }
  }
}

export function Search({ state }: { state: ReviewState }) {
  const searching = useMemo(() => new Searching(state), [state]);
  useEffect(() => searching.follow(), [searching]);
  return (
    <input
      type="search"
      data-testid="search"
      data-answered={searching.answered.value}
      placeholder="search"
      aria-label="search by name or label"
      value={searching.text.value}
      onInput={(event) => searching.type(event.currentTarget.value)}
      onChange={(event) => void searching.search(event.currentTarget.value)}
      onKeyDown={(event) => {
        // A field that was not changed since tells of no change.
        if (event.key === "Enter") {
          void searching.search(event.currentTarget.value);
        }
      }}
    />
  );
}
