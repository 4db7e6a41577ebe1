// One finding in words, with the neighbours that argue.

import type { Finding } from "../data/source";
import type { ReviewState } from "../state";
import { Arguing, arguing } from "./arguing";

export function FindingBox({ finding, state }: { finding: Finding; state: ReviewState }) {
  return (
    <section class="finding">
      <b>{finding.issue_type.replaceAll("_", " ")}</b>{" "}
      <span class="soft">
        {finding.confidence === null ? "" : finding.confidence.toFixed(2)}{" "}
        {finding.source === "chaffinch" ? "" : finding.source}
      </span>
      {finding.suggested_label !== null && <b class="relabel"> → {finding.suggested_label}</b>}
      <p>{finding.reason}</p>
      <Arguing title="like the given label" near={arguing(finding, "against")} state={state} />
      <Arguing title={`like ${finding.suggested_label ?? "another"}`} near={arguing(finding, "for")} state={state} />
    </section>
  );
}
