// /imports/{id}: the issue table and the map are one thing. Choosing a row flies the map there and says what is wrong;
// mending a row happens in the table; the head of the page refreshes itself while the worker is at it.
import { boundsOf, createMap, empty, flyToBounds, issueColour, loaded } from "./map.js";
import { t, toast } from "./page.js";
import { start as startSheet } from "./sheet.js";

const setSheet = startSheet(document.getElementById("panel"));
const note = document.getElementById("issue-note");
const jobId = document.getElementById("job").dataset.job;
let lastState = document.getElementById("job").dataset.state;
let map = null;
let fitted = false;
let drawn = false;

// An issue of a value (an area, a number) has no place of its own: the row's shape is shown instead.
async function placeOf(row) {
  if (row.dataset.place || !row.dataset.shape) return row.dataset.place ?? "";
  const answer = await fetch(row.dataset.shape);
  const shape = answer.ok ? (await answer.json()).geometry : null;
  row.dataset.place = shape ? JSON.stringify(shape) : "";
  if (!shape) delete row.dataset.shape;
  return row.dataset.place;
}

async function select(row, { fly = true } = {}) {
  for (const other of document.querySelectorAll("tr.issue[aria-selected=true]")) other.removeAttribute("aria-selected");
  row.setAttribute("aria-selected", "true");
  const place = await placeOf(row);
  if (row.getAttribute("aria-selected") !== "true") return;
  const { title, detail, do: step, severity } = row.dataset;
  note.className = `map-note issue-note ${severity}`;
  const [head, text, next] = ["b", "p", "p"].map((tag) => document.createElement(tag));
  head.textContent = title;
  text.textContent = detail === title ? "" : detail;
  next.textContent = place ? step : `${step} ${t("issue.nowhere")}`;
  const code = document.createElement("code");
  code.className = "small muted";
  code.textContent = row.dataset.code;
  note.replaceChildren(head, text, next, code);
  note.hidden = false;
  if (!map || !place) { map?.getSource("issue")?.setData(empty()); return; }
  const geometry = JSON.parse(place);
  map.getSource("issue")?.setData({ type: "Feature", properties: { severity }, geometry });
  if (!fly) return;
  if (window.innerWidth <= 760) setSheet("half");
  flyToBounds(map, boundsOf(geometry), 20);
}

async function openMend(row) {
  const next = row.nextElementSibling;
  if (next?.matches("tr.mend")) { next.querySelector("input")?.focus(); return; }
  document.querySelector("tr.mend")?.remove();
  const answer = await fetch(row.dataset.mend, { headers: { "HX-Request": "true" } });
  if (!answer.ok) { toast(t("mend.gone")); return; }
  row.insertAdjacentHTML("afterend", await answer.text());
  const form = row.nextElementSibling;
  (form.querySelector("[aria-invalid=true]") ?? form.querySelector("input"))?.focus();
  form.scrollIntoView({ block: "nearest" });
}

async function refresh() {
  const answer = await fetch(`/imports/${jobId}/body`, { headers: { "HX-Request": "true" } });
  if (!answer.ok) return;
  const old = document.getElementById("job");
  old.outerHTML = await answer.text();
  window.htmx?.process(document.getElementById("job"));
  settled();
}

function settled() {
  const job = document.getElementById("job");
  if (job.dataset.state === lastState) return;
  lastState = job.dataset.state;
  if (["checked", "applied", "undone"].includes(lastState)) refreshMap();
}

function addLayers() {
  map.addSource("staged", { type: "vector", tiles: [`${location.origin}/v1/imports/${jobId}/tiles/{z}/{x}/{y}.mvt`], minzoom: 10, maxzoom: 17 });
  map.addSource("issues", { type: "geojson", data: empty() });
  map.addSource("issue", { type: "geojson", data: empty() });
  const verdict = ["match", ["get", "verdict"], "new", "#0b6657", "changed", "#7a4fa0", "quarantined", "#a3211b", "#8a8f8b"];
  map.addLayer({ id: "staged-fill", type: "fill", source: "staged", "source-layer": "staged", paint: { "fill-color": verdict, "fill-opacity": 0.12 } });
  map.addLayer({ id: "staged-line", type: "line", source: "staged", "source-layer": "staged", paint: { "line-color": verdict, "line-width": ["interpolate", ["linear"], ["zoom"], 12, 0.3, 16, 0.9] } });
  map.addLayer({ id: "picked", type: "fill", source: "staged", "source-layer": "staged", filter: ["==", ["get", "row"], -1], paint: { "fill-color": "#0b6657", "fill-opacity": 0.45 } });
  map.on("click", "staged-fill", (event) => {
    const { file_no, layer, row, verdict } = event.features[0].properties;
    if (!document.getElementById("pick")?.open || !["new", "changed"].includes(verdict)) return;
    pick({ file_no, layer, row }, !picked.has(nameOf({ file_no, layer, row })));
  });
  map.addLayer({ id: "staged-number", type: "symbol", source: "staged", "source-layer": "staged", minzoom: 16, layout: { "text-field": ["get", "parcel_no"], "text-font": ["Noto Sans"], "text-size": 12 }, paint: { "text-color": "#1c2421", "text-halo-color": "#faf8f3", "text-halo-width": 1.2 } });
  map.addLayer({ id: "issues-line", type: "line", source: "issues", filter: ["!=", ["geometry-type"], "Point"], paint: { "line-color": issueColour, "line-width": 1.8 } });
  map.addLayer({ id: "issues-point", type: "circle", source: "issues", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 5, "circle-color": "#fff", "circle-stroke-color": issueColour, "circle-stroke-width": 2.2 } });
  map.addLayer({ id: "issue-fill", type: "fill", source: "issue", paint: { "fill-color": issueColour, "fill-opacity": 0.28 } });
  map.addLayer({ id: "issue-line", type: "line", source: "issue", paint: { "line-color": issueColour, "line-width": 3 } });
  map.addLayer({ id: "issue-point", type: "circle", source: "issue", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 9, "circle-color": issueColour, "circle-opacity": 0.35, "circle-stroke-color": issueColour, "circle-stroke-width": 2.5 } });
  for (const layer of ["issues-line", "issues-point"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
    map.on("click", layer, (event) => {
      const id = event.features[0].properties.issue_id;
      const row = document.querySelector(`tr[data-issue="${id}"]`);
      if (row) { row.closest("details").open = true; select(row, { fly: false }); row.scrollIntoView({ block: "center" }); }
    });
  }
}

async function refreshMap() {
  if (!map?.getSource("staged")) return;
  if (drawn) map.getSource("staged").setTiles([`${location.origin}/v1/imports/${jobId}/tiles/{z}/{x}/{y}.mvt`]);
  drawn = true;
  const answer = await fetch(`/v1/imports/${jobId}/issues?limit=1000`);
  const found = answer.ok ? (await answer.json()).issues ?? [] : [];
  const issues = found.filter((issue) => issue.geometry).map(({ issue_id, severity, geometry }) => ({ type: "Feature", properties: { issue_id, severity }, geometry }));
  map.getSource("issues").setData({ type: "FeatureCollection", features: issues });
  if (fitted) return;
  const extent = await fetch(`/v1/imports/${jobId}/extent`);
  const staged = extent.ok ? (await extent.json()).bbox : null;
  const box = staged ?? (issues.length ? boundsOf({ type: "GeometryCollection", geometries: issues.map((issue) => issue.geometry) }) : null);
  if (!box) return;
  fitted = true;
  if (!document.querySelector("tr.issue[aria-selected=true]")) flyToBounds(map, box, 17);
}

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr.issue");
  if (event.target.closest("[data-mend-row]")) { select(row, { fly: true }); openMend(row); }
  else if (event.target.closest("[data-mend-cancel]")) { const form = event.target.closest("tr.mend"); const owner = form.previousElementSibling; form.remove(); owner?.focus(); }
  else if (row) select(row);
});
const picked = new Map();
window.landdbSelection = picked;
const nameOf = (row) => `${row.file_no}/${row.layer}/${row.row}`;

function pick(row, yes) {
  if (yes) picked.set(nameOf(row), row); else picked.delete(nameOf(row));
  const button = document.querySelector("[data-selected]");
  if (button) { button.hidden = picked.size === 0; button.querySelector("[data-count]").textContent = String(picked.size); }
  for (const box of document.querySelectorAll("[data-pick]")) box.checked = picked.has(nameOf(JSON.parse(box.dataset.pick)));
  if (map?.getLayer("picked")) map.setFilter("picked", ["in", ["concat", ["to-string", ["get", "file_no"]], "/", ["get", "layer"], "/", ["to-string", ["get", "row"]]], ["literal", [...picked.keys()]]]);
}

document.addEventListener("change", (event) => { if (event.target.dataset?.pick) pick(JSON.parse(event.target.dataset.pick), event.target.checked); });

document.addEventListener("landdb:row", (event) => { if (event.target.matches("tr.issue")) select(event.target); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("tr.issue")) { event.preventDefault(); select(event.target); if (event.target.dataset.mend) openMend(event.target); }
  if (event.key === "Escape" && event.target.closest?.("tr.mend")) { const form = event.target.closest("tr.mend"); const owner = form.previousElementSibling; form.remove(); owner?.focus(); }
});
document.addEventListener("landdb:mended", () => { toast(t("mend.done")); refresh(); });
document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "job" || event.detail.elt?.id === "job" || document.getElementById("job")) settled(); });

map = await createMap({});
if (map) {
  await loaded(map);
  addLayers();
  await refreshMap();
}
