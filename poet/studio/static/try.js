// Any agent on any ground: the choice of both, the stage, and what is done with a ground.

import { byId, drawn, fitCanvas, fixed, make, number, openCourse } from "./shared.js";
import { get, post } from "./api.js";
import { CourseView } from "./course.js";
import { byHand, editable, onNews, runs } from "./feed.js";
import { FieldView } from "./field.js";
import { Player } from "./player.js";
import { saveFile, copied, fromText, toText } from "./share.js";
import { sliders } from "./sliders.js";

const PATIENCE = 250; // ms of rest after a change, before the server is asked
const MOST = 32;
const KEPT = 100; // steps back

const stage = { run: null, tools: null, ground: null, course: null, genome: null, limits: null, past: [], future: [], wanted: null };
const player = new Player(() => { requestPaint(); results(); });
let painting = false, bench = null, views = null, view = null;
// Of all questions about ground the latest counts; a change waits a little before it asks.
let asked = 0, waiting = null, asking = Promise.resolve();

const canvas = () => byId("stage-canvas");
const drawnNow = () => stage.genome !== null;

export function startTry() {
  bench = {
    stage, player, canvas: canvas(), edit, keep, describe, tell, becomes, repaint: requestPaint,
    get follow() { return byId("follow").checked; },
    set follow(on) { byId("follow").checked = on; },
  };
  views = { course: new CourseView(bench), field: new FieldView(bench) };
  view = views.course;
  drawn(canvas(), paint);
  new ResizeObserver(requestPaint).observe(byId("stage"));
  byId("ground").addEventListener("change", chooseGround);
  byId("level").addEventListener("change", chooseLevel);
  byId("agents").addEventListener("change", () => { if (stage.ground) { remember(); play(true); } });
  byId("again").addEventListener("click", () => play(true));
  byId("pause").addEventListener("click", () => (player.playing ? player.pause() : player.start()));
  byId("moment").addEventListener("input", () => { player.pause(); player.at = Number(byId("moment").value); requestPaint(); });
  byId("speed").addEventListener("change", () => { player.speed = Number(byId("speed").value); });
  byId("follow").addEventListener("change", requestPaint);
  byId("draw").addEventListener("click", () => attempt(drawOnIt, true));
  for (const button of document.querySelectorAll("[data-add]")) button.addEventListener("click", () => attempt(async () => { if (!drawnNow()) await drawOnIt(); view.add(button.dataset.add); }, true));
  byId("remove").addEventListener("click", () => view.remove());
  byId("undo").addEventListener("click", () => step(stage.past, stage.future));
  byId("redo").addEventListener("click", () => step(stage.future, stage.past));
  byId("mutate").addEventListener("click", () => attempt(() => ask(() => post(`/api/runs/${stage.run}/mutate`, { environment: stage.ground.environment, seed: Math.floor(Math.random() * 2 ** 31) })), true));
  byId("save").addEventListener("click", () => attempt(save, true));
  byId("share").addEventListener("click", () => attempt(share, true));
  byId("inject").addEventListener("click", () => attempt(inject, true));
  byId("auto").addEventListener("change", () => { if (byId("auto").checked) play(false); });
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
    stage.limits = stage.tools.drawing;
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
    const environment = await fromText(text);
    await ask(() => post(`/api/runs/${stage.run}/ground`, { environment }));
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
    let there = true;
    if (kind === "niche") there = await ask(() => get(`/api/runs/${stage.run}/niches/${which}`));
    else if (kind === "suite") {
      byId("level").replaceChildren(...stage.tools.suites[Number(which)][1].map((name, i) => make("option", { value: i }, name)));
      there = await askLevel();
    } else {
      const config = runs[stage.run].config;
      const environment = stage.limits ? { domain: config.domain, encoding: "drawn", genome: stage.limits.initial, seed: 0 } : { domain: config.domain, encoding: config.encoding, genome: stage.tools.initial, seed: 0 };
      there = await ask(() => post(`/api/runs/${stage.run}/ground`, { environment }));
    }
    if (!there) return;
    byId("ground").value = kind === "suite" ? `suite ${which}` : kind === "niche" ? `niche ${which}` : kind;
    remember();
  });
}

async function chooseLevel() { await attempt(askLevel); }

function askLevel() {
  const name = stage.tools.suites[Number(byId("ground").value.split(" ")[1])][0], level = byId("level").value;
  return ask(() => get(`/api/runs/${stage.run}/suites/${encodeURIComponent(name)}/${level}`));
}

// Ask the server for another ground and take it, unless by then something else was asked for; gives whether it was taken.
async function ask(question, fresh = true) {
  const turn = begun(), found = await question();
  if (turn !== asked) return false;
  await take(found, fresh);
  return true;
}

// Whatever was asked before, or waits to be asked, counts no more.
function begun() {
  clearTimeout(waiting?.timer);
  waiting = null;
  return (asked += 1);
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
  view = stage.course.relief ? views.field : views.course;
  if (fresh) {
    Object.assign(stage, { past: [], future: [] });
    view.open();
    const genes = environment.encoding === "parametric" ? stage.tools.genes : {};
    sliders(byId("sliders"), genes, environment.genome, (genome, over) => { own(); change({ ...stage.ground.environment, genome }, over); });
    tell("");
  }
  view.taken();
  describe();
  if (fresh) { player.clear(); play(true); }
}

function own() { byId("ground").value = "own"; byId("level-label").hidden = true; }

function describe() {
  const { environment, description, id } = stage.ground, kind = stage.course.relief ? "field" : "course";
  byId("ground-said").replaceChildren(make("b", {}, description), make("span", { class: "quiet id" }, `${environment.encoding}, seed ${environment.seed}, ${id ?? "…"}`));
  byId("tools").hidden = !stage.limits && kind === "course";
  for (const each of byId("tools").querySelectorAll("[data-of]")) each.hidden = each.dataset.of !== kind || (!stage.limits && each.dataset.drawing === "");
  byId("draw").hidden = drawnNow() || !stage.limits;
  byId("draw").textContent = kind === "field" ? "✎ Make it paintable" : "✎ Draw on it";
  byId("remove").hidden = !drawnNow() || kind === "field";
  for (const name of ["undo", "redo"]) byId(name).hidden = !drawnNow();
  byId("remove").disabled = !view.chosen;
  byId("undo").disabled = !stage.past.length;
  byId("redo").disabled = !stage.future.length;
  byId("stage-said").textContent = view.said();
  requestPaint();
}

// A ground that was changed here: shown at once where it is drawn, and asked about when the hand rests.
function change(environment, over) {
  const turn = begun();
  stage.ground = { ...stage.ground, environment, id: null };
  const work = () => { waiting = null; return (asking = answered(environment, turn, over)); };
  waiting = { work, timer: setTimeout(() => attempt(work), over ? 30 : PATIENCE) };
}

async function answered(environment, turn, over) {
  const found = await post(`/api/runs/${stage.run}/ground`, { environment });
  if (turn !== asked) return;
  await take(found, false);
  remember();
  if (byId("auto").checked && over && !view.held) play(false);
}

// Wait until the server has told of the last change: what is saved, shared or put in has its own name.
async function settled() {
  if (waiting) { clearTimeout(waiting.timer); waiting.work(); }
  await asking;
  if (stage.ground.id === null) throw new Error("This ground cannot be used as it is: change it, or go a step back.");
}

function edit(genome, over) {
  stage.genome = genome;
  stage.course = view.shown(genome);
  own();
  change({ ...stage.ground.environment, genome, seed: 0 }, over);
  describe();
}

function keep(genome) { stage.past.push(genome); if (stage.past.length > KEPT) stage.past.shift(); stage.future = []; }

function step(from, to) {
  if (!from.length || !drawnNow() || view.held) return;
  to.push(stage.genome);
  view.let();
  edit(from.pop(), true);
}

// This ground as one that was drawn here; the server hears of it with the change that follows.
function becomes(genome) {
  begun();
  stage.ground = { ...stage.ground, id: null, environment: { ...stage.ground.environment, encoding: "drawn", genome, seed: 0 } };
  stage.genome = genome;
  own();
  byId("sliders").replaceChildren();
  Object.assign(stage, { past: [], future: [] });
}

async function drawOnIt() {
  const there = await ask(() => post(`/api/runs/${stage.run}/drawn`, { environment: stage.ground.environment }), false);
  if (!there) return;
  own();
  byId("sliders").replaceChildren();
  Object.assign(stage, { past: [], future: [] });
  view.let();
  describe();
}

async function share() {
  await settled();
  const agents = byId("agents").value;
  const address = `${location.origin}/#/try?${new URLSearchParams({ agents, ground: await toText(stage.ground.environment) })}`;
  history.replaceState(null, "", address.replace(location.origin, ""));
  tell(await copied(address) ? "The link is copied; its part from # on opens this ground in any studio of the same body." : "The link stands in the browser's address.");
}

async function save() {
  await settled();
  saveFile(stage.ground.environment, stage.ground.id);
  tell(`Saved as environment-${stage.ground.id}.json.`);
}

async function inject() {
  await settled();
  byId("inject").disabled = true; // until it is there, so that a second click puts nothing in
  const { iteration } = await post(`/api/runs/${stage.run}/inject`, { environment: stage.ground.environment }).finally(() => { byId("inject").disabled = false; });
  const { pulse } = runs[stage.run];
  const end = iteration >= (pulse.iterations ?? Infinity) ? `, but the run ends at ${number(pulse.iterations)}: go on with more iterations` : "";
  tell(`It waits for the reproduction of iteration ${number(iteration)}${end}. The record will say: ${byHand(stage.ground.environment.encoding)}.`);
}

// What is shown stands in the address, so that the page can be opened again as it is.
async function remember() {
  const [kind, which] = byId("ground").value.split(" "), agents = byId("agents").value, turn = asked;
  const query = new URLSearchParams({ run: stage.run, agents });
  if (kind === "niche") query.set("from", which); else query.set("ground", await toText(stage.ground.environment));
  if (turn !== asked || byId("try").hidden) return;
  const text = `#/try?${query}`;
  stage.wanted = `${stage.run} ${query.get("ground")} ${query.get("from")}`;
  if (text.length < 16000) history.replaceState(null, "", text);
}

// Play; whoever asked for it wants to see it from the start, whoever changed the ground wants to keep looking at it.
async function play(byHand) {
  if (!stage.ground || byId("try").hidden) return;
  player.speed = Number(byId("speed").value);
  if (byHand && !view.held) bench.follow = true;
  byId("results-none").hidden = false;
  byId("results-none").textContent = "They begin…";
  byId("results").hidden = true;
  byId("results").dataset.whole = "false";
  byId("results").dataset.ground = stage.ground.id; // for who drives this page: of which ground the results are
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

function requestPaint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => { painting = false; paint(); });
}

function paint() {
  const { width } = canvas().getBoundingClientRect();
  if (!stage.course || !width || byId("try").hidden) return;
  const height = view.height(width);
  canvas().style.height = `${height}px`;
  byId("field").hidden = view !== views.field;
  view.paint(fitCanvas(canvas(), width, height), width, height);
}

function startPointer() {
  const element = canvas();
  const at = (event) => { const box = element.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top, event]; };
  const there = (work) => (event) => { if (stage.course) work(event); };
  element.addEventListener("pointerdown", there((event) => { element.setPointerCapture(event.pointerId); view.down(...at(event)); }));
  element.addEventListener("pointermove", there((event) => view.move(...at(event))));
  for (const kind of ["pointerup", "pointercancel"]) element.addEventListener(kind, there((event) => view.up(event)));
  element.addEventListener("pointerleave", there(() => view.leave()));
  element.addEventListener("dblclick", there((event) => view.double(...at(event))));
  element.addEventListener("wheel", there((event) => { if (view.wheel(event)) event.preventDefault(); }), { passive: false });
  element.addEventListener("contextmenu", there((event) => { if (view === views.field) event.preventDefault(); }));
  element.addEventListener("keydown", pressed);
}

function pressed(event) {
  if (!stage.ground) return;
  if (event.key === " ") { event.preventDefault(); if (player.playing) player.pause(); else player.start(); return; }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") { event.preventDefault(); if (event.shiftKey) step(stage.future, stage.past); else step(stage.past, stage.future); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (view.pressed(event)) event.preventDefault();
}
