// Two images that are held for the same: side by side, in turn, or as their difference.

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Detail, Partner } from "../data/source";
import { chosen, decidePair, goToOpenPair, partnerOf, proposedSide, saidOf } from "../pairs";
import { hint } from "../ownkeys";
import type { ReviewState } from "../state";
import { Boxes, BoxesButton } from "./boxes";
import { Mark } from "./mark";
import { useWhole, Zoom } from "./zoom";

type Mode = "side by side" | "blink" | "difference";
const MODES: readonly Mode[] = ["side by side", "blink", "difference"];
const BLINK_MS = 600;

/** How pairs are shown; stays from pair to pair. */
const mode = signal<Mode>("side by side");

export function Pair({ state }: { state: ReviewState }) {
  const row = state.row.value;
  const detail = row < 0 ? null : state.detail(row);
  useEffect(() => {
    state.prefetch(state.rows.value.subarray(state.cursor.value, state.cursor.value + 5));
  }, [row, state]);
  if (row < 0) {
    return <p class="empty">no image passes the filter</p>;
  }
  if (detail === null) {
    return <p class="empty">one moment</p>;
  }
  const partner = partnerOf(state, detail);
  if (partner === undefined) {
    return <NoPartner state={state} />;
  }
  return (
    <>
      <Tools state={state} detail={detail} partner={partner} />
      <Stage state={state} detail={detail} partner={partner} />
      {detail.partners.length > 1 && (
        <div class="strip" role="toolbar" aria-label="partners">
          {detail.partners.map((other, place) => (
            <button
              key={other.sample_id}
              type="button"
              aria-label={`partner ${place + 1}`}
              aria-pressed={other === partner}
              data-action={saidOf(state, state.columns.row(other.sample_id))}
              onClick={() => {
                chosen.value = { row, place };
              }}
            >
              <img src={state.source.thumbUrl(other.sample_id)} alt="" />
              <Mark state={state} row={state.columns.row(other.sample_id)} />
            </button>
          ))}
        </div>
      )}
    </>
  );
}

interface PairProps {
  readonly state: ReviewState;
  readonly detail: Detail;
  readonly partner: Partner;
}

function NoPartner({ state }: { state: ReviewState }) {
  return (
    <p class="empty">
      this image has no partner: nothing was found to be the same
      <br />
      <button
        type="button"
        onClick={() => goToOpenPair(state) || state.tell({ text: "no open pair below" })}
      >
        to the next open pair
      </button>
    </p>
  );
}

function Tools({ state, detail, partner }: PairProps) {
  void state.decisions.revision.value;
  const proposed = proposedSide(state, detail, partner);
  return (
    <div class="tools">
      {MODES.map((name) => (
        <button
          key={name}
          type="button"
          aria-pressed={mode.value === name}
          onClick={() => {
            mode.value = name;
          }}
        >
          {name}
        </button>
      ))}
      {(["left", "right"] as const).map((side) => (
        <button
          key={side}
          type="button"
          class="keep"
          title={`remove the ${side === "left" ? "right" : "left"} one`}
          onClick={(event) => press(event, () => decidePair(state, side))}
        >
          keep {side}
          {hint(state, side === proposed ? "accept" : `keep-${side}`)}
        </button>
      ))}
      <button type="button" class="keep" onClick={(event) => press(event, () => decidePair(state, "both"))}>
        keep both{hint(state, "keep")}
      </button>
      <BoxesButton state={state} detail={detail} />
      <span class="soft">
        {partner.method}, similarity {partner.similarity.toFixed(3)}
        {partner.transform !== null && partner.transform !== "identity"
          ? `, ${partner.transform.replaceAll("_", " ")}`
          : ""}
      </span>
    </div>
  );
}

/** Acts, and leaves the focus to the page: Enter is for the next pair then, not for this button again. */
function press(event: Event, act: () => void): void {
  (event.currentTarget as HTMLElement).blur();
  act();
}

function Stage({ state, detail, partner }: PairProps) {
  void state.decisions.revision.value;
  const isSecond = useSignal(false);
  const isBlinking = mode.value === "blink";
  useEffect(() => {
    if (!isBlinking) {
      isSecond.value = false;
      return;
    }
    const timer = setInterval(() => {
      isSecond.value = !isSecond.value;
    }, BLINK_MS);
    return () => clearInterval(timer);
  }, [isBlinking, isSecond]);
  useWhole(`${detail.sample_id} ${partner.sample_id}`);
  const otherRow = state.columns.row(partner.sample_id);
  const proposed = proposedSide(state, detail, partner);
  const left: Shown = { side: "left", row: state.row.value, id: detail.sample_id, detail };
  const right: Shown = {
    side: "right",
    row: otherRow,
    id: partner.sample_id,
    detail: otherRow < 0 ? null : state.detail(otherRow),
  };
  const shown = mode.value === "side by side" ? [left, right] : [isSecond.value ? right : left];
  return (
    <div class="stage" data-sample-id={detail.sample_id}>
      {mode.value === "difference" ? (
        <Zoom
          src={state.source.imageUrl(left.id)}
          alt="difference of both images"
          over={state.source.imageUrl(right.id)}
        >
          black where both are the same
          {[left, right].map(({ side, row }) => {
            const action = saidOf(state, row);
            return action === "none" ? null : (
              <span key={side}>
                ; {side}: <b class={action}>{action}</b>
              </span>
            );
          })}
        </Zoom>
      ) : (
        shown.map((one) => <Half key={one.side} state={state} shown={one} isProposed={one.side === proposed} />)
      )}
    </div>
  );
}

interface Shown {
  readonly side: "left" | "right";
  readonly row: number;
  readonly id: number;
  readonly detail: Detail | null;
}

/** One image of the pair, with what is said of it. */
function Half({ state, shown, isProposed }: { state: ReviewState; shown: Shown; isProposed: boolean }) {
  void state.decisions.revision.value;
  const { side, row, id, detail } = shown;
  return (
    <div class="half" data-sample-id={id} data-action={saidOf(state, row)} data-testid={side}>
      <Zoom
        src={state.source.imageUrl(id)}
        alt={`the ${side} image`}
        overlay={detail !== null && <Boxes state={state} detail={detail} />}
        mark={<Mark state={state} row={row} />}
      >
        {side}
        {isProposed && <b class="keep"> proposed to stay</b>}
        {detail !== null && `: ${caption(detail)}`}
      </Zoom>
    </div>
  );
}

function caption(detail: Detail): string {
  const size = detail.width === null ? "" : `, ${detail.width} × ${detail.height}`;
  return `${detail.key}${size}`;
}
