// Draws one GeoJSON feature on each element of class `feature-map`: `data-source` is its address,
// `data-context` that of features to draw below it, if any.
import { LngLatBounds } from "../maplibre-gl/maplibre-gl.mjs";
import { createBaseMap } from "./base-map.js";

const LAYERS = {
  fill: { "fill-color": "#c2410c", "fill-opacity": 0.35 },
  line: { "line-color": "#9a3412", "line-width": 1.5 },
  circle: { "circle-color": "#c2410c", "circle-radius": 6, "circle-stroke-color": "#ffffff", "circle-stroke-width": 2 },
};
// A vertex of a polygon is no point, and the middle of a line is no surface.
const KINDS = {
  fill: ["Polygon", "MultiPolygon"],
  line: ["LineString", "MultiLineString", "Polygon", "MultiPolygon"],
  circle: ["Point"],
};

function findBounds(geometry) {
  const bounds = new LngLatBounds();
  const numbers = geometry.coordinates.flat(Infinity);
  for (let i = 0; i < numbers.length; i += 2) bounds.extend([numbers[i], numbers[i + 1]]);
  return bounds;
}

function draw(map, name, data) {
  map.addSource(name, { type: "geojson", data });
  for (const [type, paint] of Object.entries(LAYERS)) {
    const filter = ["in", ["geometry-type"], ["literal", KINDS[type]]];
    map.addLayer({ id: `${name}-${type}`, type, source: name, paint, filter });
  }
}

async function drawFeature(element) {
  const { source, context } = element.dataset;
  const addresses = context ? [context, source] : [source];
  const [map, ...responses] = await Promise.all([createBaseMap(element), ...addresses.map((address) => fetch(address))]);
  const failed = responses.find((response) => !response.ok);
  if (failed) {
    element.textContent = `This cannot be shown: ${failed.status}`;
    return;
  }
  const found = await Promise.all(responses.map((response) => response.json()));
  found.forEach((data, index) => draw(map, `source-${index}`, data));
  map.fitBounds(findBounds(found.at(-1).geometry), { padding: 40, animate: false, maxZoom: context ? 14 : 18 });
  map.once("idle", () => element.setAttribute("data-drawn", "true"));
}

document.querySelectorAll(".feature-map").forEach(drawFeature);
