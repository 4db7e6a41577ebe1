// All images of one duplicate group: one is kept by one click or key, the others are removed and tagged.

import { useEffect } from "preact/hooks";
import type { Detail } from "../data/source";
import { keepOne, proposedKeeper } from "../groups";
import { hint } from "../ownkeys";
import type { ReviewState } from "../state";
import { Boxes, BoxesButton } from "./boxes";

const SHOWN = 60;

export function Group({ state }: { state: ReviewState }) {
  void state.decisions.revision.value;
  void state.details.revision.value;
  const rows = state.groupRows();
  useEffect(() => {
    state.prefetch(rows.slice(0, SHOWN));
  }, [state, rows]);
  if (rows.length < 2) {
    return (
      <p class="empty">
        this image is in no group of duplicates
        <br />
        <button type="button" onClick={() => state.nextGroup()}>
          to the next group
        </button>
      </p>
    );
  }
  const details = rows.slice(0, SHOWN).map((row) => state.detail(row));
  const proposed = proposedKeeper(rows, details);
  const actions = rows.map((row) => state.columns.at("action", row));
  const removing = state.columns.meta.actions.indexOf("remove");
  const nLeft = actions.filter((action) => action !== removing).length;
  return (
    <>
      <div class="tools">
        <b>{rows.length.toLocaleString()} images of one group</b>
        <span class="soft">{nLeft.toLocaleString()} stay</span>
        <button type="button" class="keep" data-testid="keep-proposed" onClick={() => keepOne(state, proposed)}>
          keep the proposed one{hint(state, "accept")}
        </button>
        <button type="button" onClick={() => state.decideMany(rows, { action: "keep" }, "keep")}>
          keep all
        </button>
        <button type="button" onClick={() => state.nextGroup()}>
          next group{hint(state, "next-group")}
        </button>
        <BoxesButton state={state} detail={state.row.value < 0 ? null : state.detail(state.row.value)} />
        {rows.length > SHOWN && <span class="soft">the first {SHOWN} are shown</span>}
      </div>
      <ul class="members">
        {rows.slice(0, SHOWN).map((row, place) => (
          <Member
            key={row}
            state={state}
            row={row}
            detail={details[place] ?? null}
            isProposed={row === proposed}
            isLast={nLeft === 1 && actions[place] !== removing}
          />
        ))}
      </ul>
    </>
  );
}

interface MemberProps {
  readonly state: ReviewState;
  readonly row: number;
  readonly detail: Detail | null;
  readonly isProposed: boolean;
  readonly isLast: boolean;
}

function Member({ state, row, detail, isProposed, isLast }: MemberProps) {
  // A component that reads any signal is drawn again only for those that it reads.
  void state.decisions.revision.value;
  const { columns } = state;
  const sampleId = columns.at("sample_id", row);
  const action = columns.meta.actions[columns.at("action", row)] ?? "none";
  const name = detail?.image_id ?? `image ${sampleId}`;
  return (
    <li
      class={state.row.value === row ? "member cursor" : "member"}
      data-sample-id={sampleId}
      data-action={action}
      aria-current={state.row.value === row}
    >
      <button
        type="button"
        class="picture"
        aria-label={`keep ${name}, remove the others`}
        onClick={() => keepOne(state, row)}
      >
        <img src={state.source.imageUrl(sampleId)} alt="" />
        {detail !== null && (
          <span class="layer">
            <Boxes state={state} detail={detail} isSmall />
          </span>
        )}
      </button>
      <div class="words">
        <b>{name}</b>
        <span class="soft">
          {[columns.meta.splits[columns.at("split", row)], detail?.given_label, pixels(detail)]
            .filter(Boolean)
            .join(", ")}
        </span>
        <span>
          {isProposed && <b class="keep">proposed </b>}
          {action !== "none" && <b class={action}>{action}</b>}
        </span>
      </div>
      <div class="actions">
        <button type="button" class="keep" title="remove the others" onClick={() => keepOne(state, row)}>
          keep this one
        </button>
        <button
          type="button"
          class="remove"
          disabled={isLast || action === "remove"}
          title={isLast ? "the others are removed: this one stays" : undefined}
          onClick={() => state.decideMany([row], { action: "remove", how: "looked" }, "remove")}
        >
          remove
        </button>
      </div>
    </li>
  );
}

function pixels(detail: Detail | null): string {
  return detail?.width == null ? "" : `${detail.width} × ${detail.height}`;
}
