"use strict";
// The course of training: one branch's loss, a line a model and seed.
renderers.training = () => {
  const branches = Object.entries(DATA.losses);
  byId("training-some").hidden = !branches.length;
  if (!branches.length) return;
  const select = byId("training-branch");
  if (!select.options.length) options(select, branches.map(([name, each]) => [name, each.title]), branches[0][0]);
  const traces = DATA.losses[select.value].series.map((each, place) => ({
    x: each.x,
    y: each.y,
    name: plain(each.label),
    mode: "lines",
    line: { color: color(place), dash: dash(place), width: 1.5 },
    hovertemplate: `%{x}: %{y:.3f}<extra>${plain(each.label)}</extra>`,
  }));
  plot(byId("training-plot"), traces, layout("Iteration", "Loss", { showlegend: true, legend: { font: { size: 11 } } }));
};

addEventListener("DOMContentLoaded", () => byId("training-branch").addEventListener("change", render));
