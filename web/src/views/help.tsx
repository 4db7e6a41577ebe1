// The keys and what they do; a key is changed by clicking it and pressing another.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Command, spelled } from "../keys";
import { isHeldAlone, keysOf, type OwnKeys, shown, withKey } from "../ownkeys";
import type { ReviewState } from "../state";

interface Props {
  readonly state: ReviewState;
  readonly commands: readonly Command[];
  readonly own: OwnKeys;
  readonly onChange: (own: OwnKeys) => void;
}

export function Help({ state, commands, own, onChange }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const waiting = useSignal<string | null>(null);
  /** Why the last key was not taken. */
  const refused = useSignal("");
  const isOpen = state.isHelpOpen.value;
  const take = (id: string, event: KeyboardEvent) => {
    waiting.value = null;
    const next = event.key === "Escape" ? own : withKey(commands, own, id, spelled(event));
    refused.value = typeof next === "string" ? next : "";
    if (typeof next !== "string") {
      onChange(next);
    }
  };
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
      class="help"
      aria-label="keys"
      onClose={() => {
        waiting.value = null;
        refused.value = "";
        state.isHelpOpen.value = false;
      }}
      onKeyDown={(event) => {
        // The focus leaves a dialog that was closed only with the next drawing: a key until then is for the page.
        if (!state.isHelpOpen.value) {
          return;
        }
        event.stopPropagation();
        if (waiting.value !== null && event.key === "Tab") {
          waiting.value = null;
        } else if (waiting.value !== null && !isHeldAlone(event)) {
          event.preventDefault();
          take(waiting.value, event);
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
          <form method="dialog" class="head">
            <h2>Keys</h2>
            <button type="submit">close</button>
            <button type="button" onClick={() => onChange({})}>
              keys as they came
            </button>
            <p role="status" class={refused.value === "" ? "soft" : "remove"}>
              {refused.value || "Click a key to change it, then press another; Escape leaves it."}
            </p>
          </form>
          <ul class="keys">
            {commands.map((command) => (
              <li key={command.id}>
                <span class="says">{command.says}</span>
                <button
                  type="button"
                  title="click, then press another key"
                  onClick={() => {
                    refused.value = "";
                    waiting.value = command.id;
                  }}
                >
                  {waiting.value === command.id
                    ? "press a key"
                    : keysOf(command, own).map((key) => <kbd key={key}>{shown(key)}</kbd>)}
                </button>
              </li>
            ))}
          </ul>
          <p class="soft">
            Click selects, Shift and click a range, Ctrl and click one more. After a decision the next image comes by
            itself. A name at the corner of an image says who is looking at it now; you may decide it all the same.{" "}
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
        </>
      )}
    </dialog>
  );
}
