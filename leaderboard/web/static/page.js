// Draws the figures over their tables, and keeps the page of a run that goes on up to date. Without it all is still readable.
"use strict";

const charts = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function dataset(series, figure) {
  const paint = colour(series.colour);
  const at = figure.names.length ? (p) => figure.names[p[0]] : (p) => p[0];
  const points = series.points.map((p) => (figure.sideways ? { y: at(p), x: p[1] } : { x: at(p), y: p[1] }));
  points.forEach((point, i) => { point.tip = series.points[i][4]; point.low = series.points[i][2]; point.high = series.points[i][3]; });
  const common = { label: series.name, data: points, backgroundColor: paint, borderColor: paint };
  if (series.kind === "bars") return { ...common, type: "bar", borderRadius: 2, grouped: false,
    ...(figure.sideways ? { maxBarThickness: 16 } : { categoryPercentage: 0.97, barPercentage: 0.97 }) };
  if (series.kind === "steps") return { ...common, type: "line", stepped: "before", pointRadius: 0, pointStyle: "line", borderWidth: series.colour === "ink" ? 2.5 : 1.5, order: 2 };
  return { ...common, type: "line", showLine: false, pointRadius: 4, pointHoverRadius: 6, borderColor: colour("raised"), borderWidth: 1, order: 1,
    ranges: series.kind === "ranges" ? paint : null };
}

// A line from low to high through each point that has an interval.
const intervals = {
  id: "intervals",
  beforeDatasetsDraw(chart) {
    const { ctx, scales } = chart;
    chart.data.datasets.forEach((set, index) => {
      if (!set.ranges) return;
      ctx.save();
      ctx.strokeStyle = set.ranges;
      ctx.lineWidth = 2;
      chart.getDatasetMeta(index).data.forEach((element, i) => {
        const { low, high } = set.data[i];
        if (low === null) return;
        ctx.beginPath();
        ctx.moveTo(element.x, scales.y.getPixelForValue(low));
        ctx.lineTo(element.x, scales.y.getPixelForValue(high));
        ctx.stroke();
      });
      ctx.restore();
    });
  },
};

function extent(figure) {
  if (figure.window) return { min: figure.window[0], max: figure.window[1] };
  const values = figure.series.flatMap((s) => s.points.flatMap((p) => [p[2], p[3]])).filter((v) => v !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)], margin = 0.05 * (high - low);
  return values.length ? { suggestedMin: low - margin, suggestedMax: high + margin } : {};
}

function axis(title, named, extra) {
  const quiet = colour("quiet");
  return { type: named ? "category" : "linear", title: { display: !named && Boolean(title), text: title, color: quiet },
    ticks: { color: quiet, maxRotation: 0, autoSkip: true, includeBounds: false, ...(named ? {} : { maxTicksLimit: 7 }) },
    grid: { color: named ? "transparent" : colour("hair") }, border: { color: colour("edge") }, ...extra };
}

function last(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function draw(element) {
  const plot = element.querySelector(".plot");
  const figure = JSON.parse(element.querySelector("script").textContent);
  charts.get(element)?.destroy();
  plot.replaceChildren(Object.assign(document.createElement("canvas"), { role: "img", ariaLabel: figure.says }));
  if (figure.sideways) plot.style.height = `${26 * figure.names.length + 64}px`;
  const named = axis("", true, { labels: figure.names, offset: true });
  if (figure.sideways) named.ticks = { ...named.ticks, autoSkip: false, callback: (at) => last(figure.names[at], 24) };
  const value = axis(figure.y, false, extent(figure));
  const legend = figure.series.length > 1 && !figure.sideways;
  const chart = new Chart(plot.firstChild, {
    data: { datasets: figure.series.map((series) => dataset(series, figure)) },
    plugins: [intervals],
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, indexAxis: figure.sideways ? "y" : "x",
      interaction: { mode: "nearest", intersect: true },
      scales: figure.sideways ? { x: value, y: named }
        : { x: figure.names.length ? { ...named, title: { display: true, text: figure.x, color: colour("quiet") } } : axis(figure.x, false, { min: 0 }), y: value },
      plugins: {
        legend: { display: legend, position: "bottom", align: "start", labels: { color: colour("quiet"), usePointStyle: true, boxWidth: 9, boxHeight: 6, padding: 14 } },
        tooltip: { callbacks: { afterLabel: (item) => item.raw.tip || "" } },
      },
    },
  });
  charts.set(element, chart);
}

function drawAll(root) {
  for (const element of root.querySelectorAll("figure.chart")) {
    draw(element);
    element.querySelector("details").open = opened.has(element.id);
  }
}

const opened = new Set();  // tables that the reader has opened stay open when the page is brought up to date
document.addEventListener("toggle", (event) => {
  const figure = event.target.closest?.("figure.chart");
  if (figure && charts.has(figure)) opened[event.target.open ? "add" : "delete"](figure.id);
}, true);

function themed() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12;
  for (const element of charts.keys()) draw(element);
}

// A run that goes on: the server says that there is news, the page is asked for again, and what has changed in it is put in place.
async function bringUpToDate() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-swap]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === part.dataset.was) continue;
    const focused = part.contains(document.activeElement) ? path(part, document.activeElement) : null;
    const scrolled = [...part.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    for (const figure of part.querySelectorAll("figure.chart")) { charts.get(figure)?.destroy(); charts.delete(figure); }
    const was = next.innerHTML;
    part.replaceChildren(...next.childNodes);
    part.dataset.was = was;
    drawAll(part);
    part.querySelectorAll(".scroll").forEach((box, i) => { if (scrolled[i]) [box.scrollLeft, box.scrollTop] = scrolled[i]; });
    if (focused) follow(part, focused)?.focus({ preventScroll: true });
  }
  tick();
}

function path(root, element) {
  const steps = [];
  for (; element !== root; element = element.parentElement) steps.unshift([...element.parentElement.children].indexOf(element));
  return steps;
}

function follow(root, steps) {
  return steps.reduce((element, step) => element?.children[step], root);
}

let clockFrom = performance.now();
function tick() {
  const clock = document.querySelector("[data-clock]");
  if (!clock) return;
  if (clock.dataset.seen !== clock.dataset.clock) { clock.dataset.seen = clock.dataset.clock; clockFrom = performance.now(); }
  const elapsed = Number(clock.dataset.clock) + (performance.now() - clockFrom) / 1000;
  clock.textContent = elapsed < 120 ? `${Math.floor(elapsed)} s` : `${Math.floor(elapsed / 60)} min`;
  const bar = document.querySelector("progress");
  if (bar) bar.value = Math.min(elapsed, bar.max);
}

function follow_run(address) {
  const source = new EventSource(address);
  const said = document.getElementById("said");
  for (const kind of ["news", "end"]) {
    source.addEventListener(kind, async (event) => {
      if (kind === "end") source.close();
      await bringUpToDate();
      said.textContent = event.data;
      if (kind === "end") document.querySelector("main").removeAttribute("data-live");
    });
  }
  setInterval(tick, 1000);
  addEventListener("pagehide", () => source.close());
}

for (const part of document.querySelectorAll("[data-swap]")) part.dataset.was = part.innerHTML;
drawAll(document);
themed();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
const live = document.querySelector("main[data-live]");
if (live) follow_run(live.dataset.live);
