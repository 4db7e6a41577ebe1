// The keys that the reviewer has set: kept in the browser, none with two meanings.

import { remember, remembered } from "./data/remembered";
import type { Command } from "./keys";
import type { ReviewState } from "./state";

/** Command id to the keys that it has in place of those that it came with. */
export type OwnKeys = Readonly<Record<string, readonly string[]>>;

const STORED = "chaffinch.keys";
/** Held with other keys: by themselves they are no press. */
const HELD = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "Fn"]);
const NAMES: Record<string, string> = {
  " ": "space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
};

/** The keys as they were set before, without those that have no command or two. */
export function storedKeys(list: readonly Command[]): OwnKeys {
  try {
    return repaired(list, JSON.parse(remembered(STORED) ?? "{}"));
  } catch {
    return {};
  }
}

export function storeKeys(own: OwnKeys): void {
  remember(STORED, JSON.stringify(own));
}

export function keysOf(command: Command, own: OwnKeys): readonly string[] {
  return own[command.id] ?? command.keys;
}

/** What a key does, by its spelling. */
export function keyTable(list: readonly Command[], own: OwnKeys): ReadonlyMap<string, Command> {
  return new Map(list.flatMap((command) => keysOf(command, own).map((key) => [key, command])));
}

/** The first key of each command as people read it, by the command's id. */
export function keyNames(list: readonly Command[], own: OwnKeys): ReadonlyMap<string, string> {
  return new Map(list.map((command) => [command.id, shown(keysOf(command, own)[0] ?? "")]));
}

/** The key of a command, to stand behind what its button says. */
export function hint(state: ReviewState, id: string): string {
  const key = state.keyNames.value.get(id) ?? "";
  return key === "" ? "" : ` (${key})`;
}

/** The keys with one more set; in words why not, where another command has it. */
export function withKey(list: readonly Command[], own: OwnKeys, id: string, key: string): OwnKeys | string {
  const other = list.find((command) => command.id !== id && keysOf(command, own).includes(key));
  return other === undefined ? { ...own, [id]: [key] } : `${shown(key)} is already: ${other.says}`;
}

/** Whether a press is no more than a key that is held with another. */
export function isHeldAlone(event: KeyboardEvent): boolean {
  return HELD.has(event.key);
}

/** A key as people read it. */
export function shown(key: string): string {
  // The key + is also what joins a key and what is held with it.
  return key
    .split(/(?<=.)\+/)
    .map((part) => NAMES[part] ?? part)
    .join(" ");
}

/** Gives commands back the keys that they came with until no key is left with two meanings. */
function repaired(list: readonly Command[], stored: unknown): OwnKeys {
  const ids = new Set(list.map((command) => command.id));
  const entries = Object.entries(stored as Record<string, unknown>).filter(
    ([id, keys]) => ids.has(id) && Array.isArray(keys) && keys.every((key) => typeof key === "string"),
  );
  const own = Object.fromEntries(entries) as Record<string, readonly string[]>;
  for (let id = clashing(list, own); id !== undefined; id = clashing(list, own)) {
    delete own[id];
  }
  return own;
}

/** A command with a key of the reviewer's that another has too; the last of several. */
function clashing(list: readonly Command[], own: OwnKeys): string | undefined {
  const meanings = new Map<string, number>();
  for (const key of list.flatMap((command) => [...keysOf(command, own)])) {
    meanings.set(key, (meanings.get(key) ?? 0) + 1);
  }
  return Object.keys(own).reverse().find((id) => own[id]?.some((key) => (meanings.get(key) ?? 0) > 1));
}
