// How far the reviewers agree, and the images about which they do not.

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { DisputeOut, DisputesOut, EstimateOut, TeamOut } from "../data/api";
import type { ReviewState } from "../state";
import { Leisure } from "./leisure";
import { settle, spelled } from "./settle";

interface Known {
  readonly agreement: TeamOut | null;
  readonly disputes: DisputesOut;
}

/** Others may decide many times a second: figures follow at leisure. */
const SETTLED_MS = 700;
const DISPUTES_SHOWN = 50;

export function Team({ state }: { state: ReviewState }) {
  const known = useSignal<Known | null>(null);
  const why = useSignal("");
  const revision = state.decisions.revision.value;
  const isSaved = state.decisions.state.value.kind === "saved";
  useEffect(() => {
    // The panel is about one image, and lies over the tables where the window is narrow.
    state.drawer.value = "none";
  }, [state]);
  const leisure = useMemo(() => new Leisure(() => look(state, known, why), SETTLED_MS), [state, known, why]);
  useEffect(() => () => leisure.stop(), [leisure]);
  useEffect(() => {
    if (isSaved) {
      leisure.tell();
    }
  }, [leisure, revision, isSaved]);
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
      <Disputes state={state} found={disputes} agreement={agreement} />
      <Estimates agreement={agreement} />
      <Reviewers agreement={agreement} isAdjudicator={disputes.is_adjudicator} />
    </div>
  );
}

/** Asks for the figures; an error gives way to the next answer. */
async function look(state: ReviewState, known: Signal<Known | null>, why: Signal<string>): Promise<void> {
  try {
    const [agreement, disputes] = await Promise.all([state.source.agreement(), state.source.disputes()]);
    known.value = { agreement, disputes };
    why.value = "";
  } catch (error) {
    why.value = error instanceof Error ? error.message : String(error);
  }
}

interface DisputesProps {
  readonly state: ReviewState;
  readonly found: DisputesOut;
  readonly agreement: TeamOut;
}

function Disputes({ state, found, agreement }: DisputesProps) {
  const { disputes, is_adjudicator } = found;
  const show = (some: readonly DisputeOut[]) => {
    state.showList(
      some.map((dispute) => dispute.sample_id),
      "disputed",
    );
    // There what each one says is seen beside the picture.
    state.view.value = "single";
  };
  const proposed = disputes.filter((dispute) => dispute.proposed !== null);
  return (
    <section>
      <h2>Disagreements</h2>
      {disputes.length === 0 ? (
        <p class="soft">{noDisputes(agreement)}</p>
      ) : (
        <>
          <button type="button" data-testid="disputes" onClick={() => show(disputes)}>
            go through all {disputes.length.toLocaleString()}
          </button>{" "}
          {is_adjudicator ? (
            <button
              type="button"
              data-testid="accept-all"
              disabled={proposed.length === 0}
              onClick={() => settle(state, proposed)}
            >
              accept the majority of {proposed.length.toLocaleString()}
            </button>
          ) : (
            <span class="soft">an adjudicator settles them: chaffinch review --adjudicator NAME</span>
          )}
          <table class="classes">
            <thead>
              <tr>
                <th>image</th>
                <th>who says what</th>
                <th title="Voices weigh by how often they are right; one far below the rest has none.">majority</th>
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
                  <td class={dispute.proposed ?? "soft"}>
                    {spelled(dispute.proposed, dispute.new_label)}{" "}
                    {is_adjudicator && dispute.proposed !== null && (
                      <button type="button" onClick={() => settle(state, [dispute])}>
                        accept
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}

/** Why there is no disagreement. */
function noDisputes({ n_disputes, n_settled, reviewers }: TeamOut): string {
  if (n_disputes > 0) {
    return `${n_disputes.toLocaleString()} to be settled; each is shown once you have decided about it`;
  }
  if (n_settled > 0) {
    return `all settled: ${n_settled.toLocaleString()}`;
  }
  const isShared = reviewers.some((reviewer) => reviewer.n_shared > 0);
  return isShared ? "nobody disagrees about what two have seen" : "no image was seen by two yet";
}

function Estimates({ agreement }: { agreement: TeamOut }) {
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
              <td class="n">{interval(estimate)}</td>
              <td class="n">{estimate.n_items.toLocaleString()}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Only adjudicators see gold figures: they would tell which images are gold items. */
function Reviewers({ agreement, isAdjudicator }: { agreement: TeamOut; isAdjudicator: boolean }) {
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
            {isAdjudicator && (
              <>
                <th title="Of the images whose right verdict is known, the share answered right.">right on gold items</th>
                <th title="In the majority that is proposed; 0 for one who is right far less often than the rest.">
                  weight
                </th>
              </>
            )}
          </tr>
        </thead>
        <tbody>
          {agreement.reviewers.map((reviewer) => (
            <tr key={reviewer.reviewer}>
              <td>{reviewer.reviewer}</td>
              <td class="n">{reviewer.n_subjects.toLocaleString()}</td>
              <td class="n">{reviewer.n_shared.toLocaleString()}</td>
              <td class="n">{reviewer.agreement === null ? "" : percent(reviewer.agreement)}</td>
              {isAdjudicator && (
                <>
                  <td class="n">{onGold(reviewer.gold)}</td>
                  <td class="n">{reviewer.weight === null ? "" : reviewer.weight.toFixed(2)}</td>
                </>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function whoSaysWhat(dispute: DisputeOut): string {
  const words = dispute.verdicts.map(
    (verdict) => `${verdict.reviewer}: ${spelled(verdict.action, verdict.new_label)}`,
  );
  return words.join(", ");
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function onGold(gold: EstimateOut | null): string {
  if (gold === null || gold.value === null || gold.low === null || gold.high === null) {
    return "";
  }
  const { value, low, high, n_items } = gold;
  return `${percent(value)} of ${n_items.toLocaleString()} (${percent(low)} to ${percent(high)})`;
}

function interval({ value, low, high }: EstimateOut): string {
  if (value === null) {
    return "";
  }
  return low === null ? "too few" : `${shown(low)} to ${shown(high)}`;
}

function shown(value: number | null): string {
  return value === null ? "none" : value.toFixed(2);
}
