// The neighbours that speak for a label: their pictures where the page has them, else their names.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Finding } from "../data/source";
import type { ReviewState } from "../state";

/** An image that argues about the label; named by key, and by id where the page has it. */
export interface Neighbour {
  readonly key: string;
  readonly sample_id?: number;
  readonly similarity: number;
  readonly label: string | null;
}

/** The neighbours that argue for the suggested label, or against it; other tools' evidence holds what it likes. */
export function arguing(finding: Finding, side: "for" | "against"): readonly Neighbour[] {
  const found = finding.evidence[side];
  return Array.isArray(found) ? (found as Neighbour[]) : [];
}

interface Props {
  readonly title: string;
  readonly near: readonly Neighbour[];
  readonly state: ReviewState;
  readonly shown?: number;
}

export function Arguing({ title, near, state, shown = 3 }: Props) {
  if (near.length === 0) {
    return null;
  }
  return (
    <>
      <p class="soft">{title}</p>
      <div class="near">
        {near.slice(0, shown).map((neighbour) => (
          <Picture key={neighbour.key} neighbour={neighbour} state={state} />
        ))}
      </div>
    </>
  );
}

function Picture({ neighbour, state }: { neighbour: Neighbour; state: ReviewState }) {
  const id = useSignal(neighbour.sample_id ?? -1);
  useEffect(() => {
    if (neighbour.sample_id === undefined) {
      state.source.idOfKey(neighbour.key).then(
        (found) => {
          id.value = found;
        },
        () => undefined,
      );
    }
  }, [neighbour, state, id]);
  const name = neighbour.key.slice(neighbour.key.lastIndexOf("/") + 1);
  return (
    <figure title={neighbour.key}>
      {id.value < 0 ? <div class="nameless">{name}</div> : <img src={state.source.thumbUrl(id.value)} alt={name} />}
      <figcaption>
        {neighbour.label} <span class="soft">{neighbour.similarity.toFixed(2)}</span>
      </figcaption>
    </figure>
  );
}
