import { render } from "preact";
import { App } from "./app";
import { Columns } from "./data/columns";
import { LiveSource } from "./data/live";
import { isKept, OfflineSource, type PageData } from "./data/offline";
import { untilAnswered } from "./data/retry";
import type { Source } from "./data/source";
import { followNews, holdWhatIsLookedAt } from "./presence";
import { ReviewState } from "./state";

async function open(): Promise<Source> {
  const inside = document.getElementById("data");
  if (inside !== null) {
    return new OfflineSource(JSON.parse(inside.textContent ?? "") as PageData);
  }
  return LiveSource.open();
}

async function start(): Promise<void> {
  const source = await open();
  document.title = `${source.meta.dataset}: chaffinch review`;
  const columns = new Columns(source.meta);
  const state = new ReviewState(columns, source);
  // Before anything can be decided.
  askBeforeLeaving(state);
  render(<App state={state} />, document.getElementById("app") as HTMLElement);
  // The first part is shown as soon as it is there; order and counts are settled when all are.
  let isFirst = true;
  const onPart = () => {
    if (isFirst) {
      state.refresh();
      isFirst = false;
    }
  };
  await source.load(columns, onPart).catch(async (error: unknown) => {
    if (isFirst) {
      throw error;
    }
    // What is there can be worked with, and what was decided about it must not go with the page.
    const end = await untilAnswered(
      () => source.load(columns, onPart),
      (why) => state.tell({ text: `the rest of the images is still to come: ${why}` }),
    );
    if (end !== undefined) {
      state.tell({ text: `not all images are here, open the page again: ${end.why}` });
    }
  });
  state.refresh();
  state.decisions.tallies.count();
  if (source.meta.is_live) {
    followNews(state);
    holdWhatIsLookedAt(state);
  }
  document.documentElement.dataset.ready = "true";
}

function askBeforeLeaving(state: ReviewState): void {
  window.addEventListener("beforeunload", (event) => {
    if (state.decisions.state.value.kind !== "saved" || !isKept.value) {
      event.preventDefault();
    }
  });
}

start().catch((error: unknown) => {
  const place = document.getElementById("app") as HTMLElement;
  render(<p class="empty">The page cannot be shown: {String(error)}</p>, place);
});
