"use strict";
// The numbers of the page, and what every part of it uses: elements, colours, pages, the theme.
const DATA = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's palette; black becomes white on a dark page.
const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "", "#B8AE1E"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const STROKES = ["", "5 2", "1.5 2", "5 2 1.5 2", "8 2"];
const TRUTH = "truth";
const state = { benchmark: DATA.benchmarks.length ? DATA.benchmarks[0].name : "" };
const renderers = {}; // page -> what draws it, when it is shown and when the theme or the benchmark changes

function byId(id) {
  return document.getElementById(id);
}

// Text goes in as text: no name of a tracker or sequence is ever read as markup.
function element(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function drawing(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function replace(node, ...children) {
  node.replaceChildren(...children);
  return node;
}

function benchmark() {
  return DATA.benchmarks.find((each) => each.name === state.benchmark);
}

function label(place) {
  return DATA.trackers[place].label;
}

function reference() {
  return Math.max(0, DATA.trackers.findIndex((tracker) => tracker.name === DATA.reference));
}

function color(place) {
  return PALETTE[place % PALETTE.length] || ink().text;
}

function dash(place) {
  return DASHES[place % DASHES.length];
}

function shown(value, signed) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(3);
  return (value < 0 ? "−" : signed ? "+" : "") + text;
}

function estimate([value, error]) {
  return shown(value) + (error === null ? "" : " ± " + shown(error));
}

function ink() {
  const style = getComputedStyle(document.body);
  return { text: style.color, line: getComputedStyle(document.querySelector("nav")).borderRightColor };
}

// A short line in a tracker's colour and dashes.
function swatch(place) {
  const line = { x1: 0, y1: 6, x2: 26, y2: 6, stroke: color(place), "stroke-width": 2.5 };
  line["stroke-dasharray"] = STROKES[place % STROKES.length];
  return drawing("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" }, drawing("line", line));
}

function options(select, pairs, chosen) {
  replace(select, ...pairs.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
  if (chosen !== undefined) select.value = chosen;
}

// ---- sorting: a heading's button sorts by its column, and again in the other direction

function heading(text, key, sorting, render, numeric) {
  const active = sorting.key === key;
  const direction = active ? (sorting.up ? "ascending" : "descending") : "none";
  const click = () => {
    sorting.up = active ? !sorting.up : !numeric;
    sorting.key = key;
    render();
    const again = document.querySelector(`[data-sort="${CSS.escape(key)}"][data-of="${sorting.of}"]`);
    if (again) again.focus();
  };
  const button = element("button", { type: "button", "data-sort": key, "data-of": sorting.of, onclick: click }, text);
  return element("th", { scope: "col", class: numeric ? "n" : null, "aria-sort": direction }, button);
}

// What is unknown comes last in either direction.
function sorted(rows, value, up) {
  const known = rows.filter((row) => value(row) !== null && value(row) !== undefined);
  const others = rows.filter((row) => value(row) === null || value(row) === undefined);
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  known.sort((a, b) => (up ? 1 : -1) * compare(value(a), value(b)));
  return known.concat(others);
}

// ---- plots

function layout(x, y, more) {
  const { text, line } = ink();
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return {
    font: { family: "system-ui, 'DejaVu Sans', sans-serif", size: 12, color: text },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 60, r: 16, t: 16, b: 48 },
    autosize: true,
    showlegend: false,
    hovermode: "closest",
    xaxis: { ...axis, title: { text: plain(x), standoff: 8 } },
    yaxis: { ...axis, title: { text: plain(y), standoff: 8 } },
    ...more,
  };
}

// Plotly reads some tags in texts.
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function plot(node, traces, shape) {
  Plotly.react(node, traces, shape, { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] });
}

// ---- pages: one is shown, the one that holds the target of the address

function page() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  const section = target && target.closest("main > section");
  return section || document.querySelector("main > section");
}

function turn() {
  const current = page();
  for (const section of document.querySelectorAll("main > section")) section.hidden = section !== current;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + current.id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  render();
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (target && target !== current) target.scrollIntoView();
  else scrollTo(0, 0);
}

function render() {
  const draw = renderers[page().id];
  if (draw && benchmark()) draw();
}

function choose(name) {
  state.benchmark = name;
  for (const select of document.querySelectorAll("select.benchmark")) select.value = name;
  render();
}

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  const dark = name ? name === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  byId("theme").setAttribute("aria-pressed", dark);
  byId("theme").textContent = dark ? "Light" : "Dark";
  render();
}

function kept(name) {
  try {
    if (name) localStorage.setItem("siamrcr-theme", name);
    return localStorage.getItem("siamrcr-theme");
  } catch {
    return null; // some browsers keep nothing for files
  }
}

function begin() {
  for (const select of document.querySelectorAll("select.benchmark")) {
    options(select, DATA.benchmarks.map((each) => [each.name, each.label]), state.benchmark);
    select.addEventListener("change", () => choose(select.value));
  }
  byId("theme").addEventListener("click", () => {
    const name = byId("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark";
    kept(name);
    theme(name);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme(kept()));
  addEventListener("hashchange", turn);
  document.documentElement.dataset.ready = "";
  const known = kept();
  theme(known === "light" || known === "dark" ? known : "");
  turn();
}

addEventListener("DOMContentLoaded", begin);
