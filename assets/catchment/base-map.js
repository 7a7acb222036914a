// The offline base map: countries with their names and a graticule, drawn from files of this server only.
import { AttributionControl, Map, NavigationControl, ScaleControl } from "../maplibre-gl/maplibre-gl.mjs";
import "../topojson-client/topojson-client.min.js";
import { addGraticule, nameCountries } from "./map-labels.js";

const COUNTRIES = new URL("../world-atlas/countries-50m.json", import.meta.url);
const COLOURS = {
  light: { sea: "#dbe7ee", land: "#f6f4ee", border: "#b9b3a4", line: "#7d95a5" },
  dark: { sea: "#10161f", land: "#222a35", border: "#465263", line: "#6f8296" },
};
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Whether what is around `element` is dark: the admin may differ from what the system says. */
export function isDark(element) {
  const scheme = getComputedStyle(element).colorScheme;
  return scheme.includes("light") || !scheme.includes("dark") ? scheme !== "light" && DARK.matches : true;
}

/** Calls `change` now, and whenever the system changes between light and dark. */
export function followScheme(element, change) {
  change(isDark(element) ? "dark" : "light");
  DARK.addEventListener("change", () => change(isDark(element) ? "dark" : "light"));
}

/** A ring across ±180° goes on beyond it, and one round the south pole takes the pole in. */
function unrollRing(ring) {
  let turned = 0;
  const unrolled = ring.map(([lon, lat], index) => {
    const step = index ? lon - ring[index - 1][0] : 0;
    if (Math.abs(step) > 180) turned -= 360 * Math.sign(step);
    return [lon + turned, lat];
  });
  return turned ? [...unrolled, [unrolled.at(-1)[0], -90], [unrolled[0][0], -90], unrolled[0]] : unrolled;
}

function unroll({ type, coordinates }) {
  const parts = type === "Polygon" ? [coordinates] : coordinates;
  return { type: "MultiPolygon", coordinates: parts.map((rings) => rings.map(unrollRing)) };
}

async function readCountries() {
  const response = await fetch(COUNTRIES);
  const topology = await response.json();
  const countries = globalThis.topojson.feature(topology, topology.objects.countries);
  for (const country of countries.features) country.geometry = unroll(country.geometry);
  return countries;
}

function createMap(container, style, options) {
  const map = new Map({ container, style, attributionControl: false, maxPitch: 0, ...options });
  // North is up, so that the degrees stand at the edges.
  map.dragRotate.disable();
  map.keyboard.disableRotation();
  map.touchZoomRotate.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }));
  map.addControl(new ScaleControl());
  return map;
}

async function drawCountries(map) {
  const [countries] = await Promise.all([readCountries(), map.once("load")]);
  map.addSource("countries", { type: "geojson", data: countries });
  map.addLayer({ id: "land", type: "fill", source: "countries" });
  map.addLayer({ id: "borders", type: "line", source: "countries" });
  addGraticule(map);
  nameCountries(map, countries);
  followScheme(map.getContainer(), (scheme) => {
    const { sea, land, border, line } = COLOURS[scheme];
    map.setPaintProperty("sea", "background-color", sea);
    map.setPaintProperty("land", "fill-color", land);
    map.setPaintProperty("borders", "line-color", border);
    map.setPaintProperty("graticule", "line-color", line);
  });
}

/** Resolves to a MapLibre map in `container` with the base map on it, or with the map of the style at
 * the address `style`. `options` are MapLibre's. */
export async function createBaseMap(container, { style, ...options } = {}) {
  if (style) {
    const map = createMap(container, style, options);
    map.addControl(new AttributionControl());
    await map.once("load");
    return map;
  }
  const sea = { id: "sea", type: "background", paint: { "background-color": "#8883" } };
  const map = createMap(container, { version: 8, sources: {}, layers: [sea] }, options);
  map.addControl(new AttributionControl({ compact: true, customAttribution: "Natural Earth" }));
  await drawCountries(map);
  return map;
}
