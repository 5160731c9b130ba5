// The search box with suggestions (WAI-ARIA combobox). Enter without a choice opens the page of results, as without JavaScript.
import { call } from "./api.js";
import { t } from "./page.js";

export function linkOf(result) {
  if (result.parcel_id) return `/map?parcel=${encodeURIComponent(result.parcel_id)}`;
  if (result.bbox) return `/map?bbox=${result.bbox.join(",")}`;
  if (result.point) return `/map?at=${result.point.join(",")}`;
  return "/map";
}

function attach(form, index) {
  const input = form.querySelector("input");
  const list = document.createElement("div");
  list.className = "suggestions";
  list.id = `suggestions-${index}`;
  list.role = "listbox";
  list.setAttribute("aria-label", t("search.suggestions"));
  list.hidden = true;
  form.append(list);
  Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list" }).forEach(([name, value]) => input.setAttribute(name, value));
  let results = [];
  let chosen = -1;
  let timer = 0;
  let running = null;

  const open = (yes) => { list.hidden = !yes; input.setAttribute("aria-expanded", String(yes)); if (!yes) { chosen = -1; input.removeAttribute("aria-activedescendant"); } };
  const choose = (at) => {
    chosen = (at + results.length) % results.length;
    [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === chosen)));
    input.setAttribute("aria-activedescendant", list.children[chosen].id);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  };
  const go = (result) => {
    open(false);
    input.blur();
    const taken = !document.dispatchEvent(new CustomEvent("landdb:go", { cancelable: true, detail: result }));
    if (!taken) location.assign(linkOf(result));
  };
  const note = (text) => { const line = document.createElement("p"); line.className = "note-line note"; line.textContent = text; list.replaceChildren(line); results = []; open(true); };
  const show = () => {
    list.replaceChildren(...results.map((result, number) => {
      const option = document.createElement("div");
      option.role = "option";
      option.id = `${list.id}-${number}`;
      option.setAttribute("aria-selected", "false");
      const label = document.createElement("span");
      label.textContent = result.label;
      const kind = document.createElement("span");
      kind.className = "kind";
      kind.textContent = t(`search.kind.${result.kind}`);
      option.append(label, kind);
      if (result.detail) { const detail = document.createElement("span"); detail.className = "detail"; detail.textContent = result.detail; option.append(detail); }
      option.addEventListener("pointerdown", (event) => event.preventDefault());
      option.addEventListener("click", () => go(result));
      return option;
    }));
    chosen = -1;
    open(true);
  };
  const ask = async () => {
    const query = input.value.trim();
    running?.abort();
    if (query.length < 2) { open(false); return; }
    running = new AbortController();
    try {
      const answer = await call("GET", `/v1/search?q=${encodeURIComponent(query)}`, undefined, running.signal);
      if (document.activeElement !== input) return;
      results = answer.results ?? [];
      if (results.length) show(); else note(t("search.none"));
    } catch (problem) {
      if (problem.name !== "AbortError") note(problem.message);
    }
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 140); });
  input.addEventListener("blur", () => setTimeout(() => open(false), 80));
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && results.length) { event.preventDefault(); if (list.hidden) open(true); choose(chosen + 1); }
    else if (event.key === "ArrowUp" && results.length) { event.preventDefault(); choose(chosen - 1); }
    else if (event.key === "Enter" && chosen >= 0 && !list.hidden) { event.preventDefault(); go(results[chosen]); }
    else if (event.key === "Escape") { if (list.hidden) input.blur(); open(false); }
  });
}

export function start() {
  document.querySelectorAll("[data-search]").forEach(attach);
}
