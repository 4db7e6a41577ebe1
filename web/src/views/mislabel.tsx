// One image whose label is doubted: given against suggested, with the neighbours that argue for each.

import { useEffect } from "preact/hooks";
import type { Detail, Finding } from "../data/source";
import { hint } from "../ownkeys";
import { askForClass, relabelAsSuggested } from "../relabel";
import type { ReviewState } from "../state";
import { Arguing, arguing, type Neighbour } from "./arguing";
import { Boxes, BoxesButton } from "./boxes";
import { Mark } from "./mark";
import { useWhole, Zoom } from "./zoom";

const AHEAD = 5;
const ARGUING = 6;

export function Mislabel({ state }: { state: ReviewState }) {
  void state.decisions.revision.value;
  const { row, cursor, rows } = state;
  const detail = row.value < 0 ? null : state.detail(row.value);
  useEffect(() => {
    state.prefetch(rows.value.subarray(cursor.value, cursor.value + AHEAD));
  }, [state, rows.value, cursor.value]);
  useWhole(String(row.value));
  if (detail === null) {
    return <p class="empty">{row.value < 0 ? "no image passes the filter" : "one moment"}</p>;
  }
  const finding = detail.findings.find((found) => found.suggested_label !== null);
  if (finding === undefined) {
    return (
      <p class="empty">
        nothing suggests another label for this image
        <br />
        <button type="button" onClick={() => showDoubted(state)}>
          show the doubted labels alone
        </button>{" "}
        <button type="button" class="relabel" onClick={() => askForClass(state)}>
          relabel to…{hint(state, "relabel-to")}
        </button>
      </p>
    );
  }
  return (
    <>
      <Labels state={state} detail={detail} finding={finding} />
      <div
        class="stage"
        data-sample-id={detail.sample_id}
        data-action={state.columns.meta.actions[state.columns.at("action", row.value)]}
      >
        <Zoom
          src={state.source.imageUrl(detail.sample_id)}
          alt={detail.image_path}
          overlay={<Boxes state={state} detail={detail} />}
          mark={<Mark state={state} row={row.value} />}
        />
        <div class="arguing">
          <p>{finding.reason}</p>
          {isArgued(finding) && (
            <>
              <Side
                state={state}
                label={detail.given_label ?? "none"}
                near={arguing(finding, "against")}
                kind="given"
              />
              <Side
                state={state}
                label={finding.suggested_label ?? ""}
                near={arguing(finding, "for")}
                kind="suggested"
              />
            </>
          )}
        </div>
      </div>
    </>
  );
}

interface LabelsProps {
  readonly state: ReviewState;
  readonly detail: Detail;
  readonly finding: Finding;
}

function Labels({ state, detail, finding }: LabelsProps) {
  const sure = finding.confidence === null ? "" : ` (${finding.confidence.toFixed(2)})`;
  return (
    <div class="tools">
      <button type="button" class="keep" onClick={() => state.actOrClear("keep")}>
        stays {detail.given_label ?? "without label"}
        {hint(state, "keep")}
      </button>
      <button type="button" class="relabel" data-testid="accept" onClick={() => relabelAsSuggested(state)}>
        is {finding.suggested_label}
        {sure}
        {hint(state, "accept")}
      </button>
      <button type="button" class="remove" onClick={() => state.actOrClear("remove")}>
        neither: remove{hint(state, "remove")}
      </button>
      <button type="button" class="relabel" onClick={() => askForClass(state)}>
        another class{hint(state, "relabel-to")}
      </button>
      <BoxesButton state={state} detail={detail} />
      <span class="soft">
        {(state.cursor.value + 1).toLocaleString()} of {state.rows.value.length.toLocaleString()}
      </span>
    </div>
  );
}

interface SideProps {
  readonly state: ReviewState;
  readonly label: string;
  readonly near: readonly Neighbour[] | undefined;
  readonly kind: "given" | "suggested";
}

function Side({ state, label, near, kind }: SideProps) {
  return (
    <section aria-label={`${kind} label`}>
      <h2>
        {kind}: <b class={kind === "given" ? "keep" : "relabel"}>{label}</b>
      </h2>
      {near === undefined || near.length === 0 ? (
        <p class="soft">no near image speaks for it</p>
      ) : (
        <Arguing title="nearest images with this label" near={near} state={state} shown={ARGUING} />
      )}
    </section>
  );
}

/** Whether the tool says which images it goes by: without, there is nothing to say of neighbours. */
function isArgued({ evidence }: Finding): boolean {
  return "for" in evidence || "against" in evidence;
}

function showDoubted(state: ReviewState): void {
  const bit = state.columns.meta.issue_types.indexOf("mislabel");
  state.setFilter({ issues: 1 << bit });
  state.moveTo(0);
}
