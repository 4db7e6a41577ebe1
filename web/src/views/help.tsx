// The keys and what they do; a key is changed by clicking it and pressing another.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Command, spelled } from "../keys";
import type { ReviewState } from "../state";

interface Props {
  readonly state: ReviewState;
  readonly commands: readonly Command[];
  readonly changed: Readonly<Record<string, readonly string[]>>;
  readonly onChange: (keys: Record<string, readonly string[]>) => void;
}

const NAMES: Record<string, string> = {
  " ": "space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
};

export function Help({ state, commands, changed, onChange }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const waiting = useSignal<string | null>(null);
  const isOpen = state.isHelpOpen.value;
  useEffect(() => {
    if (isOpen) {
      dialog.current?.showModal();
    } else {
      dialog.current?.close();
    }
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      aria-label="keys"
      onClose={() => {
        state.isHelpOpen.value = false;
      }}
      onKeyDown={(event) => {
        // The focus leaves a dialog that was closed only with the next drawing: a key until then is for the page.
        if (!state.isHelpOpen.value) {
          return;
        }
        event.stopPropagation();
        if (waiting.value !== null && event.key !== "Shift") {
          event.preventDefault();
          onChange(event.key === "Escape" ? changed : { ...changed, [waiting.value]: [spelled(event)] });
          waiting.value = null;
        } else if (event.key === "?" || event.key === "Escape") {
          // Not left to the browser, which tells of the closing only later: the next key is for the page.
          event.preventDefault();
          state.isHelpOpen.value = false;
        }
      }}
    >
      {/* Two hundred elements that are not there until somebody asks. */}
      {isOpen && (
        <>
          <ul class="keys">
            {commands.map((command) => (
              <li key={command.id}>
                <span class="says">{command.says}</span>
                <button
                  type="button"
                  title="click, then press another key"
                  onClick={() => {
                    waiting.value = command.id;
                  }}
                >
                  {waiting.value === command.id
                    ? "press a key"
                    : (changed[command.id] ?? command.keys).map((key) => <kbd key={key}>{shown(key)}</kbd>)}
                </button>
              </li>
            ))}
          </ul>
          <p class="soft">
            Click selects, Shift and click a range, Ctrl and click one more. After a decision the next image comes by
            itself.{" "}
            <label>
              <input
                type="checkbox"
                checked={state.autoAdvance.value}
                onChange={(event) => {
                  state.autoAdvance.value = event.currentTarget.checked;
                }}
              />{" "}
              go on by itself
            </label>
          </p>
          <form method="dialog" class="actions">
            <button type="submit">close</button>
            <button type="button" onClick={() => onChange({})}>
              keys as they came
            </button>
          </form>
        </>
      )}
    </dialog>
  );
}

function shown(key: string): string {
  // The key + is also what joins a key and what is held with it.
  return key
    .split(/(?<=.)\+/)
    .map((part) => NAMES[part] ?? part)
    .join(" ");
}
