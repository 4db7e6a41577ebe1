// Classes that are confused: how often images given as one are held for another; a click shows them.

import { useMemo } from "preact/hooks";
import { type Columns, NO_CLASS } from "../data/columns";
import type { ReviewState } from "../state";

const SHOWN = 60;

export function Classes({ state }: { state: ReviewState }) {
  // Drawn anew once the rest has come.
  void state.rows.value;
  const { columns } = state;
  // No decision changes either label, and a pass over all rows is no matter for each drawing.
  const pairs = useMemo(() => confused(columns), [columns, columns.nLoaded]);
  const { classes } = columns.meta;
  const most = pairs[0]?.n ?? 1;
  if (pairs.length === 0) {
    return <p class="empty">nothing suggests another label</p>;
  }
  return (
    <div style={{ overflow: "auto" }}>
      <table class="classes">
        <caption class="visually-hidden">given and suggested labels</caption>
        <thead>
          <tr>
            <th>given as</th>
            <th>held for</th>
            <th>images</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {pairs.slice(0, SHOWN).map(({ given, suggested, n }) => (
            <tr key={`${given}-${suggested}`}>
              <td>{classes[given]}</td>
              <td class="relabel">{classes[suggested]}</td>
              <td class="n">{n.toLocaleString()}</td>
              <td>
                <button
                  type="button"
                  onClick={() => {
                    state.setFilter({ given: new Set([given]), suggested: new Set([suggested]) });
                    state.view.value = "grid";
                  }}
                >
                  show
                </button>{" "}
                <span class="bar-n" style={{ width: `${(160 * n) / most}px` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {pairs.length > SHOWN && <p class="empty">{(pairs.length - SHOWN).toLocaleString()} more pairs</p>}
    </div>
  );
}

interface ConfusedPair {
  readonly given: number;
  readonly suggested: number;
  readonly n: number;
}

function confused(columns: Columns): ConfusedPair[] {
  const given = columns.column("given");
  const suggested = columns.column("suggested");
  const nClasses = columns.meta.classes.length;
  const counts = new Map<number, number>();
  for (let row = 0; row < columns.nLoaded; row++) {
    const [from, to] = [given[row] as number, suggested[row] as number];
    if (from !== NO_CLASS && to !== NO_CLASS && from !== to) {
      const code = from * nClasses + to;
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
  }
  const pairs = [...counts].map(([code, n]) => ({
    given: Math.floor(code / nClasses),
    suggested: code % nClasses,
    n,
  }));
  return pairs.sort((a, b) => b.n - a.n || a.given - b.given || a.suggested - b.suggested);
}
