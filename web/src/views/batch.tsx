// Accepts many findings at once: of one type, in a band of confidence, after a random sample was looked at.

import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { FREE_BATCH, MIN_AUDIT, openInBand, type Pool, type Precision, sparingOne } from "../data/audit";
import type { Action, Columns } from "../data/columns";
import type { Filter } from "../data/rows";
import { withSuggestion } from "../relabel";
import type { ReviewState } from "../state";

const SAMPLE = 20;

// What was chosen stays while the random ones are looked at.
const picked = signal<number | null>(null);
const low = signal(0.9);
const high = signal(1);
const action = signal<Action | "">("");
const isTrusted = signal(false);
/** The random ones that are being looked at, and what was shown before them. */
let looking: { readonly before: Filter; readonly at: Filter } | null = null;

export function Batch({ state }: { state: ReviewState }) {
  void state.decisions.revision.value;
  const { columns } = state;
  const types = columns.meta.issue_types;
  const counts = useMemo(() => topCounts(state), [state, state.rows.value, state.decisions.revision.value]);
  const chosen = picked.value ?? Math.max(0, counts.indexOf(Math.max(...counts)));
  useEffect(() => comeBack(state), [state]);
  const pool: Pool = { type: chosen, low: low.value, high: high.value, filter: state.filter.value };
  const said = action.value || usual(types[pool.type] ?? "");
  const open = openInBand(columns, state.rows.value, pool);
  const rows = taken(columns, open, said);
  const precision = state.audit.precision(pool);
  const mayAccept = rows.length <= FREE_BATCH || precision.nAudited >= MIN_AUDIT || isTrusted.value;
  const name = (types[pool.type] ?? "").replaceAll("_", " ");
  const number = (text: string) => Math.min(1, Math.max(0, Number(text) || 0));
  return (
    <form class="sheet" aria-label="accept many" onSubmit={(event) => event.preventDefault()}>
      <h2>Accept many findings at once</h2>
      <p class="soft">Of what the filter shows, images that are not decided yet, by their surest finding.</p>
      <label>
        found{" "}
        <select value={chosen} onChange={(event) => (picked.value = Number(event.currentTarget.value))}>
          {types.map((type, place) => (
            <option key={type} value={place} disabled={counts[place] === 0 && place !== chosen}>
              {type.replaceAll("_", " ")} ({(counts[place] ?? 0).toLocaleString()})
            </option>
          ))}
        </select>
      </label>
      <label>
        confidence from{" "}
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={low.value}
          onInput={(e) => (low.value = Math.min(number(e.currentTarget.value), high.value))}
        />{" "}
        {low.value.toFixed(2)}
      </label>
      <label>
        to{" "}
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={high.value}
          onInput={(e) => (high.value = Math.max(number(e.currentTarget.value), low.value))}
        />{" "}
        {high.value.toFixed(2)}
      </label>
      <label>
        and say{" "}
        <select value={said} onChange={(event) => (action.value = event.currentTarget.value as Action)}>
          <option value="remove">remove</option>
          <option value="relabel">relabel as suggested</option>
          <option value="keep">keep</option>
        </select>
      </label>
      <p data-testid="batch-count">
        <b>{rows.length.toLocaleString()}</b> images
        {open.length > rows.length &&
          `; ${(open.length - rows.length).toLocaleString()} stay, ${
            said === "relabel" ? "without a suggestion" : "one of each group"
          }`}
      </p>
      <Measured precision={precision} />
      <div class="actions">
        <button
          type="button"
          data-testid="audit"
          disabled={open.length === 0}
          onClick={() => {
            picked.value = chosen;
            lookFirst(state, pool, name);
          }}
        >
          look at {Math.min(SAMPLE, open.length)} random ones first
        </button>
        <button
          type="button"
          class={said}
          data-testid="accept-all"
          disabled={rows.length === 0 || !mayAccept}
          onClick={() => state.decideMany(rows, { action: said, how: "batch" }, `${said}, ${name}`)}
        >
          {said} all {rows.length.toLocaleString()}
        </button>
      </div>
      {rows.length > FREE_BATCH && precision.nAudited < MIN_AUDIT && (
        <label>
          <input
            type="checkbox"
            checked={isTrusted.value}
            onChange={(e) => (isTrusted.value = e.currentTarget.checked)}
          />{" "}
          accept more than {FREE_BATCH} without having looked at {MIN_AUDIT} random ones
        </label>
      )}
      {types[pool.type] === "leak" && (
        <p class="relabel">Both sides of a leak are found: narrow the filter to one split first.</p>
      )}
    </form>
  );
}

function Measured({ precision }: { precision: Precision }) {
  const { nAudited, nConfirmed, low, high } = precision;
  if (nAudited === 0) {
    return <p class="soft">How many of them are right is not measured yet.</p>;
  }
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  return (
    <p data-testid="precision">
      {nConfirmed} of {nAudited} random ones were confirmed: {percent(nConfirmed / nAudited)}, between {percent(low)}{" "}
      and {percent(high)} (95 % interval).
    </p>
  );
}

/** What is mostly said of a type. */
function usual(type: string): Action {
  return type === "mislabel" || type === "label_conflict" ? "relabel" : "remove";
}

/** Those of the open rows that an action is said of: one of each group stays, and a relabel needs a label. */
function taken(columns: Columns, open: readonly number[], said: Action): readonly number[] {
  if (said === "relabel") {
    return withSuggestion(columns, open);
  }
  return said === "remove" ? sparingOne(columns, open) : open;
}

function lookFirst(state: ReviewState, pool: Pool, name: string): void {
  const before = state.filter.value;
  const rows = state.audit.draw(pool, openInBand(state.columns, state.rows.value, pool), SAMPLE);
  const ids = rows.map((row) => state.columns.at("sample_id", row));
  state.showList(ids, `random ${name}: keep what is no ${name}, remove or relabel what is`);
  looking = { before, at: state.filter.value };
}

/** Goes back from the random ones to all that they were drawn from. */
function comeBack(state: ReviewState): void {
  if (looking !== null && looking.at === state.filter.value) {
    state.filter.value = looking.before;
    state.refresh();
  }
  looking = null;
}

/** How many undecided rows have each issue type as their surest. */
function topCounts(state: ReviewState): number[] {
  const tops = state.columns.column("top");
  const actions = state.columns.column("action");
  const counts = state.columns.meta.issue_types.map(() => 0);
  for (const row of state.rows.value) {
    const top = tops[row] as number;
    if (actions[row] === 0 && top < counts.length) {
      counts[top] = (counts[top] as number) + 1;
    }
  }
  return counts;
}
