// The boxes of an image, drawn over its picture at whatever size it has, and listed beside it.
//
// They lie in a layer that moves and grows with the picture, so that lines and words keep their size. Boxes with a
// finding are dashed and carry a mark, so that colour is not all that tells them. Where an image has many boxes, only
// those with a finding and the one that is pointed at have words.

import { useSignal } from "@preact/signals";
import { wordsOf } from "../boxes";
import type { Box, Detail } from "../data/source";
import type { ReviewState } from "../state";
import { FindingBox } from "./finding";

/** Up to so many boxes all have words. */
const FEW = 10;
/** Above so many flagged boxes only their marks are shown. */
const CROWD = 12;
/** Where a box begins above this share of the picture, its words stand inside it. */
const TOP = 0.06;
const MIDDLE = 0.5;
const LISTED = 12;

interface Props {
  readonly state: ReviewState;
  readonly detail: Detail;
}

/** Draws the boxes; where the picture is small, those without a finding are lines alone. */
export function Boxes({ state, detail, isSmall = false }: Props & { readonly isSmall?: boolean }) {
  const { width, height, boxes = [] } = detail;
  if (!state.isBoxesShown.value || boxes.length === 0 || !width || !height) {
    return null;
  }
  const flagged = boxes.filter((box) => box.findings.length > 0);
  const worded = boxes.length <= FEW && !isSmall ? boxes : flagged;
  // The small ones lie on top, where the pointer finds them.
  const drawn = [...(isSmall ? flagged : boxes)].sort((a, b) => b.width * b.height - a.width * a.height);
  return (
    <span class="fit" style={{ "--ratio": `${width / height}` }} data-testid="boxes">
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <path class="halo" d={boxes.map(outline).join("")} />
        {isSmall && <path class="plain" d={boxes.filter((box) => !flagged.includes(box)).map(outline).join("")} />}
        {drawn.map((box) => (
          <rect
            key={box.object_id}
            class={kind(box)}
            data-object-id={box.object_id}
            x={box.x}
            y={box.y}
            width={box.width}
            height={box.height}
            onPointerEnter={() => {
              state.box.value = box.object_id;
            }}
            onPointerLeave={(event) => {
              // A finger leaves by being lifted: what it pointed at stays.
              if (event.pointerType === "mouse") {
                state.box.value = null;
              }
            }}
          />
        ))}
      </svg>
      {worded.map((box) => (
        <Words key={box.object_id} box={box} detail={detail} isBrief={isSmall || flagged.length > CROWD} />
      ))}
      <Pointed state={state} detail={detail} />
    </span>
  );
}

/** The box that is pointed at, by pointer, key or list. */
function Pointed({ state, detail }: Props) {
  const box = detail.boxes?.find((one) => one.object_id === state.box.value);
  return (
    <>
      {box !== undefined && (
        <>
          <span class={`pointed ${kind(box)}`} style={placed(box, detail)} />
          <Words box={box} detail={detail} isPointed />
        </>
      )}
      <span class="visually-hidden" role="status">
        {box === undefined ? "" : wordsOf(box)}
      </span>
    </>
  );
}

interface WordsProps {
  readonly box: Box;
  readonly detail: Detail;
  readonly isBrief?: boolean;
  readonly isPointed?: boolean;
}

function Words({ box, detail, isBrief = false, isPointed = false }: WordsProps) {
  const { left, right, top } = edges(box, detail);
  const isInside = top < TOP;
  const style: Record<string, string> = {
    top: `${100 * top}%`,
    transform: isInside ? "none" : "translateY(-100%)",
    ...(left < MIDDLE
      ? { left: `${100 * left}%`, maxWidth: `${100 * (1 - left)}%` }
      : { right: `${100 * (1 - right)}%`, maxWidth: `${100 * right}%` }),
  };
  return (
    <span class={`box-words ${kind(box)} ${isPointed ? "on-top" : ""}`} style={style} data-words-of={box.object_id}>
      {box.findings.length > 0 && <b aria-hidden="true">!</b>}
      {isBrief ? "" : wordsOf(box)}
    </span>
  );
}

function kind(box: Box): string {
  const [finding] = box.findings;
  return finding === undefined ? "plain" : finding.suggested_label === null ? "flagged" : "flagged relabelled";
}

function outline({ x, y, width, height }: Box): string {
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}

/** The edges of a box as shares of the picture; a box that reaches beyond it is cut off. */
function edges(box: Box, { width, height }: Detail) {
  const share = (pixels: number, of: number | null) => Math.min(1, Math.max(0, pixels / (of || 1)));
  return {
    left: share(box.x, width),
    right: share(box.x + box.width, width),
    top: share(box.y, height),
    bottom: share(box.y + box.height, height),
  };
}

function placed(box: Box, detail: Detail): Record<string, string> {
  const { left, right, top, bottom } = edges(box, detail);
  return {
    left: `${100 * left}%`,
    top: `${100 * top}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (bottom - top)}%`,
  };
}

/** Says how many boxes there are, and shows or hides them. */
export function BoxesButton({ state, detail }: { state: ReviewState; detail: Detail | null }) {
  const { boxes = [], n_boxes = 0 } = detail ?? {};
  if (boxes.length === 0) {
    return null;
  }
  const nFlagged = boxes.filter((box) => box.findings.length > 0).length;
  return (
    <button
      type="button"
      title="o; , and . go through them"
      data-testid="boxes-button"
      aria-pressed={state.isBoxesShown.value}
      onClick={() => {
        state.isBoxesShown.value = !state.isBoxesShown.value;
      }}
    >
      {n_boxes === 1 ? "1 box" : `${n_boxes.toLocaleString()} boxes`}
      {nFlagged > 0 && `, ${nFlagged.toLocaleString()} flagged`}
    </button>
  );
}

/** The boxes in words, those with findings first and whole. */
export function BoxList({ state, detail }: Props) {
  const { boxes = [], n_boxes = boxes.length } = detail;
  const shown = useSignal(LISTED);
  const nFlagged = boxes.findIndex((box) => box.findings.length === 0);
  const n = Math.max(shown.value, nFlagged < 0 ? boxes.length : nFlagged);
  if (boxes.length === 0) {
    return null;
  }
  return (
    <>
      <h2>Boxes: {n_boxes.toLocaleString()}</h2>
      <ul class="box-list">
        {boxes.slice(0, n).map((box) => (
          <li key={box.object_id}>
            <Line state={state} box={box} />
            {distinct(box).map((finding) => (
              <FindingBox key={finding.finding_id} finding={finding} state={state} />
            ))}
          </li>
        ))}
      </ul>
      {boxes.length > n && (
        <button type="button" onClick={() => (shown.value = boxes.length)}>
          list {(boxes.length - n).toLocaleString()} more
        </button>
      )}
      {n_boxes > boxes.length && (
        <p class="soft">
          {(n_boxes - boxes.length).toLocaleString()} more are neither drawn nor listed: nothing was found about them
        </p>
      )}
    </>
  );
}

function Line({ state, box }: { state: ReviewState; box: Box }) {
  const point = () => {
    state.box.value = box.object_id;
  };
  return (
    <button
      type="button"
      class={kind(box)}
      aria-current={state.box.value === box.object_id}
      onClick={point}
      onFocus={point}
      onPointerEnter={point}
    >
      {box.findings.length > 0 && <b aria-hidden="true">! </b>}
      {wordsOf(box)}
    </button>
  );
}

/** The findings of a box, each once: another tool may state one at several thresholds. */
function distinct(box: Box) {
  return box.findings.filter(
    (finding, place) => box.findings.findIndex((other) => other.finding_id === finding.finding_id) === place,
  );
}
