// One image, large; and the strip of what comes before and after it.

import { useEffect } from "preact/hooks";
import { saidOf } from "../pairs";
import type { ReviewState } from "../state";
import { Boxes, BoxesButton } from "./boxes";
import { Mark } from "./mark";
import { Actions, Verdicts } from "./verdicts";
import { useWhole, Zoom } from "./zoom";

const AROUND = 12;

export function Single({ state }: { state: ReviewState }) {
  void state.decisions.revision.value;
  const rows = state.rows.value;
  const cursor = state.cursor.value;
  const row = state.row.value;
  useWhole("single");
  useEffect(() => {
    // The next pictures are fetched while this one is looked at, so that none of them is waited for.
    for (const ahead of rows.subarray(cursor + 1, cursor + 4)) {
      new Image().src = state.source.imageUrl(state.columns.at("sample_id", ahead));
    }
    state.prefetch(rows.subarray(cursor, cursor + AROUND));
  }, [state, rows, cursor]);
  if (row < 0) {
    return <p class="empty">no image passes the filter</p>;
  }
  const detail = state.detail(row);
  const sampleId = state.columns.at("sample_id", row);
  const from = Math.max(0, cursor - AROUND);
  return (
    <>
      <div class="tools">
        <span class="soft">
          {(cursor + 1).toLocaleString()} of {rows.length.toLocaleString()}
        </span>
        <Actions state={state} />
        {detail !== null && <Verdicts detail={detail} />}
        <BoxesButton state={state} detail={detail} />
        <span class="soft">wheel to zoom, drag to move; the place stays for the next image</span>
      </div>
      <div
        class="stage"
        data-sample-id={sampleId}
        data-action={state.columns.meta.actions[state.columns.at("action", row)]}
      >
        <Zoom
          src={state.source.imageUrl(sampleId)}
          alt={detail?.image_path ?? ""}
          overlay={detail !== null && <Boxes state={state} detail={detail} />}
          mark={<Mark state={state} row={row} />}
        />
      </div>
      <div class="strip" role="toolbar" aria-label="images around this one">
        {[...rows.subarray(from, cursor + AROUND + 1)].map((other, i) => (
          <button
            key={other}
            type="button"
            aria-label={`image ${from + i + 1}${said(state, other)}`}
            data-action={saidOf(state, other)}
            aria-pressed={from + i === cursor}
            onClick={() => state.moveTo(from + i)}
          >
            <img src={state.source.thumbUrl(state.columns.at("sample_id", other))} alt="" />
            <Mark state={state} row={other} />
          </button>
        ))}
      </div>
    </>
  );
}

/** What is said of a row, as the end of its name. */
function said(state: ReviewState, row: number): string {
  const action = saidOf(state, row);
  return action === "none" ? "" : `, ${action}`;
}
