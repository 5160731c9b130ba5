// /dossiers: tick rows, then one act for all of them; every row gets its own verdict, and what was offered can be taken back.
import { call, showProblem } from "./api.js";
import { t, toast } from "./page.js";

const batch = document.getElementById("batch");
const ticks = () => [...document.querySelectorAll("[data-tick]")];
const ticked = () => ticks().filter((tick) => tick.checked).map((tick) => tick.closest("[data-dossier]"));
const chosen = () => {
  const one = document.querySelector("[data-one-dossier]");
  return one ? [one] : ticked();
};
const ids = (rows) => rows.map((row) => row.dataset.dossier ?? row.dataset.oneDossier);
const handovers = (rows) => rows.map((row) => row.dataset.handover).filter(Boolean);

function count() {
  const n = ticked().length;
  if (batch) { batch.hidden = n === 0; batch.querySelector("[data-count]").textContent = t("dossiers.chosen", { n }); }
  const all = document.querySelector("[data-tick-all]");
  if (all) { all.checked = n > 0 && n === ticks().length; all.indeterminate = n > 0 && n < ticks().length; }
  for (const tick of ticks()) tick.closest("tr").toggleAttribute("aria-selected", tick.checked);
}

function reloadSaying(text, undo) {
  sessionStorage.setItem("landdb:said", JSON.stringify({ text, undo }));
  location.reload();
}

// After the page is new: what was done, and the way back while it is open.
function sayWhatWasDone() {
  const said = sessionStorage.getItem("landdb:said");
  if (!said) return;
  sessionStorage.removeItem("landdb:said");
  const { text, undo } = JSON.parse(said);
  const note = document.createElement("div");
  note.className = "note ok done-note";
  note.setAttribute("role", "status");
  const words = document.createElement("span");
  words.textContent = text;
  note.append(words);
  if (undo?.length) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = t("handover.undo");
    button.addEventListener("click", async () => { button.disabled = true; await recall(undo); });
    note.append(button);
  }
  document.querySelector(".page")?.prepend(note);
}

async function each(list, step) {
  const failed = [];
  for (const item of list) {
    try { await step(item); } catch (problem) { failed.push(problem); }
  }
  return failed;
}

function report(done, failed, sentence, undo) {
  if (failed.length) toast(failed[0].body?.detail || failed[0].message);
  if (done > 0 || !failed.length) reloadSaying(t(sentence, { n: done }), undo);
}

async function recall(list) {
  const failed = await each(list, (id) => call("POST", `/v1/handovers/${id}/recall`, {}));
  report(list.length - failed.length, failed, "handover.recalled_n");
}

async function accept(list) {
  try {
    const answer = await call("POST", "/v1/handovers/acceptance", { handover_ids: list });
    const refused = answer.rows.filter((one) => one.refusal).map((one) => ({ body: one.refusal, message: one.refusal.title }));
    report(answer.accepted, refused, "handover.accepted_n");
  } catch (problem) { toast(problem.body?.detail || problem.message); }
}

const forms = {
  offer: async (fields, rows) => {
    const answer = await call("POST", "/v1/handovers", { dossier_ids: ids(rows), to_office: Number(fields.to_office), note: fields.note || null });
    const made = answer.rows.filter((one) => one.handover);
    reloadSaying(t("handover.offered_n", { n: made.length }), made.map((one) => one.handover.handover_id));
  },
  refuse: async (fields, rows) => {
    const list = handovers(rows);
    const failed = await each(list, (id) => call("POST", `/v1/handovers/${id}/refusal`, { reason_code: fields.reason_code, note: fields.note || null }));
    if (failed.length === list.length) throw failed[0];
    report(list.length - failed.length, failed, "handover.refused_n");
  },
  assign: async (fields, rows) => {
    const failed = await each(ids(rows), (id) => call("POST", `/v1/dossiers/${id}/assignment`, { staff_id: fields.staff_id || null }));
    if (failed.length === rows.length) throw failed[0];
    report(rows.length - failed.length, failed, "dossier.assigned_n");
  },
};

const fieldsOf = (form) => Object.fromEntries(new FormData(form));

async function submit(form) {
  const button = form.querySelector("[data-answer]");
  const status = form.querySelector(".form-status");
  button.disabled = true;
  status.replaceChildren();
  try { await forms[form.dataset.batchForm](fieldsOf(form), chosen()); } catch (problem) { showProblem(status, problem); } finally { button.disabled = false; }
}

// A column pasted from a workbook: first a trial that changes nothing and judges every row, then the act on those that may go.
async function paste(form, dry) {
  const codes = [...new Set(form.codes.value.split(/[\s,;]+/).filter(Boolean))];
  const status = form.querySelector(".form-status");
  const [table, real] = [form.querySelector(".verdicts"), form.querySelector("[data-real]")];
  status.replaceChildren();
  try {
    const answer = await call("POST", "/v1/handovers", { codes, to_office: Number(form.to_office.value), note: form.note.value || null, dry_run: dry, partial: true });
    const good = answer.rows.filter((one) => !one.refusal);
    if (!dry) { reloadSaying(t("handover.offered_n", { n: good.length }), good.map((one) => one.handover.handover_id)); return; }
    table.hidden = false;
    table.querySelector("tbody").replaceChildren(...answer.rows.map((one) => {
      const row = document.createElement("tr");
      row.className = one.refusal ? "bad" : "good";
      const [code, verdict] = [document.createElement("th"), document.createElement("td")];
      code.scope = "row";
      code.textContent = one.asked;
      verdict.textContent = one.refusal ? one.refusal.detail || one.refusal.title : t("paste.good");
      row.append(code, verdict);
      return row;
    }));
    real.disabled = good.length === 0;
    real.textContent = t("paste.go", { n: good.length });
  } catch (problem) { showProblem(status, problem); }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-tick-all]")) for (const tick of ticks()) tick.checked = event.target.checked;
  if (event.target.matches("[data-tick], [data-tick-all]")) count();
  if (event.target.closest("[data-paste-form]")) event.target.form.querySelector("[data-real]").disabled = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]") || event.target.matches("input, textarea, select")) return;
  const tick = document.activeElement?.closest?.("tr")?.querySelector("[data-tick]");
  if (tick) { tick.checked = !tick.checked; count(); }
});
document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-batch], [data-tick-none], [data-dialog]");
  if (!target) return;
  if (target.matches("[data-tick-none]")) { for (const tick of ticks()) tick.checked = false; count(); }
  if (target.dataset.batch === "accept") accept(handovers(chosen()));
  if (target.dataset.batch === "recall") recall(handovers(chosen()));
  const dialog = target.dataset.dialog && document.getElementById(target.dataset.dialog);
  const many = dialog?.querySelector("[data-how-many]");
  if (many) many.textContent = t("dossiers.chosen", { n: chosen().length });
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-batch-form]")) { event.preventDefault(); submit(form); }
  if (form.matches("[data-paste-form]")) { event.preventDefault(); paste(form, !event.submitter?.matches("[data-real]")); }
});
sayWhatWasDone();
count();
