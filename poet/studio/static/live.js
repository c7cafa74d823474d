// A run as it goes on: how it stands, who is active, who moved, what was admitted, its curves, its workers.

import { byId, colour, drawn, fitCanvas, lineChart, make, number, openCourse, paintBackdrop, paintStrip, short } from "./shared.js";
import { get } from "./api.js";
import { byHand, link, onNews, runs } from "./feed.js";
import { paintArcs, startArcs } from "./arcs.js";

const CHARTS_EVERY = 2000, SHOWN = 40, COURSES = 300; // ms between two drawings of the charts; entries of the feed; courses kept
let shown = null, chartsAt = 0, chartsLater = null;

const WORDS = {
  reading: ["Reading", "the archive is being read"],
  running: ["Running", ""],
  done: ["Done", ""],
  stopped: ["Stopped", ""],
  unreadable: ["Cannot be read", ""],
};

export function startLive() {
  startArcs(() => runs[shown], (niche) => courseFor(shown, niche), (niche) => { location.hash = `#/try?run=${shown}&from=${niche}`; });
  onNews((run, news) => { if (run === shown && !byId("live").hidden) update(news); });
  setInterval(() => { if (shown !== null && !document.hidden && !byId("live").hidden) standing(runs[shown]); }, 1000);
}

export function showLive(run) {
  shown = run;
  update(null);
}

function update(news) {
  const run = runs[shown];
  standing(run);
  headline(run);
  paintArcs();
  feed(run, news);
  charts(run, news === null);
  workers(run);
}

// Courses as they are asked for, a few at a time, each asked for once.
const courses = new Map(), asked = new Map();
export function courseFor(run, niche) {
  const key = `${run} ${niche}`;
  if (courses.has(key)) return Promise.resolve(courses.get(key));
  let batch = asked.get(run);
  if (!batch) {
    batch = { niches: new Set(), answer: null };
    asked.set(run, batch);
    batch.answer = new Promise((resolve) => setTimeout(resolve, 20)).then(() => {
      asked.delete(run);
      return get(`/api/runs/${run}/courses?niches=${[...batch.niches].join(",")}`);
    });
  }
  batch.niches.add(niche);
  return batch.answer.then((found) => {
    if (!courses.has(key)) courses.set(key, found[niche] ? openCourse(found[niche]) : null);
    while (courses.size > COURSES) courses.delete(courses.keys().next().value);
    return courses.get(key);
  });
}

export function courseCanvas(run, niche) {
  const canvas = make("canvas", { role: "img", "aria-label": `Course of niche ${niche}` });
  return drawn(canvas, async () => {
    const course = await courseFor(run, niche), { width, height } = canvas.getBoundingClientRect();
    if (!course || !width) { canvas.hidden = !course; return; }
    const context = fitCanvas(canvas, width, height);
    paintBackdrop(context, width, height);
    paintStrip(context, course, 0, 0, width, height);
  });
}

function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${number(seconds / 3600)} h` : `${number(seconds / 86400)} days`;
}

function standing(run) {
  const { pulse } = run, box = byId("standing");
  box.dataset.standing = link.lost === null ? pulse.standing : "unknown";
  byId("standing-word").textContent = link.lost === null ? WORDS[pulse.standing][0] : "No connection";
  const done = pulse.iteration ?? 0, all = pulse.iterations ?? 1;
  const since = pulse.committed ? Math.max((Date.now() - Date.parse(pulse.committed)) / 1000, 0) : null;
  const ago = since === null ? "nothing is on disk yet" : `the last iteration came ${span(since)} ago`;
  const said = {
    running: `iteration ${number(done)} of ${number(all)}` + (pulse.speed ? `, ${short(pulse.speed)} steps a second` : "") + (pulse.left ? `, about ${span(pulse.left)} left` : ""),
    done: `all ${number(all)} iterations`,
    stopped: `at iteration ${number(done)} of ${number(all)}: nobody evolves it`,
    unreadable: pulse.problem,
    reading: WORDS.reading[1],
  };
  const then = link.lost === null ? "" : `how the run stands now is not known; at ${new Date(link.lost).toLocaleTimeString("en-GB")} it was ${WORDS[pulse.standing][0].toLowerCase()}: `;
  byId("standing-said").textContent = then + said[pulse.standing];
  const where = pulse.session ? `, on ${pulse.session.host} with ${pulse.session.workers} ${pulse.session.workers === 1 ? "worker" : "workers"}` : "";
  const began = run.source ? `, began with ${run.source.pairs} pairs of ${run.source.name}` : "";
  const waiting = pulse.waiting?.length ? ` ${pulse.waiting.length === 1 ? "One environment waits" : `${pulse.waiting.length} environments wait`} for the reproduction of iteration ${number(pulse.next_reproduction)}.` : "";
  const more = {
    running: `${run.config?.domain}, ${run.config?.encoding} encoding, seed ${run.config?.seed}${began}${where}; ${ago}.${waiting}`,
    done: `${ago}.${waiting}`,
    stopped: `${ago}. It goes on by: poet evolve ${run.folder}${waiting}`,
  };
  byId("standing-more").textContent = link.lost === null ? more[pulse.standing] ?? "" : "";
  const bar = box.querySelector(".progress"), share = Math.min((100 * done) / all, 100);
  bar.setAttribute("aria-valuenow", share.toFixed(1));
  bar.firstElementChild.style.width = `${share}%`;
}

function headline(run) {
  const last = run.curve.at(-1), { counts } = run.pulse;
  const active = run.niches.filter((niche) => niche.retired === null);
  const best = active.reduce((most, niche) => Math.max(most, niche.score ?? -Infinity), -Infinity);
  const entries = [
    ["Environments", number(run.niches.length), `${active.length} active`],
    ["Solved", number(last?.solved ?? 0), last?.annecs === null || !last ? "by their own agents" : `ANNECS ${number(last.annecs)}`],
    ["Best score now", Number.isFinite(best) ? number(best) : "–", `mean ${number(last?.mean_score ?? null)}`],
    ["Moves", number(counts?.moves ?? 0), counts?.attempts ? `of ${number(counts.attempts)} tournaments` : "none tried yet"],
    ["Children tried", number(counts?.children ?? 0), `${number(run.niches.filter((niche) => niche.born > 0).length)} admitted`],
    ["Throughput", run.pulse.speed ? short(run.pulse.speed) : "–", `steps a second${run.pulse.standing === "running" ? "" : " when it last ran"}`],
  ];
  byId("headline").replaceChildren(...entries.map(([name, value, note]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, note)))));
}

function feed(run, news) {
  const list = byId("feed");
  const fresh = (news ? news.events ?? [] : run.events).slice(-SHOWN).reverse();
  if (news === null) list.replaceChildren();
  if (!fresh.length && list.children.length) return;
  const at = list.scrollTop;
  const items = fresh.map((event) => entry(run, event)).filter(Boolean);
  if (news) items.forEach((item) => item.classList.add("new"));
  list.prepend(...items);
  while (list.children.length > SHOWN) list.lastElementChild.remove();
  if (at) list.scrollTop = at;
  byId("feed-none").hidden = list.children.length > 0;
  for (const item of items) for (const canvas of item.querySelectorAll("[data-drawn]")) canvas.redraw();
}

const tryLink = (niche, text = `niche ${niche}`) => make("a", { href: `#/try?run=${shown}&from=${niche}` }, text);

function entry(run, event) {
  const niche = event.niche === undefined || event.niche === null ? null : run.niches[event.niche];
  const item = (...parts) => make("li", { "data-kind": event.kind, "data-niche": event.niche ?? null }, make("span", { class: "when" }, number(event.iteration)), make("div", {}, ...parts));
  if (event.kind === "admitted") {
    const from = niche.injected ? make("span", { class: "badge" }, byHand(niche.encoding)) : niche.parent === null ? "the run began in it" : `child of ${niche.parent}`;
    const agent = niche.first_agent === null || niche.first_agent === undefined ? "" : `; the agent of ${niche.first_agent} scored ${number(niche.first_score)} in it`;
    return item("Admitted ", tryLink(niche.id), ", ", from, courseCanvas(shown, niche.id), make("span", { class: "words" }, `${niche.description}${agent}`));
  }
  if (event.kind === "solved") return item("Solved: ", tryLink(niche.id), make("span", { class: "words" }, ` (${niche.description})`));
  if (event.kind === "retired") return item("Retired: ", tryLink(niche.id));
  if (event.kind === "put in") return item(make("span", { class: "badge" }, byHand(event.encoding)), ` not admitted: ${event.decision}`);
  if (event.kind === "moved") {
    const told = event.moves.slice(0, 8).map(([source, target]) => `${source} to ${target}`).join(", ");
    return item(`${event.moves.length === 1 ? "One agent" : `${event.moves.length} agents`} moved: `, make("span", { class: "words" }, told + (event.moves.length > 8 ? ", …" : "")));
  }
  return null;
}

function charts(run, atOnce) {
  clearTimeout(chartsLater);
  const place = byId("curves"), wait = CHARTS_EVERY - (performance.now() - chartsAt);
  // Who reads a value off a chart is not to lose it.
  if (!atOnce && (wait > 0 || place.querySelector(".plot:hover"))) { chartsLater = setTimeout(() => charts(runs[shown], false), Math.max(wait, 300)); return; }
  chartsAt = performance.now();
  if (!run.curve.length) { place.replaceChildren(make("p", { class: "quiet" }, "No iteration is on disk yet.")); return; }
  const xs = run.curve.map((point) => point.iteration), of = (name) => run.curve.map((point) => point[name]);
  const measured = run.config.annecs;
  place.replaceChildren(
    lineChart({ name: "environments", title: measured ? "Environments and ANNECS" : "Environments", xs, yName: "environments", whole: true, series: [
      { name: "admitted", tint: "series-4", values: of("niches") },
      { name: "solved", tint: "series-1", values: of("solved") },
      ...(measured ? [{ name: "ANNECS", tint: "series-2", values: of("annecs"), dash: [6, 3] }] : []),
    ] }),
    lineChart({ name: "scores", title: "Scores of active pairs", xs, yName: "score", series: [
      { name: "best", tint: "series-2", values: of("best_score") },
      { name: "mean", tint: "series-1", values: of("mean_score") },
    ] }),
    lineChart({ name: "active", title: "Active pairs", xs, yName: "pairs", whole: true, series: [{ name: "active", tint: "series-1", values: of("active") }] }),
    lineChart({ name: "throughput", title: "Throughput", xs, yName: "steps a second", series: [{ name: "steps/s", tint: "series-1", values: run.curve.map((point) => (point.seconds ? Math.round(point.steps / point.seconds) : null)) }] }),
  );
  for (const plot of place.querySelectorAll("[data-drawn]")) plot.redraw();
}

function workers(run) {
  const known = run.pulse.workers ?? [], crew = known.length > 1 ? known.filter((one) => !one.master) : known;
  byId("workers-section").hidden = !known.length;
  if (!known.length) return;
  const idle = crew.filter((one) => one.idle);
  byId("workers-said").textContent = `${crew.length - idle.length} of ${crew.length} ${crew.length === 1 ? "process works" : "workers work"}${idle.length ? `, ${idle.length} idle` : ""}; shares of a core over the last second or so.`;
  byId("workers").replaceChildren(...known.map((one) => make("li", { class: one.idle ? "idle" : null },
    `${one.master ? "master" : "worker"} ${one.process}: `, make("b", {}, one.idle ? "idle" : `${Math.round(100 * one.share)} %`),
    make("div", { class: "bar" }, make("span", { style: `width: ${Math.min(100 * one.share, 100)}%` })))));
}
