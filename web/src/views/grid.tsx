// The grid: only the tiles on the screen are in the document, whatever the number of images.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Columns } from "../data/columns";
import { memo } from "../memo";
import { heldBy } from "../presence";
import type { ReviewState } from "../state";

const TILE_PX = 168;
/** Browsers cap the height of an element; above this the scroll bar stands for more than it is high. */
const MAX_HEIGHT_PX = 8_000_000;
const LINES_AHEAD = 1;

export function Grid({ state, onPerLine }: { state: ReviewState; onPerLine: (n: number) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const size = useSignal({ width: 800, height: 600 });
  const top = useSignal(0);

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    const observer = new ResizeObserver(() => {
      size.value = { width: element.clientWidth, height: element.clientHeight };
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [size]);

  const rows = state.rows.value;
  const perLine = Math.max(1, Math.floor(size.value.width / TILE_PX));
  const nLines = Math.ceil(rows.length / perLine);
  const height = nLines * TILE_PX;
  const shown = Math.min(height, MAX_HEIGHT_PX);
  // Where the scroll bar stands, and what it stands for.
  const scale = shown > size.value.height ? (height - size.value.height) / (shown - size.value.height) : 1;
  const offset = top.value * scale;
  onPerLine(perLine);

  const cursor = state.cursor.value;
  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const line = Math.floor(cursor / perLine) * TILE_PX;
    const visible = element.scrollTop * scale;
    if (line < visible) {
      element.scrollTop = line / scale;
    } else if (line + TILE_PX > visible + element.clientHeight) {
      element.scrollTop = (line + TILE_PX - element.clientHeight) / scale;
    }
  }, [cursor, perLine, scale]);

  const first = Math.max(0, Math.floor(offset / TILE_PX) - LINES_AHEAD) * perLine;
  const last = Math.min(rows.length, (Math.ceil((offset + size.value.height) / TILE_PX) + LINES_AHEAD) * perLine);
  const { columns } = state;
  const selected = state.selected.value;
  void state.decisions.revision.value;
  const tiles = [];
  for (let place = first; place < last; place++) {
    const y = Math.floor(place / perLine) * TILE_PX - offset + top.value;
    const x = (place % perLine) * (size.value.width / perLine);
    const row = rows[place] as number;
    tiles.push(
      <Tile
        key={row}
        state={state}
        row={row}
        place={place}
        n={rows.length}
        x={x}
        y={y}
        width={size.value.width / perLine}
        action={columns.meta.actions[columns.at("action", row)] ?? "none"}
        tags={columns.at("tags", row)}
        newLabel={columns.newLabel(row)}
        other={heldBy(state, row)}
        isCursor={place === cursor}
        // What a key acts on: where nothing is selected, the cursor's.
        isSelected={selected.size === 0 ? place === cursor : selected.has(row)}
      />,
    );
  }
  return (
    <div
      class="grid"
      ref={box}
      role="listbox"
      aria-label="images"
      aria-multiselectable="true"
      tabIndex={rows.length === 0 ? 0 : -1}
      onScroll={(event) => {
        top.value = event.currentTarget.scrollTop;
      }}
    >
      <div role="presentation" style={{ height: `${shown}px`, position: "relative", overflow: "hidden" }}>
        {tiles}
      </div>
      {rows.length === 0 && <p class="empty">no image passes the filter</p>}
    </div>
  );
}

interface TileProps {
  readonly state: ReviewState;
  readonly row: number;
  readonly place: number;
  /** How many places there are. */
  readonly n: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly action: string;
  /** Bits. */
  readonly tags: number;
  /** That it is relabelled to. */
  readonly newLabel: string | undefined;
  /** Who else is at it. */
  readonly other: string | undefined;
  readonly isCursor: boolean;
  readonly isSelected: boolean;
}

/** One image. All that can change about it comes as a property: a key draws the tiles that it changes, no others. */
const Tile = memo((props: TileProps) => {
  const { state, row, place, n, x, y, width, action, tags, newLabel, other, isCursor, isSelected } = props;
  const { columns } = state;
  const sampleId = columns.at("sample_id", row);
  const label = columns.meta.classes[columns.at("given", row)] ?? "";
  const suggested = columns.meta.classes[columns.at("suggested", row)];
  const becomes = newLabel ?? suggested;
  const tagged = columns.meta.tags.filter((_, bit) => (tags & (1 << bit)) !== 0).map((tag) => tag.name);
  const type = columns.meta.issue_types[columns.at("top", row)] ?? boxType(columns, row);
  const tile = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // The focus goes with the cursor, unless the reviewer is in a field or a panel.
    const focused = document.activeElement;
    if (isCursor && (focused === document.body || focused?.closest(".grid") !== null)) {
      tile.current?.focus({ preventScroll: true });
    }
  }, [isCursor]);
  const perhaps = newLabel === undefined ? "perhaps" : "now";
  const said = [becomes === undefined ? "" : `${perhaps} ${becomes}`, type ?? "", action, ...tagged];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of the whole page act on the cursor
    <div
      class={isCursor ? "tile cursor" : "tile"}
      role="option"
      ref={tile}
      aria-posinset={place + 1}
      aria-setsize={n}
      tabIndex={isCursor ? 0 : -1}
      aria-selected={isSelected}
      aria-label={[label, ...said, held(other)].filter(Boolean).join(", ")}
      data-sample-id={sampleId}
      data-action={action}
      style={{ transform: `translate(${x}px, ${y}px)`, width: `${width}px`, height: `${TILE_PX}px` }}
      onClick={(event) => {
        if (event.shiftKey) {
          state.moveTo(place, true);
        } else if (event.ctrlKey || event.metaKey) {
          state.toggle(place);
        } else {
          state.moveTo(place);
        }
      }}
      onDblClick={() => {
        state.view.value = "single";
      }}
    >
      <div class="frame">
        <img src={state.source.thumbUrl(sampleId)} alt="" decoding="async" draggable={false} />
        {action !== "none" && <span class={`mark ${action}`}>{action}</span>}
        {other !== undefined && (
          <span class="held" title={`${held(other)}; decide it if you like, whoever is later is told`}>
            {other}
          </span>
        )}
        <div class="foot">
          {tagged.length > 0 && (
            <span class="tags">
              {tagged.map((name) => (
                <span key={name}>{name.replaceAll("_", " ")}</span>
              ))}
            </span>
          )}
          <span class="words">
            <span>
              <b>{label}</b>
              <span class="type">{type?.replaceAll("_", " ")}</span>
            </span>
            {becomes !== undefined && <b class="relabel">→ {becomes}</b>}
          </span>
        </div>
      </div>
    </div>
  );
});

/** Says that somebody else is at an image; it stays free to decide. */
export function held(other: string | undefined): string {
  return other === undefined ? "" : `${other} is looking at this`;
}

/** What was found about a box of an image about which itself nothing was found. */
function boxType(columns: Columns, row: number): string | undefined {
  const bits = columns.has("box_issues") ? columns.at("box_issues", row) : 0;
  const type = columns.meta.issue_types[31 - Math.clz32(bits & -bits)];
  return bits === 0 ? undefined : `box: ${type}`;
}
