// The whole page, and the keys of all of it.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { tagsToGive } from "./data/columns";
import { standIn } from "./data/nopicture";
import { commands, isOnceMore, isTyping, spelled } from "./keys";
import { keyNames, keyTable, storedKeys, storeKeys } from "./ownkeys";
import type { ReviewState } from "./state";
import { Bar } from "./views/bar";
import { Batch } from "./views/batch";
import { Classes } from "./views/classes";
import { Facets } from "./views/facets";
import { Grid } from "./views/grid";
import { Group } from "./views/group";
import { Help } from "./views/help";
import { Hint } from "./views/hint";
import { Info } from "./views/info";
import { MapView } from "./views/map";
import { Mislabel } from "./views/mislabel";
import { NotSaved } from "./views/notsaved";
import { Pair } from "./views/pair";
import { Picker } from "./views/picker";
import { Single } from "./views/single";
import { Team } from "./views/team";

export function App({ state }: { state: ReviewState }) {
  const perLine = useRef(1);
  const list = useMemo(() => commands(tagsToGive(state.columns.meta).map((tag) => tag.name)), [state]);
  const own = useSignal(useMemo(() => storedKeys(list), [list]));
  const table = useMemo(() => keyTable(list, own.value), [list, own.value]);
  useEffect(() => {
    state.keyNames.value = keyNames(list, own.value);
  }, [state, list, own.value]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const command = table.get(spelled(event));
      if (isOnceMore(event, command)) {
        event.preventDefault();
        return;
      }
      if (command === undefined || isTyping(event) || state.isHelpOpen.value || state.isPicking.value) {
        return;
      }
      event.preventDefault();
      command.run(state, state.view.value === "grid" ? perLine.current : 1);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [table, state]);
  useEffect(() => {
    // Such events do not rise through the page: they are caught on their way down.
    const onError = ({ target }: Event) => {
      if (target instanceof HTMLImageElement) {
        void standIn(state.source, target);
      }
    };
    document.addEventListener("error", onError, true);
    return () => document.removeEventListener("error", onError, true);
  }, [state]);
  const view = state.view.value;
  return (
    <div class="app" data-drawer={state.drawer.value}>
      <Bar state={state} />
      <Facets state={state} />
      <main class="middle">
        <Hint state={state} />
        <NotSaved state={state} />
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
        {view === "group" && <Group state={state} />}
        {view === "mislabel" && <Mislabel state={state} />}
        {view === "classes" && <Classes state={state} />}
        {view === "batch" && <Batch state={state} />}
        {view === "team" && <Team state={state} />}
        {view === "map" && <MapView state={state} />}
      </main>
      <Info state={state} />
      <Help
        state={state}
        commands={list}
        own={own.value}
        onChange={(keys) => {
          own.value = keys;
          storeKeys(keys);
        }}
      />
      <Picker state={state} />
      {/* Always there, so that what comes into it is read out. */}
      <div class="toasts" role="status" aria-live="polite">
        {state.toast.value !== null && (
          <div class="toast">
            {state.toast.value.text}
            {state.toast.value.batchId !== undefined && (
              <button type="button" onClick={() => state.undo(state.toast.value?.batchId)}>
                undo
              </button>
            )}
          </div>
        )}
      </div>
    </div>
  );
}
