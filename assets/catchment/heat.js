// How heat is drawn, and what its colours mean.
const RADIUS = 24; // pixels: MapLibre's kernel is a Gaussian whose deviation is a third of it
const PEAK = 0.3989422804014327; // of the kernel, for a weight and an intensity of 1
const SPOT_PIXELS = Math.round((2.355 / 3) * RADIUS); // the kernel's width at half its height
const MOST = 1000; // more shades than a ramp has
const RAMPS = {
  light: ["#fdc48a", "#f4833c", "#d1361f", "#8f1237", "#3f0a3c"],
  dark: ["#7a2a0c", "#cf4a13", "#f9862b", "#fdc75a", "#fff6c9"],
};
const OUTLINES = { light: "#7c2d12", dark: "#fdba74" };
const CHOSEN = { light: "#1d4ed8", dark: "#93c5fd" };
// Where heat becomes points, by the layer's own density.
const FADES = { footprints: [11, 13], locations: [14, 16] };

/** 1, 2, 5, 10, 20 … : the next that is not less. */
export function roundUp(number) {
  const ten = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].find((times) => times * ten >= number * 0.999) * ten;
}

export function writeNumber(number) {
  return Number(number.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** Up to five numbers from 1 to `most`, evenly apart in logarithms. */
function listSteps(most) {
  const steps = [0, 1, 2, 3, 4].map((n) => Math.max(1, Math.round(most ** (n / 4))));
  return [...new Set(steps)];
}

function spreadRamp(ramp, count) {
  return Array.from({ length: count }, (_, n) => ramp[count === 1 ? 2 : Math.round((n * 4) / (count - 1))]);
}

export class Heat {
  constructor(map, name) {
    this.map = map;
    this.name = name;
    this.scheme = "light";
    this.most = 0;
    this.quantiles = null;
  }

  /** Adds the layers of tiles at `tiles`, and of cells, which are empty at first. */
  add(tiles) {
    const { map } = this;
    const [near, nearest] = FADES[this.name];
    map.addSource("tiles", { type: "vector", tiles: [tiles], minzoom: 0, maxzoom: 16 });
    for (const name of ["cells", "chosen"]) map.addSource(name, { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    const points = { source: "tiles", "source-layer": "points" };
    const outlines = { source: "tiles", "source-layer": "outlines", minzoom: 10 };
    const fadeOut = ["interpolate", ["linear"], ["zoom"], near, 0.85, nearest, 0];
    const fadeIn = ["interpolate", ["linear"], ["zoom"], near - 1, 0, nearest, 0.9];
    const size = ["min", 14, ["+", 3.5, ["log2", ["get", "weight"]]]];
    map.addLayer({ id: "cells", type: "fill", source: "cells", paint: { "fill-opacity": 0.7 } });
    map.addLayer({
      ...points,
      id: "heat",
      type: "heatmap",
      maxzoom: nearest,
      paint: { "heatmap-radius": RADIUS, "heatmap-weight": ["get", "weight"], "heatmap-opacity": fadeOut },
    });
    if (this.name === "footprints") {
      map.addLayer({ ...outlines, id: "areas", type: "fill", paint: { "fill-opacity": ["interpolate", ["linear"], ["zoom"], 10, 0.05, 13, 0.25] } });
      map.addLayer({ ...outlines, id: "outlines", type: "line", paint: { "line-width": 1.25 } });
    }
    map.addLayer({ ...points, id: "dots", type: "circle", paint: { "circle-radius": size, "circle-opacity": fadeIn, "circle-stroke-opacity": fadeIn, "circle-stroke-width": 1 } });
    map.addLayer({ ...points, id: "hits", type: "circle", paint: { "circle-radius": 9, "circle-opacity": 0 } });
    map.addLayer({ id: "chosen-fill", type: "fill", source: "chosen", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-opacity": 0.2 } });
    map.addLayer({ id: "chosen-line", type: "line", source: "chosen", paint: { "line-width": 3 } });
    map.addLayer({ id: "chosen-dot", type: "circle", source: "chosen", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 9, "circle-stroke-width": 3, "circle-opacity": 0.3 } });
  }

  setScheme(scheme) {
    this.scheme = scheme;
    const paint = (layer, property, colour) => this.map.getLayer(layer) && this.map.setPaintProperty(layer, property, colour);
    for (const [layer, property] of [["areas", "fill-color"], ["outlines", "line-color"], ["dots", "circle-color"]]) paint(layer, property, OUTLINES[scheme]);
    paint("dots", "circle-stroke-color", scheme === "dark" ? "#10161f" : "#ffffff");
    for (const [layer, property] of [["chosen-fill", "fill-color"], ["chosen-line", "line-color"], ["chosen-dot", "circle-color"], ["chosen-dot", "circle-stroke-color"]]) paint(layer, property, CHOSEN[scheme]);
    this.paintPoints();
    this.paintCells();
  }

  /** Whether heat is of cells; points and their heat are not drawn then. */
  setGrid(isGrid) {
    for (const layer of ["heat", "dots", "hits"]) this.map.setLayoutProperty(layer, "visibility", isGrid ? "none" : "visible");
    this.map.setLayoutProperty("cells", "visibility", isGrid ? "visible" : "none");
  }

  /** The full colour is for as many as the heaviest point in view stands for. */
  measurePoints() {
    const weights = this.map.queryRenderedFeatures({ layers: ["hits"] }).map(({ properties }) => properties.weight);
    const heaviest = weights.reduce((a, b) => Math.max(a, b), 1);
    const most = Math.min(MOST, roundUp(Math.max(5, heaviest)));
    if (most === this.most) return;
    this.most = most;
    this.paintPoints();
  }

  paintPoints() {
    if (!this.most) return;
    const steps = listSteps(this.most);
    const stops = spreadRamp(RAMPS[this.scheme], steps.length).map((colour, n) => [steps[n] / this.most, colour]);
    const nothing = [0, `${stops[0][1]}00`];
    this.map.setPaintProperty("heat", "heatmap-intensity", 1 / (PEAK * this.most));
    this.map.setPaintProperty("heat", "heatmap-color", ["interpolate", ["linear"], ["heatmap-density"], ...nothing, ...stops.flat()]);
  }

  /** `weight` is what the API tells of the cells' weights, null where there are none. */
  setCells(features, weight) {
    this.map.getSource("cells").setData({ type: "FeatureCollection", features });
    const bounds = weight ? [weight.min, ...["0.25", "0.5", "0.75", "0.9"].map((share) => weight.quantiles[share])] : [];
    // Cells that weigh the same make one step of several.
    this.quantiles = bounds.filter((bound, n) => n === 0 || bound > bounds[n - 1]);
    this.largest = weight?.max;
    this.paintCells();
  }

  paintCells() {
    if (!this.quantiles?.length) return;
    const colours = spreadRamp(RAMPS[this.scheme], this.quantiles.length);
    const stops = this.quantiles.slice(1).flatMap((bound, n) => [bound, colours[n + 1]]);
    this.map.setPaintProperty("cells", "fill-color", stops.length ? ["step", ["get", "weight"], colours[0], ...stops] : colours[0]);
  }

  /** `title`, and `steps` of a colour and a text each. */
  describePoints(metresPerPixel) {
    const what = this.name === "footprints" ? "Footprints" : "Minutes";
    if (this.map.getZoom() >= FADES[this.name][1]) {
      const shapes = this.name === "footprints" ? "outlines are footprints; " : "";
      return { title: `${what}: ${shapes}dots are single, or several where larger`, steps: [] };
    }
    const metres = SPOT_PIXELS * metresPerPixel;
    const size = metres < 1000 ? `${writeNumber(metres)} m` : `${writeNumber(metres / 1000)} km`;
    const steps = listSteps(this.most || 5);
    const colours = spreadRamp(RAMPS[this.scheme], steps.length);
    const texts = steps.map((step, n) => `${step.toLocaleString("en")}${n === steps.length - 1 ? " or more" : ""}`);
    return { title: `${what} at one spot, ${size} wide`, steps: colours.map((colour, n) => [colour, texts[n]]) };
  }

  describeCells(cell, sum, count) {
    const side = cell < 1000 ? `${writeNumber(cell)} m` : `${writeNumber(cell / 1000)} km`;
    const bounds = this.quantiles ?? [];
    const colours = spreadRamp(RAMPS[this.scheme], bounds.length);
    const texts = bounds.map((bound, n) => `${writeNumber(bound)} to ${writeNumber(bounds[n + 1] ?? this.largest)}`);
    const title = count
      ? `Footprints in a cell of ${side}: ${writeNumber(sum)} in ${count.toLocaleString("en")} cells. Colours part the cells at 25, 50, 75 and 90 %`
      : "No cells here";
    return { title, steps: colours.map((colour, n) => [colour, texts[n]]) };
  }
}
