// What the server tells a page: its words, its language, the token for changes. Read once from a data block.
export const data = JSON.parse(document.getElementById("page-data").textContent);
const locale = data.language === "en" ? "en-GB" : "vi-VN";

export function t(key, params = {}) {
  const text = data.words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => params[name] ?? "–");
}

export function number(value, decimals = 0) {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value);
}

export const area = (squareMetres) => `${number(squareMetres, 1)} m²`;

export function length(metres) {
  return metres < 10000 ? `${number(metres, 2)} m` : `${number(metres / 1000, 3)} km`;
}

export function bytes(size) {
  if (size < 1e6) return `${number(size / 1e3, 1)} kB`;
  return size < 1e9 ? `${number(size / 1e6, 1)} MB` : `${number(size / 1e9, 2)} GB`;
}

export function toast(text) {
  const note = document.createElement("div");
  note.className = "toast";
  note.setAttribute("role", "status");
  note.textContent = text;
  document.body.append(note);
  setTimeout(() => note.remove(), 5000);
}

export const typing = (target) => target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
