// How far the reviewers agree, and the images about which they do not.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Agreement, Dispute, EstimateOut } from "../data/source";
import type { ReviewState } from "../state";

interface Known {
  readonly agreement: Agreement | null;
  readonly disputes: readonly Dispute[];
}

const DISPUTES_SHOWN = 50;

export function Team({ state }: { state: ReviewState }) {
  const known = useSignal<Known | null>(null);
  const why = useSignal("");
  useEffect(() => {
    Promise.all([state.source.agreement(), state.source.disputes()]).then(
      ([agreement, disputes]) => {
        known.value = { agreement, disputes };
      },
      (error: unknown) => {
        why.value = error instanceof Error ? error.message : String(error);
      },
    );
  }, [state, known, why]);
  if (why.value !== "") {
    return <p class="empty">the server says: {why.value}</p>;
  }
  if (known.value === null) {
    return <p class="empty">one moment</p>;
  }
  const { agreement, disputes } = known.value;
  if (agreement === null) {
    return <p class="empty">a page by itself knows one reviewer: agreement is shown by a running server</p>;
  }
  return (
    <div class="sheet">
      <Disputes state={state} disputes={disputes} />
      <Estimates agreement={agreement} />
      <Reviewers agreement={agreement} />
    </div>
  );
}

function Disputes({ state, disputes }: { state: ReviewState; disputes: readonly Dispute[] }) {
  const show = (some: readonly Dispute[]) =>
    state.showList(
      some.map((dispute) => dispute.sample_id),
      "reviewers disagree",
    );
  return (
    <section>
      <h2>Disagreements</h2>
      {disputes.length === 0 ? (
        <p class="soft">nobody disagrees, or no image was seen by two</p>
      ) : (
        <>
          <button type="button" data-testid="disputes" onClick={() => show(disputes)}>
            go through all {disputes.length.toLocaleString()}
          </button>
          <table class="classes">
            <thead>
              <tr>
                <th>image</th>
                <th>who says what</th>
                <th>majority</th>
              </tr>
            </thead>
            <tbody>
              {disputes.slice(0, DISPUTES_SHOWN).map((dispute) => (
                <tr key={dispute.sample_id}>
                  <td>
                    <button type="button" onClick={() => show([dispute])}>
                      {dispute.key}
                    </button>
                  </td>
                  <td>{whoSaysWhat(dispute)}</td>
                  <td class={dispute.proposed ?? "soft"}>{dispute.proposed ?? "none"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}

function Estimates({ agreement }: { agreement: Agreement }) {
  const lines: [string, EstimateOut][] = [["action", agreement.action], ...Object.entries(agreement.tags)];
  return (
    <section>
      <h2>Agreement</h2>
      <p class="soft">Krippendorff's alpha: 1 is full agreement, 0 what chance would give.</p>
      <table class="classes">
        <thead>
          <tr>
            <th>about</th>
            <th>alpha</th>
            <th>95 % interval</th>
            <th>images</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(([name, estimate]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="n">{shown(estimate.value)}</td>
              <td class="n">{estimate.low === null ? "" : `${shown(estimate.low)} to ${shown(estimate.high)}`}</td>
              <td class="n">{estimate.n_items.toLocaleString()}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Reviewers({ agreement }: { agreement: Agreement }) {
  return (
    <section>
      <h2>Reviewers</h2>
      <table class="classes">
        <thead>
          <tr>
            <th>name</th>
            <th>images</th>
            <th>shared with others</th>
            <th>agrees with them</th>
          </tr>
        </thead>
        <tbody>
          {agreement.reviewers.map((reviewer) => (
            <tr key={reviewer.reviewer}>
              <td>{reviewer.reviewer}</td>
              <td class="n">{reviewer.n_subjects.toLocaleString()}</td>
              <td class="n">{reviewer.n_shared.toLocaleString()}</td>
              <td class="n">{reviewer.agreement === null ? "" : `${Math.round(100 * reviewer.agreement)} %`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function whoSaysWhat(dispute: Dispute): string {
  const words = dispute.verdicts.map((verdict) => `${verdict.reviewer}: ${verdict.action}`);
  return words.length === 0 ? "shown once you have decided" : words.join(", ");
}

function shown(value: number | null): string {
  return value === null ? "none" : value.toFixed(2);
}
