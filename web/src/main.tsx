import { render } from "preact";
import { App } from "./app";
import { Columns } from "./data/columns";
import { LiveSource } from "./data/live";
import { isKept, OfflineSource, type PageData } from "./data/offline";
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
  render(<App state={state} />, document.getElementById("app") as HTMLElement);
  // The first part is shown as soon as it is there; order and counts are settled when all are.
  let isFirst = true;
  await source.load(columns, () => {
    if (isFirst) {
      state.refresh();
      isFirst = false;
    }
  });
  state.refresh();
  state.decisions.tallies.count();
  if (source.meta.is_live) {
    followNews(state);
    holdWhatIsLookedAt(state);
  }
  window.addEventListener("beforeunload", (event) => {
    if (state.decisions.state.value.kind !== "saved" || !isKept.value) {
      event.preventDefault();
    }
  });
  document.documentElement.dataset.ready = "true";
}

start().catch((error: unknown) => {
  const place = document.getElementById("app") as HTMLElement;
  render(<p class="empty">The page cannot be shown: {String(error)}</p>, place);
});
