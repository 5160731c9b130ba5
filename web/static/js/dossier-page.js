// One dossier: the steps that its table offers, each under the version that the page was read in; papers with their progress.
import { Problem, call, headers, showProblem } from "./api.js";
import { t } from "./page.js";

const page = document.querySelector("[data-one-dossier]");
const id = page.dataset.oneDossier;
const status = document.getElementById("step-status");
const reason = document.getElementById("reason");
let waiting = null;

async function step(action, why, place) {
  try {
    await call("POST", `/v1/dossiers/${id}/steps`, { action, ...why }, undefined, { "If-Match": `"${page.dataset.version}"` });
    location.href = location.pathname;
  } catch (problem) { showProblem(place, problem); }
}

function sure(question, proceed) {
  const dialog = document.getElementById("ask");
  const form = document.createElement("form");
  form.method = "dialog";
  form.innerHTML = '<h2 id="ask-title"></h2><div class="actions"><button class="button" value="no"></button><button class="button primary" value="yes"></button></div>';
  form.querySelector("h2").textContent = question;
  const [no, yes] = form.querySelectorAll("button");
  no.textContent = t("cancel");
  yes.textContent = t("proceed");
  dialog.replaceChildren(form);
  dialog.addEventListener("close", () => { if (dialog.returnValue === "yes") proceed(); dialog.returnValue = ""; }, { once: true });
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (!button) return;
  const { step: action, sure: question } = button.dataset;
  if ("reason" in button.dataset) {
    waiting = action;
    reason.querySelector("h2").textContent = button.textContent;
    reason.showModal();
  } else if (question) sure(question, () => step(action, {}, status));
  else step(action, {}, status);
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-step-form]")) {
    event.preventDefault();
    const { reason: code, note } = event.target.elements;
    step(waiting, { reason: code.value, note: note.value.trim() || null }, event.target.querySelector(".form-status"));
  }
});

const papers = document.getElementById("add-paper");
papers?.addEventListener("submit", (event) => {
  event.preventDefault();
  const bar = papers.querySelector("progress");
  const request = new XMLHttpRequest();
  const refused = (problem) => { bar.hidden = true; showProblem(papers.querySelector(".form-status"), problem); };
  request.open("POST", `/v1/dossiers/${id}/documents`);
  for (const [name, value] of Object.entries(headers({ "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) }))) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => { bar.hidden = false; bar.value = (loaded / total) * 100; });
  request.addEventListener("error", () => refused(new Problem(0, { title: t("problem.offline"), action: t("problem.offline_step") })));
  request.addEventListener("load", () => {
    if (request.status < 300) { location.reload(); return; }
    let body = {};
    try { body = JSON.parse(request.responseText); } catch { /* the status says enough */ }
    refused(new Problem(request.status, body));
  });
  request.send(new FormData(papers));
});
