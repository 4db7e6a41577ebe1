// The image of the dot that the pointer is at, beside the pointer.

import { useEffect } from "preact/hooks";
import type { Pixel, Size } from "../data/raster";
import type { ReviewState } from "../state";

/** A pointer that stays this long wants to know the name. */
const WANTED_MS = 80;
const CARD: Size = { width: 148, height: 190 };
const AWAY_PX = 14;

interface Props {
  readonly state: ReviewState;
  readonly row: number;
  readonly at: Pixel;
  /** Of the place that the card stays in. */
  readonly size: Size;
}

export function Pointed({ state, row, at: [x, y], size }: Props) {
  const { columns } = state;
  void state.details.revision.value;
  const sampleId = columns.at("sample_id", row);
  useEffect(() => {
    const timer = setTimeout(() => state.prefetch([row]), WANTED_MS);
    return () => clearTimeout(timer);
  }, [state, row]);
  const label = columns.meta.classes[columns.at("given", row)];
  const type = columns.meta.issue_types[columns.at("top", row)];
  const left = x + AWAY_PX + CARD.width > size.width ? x - AWAY_PX - CARD.width : x + AWAY_PX;
  const top = Math.max(0, Math.min(y + AWAY_PX, size.height - CARD.height));
  return (
    <div class="pointed-at" data-sample-id={sampleId} style={{ left: `${left}px`, top: `${top}px` }}>
      <img key={sampleId} src={state.source.thumbUrl(sampleId)} alt="" />
      <b>{state.knownDetail(row)?.key ?? ""}</b>
      <span class="soft">{[label, type?.replaceAll("_", " ")].filter(Boolean).join(", ")}</span>
    </div>
  );
}
