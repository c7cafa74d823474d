// Any agent on any ground: the choice of both, the stage, drawing, and what is done with a ground.

import { byId, clipTo, colour, drawn, fitCanvas, FONT, make, number, openCourse, paintBackdrop, paintCourse, paintFinish, paintScene, paintStrip, sceneHeight, fixed } from "./shared.js";
import { get, post } from "./api.js";
import { editable, onNews, runs } from "./feed.js";
import { Player } from "./player.js";
import { saveFile, copied, fromText, toText } from "./share.js";
import { sliders } from "./sliders.js";
import * as drawing from "./drawing.js";

const METRES = 24, LEAST = 20; // m across a wide stage; pixels a metre at least
const OVERVIEW = 44; // pixels of the whole course, at the lower edge
const PATIENCE = 250; // ms of rest after a change, before the server is asked
const MOST = 32;

const stage = {
  run: null, tools: null, ground: null, course: null, genome: null, limits: null, chosen: null,
  left: 2, drag: null, past: [], future: [], wanted: null, follow: true, asked: 0,
};
const player = new Player(() => { requestPaint(); results(); });
let painting = false, later = null;

const canvas = () => byId("stage").firstElementChild;
const drawnNow = () => stage.genome !== null;

export function startTry() {
  drawn(canvas(), paint);
  new ResizeObserver(requestPaint).observe(byId("stage"));
  byId("ground").addEventListener("change", chooseGround);
  byId("level").addEventListener("change", chooseLevel);
  byId("agents").addEventListener("change", () => { if (stage.ground) { remember(); play(); } });
  byId("again").addEventListener("click", play);
  byId("pause").addEventListener("click", () => (player.playing ? player.pause() : player.start()));
  byId("moment").addEventListener("input", () => { player.pause(); player.at = Number(byId("moment").value); requestPaint(); });
  byId("speed").addEventListener("change", () => { player.speed = Number(byId("speed").value); });
  byId("draw").addEventListener("click", () => attempt(drawOnIt, true));
  for (const button of document.querySelectorAll("[data-add]")) button.addEventListener("click", () => attempt(async () => { if (!drawnNow()) await drawOnIt(); add(button.dataset.add); }, true));
  byId("remove").addEventListener("click", removeChosen);
  byId("undo").addEventListener("click", () => step(stage.past, stage.future));
  byId("redo").addEventListener("click", () => step(stage.future, stage.past));
  byId("mutate").addEventListener("click", () => attempt(async () => take(await post(`/api/runs/${stage.run}/mutate`, { environment: stage.ground.environment, seed: Math.floor(Math.random() * 2 ** 31) }), true), true));
  byId("save").addEventListener("click", () => attempt(save, true));
  byId("share").addEventListener("click", () => attempt(share, true));
  byId("inject").addEventListener("click", () => attempt(inject, true));
  byId("auto").addEventListener("change", () => { if (byId("auto").checked) play(); });
  startPointer();
  onNews((run, news) => { if (run === stage.run && news?.niches?.length) listNiches(); });
}

// `run` is null when the view is left.
export async function showTry(run, query) {
  if (run === null) { player.pause(); return; }
  byId("inject").hidden = !editable;
  const anew = run !== stage.run;
  stage.run = run;
  if (anew) {
    player.clear();
    stage.ground = null;
    try {
      stage.tools = await get(`/api/runs/${run}/tools`);
    } catch (error) { tell(error.message, true); return; }
    if (stage.run !== run) return;
    stage.limits = stage.tools.drawing?.kind === "course" ? stage.tools.drawing : null;
    byId("tools").hidden = !stage.limits;
    listGrounds();
  }
  await attempt(() => open(query));
}

async function open(query) {
  const text = query.get("ground"), from = query.get("from"), agents = query.get("agents");
  const asked = `${stage.run} ${text} ${from}`;
  if (stage.ground && stage.wanted === asked) return;
  stage.wanted = asked;
  listAgents();
  if (agents !== null) choose("agents", agents);
  if (text) {
    byId("ground").value = "own";
    await take(await post(`/api/runs/${stage.run}/ground`, { environment: fromText(text) }), true);
    return;
  }
  const niche = from !== null && runs[stage.run].niches[Number(from)] ? Number(from) : hardest();
  choose("ground", `niche ${niche}`);
  if (from !== null && agents === null) choose("agents", `${niche}`);
  await chooseGround();
}

function choose(id, value) {
  const list = byId(id);
  if ([...list.options].some((option) => option.value === value)) list.value = value;
}

// Where a visitor finds something to see: the latest niche that its own agent has solved.
function hardest() {
  const { niches } = runs[stage.run];
  return (niches.findLast((niche) => niche.solved !== null) ?? niches.findLast((niche) => niche.retired === null) ?? niches[0]).id;
}

function listGrounds() {
  const option = (value, text) => make("option", { value }, text);
  const groups = [
    make("optgroup", { label: "Made here" }, option("own", "this one, changed"), option("level", "level ground")),
    make("optgroup", { label: "Niches", id: "ground-niches" }),
    make("optgroup", { label: "Suites" }, ...stage.tools.suites.map(([name], i) => option(`suite ${i}`, name))),
  ];
  byId("ground").replaceChildren(...groups);
  listNiches();
}

function listNiches() {
  const group = byId("ground-niches"), value = byId("ground").value;
  if (!group) return;
  group.replaceChildren(...runs[stage.run].niches.slice().reverse().map((niche) => make("option", { value: `niche ${niche.id}` }, `${niche.id}: ${niche.description}`)));
  choose("ground", value);
  listAgents();
}

function listAgents() {
  const run = runs[stage.run], list = byId("agents"), value = list.value;
  const active = run.niches.filter((niche) => niche.retired === null).length, all = Math.min(run.niches.length, MOST);
  const group = make("optgroup", { label: "Best agent of niche" }, ...run.niches.slice().reverse().map((niche) => make("option", { value: String(niche.id) }, `${niche.id}${niche.best_score === null ? "" : ` (${number(niche.best_score)} at home)`}`)));
  list.replaceChildren(...(stage.tools?.many ? [make("option", { value: "all" }, `${all} at once`), make("option", { value: "active" }, `the ${Math.min(active, MOST)} active`)] : []), group);
  choose("agents", value);
}

function agentsWanted() {
  const { niches } = runs[stage.run], value = byId("agents").value;
  if (value !== "all" && value !== "active") return [Number(value)];
  const listed = niches.filter((niche) => value === "all" || niche.retired === null);
  // The active ones first, then those that scored highest at home.
  listed.sort((a, b) => (a.retired !== null) - (b.retired !== null) || (b.best_score ?? -1e9) - (a.best_score ?? -1e9));
  return listed.slice(0, MOST).map((niche) => niche.id).sort((a, b) => a - b);
}

async function chooseGround() {
  const [kind, which] = byId("ground").value.split(" ");
  byId("level-label").hidden = kind !== "suite";
  if (kind === "own") return;
  await attempt(async () => {
    if (kind === "niche") await take(await get(`/api/runs/${stage.run}/niches/${which}`), true);
    else if (kind === "suite") {
      byId("level").replaceChildren(...stage.tools.suites[Number(which)][1].map((name, i) => make("option", { value: i }, name)));
      await chooseLevel();
    } else {
      const config = runs[stage.run].config;
      const environment = stage.limits ? { domain: config.domain, encoding: "drawn", genome: stage.limits.initial, seed: 0 } : { domain: config.domain, encoding: config.encoding, genome: stage.tools.initial, seed: 0 };
      await take(await post(`/api/runs/${stage.run}/ground`, { environment }), true);
    }
    byId("ground").value = kind === "suite" ? `suite ${which}` : kind === "niche" ? `niche ${which}` : kind;
    remember();
  });
}

async function chooseLevel() {
  const name = stage.tools.suites[Number(byId("ground").value.split(" ")[1])][0];
  await attempt(async () => take(await get(`/api/runs/${stage.run}/suites/${encodeURIComponent(name)}/${byId("level").value}`), true));
}

// Whatever the server refuses is told in its words.
async function attempt(work, onGround = false) {
  if (onGround && !stage.ground) { tell("There is no ground here yet: choose one.", true); return; }
  try { await work(); } catch (error) { tell(error.message, true); }
}

function tell(text, bad = false) {
  byId("ground-told").textContent = text;
  byId("ground-told").classList.toggle("bad", bad);
}

// Take a ground as the server tells of it; `fresh` where it is another than before.
async function take(found, fresh) {
  const { environment } = found;
  stage.ground = found;
  stage.course = openCourse(found.course);
  stage.genome = environment.encoding === "drawn" && stage.limits ? environment.genome : null;
  if (fresh) {
    Object.assign(stage, { chosen: null, past: [], future: [], left: 2, follow: true });
    const genes = environment.encoding === "parametric" ? stage.tools.genes : {};
    sliders(byId("sliders"), genes, environment.genome, (genome, over) => { own(); change({ ...stage.ground.environment, genome }, over); });
    tell("");
  }
  describe();
  if (fresh) { player.clear(); await play(); }
}

function own() { byId("ground").value = "own"; byId("level-label").hidden = true; }

function describe() {
  const { environment, description, id } = stage.ground;
  byId("ground-said").replaceChildren(make("b", {}, description), make("span", { class: "quiet id" }, `${environment.encoding}, seed ${environment.seed}, ${id}`));
  byId("draw").hidden = drawnNow();
  for (const name of ["remove", "undo", "redo"]) byId(name).hidden = !drawnNow();
  byId("remove").disabled = !stage.chosen;
  byId("undo").disabled = !stage.past.length;
  byId("redo").disabled = !stage.future.length;
  const said = drawnNow()
    ? stage.chosen ? `Chosen: ${drawing.said(stage.genome, stage.chosen)}.` : "Drag boxes, their edges, or points of the ground; drag anything else to look along the course."
    : stage.limits ? "Draw on it, to drag its obstacles; drag the picture to look along the course." : "";
  byId("stage-said").textContent = said;
  requestPaint();
}

// A ground that was changed here: shown at once where it is drawn, and asked about when the hand rests.
function change(environment, over) {
  clearTimeout(later);
  stage.ground = { ...stage.ground, environment };
  later = setTimeout(() => attempt(async () => {
    const turn = (stage.asked += 1);
    const found = await post(`/api/runs/${stage.run}/ground`, { environment });
    if (turn !== stage.asked) return;
    await take(found, false);
    remember();
    if (byId("auto").checked && over) await play();
  }), over ? 30 : PATIENCE);
}

function edit(genome, over) {
  stage.genome = genome;
  stage.course = drawing.courseOf(genome, stage.limits, stage.course.finish);
  own();
  change({ ...stage.ground.environment, genome, seed: 0 }, over);
  describe();
}

function keep() { stage.past.push(stage.genome); if (stage.past.length > 100) stage.past.shift(); stage.future = []; }

function step(from, to) {
  if (!from.length || !drawnNow()) return;
  to.push(stage.genome);
  stage.chosen = null;
  edit(from.pop(), true);
}

async function drawOnIt() {
  const found = await post(`/api/runs/${stage.run}/drawn`, { environment: stage.ground.environment });
  own();
  byId("sliders").replaceChildren();
  await take(found, false);
  Object.assign(stage, { past: [], future: [], chosen: null });
  describe();
}

function add(kind) {
  player.pause();
  stage.follow = false;
  const { width } = canvas().getBoundingClientRect(), [genome, chosen] = drawing.added(stage.genome, stage.limits, kind, stage.left + (width / scaleOf(width)) * 0.5);
  if (!chosen) { tell("There is no room for more of these.", true); return; }
  keep();
  stage.chosen = chosen;
  edit(genome, true);
}

function removeChosen() {
  if (!stage.chosen || !drawnNow()) return;
  keep();
  const genome = drawing.removed(stage.genome, stage.chosen);
  stage.chosen = null;
  edit(genome, true);
}

async function share() {
  const agents = byId("agents").value;
  const address = `${location.origin}/#/try?${new URLSearchParams({ agents, ground: toText(stage.ground.environment) })}`;
  history.replaceState(null, "", address.replace(location.origin, ""));
  tell(await copied(address) ? "The link is copied; its part from # on opens this ground in any studio of the same body." : "The link stands in the browser's address.");
}

function save() {
  saveFile(stage.ground.environment, stage.ground.id);
  tell(`Saved as environment-${stage.ground.id}.json.`);
}

async function inject() {
  const { iteration } = await post(`/api/runs/${stage.run}/inject`, { environment: stage.ground.environment });
  const { pulse } = runs[stage.run];
  const end = iteration >= (pulse.iterations ?? Infinity) ? `, but the run ends at ${number(pulse.iterations)}: go on with more iterations` : "";
  tell(`It waits for the reproduction of iteration ${number(iteration)}${end}. The record will say: drawn by hand.`);
}

// What is shown stands in the address, so that the page can be opened again as it is.
function remember() {
  const [kind, which] = byId("ground").value.split(" "), agents = byId("agents").value;
  const query = new URLSearchParams({ run: stage.run, agents });
  if (kind === "niche") query.set("from", which); else query.set("ground", toText(stage.ground.environment));
  const text = `#/try?${query}`;
  stage.wanted = `${stage.run} ${query.get("ground")} ${query.get("from")}`;
  if (text.length < 16000) history.replaceState(null, "", text);
}

async function play() {
  if (!stage.ground || byId("try").hidden) return;
  player.speed = Number(byId("speed").value);
  stage.follow = true;
  byId("results-none").hidden = false;
  byId("results-none").textContent = "They begin…";
  byId("results").hidden = true;
  byId("results").dataset.whole = "false";
  byId("results").dataset.plays = Number(byId("results").dataset.plays ?? 0) + 1;
  try {
    await player.play(stage.run, { environment: stage.ground.environment, agents: agentsWanted(), seed: 0 });
  } catch (error) { byId("results-none").textContent = error.message; }
}

let resultsAt = 0;
// The table, a few times a second while episodes come, and once more when all are over.
function results() {
  byId("pause").textContent = player.playing ? "❚❚" : "▶";
  byId("pause").setAttribute("aria-label", player.playing ? "Pause" : "Play on");
  byId("moment").max = Math.max(player.frames - 1, 0);
  byId("moment").value = Math.round(player.at);
  const done = byId("results").dataset.whole === "true";
  if (player.whole ? done : performance.now() - resultsAt < 200 && !done) return;
  const found = player.results();
  byId("results").hidden = !found.length;
  byId("results-none").hidden = found.length > 0;
  byId("results").dataset.whole = player.whole;
  resultsAt = performance.now();
  byId("results").tBodies[0].replaceChildren(...found.map((row, i) => make("tr", { class: i ? null : "first" },
    make("td", {}, `niche ${row.agent}`), make("td", {}, fixed(row.score)), make("td", {}, `${fixed(row.distance)} m`), make("td", {}, row.outcome ?? "…"))));
}

// The stage

const scaleOf = (width) => Math.max(width / METRES, LEAST);

function heightOf(width) {
  if (player.film) return sceneHeight(player.film.record, width);
  return Math.round(Math.max(Math.min(width * 0.42, 440), 230)) + OVERVIEW;
}

function requestPaint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => { painting = false; paint(); });
}

function placement(width, height) {
  const scale = scaleOf(width), floor = height - OVERVIEW;
  const level = levelAt();
  return { scale, floor, place: (x, y) => [(x - stage.left) * scale, floor * 0.62 - (y - level) * scale], back: (px, py) => [px / scale + stage.left, level + (floor * 0.62 - py) / scale] };
}

// The height that the camera looks at: the ground's mean in view, so that it glides.
function levelAt() {
  const { ground } = stage.course, width = canvas().getBoundingClientRect().width || 800;
  const low = stage.left, high = stage.left + width / scaleOf(width);
  let area = 0, last = null;
  for (let i = 0; i < ground.length; i += 2) {
    const x = Math.min(Math.max(ground[i], low), high);
    if (last !== null) area += ((ground[i + 1] + last[1]) / 2) * (x - last[0]);
    last = [x, ground[i + 1]];
  }
  const covered = Math.min(high, ground[ground.length - 2]) - Math.max(low, ground[0]);
  return covered > 1 ? area / covered : ground[1];
}

function paint() {
  const { width } = canvas().getBoundingClientRect();
  if (!stage.course || !width || byId("try").hidden) return;
  const height = heightOf(width);
  canvas().style.height = `${height}px`;
  const context = fitCanvas(canvas(), width, height);
  if (player.film) { paintScene(context, player.film, stage.course, player.at, width, height); return; }
  if (stage.course.relief) { paintBackdrop(context, width, height); paintStrip(context, stage.course, 0, 0, width, height); return; }
  const order = player.empty ? [] : player.order(player.at);
  if (order.length && stage.follow) {
    const [x] = player.hull(order.at(-1), player.at);
    stage.left = x - (width / scaleOf(width)) * 0.32;
  }
  const { place, floor, scale } = placement(width, height);
  paintBackdrop(context, width, height);
  context.save();
  clipTo(context, 0, 0, width, floor);
  paintCourse(context, stage.course, place, floor, 3);
  paintFinish(context, stage.course, place);
  if (!player.empty) player.paint(context, place);
  if (drawnNow()) paintHandles(context, place, scale, width);
  context.restore();
  context.fillStyle = colour("card");
  context.fillRect(0, floor, width, OVERVIEW);
  const along = paintStrip(context, stage.course, 0, floor + 1, width, OVERVIEW - 1);
  context.globalAlpha = 0.16;
  context.fillStyle = colour("accent");
  context.fillRect(along(stage.left), floor, along(stage.left + width / scale) - along(stage.left), OVERVIEW);
  context.globalAlpha = 1;
  order.forEach((agent, rank) => {
    const [x] = player.hull(agent, player.at), first = rank === order.length - 1;
    context.fillStyle = colour(first ? "hull" : "far");
    context.globalAlpha = first ? 1 : 0.55;
    context.fillRect(along(x) - 1, floor + (first ? 0 : 8), 2, first ? OVERVIEW : OVERVIEW - 8);
  });
  context.globalAlpha = 1;
  if (order.length) paintGauge(context, order.at(-1), order.length);
}

function paintHandles(context, place, scale, width) {
  const { genome, limits, chosen } = stage;
  genome.ground.forEach(([x, y], i) => {
    const [px, py] = place(x, y + limits.level);
    if (px < -20 || px > width + 20) return;
    const is = chosen?.kind === "point" && chosen.number === i;
    context.beginPath();
    context.arc(px, py, is ? 7 : 4, 0, 7);
    context.fillStyle = colour(is ? "accent" : "card");
    context.fill();
    context.strokeStyle = colour("accent");
    context.lineWidth = 1.5;
    context.stroke();
  });
  genome.boxes.forEach(([x, y, w, h], i) => {
    const is = chosen?.kind === "box" && chosen.number === i, [left, bottom] = place(x, y + limits.level), [right, top] = place(x + w, y + h + limits.level);
    context.strokeStyle = colour("accent");
    context.lineWidth = is ? 2.5 : 1;
    context.globalAlpha = is ? 1 : 0.6;
    context.strokeRect(left, top, right - left, bottom - top);
    context.globalAlpha = 1;
  });
}

function paintGauge(context, agent, count) {
  const index = Math.min(Math.floor(player.at), player.frames - 1);
  const entries = [["time", `${fixed(index / player.fps)} s`], [count > 1 ? "in front" : "agent of", `niche ${player.agents[agent]}`], ["distance", `${fixed(player.distances[index][agent])} of ${fixed(player.course)} m`], ["return", fixed(player.returns[index][agent])]];
  const columns = [0, 74, 152, 276];
  context.globalAlpha = 0.86;
  context.fillStyle = colour("card");
  context.fillRect(0, 0, columns.at(-1) + 76, 40);
  context.globalAlpha = 1;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  entries.forEach(([name, value], i) => {
    context.font = `11px ${FONT}`;
    context.fillStyle = colour("quiet");
    context.fillText(name, 12 + columns[i], 15);
    context.font = `600 13px ${FONT}`;
    context.fillStyle = colour("ink");
    context.fillText(value, 12 + columns[i], 32);
  });
}

const CURSORS = { all: "grab", right: "ew-resize", left: "ew-resize", top: "ns-resize", topright: "nesw-resize", topleft: "nwse-resize" };

function startPointer() {
  const element = canvas();
  const where = (event) => { const box = element.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top, box.width, box.height]; };
  element.addEventListener("pointerdown", (event) => {
    if (!stage.course || player.film || stage.course.relief) return;
    const [px, py, width, height] = where(event), { place, floor } = placement(width, height);
    element.setPointerCapture(event.pointerId);
    if (py > floor) { stage.drag = { kind: "overview" }; lookAt(px, width); return; }
    const found = drawnNow() ? drawing.under(stage.genome, stage.limits, place, px, py) : null;
    stage.follow = false;
    if (found) { player.pause(); stage.chosen = found; stage.drag = { kind: "element", px, py, genome: stage.genome, level: levelAt() }; } else { stage.chosen = null; stage.drag = { kind: "look", px, left: stage.left }; }
    describe();
  });
  element.addEventListener("pointermove", (event) => {
    if (!stage.course || player.film) return;
    const [px, py, width, height] = where(event), { place, scale, floor } = placement(width, height), { drag } = stage;
    if (!drag) {
      const found = drawnNow() && py < floor ? drawing.under(stage.genome, stage.limits, place, px, py) : null;
      element.style.cursor = found ? CURSORS[found.part] ?? "grab" : "default";
      return;
    }
    if (drag.kind === "overview") lookAt(px, width);
    else if (drag.kind === "look") { stage.left = within(drag.left - (px - drag.px) / scale, width); requestPaint(); } else {
      drag.moved = true;
      edit(drawing.moved(drag.genome, stage.limits, stage.chosen, (px - drag.px) / scale, (drag.py - py) / scale), false);
    }
  });
  const end = () => {
    const { drag } = stage;
    stage.drag = null;
    if (drag?.kind !== "element" || !drag.moved) return;
    stage.past.push(drag.genome);
    stage.future = [];
    edit(stage.genome, true);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("dblclick", (event) => {
    if (!drawnNow()) return;
    const [px, , width, height] = where(event), [x] = placement(width, height).back(px, 0), [genome, chosen] = drawing.added(stage.genome, stage.limits, "point", x);
    if (!chosen) return;
    keep();
    stage.chosen = chosen;
    edit(genome, true);
  });
  element.addEventListener("keydown", pressed);
}

function lookAt(px, width) {
  const end = stage.course.ground[stage.course.ground.length - 2];
  stage.follow = false;
  stage.left = within((px / width) * end - width / scaleOf(width) / 2, width);
  requestPaint();
}

function within(left, width) {
  const end = stage.course.ground[stage.course.ground.length - 2];
  return Math.min(Math.max(left, -2), Math.max(end - width / scaleOf(width) + 4, -2));
}

function pressed(event) {
  if (!stage.ground) return;
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
  if (event.key === " ") { event.preventDefault(); if (player.playing) player.pause(); else player.start(); return; }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") { event.preventDefault(); if (event.shiftKey) step(stage.future, stage.past); else step(stage.past, stage.future); return; }
  if (drawnNow() && (event.key === "n" || event.key === "p")) {
    const all = drawing.elements(stage.genome), at = all.findIndex((one) => one.kind === stage.chosen?.kind && one.number === stage.chosen?.number);
    if (!all.length) return;
    stage.chosen = at < 0 ? all[0] : all[(at + (event.key === "n" ? 1 : all.length - 1)) % all.length];
    const { width } = canvas().getBoundingClientRect();
    stage.follow = false;
    player.pause();
    stage.left = within(stage.chosen.x - width / scaleOf(width) / 2, width);
    describe();
    return;
  }
  if (drawnNow() && stage.chosen && (event.key === "Delete" || event.key === "Backspace")) { event.preventDefault(); removeChosen(); return; }
  if (event.key === "Escape" && stage.chosen) { stage.chosen = null; describe(); return; }
  if (!dx && !dy) return;
  event.preventDefault();
  if (!drawnNow() || !stage.chosen) { const { width } = canvas().getBoundingClientRect(); stage.follow = false; stage.left = within(stage.left + 2 * dx, width); requestPaint(); return; }
  keep();
  const what = event.shiftKey && stage.chosen.kind === "box" ? { ...stage.chosen, part: dx ? "right" : "top" } : stage.chosen;
  edit(drawing.moved(stage.genome, stage.limits, what, 0.1 * dx, 0.1 * dy), true);
}
