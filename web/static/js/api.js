// The one way in which pages change anything: a call to /v1 with the session's token and an idempotency key.
import { data, t } from "./page.js";

export class Problem extends Error {
  constructor(status, body) {
    super(body.title ?? t("problem.title"));
    this.status = status;
    this.body = body;
  }
}

export function headers(extra = {}) {
  return { Accept: "application/json, application/problem+json", "Accept-Language": data.language, "X-CSRF-Token": data.csrf ?? "", ...extra };
}

export async function call(method, url, body, signal, extra = {}) {
  const changing = method !== "GET";
  const init = { method, signal, headers: headers(changing ? { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, ...extra } : {}) };
  if (changing && body !== undefined) init.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: t("problem.offline"), action: t("problem.offline_step") });
  }
  const text = await answer.text();
  let parsed = {};
  try { parsed = text ? JSON.parse(text) : {}; } catch { /* not JSON: the status says enough */ }
  if (!answer.ok) throw new Problem(answer.status, parsed);
  return parsed;
}

// Says a refusal where the person is looking: what happened, which things, what to do next.
export function showProblem(place, problem) {
  const body = problem.body ?? { title: t("problem.title"), detail: problem.message };
  const note = document.createElement("div");
  note.className = "note fail";
  const line = (tag, text) => { if (text) { const element = document.createElement(tag); element.textContent = text; note.append(element); } };
  line("strong", body.title ?? t("problem.title"));
  const detail = body.action && body.detail?.endsWith(body.action) ? body.detail.slice(0, -body.action.length).trim() : body.detail;
  if (detail !== body.title) line("p", detail);
  const things = body.violations ?? body.errors ?? body.blocked_by ?? body.parcels ?? body.params?.parcels;
  if (Array.isArray(things) && things.length) {
    const list = document.createElement("ul");
    for (const thing of things.slice(0, 20)) {
      const item = document.createElement("li");
      item.textContent = typeof thing === "string" ? thing : thing.label ?? thing.detail ?? thing.message ?? thing.msg ?? Object.values(thing).join(" · ");
      list.append(item);
    }
    if (things.length > 20) { const item = document.createElement("li"); item.textContent = t("and_more", { n: things.length - 20 }); list.append(item); }
    note.append(list);
  }
  line("p", body.action);
  place.replaceChildren(note);
}
