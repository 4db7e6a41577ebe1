// Two images that are held for the same: side by side, in turn, or as their difference.

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Detail, Partner } from "../data/source";
import type { ReviewState } from "../state";
import { Boxes, BoxesButton } from "./boxes";
import { Zoom } from "./zoom";

type Mode = "side by side" | "blink" | "difference";
const MODES: readonly Mode[] = ["side by side", "blink", "difference"];
const BLINK_MS = 600;

/** How pairs are shown; stays from pair to pair. */
const mode = signal<Mode>("side by side");

export function Pair({ state }: { state: ReviewState }) {
  const row = state.row.value;
  const detail = row < 0 ? null : state.detail(row);
  const chosen = useSignal(0);
  useEffect(() => {
    chosen.value = 0;
    state.prefetch(state.rows.value.subarray(state.cursor.value, state.cursor.value + 5));
  }, [row, chosen, state]);
  if (row < 0) {
    return <p class="empty">no image passes the filter</p>;
  }
  if (detail === null) {
    return <p class="empty">one moment</p>;
  }
  const partner = detail.partners[Math.min(chosen.value, detail.partners.length - 1)];
  if (partner === undefined) {
    return <p class="empty">this image has no partner: nothing was found to be the same</p>;
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
              onClick={() => {
                chosen.value = place;
              }}
            >
              <img src={state.source.thumbUrl(other.sample_id)} alt="" />
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

function Tools({ state, detail, partner }: PairProps) {
  void state.decisions.revision.value;
  const other = state.columns.row(partner.sample_id);
  const isGone = (row: number) => row >= 0 && state.columns.meta.actions[state.columns.at("action", row)] === "remove";
  // Of a pair one stays: the last one that is left cannot be removed here.
  const isLast = isGone(other) || detail.partners.every((p) => isGone(state.columns.row(p.sample_id)));
  const keepsThis = isProposed(state, detail, partner);
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
      <span class="soft">
        {partner.method}, similarity {partner.similarity.toFixed(3)}
        {partner.transform !== null && partner.transform !== "identity"
          ? `, ${partner.transform.replaceAll("_", " ")}`
          : ""}
      </span>
      <button type="button" class="keep" onClick={() => state.act("keep")}>
        keep this{keepsThis ? " (proposed)" : ""}
      </button>
      <button type="button" class="remove" disabled={isLast} onClick={() => state.act("remove")}>
        remove this{keepsThis ? "" : " (proposed)"}
      </button>
      <BoxesButton state={state} detail={detail} />
      {isLast && <span class="soft">the others are removed: this one stays</span>}
    </div>
  );
}

/** Whether the image under the cursor is the one to keep: more pixels, else the one that the search keeps. */
function isProposed(state: ReviewState, detail: Detail, partner: Partner): boolean {
  const row = state.columns.row(partner.sample_id);
  const other = row < 0 ? null : state.detail(row);
  const pixels = (of: Detail | null) => (of?.width ?? 0) * (of?.height ?? 0);
  if (other !== null && pixels(detail) !== pixels(other)) {
    return pixels(detail) > pixels(other);
  }
  return detail.findings.some((finding) => finding.is_original === true) || detail.sample_id < partner.sample_id;
}

function Stage({ state, detail, partner }: PairProps) {
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
  const otherRow = state.columns.row(partner.sample_id);
  const other = otherRow < 0 ? null : state.detail(otherRow);
  const first = { src: state.source.imageUrl(detail.sample_id), words: caption(detail), detail };
  const second = { src: state.source.imageUrl(partner.sample_id), words: other === null ? "" : caption(other), detail: other };
  const boxes = (of: Detail | null) => of !== null && <Boxes state={state} detail={of} />;
  if (mode.value === "side by side") {
    return (
      <div class="stage" data-sample-id={detail.sample_id}>
        <Zoom src={first.src} alt="this image" overlay={boxes(first.detail)}>
          {first.words}
        </Zoom>
        <Zoom src={second.src} alt="its partner" overlay={boxes(second.detail)}>
          {second.words}
        </Zoom>
      </div>
    );
  }
  const shown = isSecond.value ? second : first;
  return (
    <div class="stage" data-sample-id={detail.sample_id}>
      {mode.value === "difference" ? (
        <Zoom src={first.src} alt="difference of both images" over={second.src}>
          black where both are the same
        </Zoom>
      ) : (
        <Zoom src={shown.src} alt={isSecond.value ? "its partner" : "this image"} overlay={boxes(shown.detail)}>
          {shown.words}
        </Zoom>
      )}
    </div>
  );
}

function caption(detail: Detail): string {
  const size = detail.width === null ? "" : `, ${detail.width} × ${detail.height}`;
  return `${detail.key}${size}`;
}
