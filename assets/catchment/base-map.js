// The offline base map: countries and a graticule, drawn from files of this server only.
import { AttributionControl, Map, NavigationControl, ScaleControl } from "../maplibre-gl/maplibre-gl.mjs";
import "../topojson-client/topojson-client.min.js";

const COUNTRIES = new URL("../world-atlas/countries-50m.json", import.meta.url);

const LAND_STYLE = {
  version: 8,
  sources: {},
  layers: [{ id: "sea", type: "background", paint: { "background-color": "#dbe7ee" } }],
};

/** Lines of the graticule, `step` degrees apart, as GeoJSON. */
function drawGraticule(step) {
  const lines = [];
  for (let lon = -180; lon <= 180; lon += step) {
    lines.push([[lon, -85], [lon, 85]]);
  }
  for (let lat = -80; lat <= 80; lat += step) {
    lines.push([[-180, lat], [180, lat]]);
  }
  return { type: "MultiLineString", coordinates: lines };
}

async function readCountries() {
  const response = await fetch(COUNTRIES);
  const topology = await response.json();
  return globalThis.topojson.feature(topology, topology.objects.countries);
}

/** Resolves to a MapLibre map in `container`, with the base map on it. */
export async function createBaseMap(container) {
  const map = new Map({ container, style: LAND_STYLE, attributionControl: false });
  map.addControl(new NavigationControl({ showCompass: false }));
  map.addControl(new ScaleControl());
  map.addControl(new AttributionControl({ customAttribution: "Natural Earth" }));
  const [countries] = await Promise.all([readCountries(), map.once("load")]);
  map.addSource("countries", { type: "geojson", data: countries });
  map.addSource("graticule", { type: "geojson", data: drawGraticule(10) });
  map.addLayer({ id: "land", type: "fill", source: "countries", paint: { "fill-color": "#f6f4ee" } });
  map.addLayer({ id: "borders", type: "line", source: "countries", paint: { "line-color": "#b9b3a4" } });
  map.addLayer({
    id: "graticule",
    type: "line",
    source: "graticule",
    paint: { "line-color": "#8aa", "line-opacity": 0.4, "line-width": 0.5 },
  });
  return map;
}
