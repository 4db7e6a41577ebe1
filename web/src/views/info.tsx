// What is known of the image under the cursor: findings with their evidence, who said what, facts.

import { Fragment } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { tagsToGive } from "../data/columns";
import { heldBy } from "../presence";
import { askForClass, relabelAsSuggested } from "../relabel";
import type { ReviewState } from "../state";
import { BoxList } from "./boxes";
import { FindingBox } from "./finding";
import { held } from "./grid";
import { keyOf } from "./verdicts";

export function Info({ state }: { state: ReviewState }) {
  const row = state.row.value;
  const panel = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    panel.current?.scrollTo({ top: 0 });
  }, [row]);
  void state.decisions.revision.value;
  const detail = row < 0 ? null : state.detail(row);
  if (row < 0 || detail === null) {
    return (
      <aside class="info" aria-label="about this image" ref={panel}>
        <p class="soft">{row < 0 ? "no image" : "one moment"}</p>
      </aside>
    );
  }
  const { meta } = state.columns;
  const tags = tagsOf(state, row);
  const action = meta.actions[state.columns.at("action", row)] ?? "none";
  const newLabel = state.columns.newLabel(row);
  return (
    <aside class="info" aria-label="about this image" ref={panel}>
      <div class="actions">
        <button
          type="button"
          class="keep"
          aria-pressed={action === "keep"}
          data-action="keep"
          onClick={() => state.actOrClear("keep")}
        >
          keep
        </button>
        <button type="button" class="remove" aria-pressed={action === "remove"} onClick={() => state.actOrClear("remove")}>
          remove
        </button>
        <button
          type="button"
          class="relabel"
          aria-pressed={action === "relabel"}
          onClick={() => state.clears("relabel") || relabelAsSuggested(state)}
        >
          relabel
        </button>
        <button type="button" class="relabel" onClick={() => askForClass(state)}>
          relabel to…
        </button>
      </div>
      {heldBy(state, row) !== undefined && <p class="soft">{held(heldBy(state, row))}</p>}
      <dl>
        <dt>label</dt>
        <dd>
          {detail.given_label ?? "none"}
          {newLabel !== undefined && <b class="relabel"> → {newLabel}</b>}
        </dd>
        <dt>id</dt>
        <dd>{detail.image_id}</dd>
        <dt>path</dt>
        <dd>{detail.image_path}</dd>
        {detail.width !== null && (
          <>
            <dt>pixels</dt>
            <dd>
              {detail.width} × {detail.height}
            </dd>
          </>
        )}
        {tags.length > 0 && (
          <>
            <dt>tags</dt>
            <dd>{tags.map((tag) => tag.name).join(", ")}</dd>
          </>
        )}
      </dl>
      {detail.verdicts.length > 0 && (
        <>
          <h2>Said so far</h2>
          <dl>
            {detail.verdicts.map((verdict) => (
              <Fragment key={keyOf(verdict)}>
                <dt>{verdict.reviewer}</dt>
                <dd class={verdict.action}>
                  {[verdict.action, verdict.new_label, ...verdict.tags, verdict.note].filter(Boolean).join(", ")}
                </dd>
              </Fragment>
            ))}
          </dl>
        </>
      )}
      <h2>Findings</h2>
      {detail.findings.map((finding) => (
        <FindingBox key={finding.finding_id} finding={finding} state={state} />
      ))}
      {detail.findings.length === 0 && <p class="soft">nothing was found</p>}
      <BoxList key={detail.sample_id} state={state} detail={detail} />
      <Tags state={state} row={row} />
    </aside>
  );
}

function Tags({ state, row }: { state: ReviewState; row: number }) {
  const { meta } = state.columns;
  const given = tagsOf(state, row);
  // A tag that is an action was given elsewhere: it is shown where it is, and can be taken away.
  const tags = meta.tags.filter((tag) => given.includes(tag) || tagsToGive(meta).includes(tag));
  return (
    <>
      <h2>Tags</h2>
      <div class="actions">
        {tags.map((tag) => (
          <button
            key={tag.name}
            type="button"
            title={tag.description}
            aria-pressed={given.includes(tag)}
            onClick={() => state.toggleTag(tag.name)}
          >
            {tag.name}
          </button>
        ))}
      </div>
    </>
  );
}

function tagsOf(state: ReviewState, row: number) {
  return state.columns.meta.tags.filter((_, bit) => (state.columns.at("tags", row) & (1 << bit)) !== 0);
}
