// What every page does: keys, the search box, forms that act, menus, printing.
import { start as startActs } from "./acts.js";
import { typing } from "./page.js";
import { start as startSearch } from "./search.js";

const places = { v: "/", m: "/map", i: "/imports", h: "/dossiers" };
let waitingForPlace = 0;

function rowsOf(target) {
  const lists = [...document.querySelectorAll("[data-rows]")].filter((list) => list.offsetParent);
  const inside = target?.closest?.("[data-rows]");
  const scope = inside ?? lists[0];
  return scope ? [...scope.querySelectorAll("tbody tr:not(.mend, .more)")] : [];
}

function stepRow(by) {
  const current = document.activeElement?.closest?.("tr") ?? document.querySelector("[data-rows] tr[aria-selected=true]");
  const rows = rowsOf(current);
  if (!rows.length) return;
  const at = rows.indexOf(current);
  const next = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
  const link = next.querySelector("th a, td a");
  (next.tabIndex >= 0 || !link ? next : link).focus();
  next.scrollIntoView({ block: "nearest" });
  next.dispatchEvent(new CustomEvent("landdb:row", { bubbles: true }));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (waitingForPlace && Date.now() - waitingForPlace < 1500 && places[event.key]) {
    location.assign(places[event.key]);
  } else if (event.key === "g") {
    waitingForPlace = Date.now();
    return;
  } else if (event.key === "/") {
    event.preventDefault();
    const box = document.querySelector("[data-search] input");
    box?.focus();
    box?.select();
  } else if (event.key === "?") {
    document.getElementById("keys").showModal();
  } else if (event.key === "j" || event.key === "k") {
    stepRow(event.key === "j" ? 1 : -1);
  }
  waitingForPlace = 0;
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (event.target.closest("[data-print]")) document.dispatchEvent(new CustomEvent("landdb:print", { cancelable: true })) && window.print();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});
document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.submit(); });

// The receipt's QR code leads to `/#ho-so=CODE` (landdb/documents/receipt.py): the code stays in the browser until it is asked with.
function askedByCode() {
  const code = new URLSearchParams(location.hash.slice(1)).get("ho-so");
  if (!code) return;
  const box = document.getElementById("status-code");
  if (!box && location.pathname === "/") return location.replace(`/dossier-status${location.hash}`); // staff see their work at `/`
  if (!box) return;
  box.value = code.slice(0, box.maxLength);
  const fact = document.getElementById("status-fact");
  fact.scrollIntoView({ block: "center" });
  fact.focus({ preventScroll: true });
}
addEventListener("hashchange", askedByCode);
askedByCode();
startActs();
startSearch();
