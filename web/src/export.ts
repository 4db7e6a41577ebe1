// Saves what was decided as a file: the server's manifest, or the decisions of a page by itself.

import { OfflineSource } from "./data/offline";
import type { ReviewState } from "./state";

const FORGOTTEN_MS = 60_000;

export async function exportDecisions(state: ReviewState): Promise<void> {
  const name = state.reviewer.value.trim();
  if (!(state.source instanceof OfflineSource)) {
    await exportManifest(state, name);
  } else if (name === "") {
    state.nameWanted.value = { why: "Nothing was exported yet: the file says who saved it. Type your name, then Enter." };
  } else {
    const content = new Blob([await state.source.exported(name)], { type: "application/jsonl" });
    save(content, `${state.columns.meta.dataset}_decisions_${name.replace(/[^\w-]+/g, "_")}.jsonl`);
  }
}

/** Asks for the manifest; a blind reviewer is given that of their own decisions, and told so. */
async function exportManifest(state: ReviewState, name: string): Promise<void> {
  const answer = await fetch(`/api/manifest.csv?reviewer=${encodeURIComponent(name)}`).catch(() => null);
  if (answer === null) {
    state.tell({ text: "not exported: the server does not answer" });
  } else if (!answer.ok) {
    const { error = `the server answers ${answer.status}`, hint = "" } = await answer.json().catch(() => ({}));
    state.tell({ text: ["not exported", error, hint].filter(Boolean).join(": ") });
  } else {
    const file = decodeURIComponent(answer.headers.get("Content-Disposition")?.split("UTF-8''")[1] ?? "manifest.csv");
    save(await answer.blob(), file);
    if (file.endsWith("_own_decisions_manifest.csv")) {
      state.tell({ text: "exported: your own decisions; those of all are for an adjudicator while review is blind" });
    }
  }
}

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), FORGOTTEN_MS);
}
