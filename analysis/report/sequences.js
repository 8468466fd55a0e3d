"use strict";
// The scores of two trackers sequence by sequence, their difference, and a button that opens the player.
const table = { of: "sequences", key: "difference", up: false, benchmark: "", metric: "", a: 0, b: 0 };

renderers.sequences = () => {
  const found = benchmark();
  if (table.benchmark !== found.name) beginTable(found);
  const scores = found.sequences.scores[table.metric];
  byId("sequences-none").hidden = Boolean(scores);
  byId("sequences-some").hidden = !scores;
  if (!scores) return;
  const played = DATA.player[found.name] || {};
  const words = byId("sequences-filter").value.trim().toLowerCase();
  const all = found.sequences.names.map((name, at) => tableRow(name, at, scores, played));
  const playable = byId("sequences-playable").checked;
  const rows = all.filter((row) => row.name.toLowerCase().includes(words) && (row.strip || !playable));
  const head = element(
    "tr",
    {},
    heading("Sequence", "name", table, render, false),
    heading(label(table.a), "a", table, render, true),
    heading(label(table.b), "b", table, render, true),
    heading("Difference", "difference", table, render, true),
    element("th", { scope: "col" }, "Best of all"),
    element("th", { scope: "col" }, "Player"),
  );
  const largest = Math.max(...rows.map((row) => Math.abs(row.difference ?? 0)), 1e-9);
  const body = sorted(rows, (row) => row[table.key], table.up).map((row) => sequenceRow(row, largest));
  replace(byId("sequences-table"), element("thead", {}, head), element("tbody", {}, ...body));
  byId("sequences-count").textContent = `${rows.length} of ${all.length} sequences`;
};

function beginTable(found) {
  const metrics = found.metrics.filter((each) => found.sequences.scores[each.name]);
  Object.assign(table, { benchmark: found.name, metric: found.sequences.metric, key: "difference", up: false });
  if (!metrics.length) return;
  options(byId("sequences-metric"), metrics.map((each) => [each.name, each.label]), table.metric);
  const places = Object.keys(found.sequences.scores[table.metric]).map(Number);
  const value = (place) => found.rows.find((row) => row.tracker === place).values[found.metrics[0].name]?.[0] ?? null;
  const rest = (first) => sorted(places.filter((place) => place !== first && DATA.trackers[place].plotted), value, false);
  table.a = places.includes(reference()) ? reference() : rest(-1)[0] ?? places[0];
  table.b = rest(table.a)[0] ?? table.a;
  for (const key of ["a", "b"]) {
    options(byId(`sequences-${key}`), places.map((place) => [String(place), label(place)]), String(table[key]));
  }
}

function tableRow(name, at, scores, played) {
  const [a, b] = [table.a, table.b].map((place) => (scores[place] ? scores[place][at] : null));
  const places = Object.keys(scores).filter((place) => scores[place][at] !== null);
  const lower = benchmark().metrics.find((each) => each.name === table.metric).lower;
  const best = sorted(places, (place) => scores[place][at], lower)[0];
  return {
    name,
    a,
    b,
    difference: a === null || b === null ? null : a - b,
    best: best === undefined ? "–" : `${label(best)} ${shown(scores[best][at])}`,
    strip: Object.hasOwn(played, name) ? played[name] : null,
  };
}

function sequenceRow(row, largest) {
  const play = { type: "button", onclick: () => openPlayer(benchmark(), row.name, row.strip), "aria-label": `Play ${row.name}` };
  const cell = element("td", { class: "n" }, shown(row.difference, true));
  if (row.difference !== null) cell.style.background = gradient(row.difference / largest);
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, row.name),
    element("td", { class: "n" }, shown(row.a)),
    element("td", { class: "n" }, shown(row.b)),
    cell,
    element("td", {}, row.best),
    element("td", {}, row.strip ? element("button", play, row.strip.images ? "▶ strip" : "▶ from disk") : null),
  );
}

// Blue to the left of the middle where the second leads, orange to the right where the first does.
function gradient(share) {
  const [from, to] = share < 0 ? [50 + 50 * share, 50] : [50, 50 + 50 * share];
  const tint = share < 0 ? "rgba(0,114,178,.3)" : "rgba(213,94,0,.3)";
  return `linear-gradient(90deg, transparent ${from}%, ${tint} ${from}%, ${tint} ${to}%, transparent ${to}%)`;
}

addEventListener("DOMContentLoaded", () => {
  byId("sequences-filter").addEventListener("input", render);
  byId("sequences-playable").addEventListener("change", render);
  byId("sequences-metric").addEventListener("change", (event) => {
    table.metric = event.target.value;
    render();
  });
  for (const key of ["a", "b"]) {
    byId(`sequences-${key}`).addEventListener("change", (event) => {
      table[key] = Number(event.target.value);
      render();
    });
  }
});
