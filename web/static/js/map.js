// The map as every page has it: our own tiles, coordinates under the cursor, scale, measuring, printing.
import * as maplibre from "../vendor/maplibre-gl/maplibre-gl.mjs";
import { planeArea, planeLength, toLonLat, toZone } from "./coordinates.js";
import { area, data, length, number, t, typing } from "./page.js";

export const ACCENT = "#0b6657";
const ISSUE = { blocking: "#a3211b", warning: "#b97d12", info: "#1b5393" };
export const issueColour = ["match", ["get", "severity"], "blocking", ISSUE.blocking, "warning", ISSUE.warning, ISSUE.info];
const PIXEL_M = 0.0254 / 96; // a CSS pixel on paper
const empty = () => ({ type: "FeatureCollection", features: [] });
export const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const element = (id) => document.getElementById(id);

function webGlWorks() {
  return Boolean(document.createElement("canvas").getContext("webgl2"));
}

async function loadFonts() {
  // Text of the map is drawn from the page's fonts; a face that is not yet there would be drawn in another.
  const sample = "0123 Thửa đất ăâêôơưđ ầềồừ";
  await Promise.all([document.fonts.load('400 16px "Noto Sans"', sample), document.fonts.load('600 16px "Noto Sans"', sample)]);
}

export async function createMap(start) {
  const fault = () => { element("map-fault").hidden = false; return null; };
  if (!webGlWorks()) return fault();
  let style;
  try {
    const [answer] = await Promise.all([fetch("/map/style.json"), loadFonts()]);
    if (!answer.ok) return fault();
    style = await answer.json();
  } catch {
    return fault();
  }
  const map = new maplibre.Map({
    container: "map", style, attributionControl: false, hash: start.hash ?? false, fadeDuration: calm ? 0 : 120,
    ...(start.center ? { center: start.center, zoom: start.zoom } : { bounds: style.metadata.start, fitBoundsOptions: { padding: 40, maxZoom: 16 } }),
    maxZoom: 21, minZoom: 5,
    dragRotate: false, pitchWithRotate: false, canvasContextAttributes: { preserveDrawingBuffer: true, antialias: true },
    locale: { "Map.Title": t("map.region") },
  });
  loads.set(map, new Promise((done) => map.once("load", done)));
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.getCanvas().setAttribute("aria-label", t("map.keys"));
  showCoordinates(map);
  showScale(map);
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => map.zoomTo(map.getZoom() + Number(button.dataset.zoom)));
  map.once("load", () => { addMeasuring(map); window.landdbMapReady = true; });
  preparePrint(map);
  window.landdbMap = map; // for people who script in the console, and for the tests
  return map;
}

// The event comes once; whoever asks later must not wait for a second.
const loads = new WeakMap();
export const loaded = (map) => loads.get(map);

function degrees(value, axis) {
  return `${number(Math.abs(value), 6)}° ${t(axis === "lat" ? (value >= 0 ? "north" : "south") : value >= 0 ? "east" : "west")}`;
}

function showCoordinates(map) {
  const plane = element("vn2000").querySelector("[data-value]");
  const sphere = element("wgs84").querySelector("[data-value]");
  let waiting = null;
  const write = () => {
    const place = waiting;
    waiting = null;
    const { e, n } = toZone([place.lng, place.lat], data.zone);
    plane.textContent = `X ${number(n, 2)}  Y ${number(e, 2)}`;
    sphere.textContent = `${degrees(place.lat, "lat")}  ${degrees(place.lng, "lon")}`;
  };
  const show = (place) => { if (!waiting) requestAnimationFrame(write); waiting = place; };
  map.on("mousemove", (event) => show(event.lngLat));
  map.on("move", () => { if (!map.getCanvas().matches(":hover")) show(map.getCenter()); });
  show(map.getCenter());
}

const metresPerPixel = (map) => (40075016.686 * Math.cos((map.getCenter().lat * Math.PI) / 180)) / (512 * 2 ** map.getZoom());

function roundScale(scale) {
  const step = 10 ** Math.max(Math.floor(Math.log10(scale)) - 1, 1);
  return Math.round(scale / step) * step;
}

function showScale(map) {
  const select = element("scale");
  const own = document.createElement("option");
  own.hidden = true;
  select.prepend(own);
  const update = () => {
    const perPixel = metresPerPixel(map);
    const scale = roundScale(perPixel / PIXEL_M);
    own.value = String(scale);
    own.textContent = `1:${number(scale)}`;
    select.value = own.value;
    own.selected = true;
    const target = perPixel * 110;
    const power = 10 ** Math.floor(Math.log10(target));
    const bar = [5, 2, 1].map((factor) => factor * power).find((value) => value <= target) ?? power;
    element("scale-line").style.width = `${bar / perPixel}px`;
    element("scale-text").textContent = bar >= 1000 ? `${number(bar / 1000)} km` : `${number(bar)} m`;
    element("print-scale").textContent = t("map.print_scale", { scale: number(scale) });
  };
  select.addEventListener("change", () => {
    const wanted = Number(select.value) * PIXEL_M;
    map.zoomTo(map.getZoom() + Math.log2(metresPerPixel(map) / wanted), { animate: !calm });
  });
  map.on("zoom", update);
  map.on("load", update);
  update();
}

function addMeasuring(map) {
  map.addSource("measure", { type: "geojson", data: empty() });
  map.addLayer({ id: "measure-fill", type: "fill", source: "measure", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": ACCENT, "fill-opacity": 0.12 } });
  map.addLayer({ id: "measure-line", type: "line", source: "measure", paint: { "line-color": ACCENT, "line-width": 2, "line-dasharray": [2, 1.5] } });
  map.addLayer({ id: "measure-point", type: "circle", source: "measure", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 4, "circle-color": "#fff", "circle-stroke-color": ACCENT, "circle-stroke-width": 2 } });
  const note = element("measure-note");
  const [output, hint] = [note.querySelector("output"), note.querySelector("span")];
  let kind = null;
  let points = [];

  const draw = (cursor) => {
    const all = cursor ? [...points, cursor] : points;
    const ring = all.map((place) => [place.lng, place.lat]);
    const features = ring.slice(0, points.length).map((at) => ({ type: "Feature", geometry: { type: "Point", coordinates: at } }));
    if (kind === "area" && ring.length > 2) features.push({ type: "Feature", geometry: { type: "Polygon", coordinates: [[...ring, ring[0]]] } });
    else if (ring.length > 1) features.push({ type: "Feature", geometry: { type: "LineString", coordinates: ring } });
    map.getSource("measure").setData({ type: "FeatureCollection", features });
    const plane = ring.map((at) => toZone(at, data.zone));
    output.textContent = kind === "area" ? `${t("map.area_is")} ${area(plane.length > 2 ? planeArea(plane) : 0)}` : `${t("map.length_is")} ${length(planeLength(plane))}`;
    hint.textContent = points.length ? t("map.measure_more") : t("map.measure_start");
  };
  const set = (wanted) => {
    kind = wanted;
    points = [];
    document.body.dataset.measuring = kind ?? "";
    note.hidden = !kind;
    map.getCanvas().style.cursor = kind ? "crosshair" : "";
    map.doubleClickZoom[kind ? "disable" : "enable"]();
    for (const button of document.querySelectorAll("[data-measure]")) button.setAttribute("aria-pressed", String(button.dataset.measure === kind));
    if (kind) draw(); else map.getSource("measure").setData(empty());
  };
  for (const button of document.querySelectorAll("[data-measure]")) button.addEventListener("click", () => set(button.dataset.measure === kind ? null : button.dataset.measure));
  document.querySelector("[data-measure-end]").addEventListener("click", () => set(null));
  map.on("click", (event) => { if (kind) { points.push(event.lngLat); draw(); } });
  map.on("mousemove", (event) => { if (kind && points.length) draw(event.lngLat); });
  document.addEventListener("keydown", (event) => {
    if (!kind || typing(event.target)) return;
    if (event.key === "Escape") set(null);
    if (event.key === "Backspace") { event.preventDefault(); points.pop(); draw(); }
    if (event.key === "Enter" && document.activeElement === map.getCanvas()) { points.push(map.getCenter()); draw(); }
  });
}

export const measuring = () => Boolean(document.body.dataset.measuring);

function preparePrint(map) {
  // The canvas does not fit the paper; a picture of it does.
  const take = () => { element("print-image").src = map.getCanvas().toDataURL("image/png"); };
  document.addEventListener("landdb:print", take);
  window.addEventListener("beforeprint", take);
}

export function boundsOf(geometry) {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (part) => {
    if (typeof part[0] === "number") { west = Math.min(west, part[0]); east = Math.max(east, part[0]); south = Math.min(south, part[1]); north = Math.max(north, part[1]); } else part.forEach(visit);
  };
  if (geometry.type === "GeometryCollection") geometry.geometries.forEach((part) => visit(part.coordinates));
  else visit(geometry.coordinates);
  return [west, south, east, north];
}

export function padding() {
  // On a phone the sheet covers the lower part of the map.
  const panel = element("panel");
  if (!panel || getComputedStyle(panel).position !== "absolute") return { top: 70, left: 50, right: 50, bottom: 40 };
  // Its height is on the way to what its size says, so the size is asked, not the height.
  const share = { peek: 0.15, half: 0.44, full: 0.55 }[panel.dataset.size] ?? 0.44;
  return { top: 150, left: 30, right: 30, bottom: 20 + panel.parentElement.offsetHeight * share };
}

export function flyToBounds(map, [west, south, east, north], maxZoom = 19) {
  map.fitBounds([[west, south], [east, north]], { padding: padding(), maxZoom, duration: calm ? 0 : 700 });
}

export { empty, maplibre, toLonLat };
