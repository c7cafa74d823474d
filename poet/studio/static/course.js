// The stage for courses seen from the side: a window that looks along the course, and the hand that moves its parts.

import { clipTo, colour, FONT, fixed, paintBackdrop, paintCourse, paintFinish, paintScene, paintStrip, sceneHeight } from "./shared.js";
import * as drawing from "./drawing.js";

const METRES = 24, LEAST = 20; // m across a wide stage; pixels a metre at least
const OVERVIEW = 44; // pixels of the whole course, at the lower edge
const CURSORS = { all: "grab", right: "ew-resize", left: "ew-resize", top: "ns-resize", topright: "nesw-resize", topleft: "nwse-resize" };

const scaleOf = (width) => Math.max(width / METRES, LEAST);

export class CourseView {
  constructor(bench) {
    this.bench = bench;
    Object.assign(this, { left: 2, chosen: null, drag: null, seen: null });
  }

  get stage() { return this.bench.stage; }

  get drawn() { return this.stage.genome !== null; }

  // Whether a hand is on it: nothing else moves the view meanwhile.
  get held() { return this.drag !== null; }

  // Another ground than before.
  open() { Object.assign(this, { left: 2, chosen: null, drag: null, seen: null }); }

  // The same ground as the server tells of it.
  taken() {}

  let() { this.chosen = null; }

  leave() {}

  shown(genome) { return drawing.courseOf(genome, this.stage.limits, this.stage.course.finish); }

  said() {
    if (this.drawn && this.chosen) return `Chosen: ${drawing.said(this.stage.genome, this.chosen)}.`;
    if (this.drawn) return "Drag boxes, their edges, or points of the ground; drag anything else to look along the course.";
    return this.stage.limits ? "Draw on it, to drag its obstacles; drag the picture to look along the course." : "";
  }

  height(width) {
    const { player } = this.bench;
    if (player.film) return sceneHeight(player.film.record, width);
    return Math.round(Math.max(Math.min(width * 0.42, 440), 230)) + OVERVIEW;
  }

  placement(width, height, level) {
    const scale = scaleOf(width), floor = height - OVERVIEW, { left } = this;
    return {
      scale, floor, left, width, level,
      place: (x, y) => [(x - left) * scale, floor * 0.62 - (y - level) * scale],
      back: (px, py) => [px / scale + left, level + (floor * 0.62 - py) / scale],
    };
  }

  // The height that the camera looks at: the ground's mean in view, so that it glides; while a hand moves the ground it stays.
  level(width) {
    if (this.drag?.level !== undefined) return this.drag.level;
    const { ground } = this.stage.course, low = this.left, high = this.left + width / scaleOf(width);
    let area = 0, last = null;
    for (let i = 0; i < ground.length; i += 2) {
      const x = Math.min(Math.max(ground[i], low), high);
      if (last !== null) area += ((ground[i + 1] + last[1]) / 2) * (x - last[0]);
      last = [x, ground[i + 1]];
    }
    const covered = Math.min(high, ground[ground.length - 2]) - Math.max(low, ground[0]);
    return covered > 1 ? area / covered : ground[1];
  }

  paint(context, width, height) {
    const { player } = this.bench, { course } = this.stage;
    if (player.film) { paintScene(context, player.film, course, player.at, width, height); return; }
    const order = player.empty ? [] : player.order(player.at);
    if (order.length && this.bench.follow && !this.held) this.left = player.hull(order.at(-1), player.at)[0] - (width / scaleOf(width)) * 0.32;
    const { place, floor, scale } = (this.seen = this.placement(width, height, this.level(width)));
    paintBackdrop(context, width, height);
    context.save();
    clipTo(context, 0, 0, width, floor);
    paintCourse(context, course, place, floor, 3);
    paintFinish(context, course, place);
    if (!player.empty) player.paint(context, place);
    if (this.drawn) this.paintHandles(context);
    context.restore();
    context.fillStyle = colour("card");
    context.fillRect(0, floor, width, OVERVIEW);
    const along = paintStrip(context, course, 0, floor + 1, width, OVERVIEW - 1);
    context.globalAlpha = 0.16;
    context.fillStyle = colour("accent");
    context.fillRect(along(this.left), floor, along(this.left + width / scale) - along(this.left), OVERVIEW);
    context.globalAlpha = 1;
    order.forEach((agent, rank) => {
      const [x] = player.hull(agent, player.at), first = rank === order.length - 1;
      context.fillStyle = colour(first ? "hull" : "far");
      context.globalAlpha = first ? 1 : 0.55;
      context.fillRect(along(x) - 1, floor + (first ? 0 : 8), 2, first ? OVERVIEW : OVERVIEW - 8);
    });
    context.globalAlpha = 1;
    if (order.length) paintGauge(context, player, order.at(-1), order.length);
  }

  paintHandles(context) {
    const { genome, limits } = this.stage, { chosen } = this, { place, width } = this.seen, middles = [];
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
      middles.push([Math.round((left + right) / 2), Math.round((bottom + top) / 2)]);
      context.strokeStyle = colour("accent");
      context.lineWidth = is ? 2.5 : 1;
      context.globalAlpha = is ? 1 : 0.6;
      context.strokeRect(left, top, right - left, bottom - top);
      context.globalAlpha = 1;
    });
    this.bench.canvas.dataset.boxes = JSON.stringify(middles); // where they are to be seen, for who drives this page
  }

  // What is under the pointer is what the frame showed that was drawn last, wherever the view has gone since.
  under(px, py) { return this.drawn ? drawing.under(this.stage.genome, this.stage.limits, this.seen.place, px, py) : null; }

  down(px, py) {
    if (!this.seen || this.bench.player.film) return;
    this.bench.follow = false;
    if (py > this.seen.floor) { this.drag = { kind: "overview" }; this.look(px); return; }
    const found = this.under(px, py), { level, left } = this.seen;
    this.left = left;
    this.chosen = found;
    if (found) { this.bench.player.pause(); this.drag = { kind: "element", px, py, genome: this.stage.genome, level }; } else this.drag = { kind: "look", px, left };
    this.bench.describe();
  }

  move(px, py) {
    const { drag, seen } = this;
    if (!seen || this.bench.player.film) return;
    if (!drag) {
      const found = py < seen.floor ? this.under(px, py) : null;
      this.bench.canvas.style.cursor = found ? CURSORS[found.part] ?? "grab" : "default";
    } else if (drag.kind === "overview") this.look(px);
    else if (drag.kind === "look") { this.left = this.within(drag.left - (px - drag.px) / seen.scale); this.bench.repaint(); } else {
      drag.moved = true;
      this.bench.edit(drawing.moved(drag.genome, this.stage.limits, this.chosen, (px - drag.px) / seen.scale, (drag.py - py) / seen.scale), false);
    }
  }

  up() {
    const { drag } = this;
    this.drag = null;
    if (drag?.kind !== "element" || !drag.moved) return;
    this.bench.keep(drag.genome);
    this.bench.edit(this.stage.genome, true);
  }

  double(px) {
    if (!this.drawn || !this.seen) return;
    this.put(drawing.added(this.stage.genome, this.stage.limits, "point", this.seen.back(px, 0)[0]));
  }

  wheel() { return false; }

  look(px) {
    const { ground } = this.stage.course, { width, scale } = this.seen;
    this.left = this.within((px / width) * ground[ground.length - 2] - width / scale / 2);
    this.bench.repaint();
  }

  within(left) {
    const { ground } = this.stage.course, width = this.bench.canvas.getBoundingClientRect().width;
    return Math.min(Math.max(left, -2), Math.max(ground[ground.length - 2] - width / scaleOf(width) + 4, -2));
  }

  add(kind) {
    const { width } = this.bench.canvas.getBoundingClientRect();
    this.bench.player.pause();
    this.bench.follow = false;
    this.put(drawing.added(this.stage.genome, this.stage.limits, kind, this.left + (width / scaleOf(width)) * 0.5));
  }

  put([genome, chosen]) {
    if (!chosen) { this.bench.tell("There is no room for more of these.", true); return; }
    this.bench.keep(this.stage.genome);
    this.chosen = chosen;
    this.bench.edit(genome, true);
  }

  remove() {
    if (!this.chosen || !this.drawn) return;
    this.bench.keep(this.stage.genome);
    const genome = drawing.removed(this.stage.genome, this.chosen);
    this.chosen = null;
    this.bench.edit(genome, true);
  }

  choose(step) {
    const all = drawing.elements(this.stage.genome), at = all.findIndex((one) => one.kind === this.chosen?.kind && one.number === this.chosen?.number);
    if (!all.length) return;
    const { width } = this.bench.canvas.getBoundingClientRect();
    this.chosen = at < 0 ? all[0] : all[(at + step + all.length) % all.length];
    this.bench.follow = false;
    this.bench.player.pause();
    this.left = this.within(this.chosen.x - width / scaleOf(width) / 2);
    this.bench.describe();
  }

  // Whether the key meant something here.
  pressed(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if (this.drawn && (event.key === "n" || event.key === "p")) { this.choose(event.key === "n" ? 1 : -1); return true; }
    if (this.drawn && this.chosen && (event.key === "Delete" || event.key === "Backspace")) { this.remove(); return true; }
    if (event.key === "Escape" && this.chosen) { this.chosen = null; this.bench.describe(); return true; }
    if (!dx && !dy) return false;
    this.bench.follow = false;
    if (!this.drawn || !this.chosen) { this.left = this.within(this.left + 2 * dx); this.bench.repaint(); return true; }
    this.bench.keep(this.stage.genome);
    const what = event.shiftKey && this.chosen.kind === "box" ? { ...this.chosen, part: dx ? "right" : "top" } : this.chosen;
    this.bench.edit(drawing.moved(this.stage.genome, this.stage.limits, what, 0.1 * dx, 0.1 * dy), true);
    return true;
  }
}

// Time, who is in front, distance and return, on the sky.
export function paintGauge(context, player, agent, count) {
  const { time, distance, score } = player.gauge(agent);
  const entries = [["time", `${fixed(time)} s`], [count > 1 ? "in front" : "agent of", `niche ${player.agents[agent]}`], ["distance", `${fixed(distance)} of ${fixed(player.course)} m`], ["return", fixed(score)]];
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
