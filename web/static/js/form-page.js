// The online form: what the register knows is filled in, the person completes it, looks it over and sends it once.
import { Problem, call, headers, showProblem } from "./api.js";
import { t } from "./page.js";

const page = document.getElementById("online-form");
const said = JSON.parse(document.getElementById("form-data").textContent);
const status = document.getElementById("form-status");
const answersForm = document.getElementById("answers");
const controls = [...answersForm.querySelectorAll("[data-pointer]")];
const control = (pointer) => controls.find((each) => each.dataset.pointer === pointer);
const address = `/v1/forms/${encodeURIComponent(said.procedure)}`;
let known = [];

// ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function show(step) {
  for (const section of page.querySelectorAll("[data-step]")) section.hidden = section.dataset.step !== step;
  for (const mark of page.querySelectorAll("[data-step-mark]")) {
    if (mark.dataset.stepMark === step) mark.setAttribute("aria-current", "step");
    else mark.removeAttribute("aria-current");
  }
  status.replaceChildren();
  page.querySelector(`[data-step="${step}"] h2`)?.focus();
  scrollTo({ top: 0 });
}

async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  status.replaceChildren();
  try {
    await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(status, problem);
    status.scrollIntoView({ block: "nearest" });
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// ── what the register knows ─────────────────────────────────────────────────────────────────────────────────────────

const day = (instant) => new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Ho_Chi_Minh", day: "2-digit", month: "2-digit", year: "numeric" }).format(new Date(instant));

function fill({ pointer, value, source, as_of: asOf, locked }) {
  const place = control(pointer);
  if (!place) return;
  if (place.tagName === "SELECT" && ![...place.options].some((option) => option.value === value)) place.add(new Option(value, value));
  place.value = value;
  if (place.type !== "hidden") lock(place, locked);
  place.dataset.filled = "";
  const note = document.getElementById(`${place.id}-source`);
  if (note) { note.textContent = t("service.filled_from", { source: source.name, day: day(asOf) }); note.hidden = false; }
}

function lock(place, locked) {
  if (place.tagName === "SELECT") place.disabled = locked;
  else place.readOnly = locked;
}

function unfill(places) {
  for (const place of places) {
    if (!("filled" in place.dataset)) continue;
    place.value = "";
    if (place.type !== "hidden") lock(place, false);
    delete place.dataset.filled;
    const note = document.getElementById(`${place.id}-source`);
    if (note) note.hidden = true;
  }
}

function chooseParcel(parcel) {
  unfill(controls.filter((each) => each.dataset.pointer.startsWith("/land/")));
  if (!parcel) return;
  for (const value of parcel.values) fill(value);
  // A commune that no office serves stands in no list: it is shown by its name all the same.
  const commune = control("/land/commune_code");
  if (commune?.tagName === "SELECT" && commune.selectedOptions[0]) commune.selectedOptions[0].text = parcel.commune;
}

function offerParcels(parcels) {
  const choices = document.getElementById("parcel-choices");
  const shown = [...parcels, null].map((parcel, place) => {
    const label = document.createElement("label");
    label.className = "choice";
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "parcel", checked: place === 0 });
    radio.addEventListener("change", () => chooseParcel(parcel));
    const text = document.createElement("span");
    text.textContent = parcel ? t("service.parcel_named", { parcel: parcel.parcel_no, sheet: parcel.sheet_no, commune: parcel.commune }) : t("service.parcel_other");
    label.append(radio, text);
    return label;
  });
  choices.replaceChildren(...shown);
  document.getElementById("parcels").hidden = false;
  chooseParcel(parcels[0]);
}

function startPrefill(form) {
  const hint = document.getElementById("prefill-hint");
  const explain = () => { hint.textContent = t(`service.fact_hint.${form.elements.kind.value}`); };
  form.addEventListener("change", explain);
  explain();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const number = form.elements.identity_no.value.replace(/[\s.-]/g, "");
    const value = form.elements.value.value.trim();
    if (number.length < 6 || !value) {
      showProblem(status, new Problem(422, { title: t("service.fact_missing") }));
      (number.length < 6 ? form.elements.identity_no : form.elements.value).focus();
      return;
    }
    busy(form.querySelector("button.primary"), async () => {
      const filled = await call("POST", `${address}/prefill`, { identity_no: number, second_fact: { kind: form.elements.kind.value, value } });
      control("/holder/identity_no").value = number;
      lock(control("/holder/identity_no"), true);
      control("/holder/identity_no").dataset.filled = "";
      for (const each of filled.values) fill(each);
      offerParcels(filled.parcels);
      document.getElementById("filled-note").hidden = false;
      show("fill");
    });
  });
  form.querySelector("[data-skip]").addEventListener("click", () => show("fill"));
}

function dropPrefill() {
  unfill(controls);
  document.getElementById("parcels").hidden = true;
  document.getElementById("filled-note").hidden = true;
  control("/holder/name").focus();
}

// ── what the person says ────────────────────────────────────────────────────────────────────────────────────────────

function read(place) {
  if (place.type === "checkbox") return place.checked ? true : undefined;
  const text = place.value.normalize("NFC").trim();
  if ("lines" in place.dataset) {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    return lines.length ? lines : undefined;
  }
  if (place.type === "tel") return text.replace(/[\s.()-]/g, "") || undefined;
  if (place.dataset.pointer.endsWith("/identity_no")) return text.replace(/\s/g, "").toUpperCase() || undefined;
  return text || undefined;
}

function answers() {
  const all = {};
  for (const place of controls) {
    const value = read(place);
    if (value === undefined) continue;
    const path = place.dataset.pointer.slice(1).split("/");
    let group = all;
    for (const name of path.slice(0, -1)) group = group[name] ??= {};
    group[path.at(-1)] = value;
  }
  return all;
}

const body = () => ({ form_version: said.version, answers: answers() });

function clearFaults() {
  for (const place of controls) {
    place.removeAttribute("aria-invalid");
    const note = document.getElementById(`${place.id}-error`);
    if (note) { note.textContent = ""; note.hidden = true; }
  }
}

function placeOf(pointer) {
  for (let at = pointer; at; at = at.slice(0, at.lastIndexOf("/"))) if (control(at)) return control(at);
  return null;
}

// Each fault beside its field, and all of them above, with links: a long form on a small screen hides what is wrong.
function showFaults(errors) {
  clearFaults();
  const list = document.createElement("ul");
  for (const error of errors) {
    const place = placeOf(error.field);
    const item = document.createElement("li");
    if (!place || place.type === "hidden") {
      item.textContent = error.detail;
    } else {
      place.setAttribute("aria-invalid", "true");
      const note = document.getElementById(`${place.id}-error`);
      if (note) { note.textContent = error.detail; note.hidden = false; }
      const link = document.createElement("a");
      link.href = `#${place.id}`;
      link.textContent = error.detail;
      link.addEventListener("click", (event) => { event.preventDefault(); place.focus(); });
      item.append(link);
    }
    list.append(item);
  }
  const note = document.createElement("div");
  note.className = "note fail";
  const line = document.createElement("strong");
  line.textContent = t("service.mend", { n: errors.length });
  note.append(line, list);
  status.replaceChildren(note);
  known = errors;
  placeOf(errors[0]?.field ?? "")?.focus();
}

const isFaulty = (problem) => problem instanceof Problem && problem.body.code === "service.answers_wrong";

async function look() {
  clearFaults();
  try {
    await call("POST", `${address}/check`, body());
  } catch (problem) {
    if (!isFaulty(problem)) throw problem;
    showFaults(problem.body.errors);
    return;
  }
  review();
  show("review");
}

function textOf(place) {
  if (place.tagName === "SELECT") return place.value ? place.selectedOptions[0].text : "";
  if (place.type === "checkbox") return place.checked ? t("service.yes") : "";
  if (place.type === "date" && place.value) return place.value.split("-").reverse().join("/");
  return place.value.trim();
}

function facts(rows) {
  return rows.map(([name, value]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    row.append(term, text);
    return row;
  });
}

function review() {
  const shown = [];
  for (const section of answersForm.querySelectorAll("[data-section]")) {
    const rows = [...section.querySelectorAll("[data-pointer]")]
      .filter((place) => place.type !== "hidden" && textOf(place))
      .map((place) => [(place.type === "checkbox" ? place.nextElementSibling : place.labels[0].firstChild).textContent.trim(), textOf(place)]);
    if (!rows.length) continue;
    const card = document.createElement("section");
    card.className = "card";
    const title = document.createElement("h3");
    title.textContent = section.dataset.section;
    const list = document.createElement("dl");
    list.className = "facts";
    list.append(...facts(rows));
    card.append(title, list);
    shown.push(card);
  }
  document.getElementById("review").replaceChildren(...shown);
}

// ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// The key was made with the page: pressing twice, or once more after the line broke, is one application.
async function send() {
  let answer;
  try {
    answer = await fetch("/v1/submissions", {
      method: "POST",
      headers: headers({ "Content-Type": "application/json", "Idempotency-Key": said.key }),
      body: JSON.stringify({ procedure: said.procedure, ...body() }),
    });
  } catch {
    throw new Problem(0, { title: t("problem.offline"), action: t("problem.offline_step") });
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) { receipt(told); return; }
  const problem = new Problem(answer.status, told);
  if (!isFaulty(problem)) throw problem;
  show("fill");
  showFaults(told.errors);
}

const moment = (instant) => new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Ho_Chi_Minh", dateStyle: "short", timeStyle: "short" }).format(new Date(instant)).replace(",", "");

function receipt(told) {
  document.getElementById("receipt-code").textContent = told.code;
  const due = told.due_at ? `${moment(told.due_at)}${told.due_provisional ? ` ${t("service.provisional")}` : ""}` : t("service.due_by_office");
  const office = [told.office.name, told.office.phone, told.office_note].filter(Boolean).join("\n");
  document.getElementById("receipt-facts").replaceChildren(...facts([
    [t("service.received_on"), moment(told.received_at)], [t("service.due_on"), due], [t("service.receiving_office"), office],
  ]));
  document.getElementById("receipt-hint").textContent = told.second_fact_hint;
  const papers = document.getElementById("receipt-papers");
  papers.hidden = !told.missing_papers.length;
  papers.querySelector("ul").replaceChildren(...told.missing_papers.map((paper) => {
    const item = document.createElement("li");
    item.textContent = paper.name;
    return item;
  }));
  answersForm.reset(); // nothing of the person stays on a desk's machine
  show("receipt");
}

// ── start ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const prefill = document.getElementById("prefill");
if (prefill) startPrefill(prefill);
page.querySelector("[data-unfill]").addEventListener("click", dropPrefill);
answersForm.addEventListener("submit", (event) => { event.preventDefault(); busy(event.submitter ?? answersForm.querySelector("button.primary"), look); });
answersForm.addEventListener("input", (event) => {
  // A fault is taken back while it is being mended; whether it is mended the server says.
  const place = event.target;
  if (!place.dataset?.pointer || !known.length) return;
  place.removeAttribute("aria-invalid");
  const note = document.getElementById(`${place.id}-error`);
  if (note) note.hidden = true;
});
page.querySelector("[data-back]").addEventListener("click", () => show("fill"));
page.querySelector("[data-send]").addEventListener("click", (event) => busy(event.currentTarget, send));
page.querySelector("[data-print]").addEventListener("click", () => print());
if (!prefill) page.querySelector('[data-step="fill"]').hidden = false;
