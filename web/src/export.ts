// Saves what was decided as a file: the server's manifest, or the decisions of a page by itself.

import { OfflineSource, unread } from "./data/offline";
import type { ReviewState } from "./state";

const FORGOTTEN_MS = 60_000;
/** What is being saved is waited for this long; what waits for the server, not at all. */
const LONGEST_SAVE_MS = 3000;
const SAVE_LOOK_MS = 20;

export async function exportDecisions(state: ReviewState): Promise<void> {
  const name = state.reviewer.value.trim();
  if (!(state.source instanceof OfflineSource)) {
    await exportManifest(state, state.ownName());
  } else if (name === "") {
    state.nameWanted.value = { why: "Nothing was exported yet: the file says who saved it. Type your name, then Enter." };
  } else {
    const content = new Blob([await state.source.exported(name)], { type: "application/jsonl" });
    save(content, `${state.columns.meta.dataset}_decisions_${name.replace(/[^\w-]+/g, "_")}.jsonl`);
    tell(state, [lacking(nUnsaved(state)), unread.value === "" ? "" : `without ${unread.value}: it cannot be read`]);
  }
}

/** Asks for the manifest; a blind reviewer is given that of their own decisions, and told so. */
async function exportManifest(state: ReviewState, name: string): Promise<void> {
  await untilSaved(state);
  const nBefore = nUnsaved(state);
  const who = encodeURIComponent(name);
  const asking = { headers: { "X-Reviewer": who } };
  const answer = await fetch(`/api/manifest.csv?reviewer=${who}`, asking).catch(() => null);
  if (answer === null) {
    state.tell({ text: "not exported: the server does not answer" });
  } else if (!answer.ok) {
    const { error = `the server answers ${answer.status}`, hint = "" } = await answer.json().catch(() => ({}));
    state.tell({ text: ["not exported", error, hint].filter(Boolean).join(": ") });
  } else {
    const file = decodeURIComponent(answer.headers.get("Content-Disposition")?.split("UTF-8''")[1] ?? "manifest.csv");
    save(await answer.blob(), file);
    const isOwn = file.endsWith("_own_decisions_manifest.csv");
    tell(state, [
      isOwn ? "your own decisions; those of all are for an adjudicator while review is blind" : "",
      // What was saved while the server wrote need not be in it.
      lacking(Math.max(nBefore, nUnsaved(state))),
    ]);
  }
}

/** Says what is to be known of the file; nothing where it is as expected. */
function tell(state: ReviewState, words: readonly string[]): void {
  const said = words.filter(Boolean).join("; ");
  if (said !== "") {
    state.tell({ text: `exported: ${said}` });
  }
}

function lacking(n: number): string {
  return n === 0 ? "" : `${n.toLocaleString()} not saved yet ${n === 1 ? "is" : "are"} not in it`;
}

/** How many acts are not saved. */
function nUnsaved(state: ReviewState): number {
  const saving = state.decisions.state.value;
  return saving.kind === "saved" ? 0 : saving.left;
}

async function untilSaved(state: ReviewState): Promise<void> {
  const deadline = Date.now() + LONGEST_SAVE_MS;
  while (state.decisions.state.value.kind === "saving" && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, SAVE_LOOK_MS));
  }
}

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), FORGOTTEN_MS);
}
