"use strict";
// The leaderboard of a benchmark: every tracker's metrics with their errors, over all sequences or those of an attribute.
const board = { of: "board", key: "", up: false, benchmark: "", attribute: "" };

renderers.leaderboards = () => {
  const found = benchmark();
  if (board.benchmark !== found.name) {
    Object.assign(board, { benchmark: found.name, key: found.metrics[0].name, up: found.metrics[0].lower, attribute: "" });
    const tags = Object.entries(found.attributes).map(([tag, each]) => [tag, `${tag} (${each.sequences} sequences)`]);
    options(byId("board-attribute"), [["", "all sequences"], ...tags], "");
  }
  const kinds = [...document.querySelectorAll("[name=kind]:checked")].map((box) => box.value);
  const words = byId("board-filter").value.trim().toLowerCase();
  const all = boardRows(found);
  const rows = all.filter((row) => kinds.includes(row.kind) && row.label.toLowerCase().includes(words));
  const value = board.key === "label" ? (row) => row.label : (row) => row.values[board.key] && row.values[board.key][0];
  const metric = found.metrics.find((each) => each.name === board.key) || found.metrics[0];
  const head = element(
    "tr",
    {},
    heading("Tracker", "label", board, render, false),
    ...found.metrics.map((each) => heading(each.label + (each.lower ? " ↓" : " ↑"), each.name, board, render, true)),
    element("th", { scope: "col" }, metric.label + ", one standard error"),
    element("th", { scope: "col", class: "n" }, "Seeds"),
    element("th", { scope: "col" }, "Remarks"),
  );
  const best = Object.fromEntries(found.metrics.map((each) => [each.name, bestOf(rows, each)]));
  const scale = scaleOf(rows, metric.name);
  const body = sorted(rows, value, board.up).map((row) => boardRow(row, found.metrics, metric.name, best, scale));
  replace(byId("board"), element("thead", {}, head), element("tbody", {}, ...body));
  byId("board-count").textContent = `${rows.length} of ${all.length} rows`;
};

function boardRows(found) {
  const tagged = found.attributes[board.attribute];
  return found.rows
    .filter((row) => !board.attribute || (row.tracker !== undefined && tagged.values[row.tracker]))
    .map((row) => ({
      ...row,
      label: row.tracker === undefined ? row.label : label(row.tracker),
      kind: row.tracker === undefined ? "reported" : DATA.trackers[row.tracker].kind,
      values: board.attribute ? tagged.values[row.tracker] : row.values,
      reasons: board.attribute ? {} : row.reasons,
    }));
}

function boardRow(row, metrics, chosen, best, scale) {
  const cells = metrics.map(({ name }) => {
    const value = row.values[name];
    if (!value || value[0] === null) {
      const reason = row.reasons[name] || { text: "–", why: "" };
      return element("td", { class: "n why", title: reason.why }, reason.text);
    }
    const text = estimate(value);
    return element("td", { class: "n" }, value[0] === best[name] ? element("b", {}, text) : text);
  });
  const remarks = [row.partial, ...(row.notes || [])].filter(Boolean).join("; ");
  const value = row.values[chosen];
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, row.label),
    ...cells,
    element("td", {}, value && value[0] !== null ? bar(value, scale) : null),
    element("td", { class: "n" }, row.seeds === undefined ? "–" : String(row.seeds)),
    element("td", { class: "why" }, remarks),
  );
}

function bestOf(rows, metric) {
  const values = rows.map((row) => row.values[metric.name] && row.values[metric.name][0]).filter((each) => each != null);
  return values.length > 1 ? Math[metric.lower ? "min" : "max"](...values) : null;
}

function scaleOf(rows, metric) {
  const known = rows.map((row) => row.values[metric]).filter((value) => value && value[0] !== null);
  const low = Math.min(...known.map(([value, error]) => value - (error || 0)));
  const high = Math.max(...known.map(([value, error]) => value + (error || 0)));
  return (value) => 4 + (168 * (value - low)) / (high - low || 1);
}

function bar([value, error], scale) {
  const [x, left, right] = [value, value - (error || 0), value + (error || 0)].map(scale);
  const line = (x1, y1, x2, y2) => drawing("line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-width": 1.5 });
  const whiskers = error === null ? [] : [line(left, 9, right, 9), line(left, 5, left, 13), line(right, 5, right, 13)];
  const dot = drawing("circle", { cx: x, cy: 9, r: 3.5, fill: "currentColor" });
  const name = { class: "bar", viewBox: "0 0 176 18", role: "img", "aria-label": estimate([value, error]) };
  return drawing("svg", name, ...whiskers, dot);
}

addEventListener("DOMContentLoaded", () => {
  byId("board-filter").addEventListener("input", render);
  for (const box of document.querySelectorAll("[name=kind]")) box.addEventListener("change", render);
  byId("board-attribute").addEventListener("change", () => {
    board.attribute = byId("board-attribute").value;
    render();
  });
});
