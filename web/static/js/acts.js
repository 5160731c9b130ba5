// Forms and buttons that act: data-act="METHOD /v1/…" sends their fields as JSON and says the answer in place.
import { call, showProblem } from "./api.js";
import { t, toast } from "./page.js";

function valueOf(field) {
  if (field.dataset.kind === "integer") return field.value === "" ? null : Number(field.value);
  return field.value.trim() === "" ? null : field.value.trim();
}

function isChanged(field) {
  if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.value !== field.defaultValue;
}

function fieldsOf(form) {
  const fields = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.type === "submit") continue;
    if (field.dataset.kind === "list") {
      fields[field.name] ??= [];
      if (field.checked) fields[field.name].push(field.value);
    } else if (field.dataset.kind === "array") {
      fields[field.name] = [...(fields[field.name] ?? []), field.value];
    } else if (field.type === "radio" || field.type === "checkbox") {
      if (field.checked) fields[field.name] = field.value;
    } else if (!("changedOnly" in form.dataset)) {
      const value = valueOf(field);
      if (value !== null) fields[field.name] = value;
    } else if (isChanged(field)) {
      fields[field.name] = field.dataset.kind === "integer" ? valueOf(field) : field.value.trim();
    }
  }
  if (form.dataset.selection === "rows") fields.rows = [...(window.landdbSelection?.values() ?? [])];
  return form.dataset.nest ? { [form.dataset.nest]: fields } : fields;
}

function showSecret(text, lead) {
  const dialog = document.getElementById("ask");
  dialog.replaceChildren();
  const box = document.createElement("div");
  box.innerHTML = '<h2 id="ask-title"></h2><p></p><div class="secret"><code></code><button class="button" type="button"></button></div><form method="dialog" class="actions"><button class="button primary"></button></form>';
  box.querySelector("h2").textContent = t("secret.title");
  box.querySelector("p").textContent = lead;
  box.querySelector("code").textContent = text;
  const [copy, done] = box.querySelectorAll("button");
  copy.textContent = t("secret.copy");
  copy.addEventListener("click", () => { navigator.clipboard?.writeText(text); copy.textContent = t("secret.copied"); });
  done.textContent = t("secret.done");
  dialog.append(box);
  dialog.addEventListener("close", () => location.reload(), { once: true });
  dialog.showModal();
}

const followUps = {
  reload: () => location.reload(),
  mended: (answer, source) => source.dispatchEvent(new CustomEvent("landdb:mended", { bubbles: true, detail: answer })),
  "staff-made": async (person) => followUps["show-code"](await call("POST", `/v1/admin/staff/${person.staff_id}/password-reset`, {})),
  "show-code": (answer) => { const code = answer.code ?? answer.reset_code ?? answer.password; if (code) showSecret(code, t("secret.code_lead")); else location.reload(); },
  "show-secret": (answer) => { const secret = answer.secret ?? answer.token ?? answer.key; if (secret) showSecret(secret, t("secret.key_lead")); else location.reload(); },
};

async function act(source, body) {
  const [method, pattern] = source.dataset.act.split(" ");
  const url = pattern.replace(/\{(\w+)\}/g, (_, name) => { const value = body[name]; delete body[name]; return encodeURIComponent(value); });
  const status = source.querySelector?.(".form-status") ?? document.getElementById("admin-status") ?? document.querySelector(".form-status");
  const button = source.matches("button") ? source : source.querySelector("button:not([type=button])");
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  status?.replaceChildren();
  try {
    const answer = await call(method, url, body);
    await followUps[source.dataset.then ?? "reload"](answer, source);
  } catch (problem) {
    if (status) showProblem(status, problem); else toast(problem.message);
    status?.scrollIntoView({ block: "nearest" });
  } finally {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
}

function ask(question, proceed) {
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

async function openQuestion(url) {
  const dialog = document.getElementById("ask");
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!answer.ok) { location.assign(url); return; }
  dialog.innerHTML = await answer.text();
  dialog.showModal();
}

export function start() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset?.act) return;
    event.preventDefault();
    act(form, fieldsOf(form));
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest("button[data-act], [data-ask], [data-close], [data-dialog]");
    if (!target) return;
    if (target.matches("button[data-act]")) {
      const proceed = () => act(target, {});
      if (target.dataset.sure) ask(target.dataset.sure, proceed); else proceed();
    } else if (target.dataset.dialog) {
      document.getElementById(target.dataset.dialog).showModal();
    } else if (target.matches("[data-ask]")) {
      event.preventDefault();
      openQuestion(target.href);
    } else if (target.closest("dialog")) {
      event.preventDefault();
      target.closest("dialog").close();
    }
  });
}
