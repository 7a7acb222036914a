// Draws one footprint on each element of class `footprint-map`; `data-source` is its address.
import { LngLatBounds } from "../maplibre-gl/maplibre-gl.mjs";
import { createBaseMap } from "./base-map.js";

function findBounds(geometry) {
  const bounds = new LngLatBounds();
  geometry.coordinates.flat(2).forEach((position) => bounds.extend(position));
  return bounds;
}

async function drawFootprint(element) {
  const [map, response] = await Promise.all([createBaseMap(element), fetch(element.dataset.source)]);
  if (!response.ok) {
    element.textContent = `The footprint cannot be shown: ${response.status}`;
    return;
  }
  const footprint = await response.json();
  map.addSource("footprint", { type: "geojson", data: footprint });
  map.addLayer({
    id: "surface",
    type: "fill",
    source: "footprint",
    paint: { "fill-color": "#c2410c", "fill-opacity": 0.35 },
  });
  map.addLayer({
    id: "outline",
    type: "line",
    source: "footprint",
    paint: { "line-color": "#9a3412", "line-width": 1.5 },
  });
  map.fitBounds(findBounds(footprint.geometry), { padding: 40, animate: false, maxZoom: 18 });
  map.once("idle", () => element.setAttribute("data-drawn", "true"));
}

document.querySelectorAll(".footprint-map").forEach(drawFootprint);
