// /imports: drop files anywhere, say for which commune and with what intent, watch them go.
import { Problem, headers, showProblem } from "./api.js";
import { bytes, t } from "./page.js";

const form = document.getElementById("upload");
const input = document.getElementById("file");
const details = form?.querySelector(".upload-form");
const commune = document.getElementById("commune");
const status = document.getElementById("upload-status");
let files = [];

function show() {
  const list = document.getElementById("chosen");
  list.replaceChildren(...files.map((file) => {
    const item = document.createElement("li");
    const [name, size] = [document.createElement("span"), document.createElement("span")];
    name.textContent = file.name;
    size.textContent = bytes(file.size);
    size.className = "muted small nowrap";
    item.append(name, size);
    return item;
  }));
  details.hidden = files.length === 0;
  if (files.length) { details.scrollIntoView({ block: "nearest" }); commune.focus({ preventScroll: true }); }
}

function add(more) {
  for (const file of more) if (!files.some((known) => known.name === file.name && known.size === file.size)) files.push(file);
  status.replaceChildren();
  show();
}

function codeOfCommune() {
  const typed = commune.value.trim().toLocaleLowerCase("vi");
  const options = [...document.querySelectorAll("#communes option")];
  const exact = options.find((option) => option.value.toLocaleLowerCase("vi") === typed || option.dataset.code === typed);
  const some = options.filter((option) => option.value.toLocaleLowerCase("vi").includes(typed));
  return (exact ?? (typed && some.length === 1 ? some[0] : null))?.dataset.code ?? "";
}

function send(body) {
  const progress = document.getElementById("upload-progress");
  const [what, rate] = [progress.querySelector("[data-what]"), progress.querySelector("[data-rate]")];
  const bar = progress.querySelector("progress");
  const began = performance.now();
  progress.hidden = false;
  return new Promise((done, refuse) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/imports");
    for (const [name, value] of Object.entries(headers({ "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) }))) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      const share = event.loaded / event.total;
      bar.value = share * 100;
      what.textContent = t("upload.sent", { done: bytes(event.loaded), total: bytes(event.total) });
      const seconds = (performance.now() - began) / 1000;
      if (seconds > 1) rate.textContent = t("upload.rate", { rate: bytes(event.loaded / seconds), left: Math.ceil((event.total - event.loaded) / (event.loaded / seconds)) });
    });
    const failed = (code, answer) => { progress.hidden = true; refuse(new Problem(code, answer)); };
    request.addEventListener("error", () => failed(0, { title: t("problem.offline"), action: t("problem.offline_step") }));
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* the status says enough */ }
      if (request.status >= 300) failed(request.status, answer);
      else done(answer.job_id ?? request.getResponseHeader("Location")?.split("/").pop());
    });
    request.send(body);
  });
}

async function submit(event) {
  event.preventDefault();
  const code = codeOfCommune();
  commune.setAttribute("aria-invalid", String(!code));
  if (!code) { showProblem(status, { body: { title: t("upload.no_commune"), action: t("upload.no_commune_step") } }); commune.focus(); return; }
  const body = new FormData();
  for (const file of files) body.append("file", file, file.name);
  body.append("commune", code);
  for (const field of form.elements) {
    if (!field.name || field.type === "file" || field.name === "commune" || (field.type === "radio" && !field.checked) || field.value === "") continue;
    body.append(field.name, field.value);
  }
  const button = document.getElementById("send");
  button.disabled = true;
  status.replaceChildren();
  try {
    location.assign(`/imports/${await send(body)}`);
  } catch (problem) {
    showProblem(status, problem);
    button.disabled = false;
  }
}

function dropAnywhere() {
  let veil = null;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const lift = () => { veil?.remove(); veil = null; };
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event) || veil) return;
    veil = document.createElement("div");
    veil.className = "drop-veil";
    veil.textContent = t("upload.drop_here");
    document.body.append(veil);
  });
  document.addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) lift(); });
  document.addEventListener("drop", (event) => { if (!hasFiles(event)) return; event.preventDefault(); lift(); add(event.dataTransfer.files); });
}

if (form) {
  const take = () => { add(input.files); input.value = ""; };
  input.addEventListener("change", take);
  if (input.files.length) take(); // chosen before this script had arrived
  form.addEventListener("submit", submit);
  form.addEventListener("reset", () => { files = []; status.replaceChildren(); show(); });
  dropAnywhere();
}
