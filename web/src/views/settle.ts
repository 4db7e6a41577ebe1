// Settles disagreements as a weighted majority proposes.

import type { DisputeOut } from "../data/api";
import type { ReviewState } from "../state";

/** Decides as is proposed, about what the list was made of and nothing newer; all of it is taken back together. */
export function settle(state: ReviewState, disputes: readonly DisputeOut[]): void {
  const settled = disputes.filter((dispute) => isAsListed(state, dispute));
  let link: string | undefined;
  for (const some of byAnswer(settled)) {
    const [first] = some;
    if (first !== undefined && first.proposed !== null) {
      const saying = { action: first.proposed, newLabel: first.new_label, how: "batch" } as const;
      link = state.decisions.decide(some.map((dispute) => asListed(state, dispute)), saying, link);
    }
  }
  const nLeft = disputes.length - settled.length;
  const words = [
    settled.length === 0 ? "" : `settled as most say: ${settled.length.toLocaleString()}`,
    nLeft === 0 ? "" : `not as listed any more, look again: ${nLeft.toLocaleString()}`,
  ];
  state.tell({ text: words.filter(Boolean).join("; "), ...(link === undefined ? {} : { batchId: link }) });
}

/** What is said of an image, in words. */
export function spelled(action: string | null, label: string | null): string {
  return label === null ? (action ?? "none") : `${action} to ${label}`;
}

/** Whether the page knows the image, and of no word about it that the list lacks. */
function isAsListed(state: ReviewState, { sample_id, version }: DisputeOut): boolean {
  const row = state.columns.row(sample_id);
  return row >= 0 && state.columns.at("version", row) <= version;
}

/** The row of a listed image, to be decided as of the list: the news of what the list tells may come later. */
function asListed(state: ReviewState, { sample_id, version }: DisputeOut): number {
  const row = state.columns.row(sample_id);
  state.columns.set("version", row, version);
  return row;
}

function byAnswer(disputes: readonly DisputeOut[]): Iterable<readonly DisputeOut[]> {
  const answers = new Map<string, DisputeOut[]>();
  for (const dispute of disputes) {
    const answer = spelled(dispute.proposed, dispute.new_label);
    answers.set(answer, [...(answers.get(answer) ?? []), dispute]);
  }
  return answers.values();
}
