// /map: choose a parcel on the map or in the search box; its card opens beside it, and the address can be passed on.
import { ACCENT, boundsOf, createMap, empty, flyToBounds, loaded, maplibre, measuring } from "./map.js";
import { t } from "./page.js";
import { start as startSheet } from "./sheet.js";

const panel = document.getElementById("panel");
const card = document.getElementById("card");
const intro = card.innerHTML;
const setSheet = startSheet(panel);
const query = new URLSearchParams(location.search);
const numbers = (text) => text?.split(",").map(Number);
let map = null;
let shown = null;
let vertices = [];

async function showCard(id) {
  card.replaceChildren(document.getElementById("card-loading").content.cloneNode(true));
  card.scrollTop = 0;
  if (panel.dataset.size === "peek") setSheet("half");
  try {
    const answer = await fetch(`/parcels/${encodeURIComponent(id)}?part=card`, { headers: { "HX-Request": "true" } });
    if (shown !== id) return;
    card.innerHTML = await answer.text();
    const name = card.querySelector("h1, h2")?.textContent;
    if (name) document.title = `${name} · LandDB`;
  } catch {
    if (shown === id) card.innerHTML = `<div class="parcel"><div class="note fail" role="alert"><strong>${t("problem.offline")}</strong><p>${t("problem.offline_step")}</p></div></div>`;
  }
}

function clearShape() {
  vertices.forEach((marker) => marker.remove());
  vertices = [];
  map?.getSource("chosen")?.setData(empty());
}

function numberVertices(geometry) {
  const ring = geometry.type === "MultiPolygon" ? geometry.coordinates[0][0] : geometry.coordinates[0];
  if (ring.length > 60) return;
  vertices = ring.slice(0, -1).map((at, index) => {
    const mark = document.createElement("span");
    mark.className = "vertex";
    mark.textContent = String(index + 1);
    return new maplibre.Marker({ element: mark }).setLngLat(at).addTo(map);
  });
  showVertices();
}

const showVertices = () => vertices.forEach((marker) => { marker.getElement().hidden = map.getZoom() < 17.5; });

async function showShape(id, fly) {
  clearShape();
  if (!map) return;
  const answer = await fetch(`/v1/parcels/${encodeURIComponent(id)}`);
  if (!answer.ok || shown !== id) return;
  const feature = await answer.json();
  await loaded(map);
  if (shown !== id) return;
  map.getSource("chosen").setData(feature);
  numberVertices(feature.geometry);
  if (fly) flyToBounds(map, boundsOf(feature.geometry));
}

function choose(id, { fly = true, remember = true } = {}) {
  shown = id;
  if (remember) history.pushState({ parcel: id }, "", `/map?parcel=${encodeURIComponent(id)}${location.hash}`);
  showCard(id);
  showShape(id, fly);
}

function close() {
  if (!shown) return;
  shown = null;
  clearShape();
  card.innerHTML = intro;
  document.title = document.title.replace(/^.*( · LandDB)$/, `${t("map.title")}$1`);
  setSheet("peek");
  history.pushState({}, "", `/map${location.hash}`);
}

function goTo(result) {
  if (result.parcel_id) choose(result.parcel_id);
  else if (map && result.bbox) flyToBounds(map, result.bbox, 17);
  else if (map && result.point) {
    map.flyTo({ center: result.point, zoom: Math.max(map.getZoom(), 18) });
    map.getSource("pin")?.setData({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: result.point } });
  }
}

function addLayers() {
  map.addSource("chosen", { type: "geojson", data: empty() });
  map.addSource("pin", { type: "geojson", data: empty() });
  const labels = map.getStyle().layers.find((layer) => layer.type === "symbol")?.id;
  if (map.getSource("parcels")) {
    map.addLayer({ id: "hover", type: "line", source: "parcels", "source-layer": "parcels", filter: ["==", ["get", "id"], ""], paint: { "line-color": "#1c2421", "line-width": 1.6 } }, labels);
  }
  map.addLayer({ id: "chosen-fill", type: "fill", source: "chosen", paint: { "fill-color": ACCENT, "fill-opacity": 0.1 } }, labels);
  map.addLayer({ id: "chosen-line", type: "line", source: "chosen", layout: { "line-join": "round" }, paint: { "line-color": ACCENT, "line-width": 2 } }, labels);
  map.addLayer({ id: "pin", type: "circle", source: "pin", paint: { "circle-radius": 7, "circle-color": ACCENT, "circle-stroke-color": "#fff", "circle-stroke-width": 2.5 } });
}

function parcelLayers() {
  return map.getStyle().layers.filter((layer) => layer.type === "fill" && layer["source-layer"] === "parcels").map((layer) => layer.id);
}

const FIRST_PARCELS = 14; // the zoom from which tiles carry parcels; before it, communes and their counts
const tellFar = () => { document.getElementById("far-note").hidden = map.getZoom() >= FIRST_PARCELS; };

function listen() {
  const layers = parcelLayers();
  const under = (event) => map.queryRenderedFeatures(event.point, { layers }).find((feature) => feature.properties.id);
  map.on("mousemove", (event) => {
    if (measuring()) return;
    const feature = under(event);
    map.getCanvas().style.cursor = feature ? "pointer" : "";
    if (map.getLayer("hover")) map.setFilter("hover", ["==", ["get", "id"], feature?.properties.id ?? ""]);
  });
  map.on("click", (event) => {
    if (measuring()) return;
    const feature = under(event);
    if (feature) choose(feature.properties.id, { fly: false });
    else if (map.getZoom() < 13) map.easeTo({ center: event.lngLat, zoom: Math.min(map.getZoom() + 3, 14) });
  });
  map.on("zoom", showVertices);
  map.on("zoom", tellFar);
  tellFar();
  document.querySelector("[data-nearer]").addEventListener("click", () => map.easeTo({ zoom: FIRST_PARCELS + 1.5 }));
}

document.addEventListener("landdb:go", (event) => { event.preventDefault(); goTo(event.detail); });
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-go-parcel]");
  if (link && !event.ctrlKey && !event.metaKey) { event.preventDefault(); choose(link.dataset.goParcel); }
  const here = event.target.closest("[data-on-page]");
  if (here && shown) { event.preventDefault(); showShape(shown, true); setSheet("peek"); }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !measuring() && !document.querySelector("dialog[open]") && event.target.tagName !== "INPUT") close(); });
window.addEventListener("popstate", () => { const id = new URLSearchParams(location.search).get("parcel"); if (id) choose(id, { remember: false }); else { shown = null; clearShape(); card.innerHTML = intro; } });

const at = numbers(query.get("at"));
const wanted = query.get("parcel");
if (wanted) { shown = wanted; showCard(wanted); }
map = await createMap({ hash: true, ...(at ? { center: at, zoom: 18 } : {}) });
if (map) {
  await loaded(map);
  addLayers();
  listen();
  if (wanted) showShape(wanted, true);
  else if (query.get("bbox")) flyToBounds(map, numbers(query.get("bbox")), 17);
  else if (at) goTo({ point: at });
}
