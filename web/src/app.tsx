// The whole page, and the keys of all of it.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { commands, isTyping, keyTable, spelled, storedKeys, storeKeys } from "./keys";
import type { ReviewState } from "./state";
import { Bar } from "./views/bar";
import { Classes } from "./views/classes";
import { Facets } from "./views/facets";
import { Grid } from "./views/grid";
import { Help } from "./views/help";
import { Info } from "./views/info";
import { Pair } from "./views/pair";
import { Single } from "./views/single";

export function App({ state }: { state: ReviewState }) {
  const perLine = useRef(1);
  const changed = useSignal(storedKeys());
  const list = useMemo(() => commands(state.columns.meta.tags.map((tag) => tag.name)), [state]);
  const table = useMemo(() => keyTable(list, changed.value), [list, changed.value]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const command = table.get(spelled(event));
      if (command === undefined || isTyping(event) || state.isHelpOpen.value) {
        return;
      }
      event.preventDefault();
      command.run(state, state.view.value === "grid" ? perLine.current : 1);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [table, state]);
  const view = state.view.value;
  return (
    <div class="app">
      <Bar state={state} />
      <Facets state={state} />
      <main class="middle">
        {view === "grid" && (
          <Grid
            state={state}
            onPerLine={(n) => {
              perLine.current = n;
            }}
          />
        )}
        {view === "single" && <Single state={state} />}
        {view === "pair" && <Pair state={state} />}
        {view === "classes" && <Classes state={state} />}
      </main>
      <Info state={state} />
      <Help
        state={state}
        commands={list}
        changed={changed.value}
        onChange={(keys) => {
          changed.value = keys;
          storeKeys(keys);
        }}
      />
      {state.toast.value !== null && (
        <div class="toast" role="status">
          {state.toast.value.text}
          {state.toast.value.batchId !== undefined && (
            <button type="button" onClick={() => state.undo(state.toast.value?.batchId)}>
              undo
            </button>
          )}
        </div>
      )}
    </div>
  );
}
