// Draws measurements over time: their means, and a band of one standard deviation about them.

import uPlot from "../uplot/uPlot.esm.js";

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
// What floating point can draw: the ends of a band at the edge of doubles would be infinite.
const LARGEST = 1e300;

const DAY = "\n{YYYY}-{MM}-{DD}";
// From which distance of ticks on, their texts, and those where a year, month or day begins.
const TIMES = [
  [31_536_000, "{YYYY}", null, null, null, null, null, null, 1],
  [2_419_200, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86_400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
  [0.001, "{ss}.{fff}", `${DAY} {HH}:{mm}`, null, `${DAY} {HH}:{mm}`, null, "\n{HH}:{mm}", null, 1],
];

class Chart {
  constructor(box) {
    this.box = box;
    this.readout = box.parentElement.querySelector(".readout");
    this.index = -1;
    box.addEventListener("keydown", (event) => this.press(event));
    box.addEventListener("click", () => this.open());
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(box);
    this.load();
  }

  async load() {
    try {
      const response = await fetch(this.box.dataset.source);
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      this.rows = (await response.json()).results.reverse();
      this.draw();
    } catch (error) {
      this.readout.removeAttribute("aria-hidden");
      this.readout.textContent = `The chart cannot be drawn: ${error.message}`;
    }
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    const { box, rows } = this;
    box.dataset.drawn = rows.length;
    if (rows.length === 0) {
      for (const name of ["role", "tabindex", "aria-label"]) box.removeAttribute(name);
      this.readout.textContent = "";
      return;
    }
    const columns = [
      rows.map(({ timestamp }) => Date.parse(timestamp) / 1000),
      rows.map(({ mean, std }) => fit(mean + (std ?? 0))),
      rows.map(({ mean, std }) => fit(mean - (std ?? 0))),
      rows.map(({ mean }) => fit(mean)),
    ];
    this.plot = new uPlot(this.describe(), columns, box);
    box.tabIndex = 0;
    box.setAttribute("role", "slider");
    box.setAttribute("aria-label", box.dataset.label);
    box.setAttribute("aria-valuemin", 1);
    box.setAttribute("aria-valuemax", rows.length);
    this.choose(rows.length - 1);
  }

  describe() {
    const [ink, line, accent, band] = ["--faint", "--line", "--accent", "--accent"].map(read);
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const edge = { stroke: accent, width: 0.5, points: { show: false } };
    return {
      ...this.size(),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      axes: [{ ...axis, values: TIMES }, { ...axis, size: 64, values: (_, splits) => splits.map(write) }],
      series: [{}, edge, edge, { stroke: accent, width: 2, points: { size: 5 } }],
      bands: [{ series: [1, 2], fill: translucent(band) }],
      hooks: { setCursor: [({ cursor }) => this.tell(cursor.idx)] },
    };
  }

  size() {
    return { width: this.box.clientWidth, height: this.box.clientHeight };
  }

  press(event) {
    if (event.key === "Enter") this.open();
    const last = this.rows.length - 1;
    const places = { Home: 0, End: last };
    const place = places[event.key] ?? this.index + KEYS[event.key];
    if (Number.isNaN(place)) return;
    event.preventDefault();
    this.choose(Math.max(0, Math.min(last, place)));
  }

  choose(index) {
    const { plot } = this;
    const top = plot.valToPos(plot.data[3][index] ?? 0, "y");
    plot.setCursor({ left: plot.valToPos(plot.data[0][index], "x"), top }, false);
    this.tell(index);
  }

  tell(index) {
    if (index == null || !this.rows[index]) return;
    this.index = index;
    const { timestamp, mean, std, count } = this.rows[index];
    const spread = std === null ? "" : ` ± ${std}`;
    const points = `${count} point${count === 1 ? "" : "s"}`;
    const text = `${timestamp.replace("T", " ").replace("Z", "")} UTC: ${mean}${spread}, ${points}`;
    this.readout.textContent = text;
    this.box.setAttribute("aria-valuenow", index + 1);
    this.box.setAttribute("aria-valuetext", text);
  }

  open() {
    const row = this.rows?.[this.index];
    if (row) location.assign(`${this.box.dataset.pages}${row.timestamp}/`);
  }
}

/** A custom property's colour as a canvas takes it: of the two, light or dark, that holds now. */
function read(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function translucent(color) {
  return color.replace("rgb(", "rgba(").replace(")", ", 0.2)");
}

function fit(value) {
  return Math.abs(value) <= LARGEST ? value : null;
}

function write(value) {
  return value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(6)));
}

const charts = new Map();

/** Those that came with the page, or with a part of it. */
function drawAll() {
  for (const box of charts.keys()) if (!box.isConnected) charts.delete(box);
  for (const box of document.querySelectorAll(".measurement-chart")) {
    if (!charts.has(box)) charts.set(box, new Chart(box));
  }
}

drawAll();
document.addEventListener("htmx:afterSettle", drawAll);
document.body.addEventListener("measured", () => charts.forEach((chart) => chart.load()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  charts.forEach((chart) => chart.rows && chart.draw()),
);
