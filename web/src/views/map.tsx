// The map: images that look alike lie together. All are drawn, what the filter shows in colour. A dot that is pointed
// at shows its image, a click puts the cursor there, and a line drawn around some chooses them.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type Colouring, GRAY, type Layer, layersOf } from "../data/palette";
import {
  bounded,
  density,
  dotWidth,
  inside,
  nearest,
  paint,
  type Pixel,
  pixelOf,
  resized,
  type Size,
  type Window,
  wholeMap,
  zoomed,
} from "../data/raster";
import { hint } from "../ownkeys";
import type { ReviewState } from "../state";
import { Pointed } from "./pointed";

/** A press that moves less is a click. */
const CLICK_PX = 4;
/** How near to a dot is at it. */
const NEAR_PX = 8;
const NARROW = "(max-width: 1100px)";

/** What is in colour, and the part that is seen; both stay when another view is looked at. */
const colouring = signal<Colouring>("none");
const size = signal<Size>({ width: 0, height: 0 });
const seen = signal<Window>(wholeMap({ width: 1, height: 1 }));

/** Closer to the middle of the map, or farther; the way by keys. */
export function zoomMap(factor: number): void {
  seen.value = zoomed(seen.value, size.value, factor, [size.value.width / 2, size.value.height / 2]);
}

export function showWholeMap(): void {
  seen.value = wholeMap(size.value);
}

export function MapView({ state }: { state: ReviewState }) {
  const rows = state.rows.value;
  const isDark = useIsDark();
  const layers = useMemo(
    () => layersOf(state.columns, rows, colouring.value, isDark),
    [state, rows, colouring.value, isDark],
  );
  return (
    <>
      <Tools state={state} />
      <div class="map">
        <Plot state={state} layers={layers} isDark={isDark} />
        {colouring.value !== "none" && <Legend layers={layers} />}
      </div>
    </>
  );
}

function Tools({ state }: { state: ReviewState }) {
  const rows = state.rows.value;
  return (
    <div class="tools">
      <button type="button" onClick={() => zoomMap(1.5)} aria-label="closer">
        +
      </button>
      <button type="button" onClick={() => zoomMap(1 / 1.5)} aria-label="farther">
        −
      </button>
      <button type="button" onClick={showWholeMap}>
        whole map
      </button>
      <label>
        colour{" "}
        <select
          aria-label="colour by"
          value={colouring.value}
          onChange={(event) => {
            colouring.value = event.currentTarget.value as Colouring;
          }}
        >
          <option value="none">what is shown</option>
          <option value="finding">by finding</option>
          <option value="class">by class</option>
        </select>
      </label>
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
      <span class="soft">click a dot; draw around some to choose them; Shift and drag moves</span>
    </div>
  );
}

interface PlotProps {
  readonly state: ReviewState;
  readonly layers: readonly Layer[];
  readonly isDark: boolean;
}

function Plot({ state, layers, isDark }: PlotProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const lasso = useSignal<readonly Pixel[]>([]);
  const isMoving = useSignal(false);
  const pointed = useSignal<{ row: number; at: Pixel } | null>(null);
  const { columns } = state;
  const [xs, ys, rows] = [columns.column("x"), columns.column("y"), state.rows.value];
  const dot = dotWidth(columns.nLoaded, seen.value.scale / wholeMap(size.value).scale);
  useSize(canvas);
  const counts = useMemo(
    () => density(xs.subarray(0, columns.nLoaded), ys.subarray(0, columns.nLoaded), seen.value, size.value),
    [xs, ys, columns, columns.nLoaded, seen.value, size.value],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: the ground has another colour in another theme
  useEffect(() => {
    if (canvas.current !== null && size.value.width > 0) {
      draw(canvas.current, state, { counts, layers, dot });
    }
  }, [state, counts, layers, dot, isDark]);

  const at = (event: MouseEvent): Pixel => {
    const rect = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return [event.clientX - rect.left, event.clientY - rect.top];
  };
  const rowAt = (point: Pixel) => nearest(xs, ys, seen.value, point, { rows, within: Math.max(NEAR_PX, dot) });
  const pointAt = (row: number, point: Pixel) => {
    pointed.value = row < 0 ? null : { row, at: point };
  };
  const onMove = (event: PointerEvent) => {
    const point = at(event);
    if (isMoving.value) {
      const { scale, x, y } = seen.value;
      seen.value = bounded({ scale, x: x + event.movementX, y: y + event.movementY }, size.value);
    } else if (lasso.value.length > 0) {
      lasso.value = [...lasso.value, point];
    }
    pointAt(isMoving.value || lasso.value.length > 0 ? -1 : rowAt(point), point);
  };
  const onUp = (event: PointerEvent) => {
    const line = lasso.value;
    lasso.value = [];
    if (line.length > 0 && line.every((point) => isNear(point, line[0] as Pixel))) {
      goTo(state, rowAt(at(event)));
    } else if (line.length > 2) {
      choose(state, inside(xs, ys, seen.value, line, rows));
    }
    isMoving.value = false;
  };
  const ring = state.row.value < 0 ? null : pixelOf(xs, ys, seen.value, state.row.value);
  return (
    <>
      <div
        class="plot"
        role="img"
        aria-label={`map of ${columns.nLoaded.toLocaleString()} images; ${rows.length.toLocaleString()} shown in colour`}
      >
        <canvas
          ref={canvas}
          data-testid="map"
          onWheel={(event) => {
            event.preventDefault();
            seen.value = zoomed(seen.value, size.value, Math.exp(-event.deltaY / 400), at(event));
            pointAt(rowAt(at(event)), at(event));
          }}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            isMoving.value = event.shiftKey || event.button === 1;
            lasso.value = isMoving.value ? [] : [at(event)];
          }}
          onPointerMove={onMove}
          onPointerUp={onUp}
          onPointerLeave={() => {
            pointed.value = null;
          }}
          onDblClick={(event) => {
            if (goTo(state, rowAt(at(event)))) {
              state.view.value = "single";
            }
          }}
        />
        <svg class="lasso" aria-hidden="true">
          <polygon points={lasso.value.map((point) => point.join(",")).join(" ")} />
          {ring !== null && <circle cx={ring[0] + 0.5} cy={ring[1] + 0.5} r={dot / 2 + 4} />}
        </svg>
      </div>
      {pointed.value !== null && <Pointed state={state} {...pointed.value} size={size.value} />}
      {size.value.width > 0 && columns.nLoaded > 0 && counts.every((count) => count === 0) && (
        <p class="nothing">
          no image here{" "}
          <button type="button" onClick={showWholeMap}>
            whole map{hint(state, "whole")}
          </button>
        </p>
      )}
    </>
  );
}

/** Follows the size of the map's place. */
function useSize(canvas: { readonly current: HTMLCanvasElement | null }): void {
  useLayoutEffect(() => {
    const box = canvas.current?.parentElement as HTMLElement;
    const observer = new ResizeObserver(() => {
      const now = { width: Math.floor(box.clientWidth), height: Math.floor(box.clientHeight) };
      seen.value = resized(seen.value, size.value, now);
      size.value = now;
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [canvas]);
}

function useIsDark(): boolean {
  const isDark = useSignal(matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const onChange = () => {
      isDark.value = query.matches;
    };
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, [isDark]);
  return isDark.value;
}

function Legend({ layers }: { layers: readonly Layer[] }) {
  return (
    <ul class="legend" aria-label="colours">
      {layers.map(({ name, rows, colour }) => (
        <li key={name}>
          <i style={{ background: `rgb(${colour.join(" ")})` }} />
          {name} <span class="soft">{rows.length.toLocaleString()}</span>
        </li>
      ))}
    </ul>
  );
}

function isNear([x1, y1]: Pixel, [x2, y2]: Pixel): boolean {
  return Math.hypot(x1 - x2, y1 - y2) < CLICK_PX;
}

/** Puts the cursor on an image, so that the panel shows it; tells whether there is one. */
function goTo(state: ReviewState, row: number): boolean {
  const place = row < 0 ? -1 : state.rows.value.indexOf(row);
  if (place < 0) {
    return false;
  }
  state.moveTo(place);
  if (matchMedia(NARROW).matches) {
    state.drawer.value = "info";
  }
  return true;
}

function choose(state: ReviewState, rows: readonly number[]): void {
  if (rows.length > 0) {
    state.setFilter({ rows: new Set(rows) });
  }
  state.tell({ text: `${rows.length.toLocaleString()} images chosen` });
}

interface Drawing {
  readonly counts: Uint32Array;
  readonly layers: readonly Layer[];
  readonly dot: number;
}

function draw(canvas: HTMLCanvasElement, state: ReviewState, { counts, layers, dot }: Drawing): void {
  const { width, height } = size.value;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  context.fillStyle = getComputedStyle(canvas).backgroundColor;
  context.fillRect(0, 0, width, height);
  const picture = context.getImageData(0, 0, width, height);
  const [xs, ys] = [state.columns.column("x"), state.columns.column("y")];
  paint(picture.data, counts, size.value, GRAY, dot);
  for (const { rows, colour } of layers) {
    paint(picture.data, density(xs, ys, seen.value, size.value, rows), size.value, colour, dot);
  }
  context.putImageData(picture, 0, 0);
}
