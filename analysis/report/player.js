"use strict";
// Frames of a sequence with every tracker's boxes: the strip inside the page, or all frames from the files beside it.
const player = { name: "", benchmark: null, shown: null, at: 0, timer: 0, beside: "" };
const INTERVAL = { strip: 700, whole: 40 }; // milliseconds a frame

function openPlayer(found, name, strip) {
  stop();
  Object.assign(player, { name, benchmark: found, at: 0, beside: strip.beside, shown: null });
  byId("player-title").textContent = `${name}, ${found.label}`;
  byId("player-whole").disabled = false;
  byId("player-said").textContent = "";
  if (strip.images) load(strip, strip.frames, (at) => strip.images[at] && `data:image/jpeg;base64,${strip.images[at]}`);
  byId("player-body").hidden = !strip.images;
  byId("player").showModal();
  if (!strip.images) fetchWhole();
}

// `boxes` of the clip are by position among `numbers`, frame numbers from 0.
function load(clip, numbers, source) {
  player.shown ??= new Set(standing(clip));
  Object.assign(player, { clip, numbers, source });
  const range = byId("player-range");
  range.max = numbers.length - 1;
  player.at = Math.min(player.at, numbers.length - 1);
  const names = Object.keys(clip.boxes).filter((key) => key !== TRUTH).map(Number);
  replace(byId("player-toggles"), ...[TRUTH, ...names].map(layer));
  byId("player-body").hidden = false;
  draw(player.at);
}

// At first the truth, the reference and the two trackers of the table are drawn.
function standing(clip) {
  const wanted = [reference(), table.a, table.b].filter((place) => clip.boxes[place]);
  return [TRUTH, ...wanted];
}

function layer(key) {
  const change = (event) => {
    player.shown[event.target.checked ? "add" : "delete"](key);
    draw(player.at);
  };
  const box = element("input", { type: "checkbox", "data-layer": key, checked: player.shown.has(key), onchange: change });
  if (key !== TRUTH) return element("label", {}, box, swatch(key), element("span", {}, label(key)));
  const line = drawing("line", { x1: 0, y1: 6, x2: 26, y2: 6, stroke: "#fff", "stroke-width": 3 });
  const edge = drawing("line", { x1: 0, y1: 6, x2: 26, y2: 6, stroke: "#000", "stroke-width": 6 });
  const sample = drawing("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" }, edge, line);
  return element("label", {}, box, sample, element("span", {}, "ground truth"));
}

function draw(at) {
  player.at = at;
  const { clip, numbers, source } = player;
  const [width, height] = extent(clip);
  const stage = byId("player-stage");
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.width = `min(100%, calc(62vh * ${width / height}))`;
  const image = byId("player-image");
  const address = source(at);
  image.hidden = !address;
  if (address) image.src = address;
  byId("player-boxes").setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
  const layers = [...player.shown].filter((key) => clip.boxes[key] && clip.boxes[key][at]);
  // All the dark edges first: no tracker's edge hides another's colour.
  const shapes = [6, 2.5].flatMap((wide) => layers.map((key) => outline(key, clip.boxes[key][at], wide)));
  replace(byId("player-boxes"), ...shapes);
  byId("player-range").value = at;
  byId("player-frame").textContent = `frame ${numbers[at] + 1} of ${clip.length}`;
  byId("player-range").setAttribute("aria-valuetext", byId("player-frame").textContent);
  const said = Object.entries(clip.events).filter(([key, each]) => player.shown.has(Number(key)) && each[numbers[at]]);
  byId("player-events").textContent = said.map(([key, each]) => `${label(key)}: ${each[numbers[at]]}`).join("; ");
}

// Of frames that are not there, as much as the boxes fill.
function extent(clip) {
  if (clip.size[0] > 0) return clip.size;
  const regions = Object.values(clip.boxes).flat().filter(Boolean);
  const most = (axis) => regions.reduce((found, box) => Math.max(found, box.length === 4 ? box[axis] + box[axis + 2] : Math.max(...box.filter((_, at) => at % 2 === axis))), 1);
  return [most(0), most(1)];
}

function outline(key, region, wide) {
  const tint = key === TRUTH ? "#fff" : PALETTE[key % PALETTE.length] || "#fff";
  const look = { stroke: wide > 3 ? "#000" : tint, "stroke-width": wide, "data-layer": key };
  if (wide < 3 && key !== TRUTH) look["stroke-dasharray"] = STROKES[key % STROKES.length];
  if (region.length !== 4) return drawing("polygon", { ...look, points: region.join(" ") });
  const [x, y, width, height] = region;
  return drawing("rect", { ...look, x, y, width, height });
}

// A page opened from a disk may not read files, but it may run a script: the sequence calls back.
function fetchWhole() {
  const script = element("script", { src: player.beside });
  const missing = `Nothing at ${player.beside}: all frames are read from the folder of the report, which was moved apart.`;
  script.addEventListener("error", () => (byId("player-said").textContent = missing));
  script.addEventListener("load", () => script.remove());
  document.head.append(script);
}

function siamrcrSequence(clip) {
  if (clip.name !== player.name || clip.benchmark !== player.benchmark.name) return;
  player.at = player.shown ? player.numbers[player.at] : 0;
  byId("player-whole").disabled = true;
  byId("player-said").textContent = `All ${clip.length} frames, read from disk.`;
  load(clip, clip.files.length ? [...clip.files.keys()] : [...Array(clip.length).keys()], (at) => address(clip, at));
}

function address(clip, at) {
  return clip.files.length ? (clip.folder + clip.files[at]).split("/").map(encodeURIComponent).join("/") : "";
}

function step(by) {
  draw(Math.max(0, Math.min(player.numbers.length - 1, player.at + by)));
}

function play() {
  if (player.timer) return stop();
  if (player.at === player.numbers.length - 1) draw(0);
  const next = () => (player.at < player.numbers.length - 1 ? step(1) : stop());
  player.timer = setInterval(next, player.clip.images ? INTERVAL.strip : INTERVAL.whole);
  byId("player-play").textContent = "Pause";
}

function stop() {
  clearInterval(player.timer);
  player.timer = 0;
  byId("player-play").textContent = "Play";
}

addEventListener("DOMContentLoaded", () => {
  byId("player-range").addEventListener("input", (event) => draw(Number(event.target.value)));
  byId("player-play").addEventListener("click", play);
  byId("player-back").addEventListener("click", () => step(-1));
  byId("player-on").addEventListener("click", () => step(1));
  byId("player-whole").addEventListener("click", fetchWhole);
  byId("player-close").addEventListener("click", () => byId("player").close());
  byId("player").addEventListener("close", stop);
  byId("player-image").addEventListener("error", (event) => {
    event.target.hidden = true;
    byId("player-said").textContent = "This frame's file is not where it was when the report was made.";
  });
});
