// /dossiers/new: one dossier taken in, then its scans one after another, then its own page with the receipt to print.
import { Problem, call, headers, showProblem } from "./api.js";
import { bytes, t } from "./page.js";

const form = document.getElementById("receive");
const status = form.querySelector(".form-status");
const sending = document.getElementById("sending");

function person(role) {
  const field = (name) => form.elements[`${role}.${name}`]?.value.trim() || null;
  const name = field("name");
  return name ? { name, identity: field("identity"), phone: field("phone"), address: field("address") } : null;
}

function application() {
  const field = (name) => form.elements[name]?.value.trim() || null;
  const papers = [...form.querySelectorAll("[name=paper]:checked")].map((box) => ({ doc_type: box.value }));
  const portal = field("portal");
  return {
    procedure: field("procedure"), channel: Number(form.elements.channel.value), applicant: person("applicant"), proxy: person("proxy"),
    commune: field("commune"), parcel_id: field("parcel_id"), certificate_serial: field("certificate_serial"),
    summary: field("summary") ?? "", paper_place: field("paper_place"), papers, external_ids: portal ? { portal } : {}, accept_incomplete: Boolean(form.dataset.incomplete),
  };
}

function upload(dossier, file, docType) {
  const body = new FormData();
  body.append("doc_type", docType);
  body.append("file", file, file.name);
  return new Promise((done, refuse) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/dossiers/${dossier}/documents`);
    for (const [name, value] of Object.entries(headers({ "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) }))) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      sending.querySelector("progress").value = (event.loaded / event.total) * 100;
      sending.querySelector("[data-what]").textContent = `${file.name} · ${t("upload.sent", { done: bytes(event.loaded), total: bytes(event.total) })}`;
    });
    request.addEventListener("error", () => refuse(new Problem(0, { title: t("problem.offline"), action: t("problem.offline_step") })));
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* the status says enough */ }
      if (request.status >= 300) refuse(new Problem(request.status, answer)); else done(answer);
    });
    request.send(body);
  });
}

// Papers that the list demands may come later, if the desk says so once more: nobody is sent home by a form.
function offerIncomplete() {
  const button = document.createElement("button");
  button.className = "button";
  button.textContent = t("receive.incomplete");
  button.addEventListener("click", () => { form.dataset.incomplete = "yes"; });
  status.append(button);
}

async function submit(event) {
  event.preventDefault();
  const button = form.querySelector(".button.primary");
  button.disabled = true;
  status.replaceChildren();
  let made = null;
  try {
    made = await call("POST", "/v1/dossiers", application());
    const id = made.dossier_id;
    for (const input of form.querySelectorAll("input[type=file]")) {
      if (!input.files.length) continue;
      sending.hidden = false;
      await upload(id, input.files[0], input.dataset.docType);
    }
    location.assign(`/dossiers/${id}?new=1`);
  } catch (problem) {
    sending.hidden = true;
    showProblem(status, problem);
    if (made) {
      const link = document.createElement("a");
      link.href = `/dossiers/${made.dossier_id}`;
      link.textContent = t("receive.scan_later");
      status.append(link);
      return;
    }
    if (problem.body?.code === "dossier.paper_missing") offerIncomplete();
    button.disabled = false;
    status.scrollIntoView({ block: "nearest" });
  }
}

// Parts that the server draws from what is chosen; the newest answer wins.
async function draw(place, url) {
  place.dataset.asked = url;
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  const text = answer.ok ? await answer.text() : "";
  if (place.dataset.asked === url) place.innerHTML = text;
}

function drawPapers() {
  const code = form.elements.procedure.value;
  if (code) draw(document.getElementById("papers"), `/dossiers/new/papers?${new URLSearchParams({ procedure: code })}`);
}

function drawLand() {
  const asked = Object.fromEntries([...form.querySelectorAll("[data-land] [name]")].map((field) => [field.name, field.value.trim()]));
  draw(document.getElementById("land"), `/dossiers/new/land?${new URLSearchParams(asked)}`);
}

drawPapers(); // what was chosen before this script had arrived
form.addEventListener("submit", submit);
form.addEventListener("change", (event) => {
  if (event.target.name === "procedure") drawPapers();
  if (event.target.closest("[data-land]")) drawLand();
  if (event.target.type !== "file") return;
  const tick = event.target.closest("li")?.querySelector("[name=paper]");
  if (tick && event.target.files.length) tick.checked = true;
});
