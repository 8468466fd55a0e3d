"use strict";
// Curves over thresholds and lengths, and a metric attribute by attribute; trackers are toggled.
const curves = { benchmark: "", curve: "", attribute: "", metric: "", shown: new Set() };
const BANDS = 6; // of so many trackers at most: more hide one another

renderers.curves = () => {
  const found = benchmark();
  if (curves.benchmark !== found.name) beginCurves(found);
  const curve = found.curves[curves.curve];
  const tagged = found.attributes[curves.attribute];
  const series = !curve ? {} : tagged ? tagged.curves[curves.curve] || {} : curve.series;
  byId("curves-none").hidden = Boolean(curve);
  for (const node of document.querySelectorAll("#curves .split, #curves-tags")) node.hidden = !curve;
  if (!curve) return;
  const values = tagged ? tagged.values : Object.fromEntries(found.rows.map((row) => [row.tracker, row.values]));
  const places = Object.keys(series).map(Number);
  const score = (place) => (values[place] && values[place][curves.metric] && values[place][curves.metric][0]) ?? null;
  const ordered = sorted(places, score, Boolean(metricOf(found).lower));
  replace(byId("curves-toggles"), ...ordered.map((place) => toggle(place, values[place], curves.shown)));
  drawCurves(curve, ordered.filter((place) => curves.shown.has(place)), series, tagged);
  drawTags(found, ordered.filter((place) => curves.shown.has(place)));
};

function beginCurves(found) {
  const names = Object.keys(found.curves);
  const tags = Object.entries(found.attributes).filter(([, each]) => Object.keys(each.curves).length);
  Object.assign(curves, { benchmark: found.name, curve: names[0] || "", attribute: "", metric: found.metrics[0].name });
  const places = names.flatMap((name) => Object.keys(found.curves[name].series)).map(Number);
  curves.shown = new Set(places.filter((place) => DATA.trackers[place].plotted));
  options(byId("curves-curve"), names.map((name) => [name, found.curves[name].title]), curves.curve);
  const texts = tags.map(([tag, each]) => [tag, `${tag} (${each.sequences} sequences)`]);
  options(byId("curves-attribute"), [["", "all sequences"], ...texts], "");
  options(byId("curves-metric"), found.metrics.map((each) => [each.name, each.label]), curves.metric);
}

function metricOf(found) {
  return found.metrics.find((each) => each.name === curves.metric);
}

function toggle(place, values, chosen) {
  const change = (event) => {
    chosen[event.target.checked ? "add" : "delete"](place);
    render();
    const again = document.querySelector(`#curves-toggles [data-tracker="${place}"]`);
    if (again) again.focus();
  };
  const box = { type: "checkbox", "data-tracker": place, checked: chosen.has(place), onchange: change };
  const value = values && values[curves.metric] ? shown(values[curves.metric][0]) : "";
  return element("label", {}, element("input", box), swatch(place), element("span", {}, label(place)), element("span", {}, value));
}

function drawCurves(curve, places, series, tagged) {
  const traces = [];
  for (const place of places) {
    const y = tagged ? series[place] : series[place].y;
    const error = tagged ? null : series[place].stderr;
    const x = curve.x.slice(0, y.length);
    if (error && places.length <= BANDS) {
      const edge = (sign) => y.map((each, index) => each + sign * (error[index] || 0));
      const none = { mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
      traces.push({ ...none, x, y: edge(-1) }, { ...none, x, y: edge(1), fill: "tonexty", fillcolor: faint(color(place)) });
    }
    traces.push({
      x,
      y,
      name: plain(label(place)),
      mode: "lines",
      line: { color: color(place), dash: dash(place), width: 2 },
      customdata: error,
      hovertemplate: `%{x}: %{y:.3f}${error ? " ± %{customdata:.3f}" : ""}<extra>${plain(label(place))}</extra>`,
    });
  }
  const interval = benchmark().interval;
  const mark = { type: "rect", xref: "x", yref: "paper", y0: 0, y1: 1, line: { width: 0 }, fillcolor: "rgba(128,128,128,.18)" };
  const shapes = curves.curve === "expected_overlap" && interval ? [{ ...mark, x0: interval[0], x1: interval[1] }] : [];
  plot(byId("curves-plot"), traces, layout(curve.xlabel, curve.ylabel, { shapes }));
}

// rgb(...) or #rrggbb, made transparent.
function faint(text) {
  if (!text.startsWith("#")) return text.replace("rgb(", "rgba(").replace(")", ", 0.15)");
  return `rgba(${[1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)).join(", ")}, 0.15)`;
}

function drawTags(found, places) {
  const tags = Object.keys(found.attributes);
  byId("curves-tags").hidden = !tags.length;
  if (!tags.length) return;
  const traces = places.map((place, index) => {
    const values = tags.map((tag) => (found.attributes[tag].values[place] || {})[curves.metric] || [null, null]);
    const shift = 0.6 * ((index + 0.5) / places.length - 0.5);
    return {
      x: tags.map((_, at) => at + shift),
      y: values.map(([value]) => value),
      error_y: { type: "data", array: values.map(([, error]) => error || 0), color: color(place), thickness: 1, width: 2 },
      mode: "markers",
      marker: { color: color(place), size: 7, symbol: place % 40 },
      customdata: tags.map((tag, at) => [plain(tag), shown(values[at][1])]),
      hovertemplate: `%{customdata[0]}: %{y:.3f} ± %{customdata[1]}<extra>${plain(label(place))}</extra>`,
    };
  });
  const shape = layout("", metricOf(found).label, {});
  const texts = tags.map((tag) => plain(`${tag} (${found.attributes[tag].sequences})`));
  Object.assign(shape.xaxis, { tickvals: tags.map((_, at) => at), ticktext: texts });
  plot(byId("tags-plot"), traces, shape);
}

addEventListener("DOMContentLoaded", () => {
  for (const key of ["curve", "attribute", "metric"]) {
    byId(`curves-${key}`).addEventListener("change", (event) => {
      curves[key] = event.target.value;
      render();
    });
  }
  byId("curves-all").addEventListener("click", () => {
    for (const box of document.querySelectorAll("#curves-toggles input")) curves.shown.add(Number(box.dataset.tracker));
    render();
  });
  byId("curves-no").addEventListener("click", () => {
    curves.shown.clear();
    render();
  });
});
