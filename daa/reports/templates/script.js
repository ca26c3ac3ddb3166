"use strict";
// Sorting, filters, the place in the navigation, interactive plots. Without it all is there, too.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

for (const table of all("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const value = cell => {
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = parseFloat(text.replaceAll(",", "").replace("−", "-"));
    return isNaN(number) ? text : number;
  };
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a.cells[column]), value(b.cells[column])];
      if (x === "" || y === "") return (x === "") - (y === "");
      if (typeof x !== typeof y) return typeof x === "string" ? 1 : -1;
      const order = typeof x === "string" ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }));
}

const filters = document.querySelector(".filters");
if (filters) {
  const folded = new Map(all("details:has(table.runs)").map(one => [one, one.open]));
  const apply = () => {
    const { target, loss, attack } = Object.fromEntries(new FormData(filters));
    const any = target || loss || attack;
    let shown = 0, rows = 0;
    for (const section of all(".experiment")) {
      let here = 0;
      const there = !target || section.dataset.target === target;
      for (const row of all("table.runs tbody tr", section)) {
        const fits = (!loss || row.dataset.loss === loss) && (!attack || row.dataset.attack === attack);
        row.hidden = !fits;
        here += there && fits;
        rows += 1;
      }
      section.hidden = !here;
      shown += here;
    }
    for (const group of all(".group")) group.hidden = !all(".experiment:not([hidden])", group).length;
    for (const [one, open] of folded) one.open = any ? true : open;
    for (const card of all(".cards > .card")) card.hidden = Boolean(target) && card.dataset.target !== target;
    filters.querySelector("output").textContent = any ? `${shown} of ${rows} runs` : `${rows} runs`;
  };
  filters.hidden = false;
  filters.addEventListener("change", apply);
  filters.addEventListener("reset", () => setTimeout(apply));
  apply();
}

// A link into a table that is folded opens it.
const unfold = () => {
  const section = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (section) for (const one of all("details:has(table.runs)", section)) one.open = true;
};
addEventListener("hashchange", unfold);
unfold();

const links = new Map(all("nav a").map(link => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(entries => {
  for (const entry of entries.filter(entry => entry.isIntersecting)) {
    for (const [name, link] of links) {
      if (name === entry.target.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const name of links.keys()) {
  const section = document.getElementById(name);
  if (section) seen.observe(section);
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const DASHES = { "-": [], "--": [7, 4], ":": [2, 3], "-.": [7, 3, 2, 3] };
const FONT = "12px system-ui, sans-serif";

// The last point of a line at or before x; a line of steps holds its value until the next one.
function at(line, x) {
  let k = -1;
  while (k + 1 < line.x.length && line.x[k + 1] <= x * 1.0001) k += 1;
  if (k < 0 || (!line.step && line.x[k] < x * 0.9999)) return null;
  return k === line.x.length - 1 && x > 1.05 * line.x[k] && !line.points ? null : k;
}

const height = width => Math.round(Math.min(Math.max(0.66 * width, 260), 360));

function options(data, width) {
  const axis = {
    font: FONT, labelFont: FONT, stroke: () => colour("ink"), labelSize: 22,
    grid: { stroke: () => colour("rule"), width: 1 }, ticks: { stroke: () => colour("rule"), width: 1 },
  };
  const two = data.ticks?.some(([, text]) => text.includes("\n"));
  const texts = new Map(data.ticks ?? []);
  const xs = data.lines.flatMap(line => line.x);
  const pad = data.log ? 0 : 0.03 * (Math.max(...xs) - Math.min(...xs) || 1);
  const incrs = data.whole ? [1, 2, 5, 10, 20, 50] : undefined;
  // Texts that would run into the one before are left out.
  const values = u => {
    let end = -Infinity;
    return [...texts].map(([tick, text]) => {
      const place = u.valToPos(tick, "x"), half = 4 * Math.max(...text.split("\n").map(line => line.length));
      if (place - half < end) return "";
      end = place + half;
      return text;
    });
  };
  const chosen = data.ticks && { splits: () => [...texts.keys()], values, filter: (u, splits) => splits };
  return {
    width, height: height(width),
    scales: {
      x: { time: false, distr: data.log ? 3 : 1, range: (u, low, high) => [low - pad, high + pad] },
      y: data.limits ? { range: (u, low, high) => zoomed.has(u) ? [low, high] : data.limits } : {},
    },
    axes: [{ ...axis, label: width < 420 ? data.x.split(" (")[0] : data.x, size: two ? 48 : 34, incrs, ...chosen }, { ...axis, label: data.y, size: 44 }],
    legend: { markers: { width: 3, dash: (u, k) => ({ "-": "solid", ":": "dotted" })[data.lines[k - 1]?.dash ?? "-"] ?? "dashed" } },
    cursor: { points: { size: 7 }, drag: { x: true, y: true, uni: 20 } },
    hooks: {
      setSelect: [u => zoomed.add(u)],
      draw: data.level ? [u => level(u, data.level)] : [],
    },
    series: [
      { label: data.x.split(" (")[0].split(";")[0], value: (u, x) => x == null ? "end of each line" : String(+x.toPrecision(3)) },
      ...data.lines.map(line => ({
        label: line.label, stroke: () => colour(line.colour), width: line.width, dash: DASHES[line.dash],
        spanGaps: true, points: { show: line.points, size: 6, fill: () => colour(line.colour) },
        paths: line.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
        value: (u, y, s, index) => {
          const k = index == null ? null : at(line, u.data[0][index]);
          if (k === null) return index == null ? line.y.at(-1).toFixed(2) : "";
          return line.y[k].toFixed(2) + (line.low && line.low[k] !== line.high[k] ? ` (${line.low[k].toFixed(2)} to ${line.high[k].toFixed(2)})` : "");
        },
      })),
    ],
  };
}

const zoomed = new WeakSet();

function level(u, [value, text]) {
  const { ctx, bbox } = u, y = Math.round(u.valToPos(value, "y", true));
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("soft");
  ctx.setLineDash([3, 4]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.fillText(text, bbox.left + 6, y - 6);
  ctx.restore();
}

function plot(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const table = uPlot.join(data.lines.map(line => [line.x, line.y]));
  const width = Math.floor(figure.clientWidth);
  figure.classList.add("live");
  const place = document.createElement("div");
  figure.querySelector("svg").after(place);
  place.className = "plot";
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", data.about);
  if (data.title) place.appendChild(document.createElement("h5")).textContent = data.title;
  const u = new uPlot(options(data, width), table, place);
  u.over.addEventListener("dblclick", () => zoomed.delete(u), true);
  new ResizeObserver(() => {
    const now = Math.floor(figure.clientWidth);
    if (now && now !== u.width) u.setSize({ width: now, height: height(now) });
  }).observe(figure);
  return u;
}

// Plots come to life as they come near the screen; where that fails, the figure stays.
const drawn = [];
const near = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && target.clientWidth) {
      near.unobserve(target);
      drawn.push(plot(target));
    }
  }
}, { rootMargin: "600px" });
for (const figure of all("figure:has(> script)")) near.observe(figure);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(u => u.redraw(false, true)));
