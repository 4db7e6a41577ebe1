// A picture that can be zoomed and moved; the place is shared by a pair. In the single view it stays from image to
// image, elsewhere each image starts whole.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** Scale and shift of every picture shown; one for all, so that two pictures of a pair move together. */
export const zoom = signal({ scale: 1, x: 0, y: 0 });

export function resetZoom(): void {
  zoom.value = { scale: 1, x: 0, y: 0 };
}

/** Shows each new image whole: `what` names it. */
export function useWhole(what: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the name is what it is about
  useLayoutEffect(resetZoom, [what]);
}

/** Zooms about the middle of the picture; the way by keys. */
export function zoomBy(factor: number): void {
  const { scale, x, y } = zoom.value;
  const next = Math.min(40, Math.max(1, scale * factor));
  const [dx, dy] = [centre.x * (1 - next / scale), centre.y * (1 - next / scale)];
  zoom.value =
    next === 1 ? { scale: 1, x: 0, y: 0 } : { scale: next, x: x * (next / scale) + dx, y: y * (next / scale) + dy };
}

/** Middle of the picture that was drawn last. */
const centre = { x: 0, y: 0 };

interface Props {
  readonly src: string;
  readonly alt: string;
  readonly over?: string;
  /** What lies over the picture and moves with it; lines and words in it keep their size. */
  readonly overlay?: ComponentChildren;
  /** What is said of the image, at its corner. */
  readonly mark?: ComponentChildren;
  /** Words below the picture. */
  readonly children?: ComponentChildren;
}

export function Zoom({ src, alt, over, overlay, mark, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const drag = useRef<{ x: number; y: number } | null>(null);
  const { scale, x, y } = zoom.value;
  useLayoutEffect(() => {
    centre.x = (box.current?.clientWidth ?? 0) / 2;
    centre.y = (box.current?.clientHeight ?? 0) / 2;
  });
  const transform = `translate(${x}px, ${y}px) scale(${scale})`;

  const onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const rect = (box.current as HTMLDivElement).getBoundingClientRect();
    const [px, py] = [event.clientX - rect.left, event.clientY - rect.top];
    const next = Math.min(40, Math.max(1, scale * Math.exp(-event.deltaY / 400)));
    const factor = next / scale;
    zoom.value =
      next === 1 ? { scale: 1, x: 0, y: 0 } : { scale: next, x: px - (px - x) * factor, y: py - (py - y) * factor };
  };
  return (
    <figure class="zoomed">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: wheel and drag are a shortcut; the keys + and - do the same */}
      <div
        class="zoom"
        ref={box}
        onWheel={onWheel}
        onDblClick={resetZoom}
        onPointerDown={(event) => {
          drag.current = { x: event.clientX - x, y: event.clientY - y };
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          if (drag.current !== null) {
            zoom.value = { scale, x: event.clientX - drag.current.x, y: event.clientY - drag.current.y };
          }
        }}
        onPointerUp={() => {
          drag.current = null;
        }}
      >
        <img src={src} alt={alt} style={{ transform }} draggable={false} />
        {over !== undefined && <img class="over" src={over} alt="" style={{ transform }} draggable={false} />}
        {overlay !== undefined && (
          <div
            class="layer"
            style={{ left: `${x}px`, top: `${y}px`, width: `${100 * scale}%`, height: `${100 * scale}%` }}
          >
            {overlay}
          </div>
        )}
        {mark}
        {scale !== 1 && (
          <button type="button" class="whole" onPointerDown={(e) => e.stopPropagation()} onClick={resetZoom}>
            {scale.toFixed(1)} ×: whole image
          </button>
        )}
      </div>
      {children !== undefined && <figcaption>{children}</figcaption>}
    </figure>
  );
}
