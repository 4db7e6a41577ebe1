// The map: images that look alike lie together. All are drawn, what the filter shows in colour; a line drawn
// around some chooses them.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { density, inside, NO_PLACE, paint, type Size, type Window, wholeMap, zoomed } from "../data/raster";
import type { ReviewState } from "../state";

type Point = readonly [number, number];
type Rgb = readonly [number, number, number];

/** Up to so many images each is drawn so many pixels wide. */
const DOTS: readonly (readonly [number, number])[] = [
  [3_000, 5],
  [30_000, 3],
];
const BY_TYPE: readonly Rgb[] = [
  [230, 97, 0],
  [93, 58, 155],
  [0, 127, 115],
  [194, 24, 91],
  [25, 118, 210],
  [158, 120, 0],
  [96, 125, 34],
  [84, 84, 84],
  [0, 172, 193],
  [121, 85, 72],
  [233, 30, 99],
  [63, 81, 181],
  [141, 110, 160],
  [183, 28, 28],
  [46, 125, 50],
];

/** What is in colour: all that is shown, or each issue type by itself. */
const isByType = signal(false);

export function MapView({ state }: { state: ReviewState }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSignal<Size>({ width: 0, height: 0 });
  const window = useSignal<Window | null>(null);
  const lasso = useSignal<readonly Point[]>([]);
  const isMoving = useSignal(false);
  useLayoutEffect(() => {
    const box = (canvas.current as HTMLCanvasElement).parentElement as HTMLElement;
    const observer = new ResizeObserver(() => {
      size.value = { width: Math.floor(box.clientWidth), height: Math.floor(box.clientHeight) };
      window.value = wholeMap(size.value);
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [size, window]);
  const [rows, revision, cursor] = [state.rows.value, isByType.value, state.row.value];
  useEffect(() => {
    if (canvas.current !== null && window.value !== null && size.value.width > 0) {
      draw(canvas.current, state, window.value, size.value);
    }
  }, [state, rows, revision, cursor, window.value, size.value]);

  const at = (event: PointerEvent | WheelEvent): Point => {
    const rect = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return [event.clientX - rect.left, event.clientY - rect.top];
  };
  const zoomBy = (factor: number, [x, y]: Point) => {
    window.value = zoomed(window.value ?? wholeMap(size.value), factor, x, y);
  };
  const middle: Point = [size.value.width / 2, size.value.height / 2];
  const onMove = (event: PointerEvent) => {
    const point = at(event);
    if (isMoving.value && window.value !== null) {
      window.value = { ...window.value, x: window.value.x + event.movementX, y: window.value.y + event.movementY };
    } else if (lasso.value.length > 0) {
      lasso.value = [...lasso.value, point];
    }
  };
  const onUp = () => {
    if (lasso.value.length > 2 && window.value !== null) {
      choose(state, inside(state.columns.column("x"), state.columns.column("y"), window.value, lasso.value, rows));
    }
    lasso.value = [];
    isMoving.value = false;
  };
  return (
    <>
      <div class="tools">
        <button type="button" onClick={() => zoomBy(1.5, middle)} aria-label="closer">
          +
        </button>
        <button type="button" onClick={() => zoomBy(1 / 1.5, middle)} aria-label="farther">
          −
        </button>
        <button type="button" onClick={() => (window.value = wholeMap(size.value))}>
          whole map
        </button>
        <label>
          <input
            type="checkbox"
            checked={isByType.value}
            onChange={(e) => (isByType.value = e.currentTarget.checked)}
          />{" "}
          colour by finding
        </label>
        {isByType.value && <Legend state={state} />}
        {state.filter.value.rows !== undefined && (
          <>
            <button type="button" onClick={() => (state.view.value = "grid")}>
              show {rows.length.toLocaleString()} in the grid
            </button>
            <button type="button" onClick={() => state.setFilter({ rows: undefined as never })}>
              let go
            </button>
          </>
        )}
        <span class="soft">draw a line around images to choose them; wheel to zoom, Shift and drag to move</span>
      </div>
      <div
        class="map"
        role="img"
        aria-label={`map of ${state.columns.nLoaded.toLocaleString()} images; ${rows.length.toLocaleString()} shown in colour`}
      >
        <canvas
          ref={canvas}
          data-testid="map"
          onWheel={(event) => {
            event.preventDefault();
            zoomBy(Math.exp(-event.deltaY / 400), at(event));
          }}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            isMoving.value = event.shiftKey || event.button === 1;
            lasso.value = isMoving.value ? [] : [at(event)];
          }}
          onPointerMove={onMove}
          onPointerUp={onUp}
        />
        <svg class="lasso" aria-hidden="true">
          <polygon points={lasso.value.map((point) => point.join(",")).join(" ")} />
        </svg>
      </div>
    </>
  );
}

function Legend({ state }: { state: ReviewState }) {
  return (
    <span class="legend">
      {layers(state).map(({ rows, colour }, type) =>
        rows.length === 0 ? null : (
          <span key={state.columns.meta.issue_types[type]}>
            <i style={{ background: `rgb(${colour.join(" ")})` }} />
            {state.columns.meta.issue_types[type]?.replaceAll("_", " ")}
          </span>
        ),
      )}
    </span>
  );
}

function choose(state: ReviewState, rows: readonly number[]): void {
  if (rows.length > 0) {
    state.setFilter({ rows: new Set(rows) });
  }
  state.tell({ text: `${rows.length.toLocaleString()} images chosen` });
}

function draw(canvas: HTMLCanvasElement, state: ReviewState, window: Window, size: Size): void {
  canvas.width = size.width;
  canvas.height = size.height;
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  const style = getComputedStyle(canvas);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, size.width, size.height);
  const picture = context.getImageData(0, 0, size.width, size.height);
  const { columns } = state;
  const [xs, ys] = [columns.column("x").subarray(0, columns.nLoaded), columns.column("y").subarray(0, columns.nLoaded)];
  const dot = DOTS.find(([most]) => columns.nLoaded <= most)?.[1] ?? 1;
  paint(picture.data, density(xs, ys, window, size), size, [128, 136, 148], dot);
  for (const { rows, colour } of layers(state)) {
    paint(picture.data, density(xs, ys, window, size, rows), size, colour, dot);
  }
  context.putImageData(picture, 0, 0);
  ring(context, state, window, style.color);
}

function layers(state: ReviewState): { rows: Uint32Array; colour: Rgb }[] {
  const rows = state.rows.value;
  if (!isByType.value) {
    return rows.length === state.columns.nLoaded ? [] : [{ rows, colour: BY_TYPE[4] as Rgb }];
  }
  const tops = state.columns.column("top");
  return state.columns.meta.issue_types.map((_, type) => ({
    rows: rows.filter((row) => tops[row] === type),
    colour: BY_TYPE[type % BY_TYPE.length] as Rgb,
  }));
}

/** Marks the image under the cursor. */
function ring(context: CanvasRenderingContext2D, state: ReviewState, window: Window, colour: string): void {
  const row = state.row.value;
  if (row < 0 || state.columns.at("x", row) === NO_PLACE) {
    return;
  }
  const x = state.columns.at("x", row) * window.scale + window.x;
  const y = state.columns.at("y", row) * window.scale + window.y;
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 7, 0, 2 * Math.PI);
  context.stroke();
}
