// Active niches side by side, a bar for the score of each, and over them an arc for every agent that moved.

import { byId, clipTo, colour, drawn, fitCanvas, FONT, make, number, paintBackdrop, paintStrip, shade } from "./shared.js";
import { byHand } from "./feed.js";

const HEIGHT = 330, SKY = 190, FOOT = 24, SIDE = 10; // pixels: of all, of the arcs, of the labels, beside
const FADE = 12; // moments of transfers that an arc takes to fade
let runOf = null, courseFor = null, open = null, cursor = null, places = [];

export function startArcs(run, course, opened) {
  [runOf, courseFor, open] = [run, course, opened];
  const canvas = byId("arcs").firstElementChild;
  drawn(canvas, paintArcs);
  const under = (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    return places.length ? places.reduce((best, place) => (Math.abs(place.x - x) < Math.abs(best.x - x) ? place : best)).id : null;
  };
  canvas.addEventListener("pointermove", (event) => { const id = under(event); if (id !== null && id !== cursor && event.pointerType !== "touch") tell(id); });
  canvas.addEventListener("click", (event) => { const id = under(event); if (id === null) return; if (id === cursor && event.pointerType !== "touch") open(id); else tell(id); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" && cursor !== null) { event.preventDefault(); open(cursor); }
    if (step === undefined || !places.length) return;
    event.preventDefault();
    const at = places.findIndex((place) => place.id === cursor);
    tell(places[Math.min(Math.max(at < 0 ? 0 : at + step, 0), places.length - 1)].id);
  });
  new ResizeObserver(() => paintArcs()).observe(canvas.parentElement);
}

export function paintArcs() {
  const run = runOf();
  const canvas = byId("arcs").firstElementChild, width = canvas.parentElement.clientWidth - 20;
  if (!run || width <= 0) return;
  canvas.style.height = `${HEIGHT}px`;
  const context = fitCanvas(canvas, width, HEIGHT);
  context.clearRect(0, 0, width, HEIGHT);
  const active = run.niches.filter((niche) => niche.retired === null);
  const gap = (width - 2 * SIDE) / Math.max(active.length, 1), bar = Math.min(gap * 0.62, 34);
  places = active.map((niche, i) => ({ id: niche.id, niche, x: SIDE + gap * (i + 0.5) }));
  if (!places.some((place) => place.id === cursor)) cursor = null;
  const floor = HEIGHT - FOOT, top = SKY + 14, highest = Math.max(...active.map((niche) => niche.score ?? 0), 300);
  const at = new Map(places.map((place) => [place.id, place.x]));
  // Bars.
  context.font = `11px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { id, niche, x } of places) {
    const share = Math.min(Math.max((niche.score ?? 0) / highest, 0), 1), height = Math.max(share * (floor - top), 2);
    if (id === cursor) { context.fillStyle = colour("chosen"); context.fillRect(x - gap / 2, SKY, gap, HEIGHT - SKY); }
    context.fillStyle = colour("line");
    context.fillRect(x - bar / 2, floor - 1, bar, 1);
    context.fillStyle = niche.score === null ? colour("quiet") : shade(share);
    context.fillRect(x - bar / 2, floor - height, bar, height);
    if (niche.solved !== null) { context.fillStyle = colour("ink"); context.beginPath(); context.arc(x, floor - height - 7, 3, 0, 7); context.fill(); }
    context.fillStyle = id === cursor ? colour("accent") : colour("quiet");
    if (gap > 15 || id % Math.ceil(16 / gap) === 0) context.fillText(String(id), x, HEIGHT - FOOT / 2);
  }
  // Arcs, the oldest first.
  const moments = [...new Set(run.moves.map((move) => move.iteration))], age = new Map(moments.reverse().map((iteration, i) => [iteration, i]));
  context.save();
  clipTo(context, 0, 0, width, SKY + 4);
  for (const move of run.moves) {
    const [from, to] = [at.get(move.source), at.get(move.target)], old = age.get(move.iteration);
    if (from === undefined || to === undefined || old > FADE) continue;
    const concerns = cursor === null || move.source === cursor || move.target === cursor;
    const rise = Math.min(Math.abs(to - from) * 0.85 + 18, 2 * (SKY - 14));
    context.globalAlpha = (concerns ? 1 : 0.15) * (1 - old / (FADE + 1)) ** 1.3;
    context.strokeStyle = colour(move.kind === "direct" ? "series-1" : "series-2");
    context.lineWidth = old === 0 ? 2.4 : 1.4;
    context.beginPath();
    context.moveTo(from, SKY);
    context.quadraticCurveTo((from + to) / 2, SKY - rise, to, SKY);
    context.stroke();
    // The head points down into the target.
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.moveTo(to, SKY + 3);
    context.lineTo(to - 4, SKY - 5);
    context.lineTo(to + 4, SKY - 5);
    context.fill();
  }
  context.restore();
  context.globalAlpha = 1;
  context.textAlign = "left";
  [["moved as it was", "series-1"], ["moved fine-tuned", "series-2"]].forEach(([name, tint], i) => {
    context.fillStyle = colour(tint);
    context.fillRect(2 + 124 * i, 7, 14, 3);
    context.fillStyle = colour("quiet");
    context.fillText(name, 21 + 124 * i, 9);
  });
  if (!run.moves.length) { context.fillStyle = colour("quiet"); context.textAlign = "center"; context.fillText("no agent has moved yet", width / 2, SKY / 2); }
}

function tell(id) {
  cursor = id;
  paintArcs();
  const run = runOf(), niche = run.niches[id];
  const moved = run.moves.filter((move) => move.target === id), left = run.moves.filter((move) => move.source === id);
  const canvas = make("canvas", { "aria-hidden": "true" }), said = make("div", {},
    make("b", {}, `Niche ${id}`), ` ${niche.description}`, niche.injected ? make("span", { class: "badge" }, byHand(niche.encoding)) : null, make("br"),
    `score ${number(niche.score)}, best ${number(niche.best_score)}; ${niche.solved === null ? "not solved" : `solved at ${number(niche.solved)}`}; of late ${moved.length} moved in, ${left.length} moved out. `,
    make("button", { type: "button", onclick: () => open(id) }, "Try it"));
  byId("arcs-said").replaceChildren(canvas, said);
  drawn(canvas, async () => {
    const course = await courseFor(id), box = canvas.getBoundingClientRect();
    if (!course || !box.width) return;
    const context = fitCanvas(canvas, box.width, box.height);
    paintBackdrop(context, box.width, box.height);
    paintStrip(context, course, 0, 0, box.width, box.height);
  });
  canvas.redraw();
}
