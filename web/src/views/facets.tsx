// What the images can be narrowed down to, with counts of what the filter lets through.

import { useMemo } from "preact/hooks";
import { bitCounts, counts } from "../data/rows";
import type { ReviewState } from "../state";

const CLASSES_SHOWN = 30;

export function Facets({ state }: { state: ReviewState }) {
  const { columns } = state;
  const { meta } = columns;
  const rows = state.rows.value;
  const filter = state.filter.value;
  const tagged = state.decisions.tallies.nTagged.value;
  const found = useMemo(
    () => ({
      issues: bitCounts(columns, rows, "issues", meta.issue_types.length),
      boxIssues: columns.has("box_issues") ? bitCounts(columns, rows, "box_issues", meta.issue_types.length) : [],
      splits: counts(columns, rows, "split", meta.splits.length),
      given: counts(columns, rows, "given", meta.classes.length),
      sources: counts(columns, rows, "source", meta.sources.length),
    }),
    [columns, meta, rows],
  );
  const top = [...found.given]
    .sort((a, b) => b[1] - a[1])
    .slice(0, CLASSES_SHOWN);
  return (
    <nav class="side" aria-label="filter">
      <Bits state={state} legend="Found" part="issues" names={meta.issue_types} ns={found.issues} />
      {columns.has("box_issues") && (
        <Bits state={state} legend="Found in boxes" part="boxIssues" names={meta.issue_types} ns={found.boxIssues} />
      )}
      <fieldset class="facet">
        <legend>Status</legend>
        {(["open", "done"] as const).map((status) => (
          <Check
            key={status}
            name={status === "open" ? "not decided" : "decided"}
            isOn={filter.status === status}
            onChange={() => state.setFilter({ status: filter.status === status ? (undefined as never) : status })}
          />
        ))}
      </fieldset>
      <Bits state={state} legend="Tag" part="tags" names={meta.tags.map((tag) => tag.name)} ns={tagged} />
      <fieldset class="facet">
        <legend>Confidence</legend>
        <Band state={state} />
      </fieldset>
      {meta.splits.length > 1 && (
        <Codes state={state} legend="Split" part="splits" names={meta.splits} entries={[...found.splits]} />
      )}
      {meta.classes.length > 0 && (
        <Codes state={state} legend="Class" part="given" names={meta.classes} entries={top} />
      )}
      {meta.sources.length > 1 && (
        <Codes state={state} legend="Source" part="sources" names={meta.sources} entries={[...found.sources]} />
      )}
      {Object.keys(filter).length > 0 && (
        <button
          type="button"
          onClick={() => {
            state.filter.value = {};
            state.refresh();
          }}
        >
          show all
        </button>
      )}
    </nav>
  );
}

interface BitsProps {
  readonly state: ReviewState;
  readonly legend: string;
  readonly part: "issues" | "boxIssues" | "tags";
  /** By bit. */
  readonly names: readonly string[];
  /** Images with each of them. */
  readonly ns: readonly number[];
}

function Bits({ state, legend, part, names, ns }: BitsProps) {
  const wanted = state.filter.value[part] ?? 0;
  return ns.some((n) => n > 0) || wanted !== 0 ? (
    <fieldset class="facet">
      <legend>{legend}</legend>
      {names.map((name, bit) => {
        const n = ns[bit] ?? 0;
        const isOn = (wanted & (1 << bit)) !== 0;
        return n === 0 && !isOn ? null : (
          <Check
            key={name}
            name={name.replaceAll("_", " ")}
            n={n}
            isOn={isOn}
            onChange={() => {
              const bits = wanted ^ (1 << bit);
              state.setFilter({ [part]: bits === 0 ? undefined : bits });
            }}
          />
        );
      })}
    </fieldset>
  ) : null;
}

interface CheckProps {
  readonly name: string;
  readonly n?: number;
  readonly isOn: boolean;
  readonly onChange: () => void;
}

function Check({ name, n, isOn, onChange }: CheckProps) {
  return (
    <label>
      <input type="checkbox" checked={isOn} onChange={onChange} />
      <span class="name">{name}</span>
      {n !== undefined && <span class="n">{n.toLocaleString()}</span>}
    </label>
  );
}

interface CodesProps {
  readonly state: ReviewState;
  readonly legend: string;
  readonly part: "splits" | "given" | "sources";
  readonly names: readonly string[];
  readonly entries: readonly (readonly [number, number])[];
}

function Codes({ state, legend, part, names, entries }: CodesProps) {
  const wanted = state.filter.value[part];
  const codes = new Map(entries);
  for (const code of wanted ?? []) {
    codes.set(code, codes.get(code) ?? 0);
  }
  return codes.size === 0 ? null : (
    <fieldset class="facet">
      <legend>{legend}</legend>
      {[...codes].map(([code, n]) => (
        <Check
          key={code}
          name={names[code] || "none"}
          n={n}
          isOn={wanted?.has(code) ?? false}
          onChange={() => {
            const next = new Set(wanted ?? []);
            if (!next.delete(code)) {
              next.add(code);
            }
            state.setFilter({ [part]: next.size === 0 ? undefined : next });
          }}
        />
      ))}
    </fieldset>
  );
}

function Band({ state }: { state: ReviewState }) {
  const [low, high] = state.filter.value.confidence ?? [0, 1];
  const set = (next: readonly [number, number]) => {
    const isAll = next[0] <= 0 && next[1] >= 1;
    state.setFilter({ confidence: isAll ? (undefined as never) : next });
  };
  const change = (place: 0 | 1) => (event: Event) => {
    const value = Number((event.currentTarget as HTMLInputElement).value);
    set(place === 0 ? [Math.min(value, high), high] : [low, Math.max(value, low)]);
  };
  return (
    <>
      <label>
        at least {low.toFixed(2)}
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={low}
          onChange={change(0)}
          aria-label="lowest confidence"
        />
      </label>
      <label>
        at most {high.toFixed(2)}
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={high}
          onChange={change(1)}
          aria-label="highest confidence"
        />
      </label>
    </>
  );
}
