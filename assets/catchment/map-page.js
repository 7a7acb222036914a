// The page of the map: its form is the state, which the address repeats; the hash is the view.
import { createBaseMap, followScheme } from "./base-map.js";
import { drawSquare } from "./equal-area.js";
import { readFault } from "./faults.js";
import { Heat, roundUp } from "./heat.js";
import { TimeWindow } from "./time-window.js";

const OWN = ["layer", "method", "cell", "from", "to", "selected", "zones"];
const PAUSE = 250; // milliseconds without a change, after which something is fetched
const CELL_PIXELS = 14; // of a cell whose size the view decides
const MOST_TRIES = 8;
const EQUATOR_METRES = 40_075_016.7;

const find = (id) => document.getElementById(id);
const element = find("map");
const form = find("filters");
const { layer, time, tiles, heat: heatAddress, feature, row, view, first, last, zones, style } = element.dataset;
// An address with a view is restored to it, wherever the row is that was chosen.
let staysPut = location.hash.length > 1;
// What the address chooses came with the page, where it is there.
let selected = find("chosen").querySelector("[data-row]")?.dataset.row ?? null;
let [map, heat, asked] = [null, null, null];

function readPage() {
  const page = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value !== "") page.append(name, value);
  }
  return page;
}

/** A browser writes no second that is 0; whatever else is left to the API, where it is UTC. */
const completeTime = (text) => (text.length === "2024-07-01T04:00".length ? `${text}:00` : text);

/** The API's filters: what the page calls `from` and `to` has other names there. */
function readFilters() {
  const filters = new URLSearchParams();
  const page = readPage();
  for (const [name, lookup] of [["from", "gte"], ["to", "lt"]]) {
    if (page.has(name)) filters.set(`${time}__${lookup}`, completeTime(page.get(name)));
  }
  for (const [name, value] of page) {
    if (!OWN.includes(name)) filters.append(name, value);
  }
  return filters;
}

function writeAddress() {
  const page = readPage();
  if (selected) page.set("selected", selected);
  history.replaceState(null, "", `?${page}${location.hash}`);
}

function tell(text) {
  find("status").textContent = text;
}

/** What the address said of `names` gives way to what is chosen on the page. */
function forget(...names) {
  document.querySelectorAll("[data-of]").forEach((told) => names.includes(told.dataset.of) && told.remove());
  if (!form.querySelector("[data-of]")) find("others")?.remove();
}

function readBox() {
  const [[west, south], [east, north]] = map.getBounds().toArray();
  const wrap = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
  const sides = east - west >= 360 ? [-180, 180] : [wrap(west), wrap(east)];
  return [sides[0], Math.max(south, -90), sides[1], Math.min(north, 90)].map((n) => n.toFixed(6)).join(",");
}

function measurePixel() {
  return (EQUATOR_METRES * Math.cos((map.getCenter().lat * Math.PI) / 180)) / (512 * 2 ** map.getZoom());
}

function showLegend({ title, steps }) {
  find("legend").hidden = false;
  find("legend-title").textContent = title;
  find("legend-steps").replaceChildren(
    ...steps.map(([colour, text]) => {
      const [item, swatch] = [document.createElement("li"), document.createElement("span")];
      swatch.className = "swatch";
      swatch.style.backgroundColor = colour;
      item.append(swatch, text);
      return item;
    }),
  );
}

async function fetchCells(signal) {
  let cell = Number(form.elements.cell.value) || Math.min(5_000_000, roundUp(Math.max(1, measurePixel() * CELL_PIXELS)));
  for (let tried = 1; ; tried += 1) {
    const parameters = readFilters();
    parameters.set("method", "grid");
    parameters.set("cell", cell);
    parameters.set("in_bbox", readBox());
    const response = await fetch(`${heatAddress}?${parameters}`, { signal });
    const answer = await response.json();
    if (response.ok) return answer;
    const isTooSmall = answer.errors.some(({ code }) => code === "too_small");
    if (!isTooSmall || form.elements.cell.value || tried === MOST_TRIES) throw new Error(answer.errors.map(({ detail }) => detail).join("; "));
    cell = roundUp(cell * 2);
  }
}

async function drawCells() {
  asked?.abort();
  asked = new AbortController();
  try {
    const { metadata, features } = await fetchCells(asked.signal);
    heat.setCells(features.map((point) => drawSquare(point, metadata.cell)), metadata.weight);
    showLegend(heat.describeCells(metadata.cell, metadata.weight?.sum, metadata.count));
    tell("");
  } catch (error) {
    if (error.name === "AbortError") return;
    heat.setCells([], null);
    find("legend").hidden = true;
    tell(error.message);
  }
}

const isGrid = () => form.elements.method?.value === "grid";

function describe() {
  if (isGrid()) return;
  heat.measurePoints();
  showLegend(heat.describePoints(measurePixel()));
}

function refreshView() {
  tell("");
  const parameters = readPage();
  parameters.set("in_bbox", readBox());
  globalThis.htmx.ajax("GET", `${view}?${parameters}`, { target: "#view", swap: "innerHTML" });
  if (isGrid()) drawCells();
}

let waiting = null;
function refreshSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(refreshView, PAUSE);
}

function apply() {
  writeAddress();
  const grid = isGrid();
  if (form.elements.cell) form.elements.cell.disabled = !grid;
  heat.setGrid(grid);
  map.getSource("tiles").setTiles([`${location.origin}${tiles}/{z}/{x}/{y}.mvt?${readFilters()}`]);
  drawZones();
  refreshSoon();
}

async function drawZones() {
  const isWanted = Boolean(form.elements.zones?.checked);
  if (map.getLayer("zones")) map.setLayoutProperty("zones", "visibility", isWanted ? "visible" : "none");
  if (!isWanted || map.getSource("zones")) return;
  map.addSource("zones", { type: "geojson", data: zones });
  map.addLayer({ id: "zones", type: "line", source: "zones", paint: { "line-color": "#64748b", "line-dasharray": [3, 2] } }, "cells");
}

async function fitData() {
  const response = await fetch(`${tiles}.json?${readFilters()}`);
  if (!response.ok) return;
  const [west, south, east, north] = (await response.json()).bounds;
  if (east - west < 359) map.fitBounds([[west, south], [east, north]], { padding: 40, animate: false, maxZoom: 14 });
  else map.jumpTo({ center: [0, 20], zoom: 1 });
}

/** What the panel has shown of a row: drawn on the map, and kept in the address. */
async function showChosen(article) {
  selected = article.dataset.row;
  forget("selected");
  writeAddress();
  article.querySelector("h2").focus();
  const [west, south, east, north] = article.dataset.extent.split(",").map(Number);
  const bounds = map.getBounds();
  if (!staysPut && (!bounds.contains([west, south]) || !bounds.contains([east, north]) || map.getZoom() < 8)) {
    map.fitBounds([[west, south], [east, north]], { padding: 60, maxZoom: 15, animate: false });
  }
  staysPut = false;
  const response = await fetch(`${feature}${selected}/`);
  if (response.ok && selected === article.dataset.row) map.getSource("chosen").setData(await response.json());
}

function choose(id) {
  globalThis.htmx.ajax("GET", `${row}${id}/`, { target: "#chosen", swap: "innerHTML" });
}

function close() {
  selected = null;
  find("chosen").replaceChildren();
  map.getSource("chosen").setData({ type: "FeatureCollection", features: [] });
  writeAddress();
  map.getCanvas().focus();
}

function click({ point, lngLat }) {
  const layers = ["areas", "hits", "cells"].filter((name) => map.getLayer(name));
  const found = map.queryRenderedFeatures(point, { layers });
  const hit = found.find(({ layer: { id }, properties }) => id !== "cells" && !(properties.weight > 1));
  const cluster = found.find(({ properties }) => properties.weight > 1);
  if (hit) choose(hit.id);
  else if (cluster && map.getZoom() < 18) map.easeTo({ center: lngLat, zoom: map.getZoom() + 2 });
}

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("change", ({ target }) => {
    forget(target.name);
    apply();
  });
  find("fit").addEventListener("click", fitData);
  map.on("moveend", refreshSoon);
  map.on("idle", describe);
  map.on("click", click);
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target.id === "chosen") showChosen(detail.target.firstElementChild);
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => detail.failed && tell(readFault(detail.xhr)));
  document.addEventListener("htmx:sendError", ({ detail }) => tell(readFault(detail.xhr)));
  find("chosen").addEventListener("click", ({ target }) => target.closest("[data-close]") && close());
  document.querySelectorAll("[data-keeps-view]").forEach((link) => {
    link.addEventListener("click", () => (link.hash = location.hash));
  });
}

async function start() {
  map = await createBaseMap(element, { style, hash: true });
  heat = new Heat(map, layer);
  heat.add(`${location.origin}${tiles}/{z}/{x}/{y}.mvt?${readFilters()}`);
  followScheme(element, (scheme) => {
    heat.setScheme(scheme);
    if (!isGrid()) showLegend(heat.describePoints(measurePixel()));
  });
  map.getCanvas().setAttribute("aria-label", "Map: arrow keys move it, plus and minus zoom. The list beside it says the same in words.");
  listen();
  if (first) {
    new TimeWindow(first, last, () => {
      forget("from", "to");
      apply();
    });
  }
  find("fit").hidden = !first;
  if (!staysPut) await fitData();
  apply();
  if (selected) showChosen(find("chosen").querySelector("[data-row]"));
  else staysPut = false;
  map.once("idle", () => element.setAttribute("data-drawn", "true"));
}

start().catch((error) => tell(`The map cannot be drawn: ${error.message}. The list below does without it.`));
