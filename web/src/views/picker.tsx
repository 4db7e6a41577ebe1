// The class to relabel to: typed in part, chosen with the arrows, taken with Enter.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { classesLike, commonLabel, LISTED, relabelNothing, relabelTo } from "../relabel";
import type { ReviewState } from "../state";

export function Picker({ state }: { state: ReviewState }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = state.isPicking.value;
  // Before the next key, which belongs to the field.
  useLayoutEffect(() => {
    if (isOpen) {
      dialog.current?.showModal();
    } else {
      dialog.current?.close();
    }
  }, [isOpen]);
  const leave = (label?: string) => {
    if (label === undefined) {
      relabelNothing(state);
    } else {
      relabelTo(state, label);
    }
    // Not left to the next drawing: the next key is for the page.
    dialog.current?.close();
  };
  return (
    <dialog
      ref={dialog}
      class="picker"
      aria-label="relabel to"
      onClose={() => {
        if (state.isPicking.value) {
          relabelNothing(state);
        }
      }}
    >
      {isOpen && <Choice state={state} onEnd={leave} />}
    </dialog>
  );
}

function Choice({ state, onEnd }: { state: ReviewState; onEnd: (label?: string) => void }) {
  const typed = useSignal("");
  /** Place of the class that Enter takes; -1 while none is meant. */
  const active = useSignal(-1);
  const list = useRef<HTMLUListElement>(null);
  const rows = state.targets();
  const { classes } = state.columns.meta;
  const except = useMemo(() => commonLabel(state.columns, rows), [state, rows.length]);
  const found = useMemo(() => classesLike(classes, typed.value, except), [classes, typed.value, except]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [active.value]);
  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      active.value = Math.max(0, Math.min(found.names.length - 1, active.value + step));
    } else if (event.key === "Escape") {
      onEnd();
    } else if (event.key === "Enter") {
      // A dataset without classes takes any.
      const label = classes.length === 0 ? typed.value.trim() || undefined : found.names[active.value];
      if (label !== undefined) {
        onEnd(label);
      }
    } else {
      return;
    }
    event.preventDefault();
  };
  return (
    <>
      <h2>Relabel {rows.length > 1 ? `${rows.length.toLocaleString()} images` : except} to</h2>
      <input
        type="text"
        role="combobox"
        autoFocus
        autocomplete="off"
        spellcheck={false}
        aria-label="class"
        aria-expanded="true"
        aria-controls="classes-found"
        aria-autocomplete="list"
        aria-activedescendant={active.value < 0 ? undefined : `class-${active.value}`}
        value={typed.value}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          active.value = typed.value.trim() === "" ? -1 : 0;
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="classes-found" role="listbox" aria-label="classes" ref={list}>
        {found.names.map((name, place) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field above
          <li
            key={name}
            id={`class-${place}`}
            role="option"
            aria-selected={place === active.value}
            onClick={() => onEnd(name)}
          >
            {name}
          </li>
        ))}
      </ul>
      <p class="soft" role="status">
        {words(found.n, classes.length, active.value >= 0)}
      </p>
      <div class="actions">
        <button type="button" onClick={() => onEnd()}>
          cancel
        </button>
      </div>
    </>
  );
}

function words(n: number, nClasses: number, isMeant: boolean): string {
  if (nClasses === 0) {
    return "type the new label; Enter relabels, Escape leaves it";
  }
  if (n === 0) {
    return "no class holds this: nothing will be relabelled";
  }
  const more = n > LISTED ? `the first ${LISTED} of ${n.toLocaleString()}; ` : "";
  return `${more}${isMeant ? "Enter relabels" : "type or press an arrow to choose"}, Escape leaves it`;
}
