// The bar at the top: what is shown and in which order, how far the reviewer has come, whether all is saved.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isKept, unread } from "../data/offline";
import type { Order } from "../data/rows";
import { exportDecisions } from "../export";
import type { ReviewState, View } from "../state";
import { Search } from "./search";
import { Reviewer } from "./who";

const VIEWS: readonly (readonly [View, string])[] = [
  ["grid", "grid"],
  ["single", "single"],
  ["pair", "pair"],
  ["group", "group"],
  ["mislabel", "label"],
  ["classes", "classes"],
  ["batch", "batch"],
];
const ORDERS: readonly (readonly [Order, string])[] = [
  ["value", "by worth"],
  ["confidence", "surest first"],
  ["group", "by group"],
  ["name", "by name"],
  ["listed", "as listed"],
];

/** The views that there is something for. */
function views(state: ReviewState): readonly (readonly [View, string])[] {
  const { meta } = state.columns;
  const more: (readonly [View, string])[] = [];
  if (meta.has_map) {
    more.push(["map", "map"]);
  }
  if (meta.is_live) {
    more.push(["team", "team"]);
  }
  return [...VIEWS, ...more];
}

export function Bar({ state }: { state: ReviewState }) {
  const { meta } = state.columns;
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    // The bar grows where its words need more lines; the side panels of a narrow window begin below it.
    const element = bar.current as HTMLElement;
    const observer = new ResizeObserver(() => {
      document.documentElement.style.setProperty("--bar", `${element.offsetHeight}px`);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <header class="bar" ref={bar}>
      <h1>{meta.dataset}</h1>
      <DrawerButton state={state} drawer="filter" name="filter" />
      <nav class="views" aria-label="views">
        {views(state).map(([view, name]) => (
          <button
            key={view}
            type="button"
            aria-pressed={state.view.value === view}
            onClick={() => {
              state.view.value = view;
            }}
          >
            {name}
          </button>
        ))}
      </nav>
      <select
        aria-label="order"
        value={state.order.value}
        onChange={(event) => state.setOrder(event.currentTarget.value as Order)}
      >
        {ORDERS.filter(([order]) => order !== "listed" || state.filter.value.rows !== undefined).map(
          ([order, name]) => (
            <option key={order} value={order}>
              {name}
            </option>
          ),
        )}
      </select>
      <Search state={state} />
      <span class="space" />
      <Counts state={state} />
      <SaveState state={state} />
      {unread.value !== "" && (
        <strong class="remove" role="alert" title="Nothing of it was deleted, but it is neither shown nor exported.">
          NOT READ: {unread.value}
        </strong>
      )}
      <Reviewer state={state} />
      <DrawerButton state={state} drawer="info" name="details" />
      <button type="button" onClick={() => state.undo()} title={state.keyNames.value.get("undo")}>
        undo
      </button>
      <button type="button" data-testid="export" onClick={() => void exportDecisions(state)}>
        export
      </button>
      <button
        type="button"
        aria-label="keys"
        onClick={() => {
          state.isHelpOpen.value = true;
        }}
      >
        ?
      </button>
    </header>
  );
}

/** Opens a side panel where the window is too narrow for it; the style sheet hides the button elsewhere. */
function DrawerButton({ state, drawer, name }: { state: ReviewState; drawer: "filter" | "info"; name: string }) {
  const isOpen = state.drawer.value === drawer;
  return (
    <button
      type="button"
      class={`opens-${drawer}`}
      aria-expanded={isOpen}
      onClick={() => {
        state.drawer.value = isOpen ? "none" : drawer;
      }}
    >
      {name}
    </button>
  );
}

/** How many are shown, how many of these are decided and how many wait for this reviewer. Its place stays as wide
 * whatever it says, so that nothing beside it moves. */
function Counts({ state }: { state: ReviewState }) {
  const { nLeft, nByPolicy } = state.decisions.tallies;
  const [n, left, byPolicy] = [state.rows.value.length, nLeft.value, nByPolicy.value];
  return (
    <span class="counts soft">
      <span role="status">
        {n.toLocaleString()} shown
        {state.selected.value.size > 0 && `, ${state.selected.value.size.toLocaleString()} selected`}
      </span>
      <span title="No person has spoken about these yet, but a policy or an import.">
        {byPolicy > 0 && `${byPolicy.toLocaleString()} by the policy`}
      </span>
      <span data-testid="decided" title="Of those shown: by you, or by enough others. The rest waits for you.">
        {(n - left).toLocaleString()} decided, {left.toLocaleString()} left
      </span>
      <Pace state={state} left={left} />
    </span>
  );
}

/** How long it will take at the pace until now. */
function Pace({ state, left }: { state: ReviewState; left: number }) {
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 5000);
    return () => clearInterval(timer);
  }, [now]);
  const here = state.nDecidedHere.value;
  const minutes = (now.value - state.startedAt) / 60_000;
  const pace = here > 4 && minutes > 0.2 ? here / minutes : 0;
  return (
    <span title={pace > 0 ? `${pace.toFixed(0)} a minute` : undefined}>
      {pace > 0 && `${Math.ceil(left / pace).toLocaleString()} min left`}
    </span>
  );
}

function SaveState({ state }: { state: ReviewState }) {
  const saving = state.decisions.state.value;
  if (!isKept.value) {
    return (
      <strong class="remove" role="alert">
        NOT SAVED: export now
      </strong>
    );
  }
  if (saving.kind === "waiting") {
    return (
      <strong class="remove" role="alert" title={saving.why}>
        {saving.left} not saved yet: {saving.why}
      </strong>
    );
  }
  // "saving" comes and goes with each key: only trouble is read out.
  return (
    <span class="keep" data-testid="saved">
      {saving.kind === "saved" ? "saved" : "saving"}
    </span>
  );
}

