// Texts on a map, as HTML, since glyphs would have to come from somewhere: degrees and countries.
const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const STEP_PIXELS = 110; // lines of the graticule are at least so far from each other
const LETTER_PIXELS = 7;
const LINE_PIXELS = 20;
const MOST_LATITUDE = 85;

/** Labels of one kind: `place(key, text, x, y)` shows one, `end` takes away those not placed since. */
class Labels {
  constructor(map, kind) {
    this.box = document.createElement("div");
    this.box.className = `map-labels ${kind}`;
    this.box.ariaHidden = "true"; // the summary beside the map says more
    map.getCanvasContainer().append(this.box);
    this.shown = new Map();
    this.placed = new Set();
  }

  place(key, text, x, y) {
    if (!this.shown.has(key)) {
      const label = document.createElement("span");
      label.textContent = text;
      this.box.append(label);
      this.shown.set(key, label);
    }
    this.shown.get(key).style.translate = `${Math.round(x)}px ${Math.round(y)}px`;
    this.placed.add(key);
  }

  end() {
    for (const [key, label] of this.shown) {
      if (this.placed.has(key)) continue;
      label.remove();
      this.shown.delete(key);
    }
    this.placed.clear();
  }
}

function chooseStep(map) {
  const degreePixels = (512 * 2 ** map.getZoom()) / 360;
  return STEPS.findLast((step) => step * degreePixels >= STEP_PIXELS) ?? STEPS[0];
}

function listMultiples(step, from, to) {
  const found = [];
  for (let n = Math.ceil(from / step); n * step <= to; n += 1) found.push(Number((n * step).toFixed(4)));
  return found;
}

function writeDegrees(degrees, [positive, negative]) {
  const side = degrees > 0 ? positive : negative;
  return `${Math.abs(degrees)}°${degrees === 0 || Math.abs(degrees) === 180 ? "" : side}`;
}

/** What is in view, and as much again on each side. */
function drawLines(map) {
  const [[west, south], [east, north]] = map.getBounds().toArray();
  const [width, height, step] = [east - west, north - south, chooseStep(map)];
  const [bottom, top] = [Math.max(south - height, -MOST_LATITUDE), Math.min(north + height, MOST_LATITUDE)];
  const [left, right] = [Math.max(west - width, -540), Math.min(east + width, 540)];
  return {
    type: "MultiLineString",
    coordinates: [
      ...listMultiples(step, left, right).map((lon) => [[lon, bottom], [lon, top]]),
      ...listMultiples(step, bottom, top).map((lat) => [[left, lat], [right, lat]]),
    ],
  };
}

function writeAtEdges(map, labels) {
  const [[west, south], [east, north]] = map.getBounds().toArray();
  const step = chooseStep(map);
  for (const lon of listMultiples(step, west, east)) {
    const wrapped = Number((((lon + 540) % 360) - 180).toFixed(4));
    labels.place(`x${lon}`, writeDegrees(wrapped, "EW"), map.project([lon, 0]).x + 3, 2);
  }
  for (const lat of listMultiples(step, Math.max(south, -MOST_LATITUDE), Math.min(north, MOST_LATITUDE))) {
    const { y } = map.project([map.getCenter().lng, lat]);
    if (y > LINE_PIXELS) labels.place(`y${lat}`, writeDegrees(lat, "NS"), 3, y);
  }
  labels.end();
}

/** Lines of latitude and longitude, the finer the nearer, with their degrees at the edges. */
export function addGraticule(map) {
  map.addSource("graticule", { type: "geojson", data: drawLines(map) });
  map.addLayer({
    id: "graticule",
    type: "line",
    source: "graticule",
    paint: { "line-opacity": 0.4, "line-width": 0.5 },
  });
  const labels = new Labels(map, "degrees");
  const write = () => writeAtEdges(map, labels);
  map.on("moveend", () => map.getSource("graticule").setData(drawLines(map)));
  map.on("move", write);
  map.on("resize", write);
  write();
}

/** The middle of a ring (in the plane of degrees), how wide it is, and its area. */
function measureRing(ring) {
  let [area, x, y, west, east] = [0, 0, 0, Infinity, -Infinity];
  ring.forEach(([lon, lat], index) => {
    const [lastLon, lastLat] = ring.at(index - 1);
    const cross = lastLon * lat - lon * lastLat;
    area += cross / 2;
    x += ((lastLon + lon) * cross) / 6;
    y += ((lastLat + lat) * cross) / 6;
    [west, east] = [Math.min(west, lon), Math.max(east, lon)];
  });
  return { middle: [x / area, y / area], width: east - west, area: Math.abs(area) };
}

/** Where each country's name goes, the largest first. */
function listCountries(countries) {
  return countries.features
    .map(({ geometry, properties }) => {
      const parts = geometry.coordinates.map(([shell]) => measureRing(shell));
      return { name: properties.name, ...parts.reduce((a, b) => (a.area > b.area ? a : b)) };
    })
    .sort((a, b) => b.area - a.area);
}

/** Names of the countries that are wide enough for them. */
export function nameCountries(map, countries) {
  const places = listCountries(countries);
  const labels = new Labels(map, "countries");
  const write = () => {
    const { clientWidth, clientHeight } = map.getContainer();
    const degreePixels = (512 * 2 ** map.getZoom()) / 360;
    const taken = [];
    for (const { name, middle, width } of places) {
      const half = (name.length * LETTER_PIXELS) / 2;
      const { x, y } = map.project(middle);
      const isInside = x > half && x < clientWidth - half && y > LINE_PIXELS && y < clientHeight - LINE_PIXELS;
      if (!isInside || width * degreePixels < 2 * half) continue;
      if (taken.some((other) => Math.abs(other.y - y) < LINE_PIXELS && Math.abs(other.x - x) < other.half + half)) continue;
      taken.push({ x, y, half });
      labels.place(name, name, x, y);
    }
    labels.end();
  };
  map.on("move", write);
  map.on("resize", write);
  write();
}
