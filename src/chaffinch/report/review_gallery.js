"use strict";
(() => {
  const WORDS = ["keep", "remove", "relabel"];
  const META = (name) => document.querySelector(`meta[name="${name}"]`).content;
  const dataset = META("chaffinch-dataset");
  const perPage = Number(META("chaffinch-per-page"));
  const columns = META("chaffinch-columns").split(",");
  const storeKey = `chaffinch-review:${dataset}:${META("chaffinch-page")}`;
  const $ = (selector, root = document) => root.querySelector(selector);
  const list = $(".cards"), type = $("#type"), state = $("#state"), find = $("#find"), reviewer = $("#reviewer");
  const told = $(".told"), range = $("#range"), previous = $("#previous"), next = $("#next"), save = $("#save");

  // What the manifest said when this page was written; edits lie over it.
  const items = [...document.querySelectorAll("template[data-image_id]")].map((template, index) => {
    const row = template.dataset;
    const tags = (row.user_tags || "").split(",").filter(Boolean);
    const base = { action: row.user_action, tags, label: row.user_action === "relabel" ? row.new_label : "", note: row.notes };
    const text = [row.image_id, row.image_path, row.label, row.vl_reason].join("\n").toLowerCase();
    return { index, template, row, base, text, types: row.vl_flag_type.split(";") };
  });

  let edits = {};
  try {
    edits = JSON.parse(localStorage.getItem(storeKey)) || {};
    reviewer.value = localStorage.getItem("chaffinch-reviewer") || "";
  } catch { tell("This browser keeps nothing for local files: save before you close the page."); }

  let shown = items, page = 0;

  function tell(text) { told.textContent = text; }
  function now(item) { return edits[item.index] || item.base; }

  function change(item, fields) {
    const after = { ...now(item), ...fields };
    if (fields.action) after.tags = after.tags.filter((tag) => !WORDS.includes(tag) || tag === fields.action);
    if (JSON.stringify(after) === JSON.stringify(item.base)) delete edits[item.index];
    else edits[item.index] = after;
    try { localStorage.setItem(storeKey, JSON.stringify(edits)); } catch { /* told at the start */ }
    const card = $(`.card[data-number="${item.index}"]`);
    if (card) paint(card, item);
    count();
  }

  function paint(card, item) {
    const current = now(item);
    card.dataset.action = current.action;
    for (const button of card.querySelectorAll(".actions button")) {
      button.setAttribute("aria-pressed", String(button.value === current.action));
    }
    const label = $(".new-label", card);
    label.hidden = current.action !== "relabel";
    if (document.activeElement !== label) label.value = current.label;
    const note = $(".note", card);
    if (document.activeElement !== note) note.value = current.note;
    for (const box of card.querySelectorAll("details input")) box.checked = current.tags.includes(box.value);
    $("summary", card).textContent = current.tags.length ? `Tags: ${current.tags.join(", ")}` : "Tags";
  }

  function toggle(item, action) { change(item, { action: now(item).action === action ? item.base.action : action }); }

  function wire(card, item) {
    card.dataset.number = item.index;
    $(".actions", card).addEventListener("click", (event) => {
      if (event.target.value) toggle(item, event.target.value);
    });
    $(".new-label", card).addEventListener("input", (event) => change(item, { label: event.target.value.trim() }));
    $(".note", card).addEventListener("input", (event) => change(item, { note: event.target.value }));
    $("details", card).addEventListener("change", (event) => {
      const tags = now(item).tags.filter((tag) => tag !== event.target.value);
      change(item, { tags: event.target.checked ? [...tags, event.target.value] : tags });
    });
    paint(card, item);
  }

  function render() {
    const nPages = Math.max(1, Math.ceil(shown.length / perPage));
    page = Math.min(Math.max(page, 0), nPages - 1);
    const part = shown.slice(page * perPage, (page + 1) * perPage);
    list.replaceChildren(...part.map((item) => {
      const card = item.template.content.firstElementChild.cloneNode(true);
      wire(card, item);
      return card;
    }));
    $(".nothing").hidden = shown.length > 0;
    const first = shown.length ? page * perPage + 1 : 0;
    range.textContent = `${first.toLocaleString()}–${(page * perPage + part.length).toLocaleString()} of ${shown.length.toLocaleString()}`;
    previous.disabled = page === 0;
    next.disabled = page >= nPages - 1;
  }

  function filter() {
    const wanted = find.value.trim().toLowerCase();
    shown = items.filter((item) => {
      const action = now(item).action;
      const isState = !state.value || (state.value === "decided" ? action !== "none" : action === state.value);
      return isState && (!type.value || item.types.includes(type.value)) && item.text.includes(wanted);
    });
    page = 0;
    render();
  }

  function count() {
    const n = Object.keys(edits).length;
    save.textContent = n ? `Save ${n.toLocaleString()} as CSV` : "Save as CSV";
    save.disabled = n === 0;
  }

  function turn(step) {
    const before = page;
    page += step;
    render();
    if (page !== before) { scrollTo({ top: 0 }); list.firstElementChild?.focus(); }
  }

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const harmless = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

  function line(item) {
    const current = now(item);
    const row = {
      ...item.row,
      user_tags: current.tags.join(","),
      user_action: current.action,
      new_label: current.action === "relabel" ? current.label : item.row.label_out,
      reviewer_name: reviewer.value.trim(),
      reviewed_at: new Date().toISOString(),
      notes: harmless(current.note),
      vl_reason: harmless(item.row.vl_reason),
    };
    return columns.map((name) => quoted(row[name] ?? "")).join(",");
  }

  function download() {
    const name = reviewer.value.trim();
    if (!name) { tell("Whose decisions are these? Type your name, then save."); reviewer.focus(); return; }
    const lines = items.filter((item) => edits[item.index]).map(line);
    const blob = new Blob([[columns.join(","), ...lines, ""].join("\n")], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${dataset}_decisions_${name.replace(/[^\p{L}\p{N}_-]+/gu, "_")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    tell(`${lines.length.toLocaleString()} decisions saved as ${link.download}. They stay here too, until you close this browser's profile.`);
  }

  function move(card, step) {
    const cards = [...list.children];
    cards[cards.indexOf(card) + step]?.focus();
  }

  function columnsShown() { return getComputedStyle(list).gridTemplateColumns.split(" ").length; }

  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n") return turn(1);
    if (event.key === "p") return turn(-1);
    const card = event.target.closest(".card");
    if (!card) { if (event.key.startsWith("Arrow")) list.firstElementChild?.focus(); return; }
    const item = items[card.dataset.number];
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columnsShown(), ArrowUp: -columnsShown() };
    const actions = { k: "keep", x: "remove", r: "relabel" };
    if (event.key in steps) { event.preventDefault(); move(card, steps[event.key]); }
    else if (event.key in actions) toggle(item, actions[event.key]);
    else if (event.key === "u") change(item, item.base);
  });

  type.addEventListener("change", filter);
  state.addEventListener("change", filter);
  find.addEventListener("input", filter);
  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  save.addEventListener("click", download);
  reviewer.addEventListener("change", () => {
    try { localStorage.setItem("chaffinch-reviewer", reviewer.value.trim()); } catch { /* told at the start */ }
  });
  count();
  render();
})();
