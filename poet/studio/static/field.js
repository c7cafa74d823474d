// The stage for fields: looked at from anywhere, and painted with a brush by mouse, fingers or keys.

import { byId, colour, mapOf, paintBackdrop, paintFigure } from "./shared.js";
import { dab, genomeOf, heightsOf, TOOLS } from "./brush.js";
import { Above, Camera, heightAt } from "./camera.js";
import { paintGauge } from "./course.js";
import { Scene3D } from "./scene3d.js";

const NEAR = 4.6; // m from which a robot is followed
const AGAIN = 70; // ms between two touches of a brush that rests
const TURN = 0.007; // rad a pixel
const NAMES = { look: "Look around", raise: "Raise", lower: "Lower", smooth: "Smooth", flatten: "Flatten" };

export class FieldView {
  constructor(bench) {
    this.bench = bench;
    Object.assign(this, { tool: "look", radius: 0.5, much: 40, heights: null, drag: null, brush: null, hands: new Map(), pinch: null, far: true });
    this.surface = byId("field");
    this.scene = Scene3D.on(this.surface, () => bench.repaint());
    this.camera = this.scene ? new Camera() : new Above();
    for (const name of ["look", ...TOOLS]) byId(`tool-${name}`).addEventListener("click", () => this.take(name));
    byId("brush-size").addEventListener("input", (event) => { this.radius = Number(event.target.value); this.sized(); });
    byId("brush-strength").addEventListener("input", (event) => { this.much = 10 * Number(event.target.value); this.sized(); });
    byId("whole").addEventListener("click", () => { bench.follow = false; this.overview(); bench.repaint(); });
    this.sized();
  }

  get stage() { return this.bench.stage; }

  get relief() { return this.stage.course.relief; }

  get drawn() { return this.stage.genome !== null; }

  get held() { return this.drag?.kind === "paint"; }

  open() {
    clearInterval(this.drag?.timer);
    Object.assign(this, { drag: null, brush: null, pinch: null, far: true });
    this.hands.clear();
  }

  // Another ground is there: of a painted one the heights as they were painted, not as they were packed.
  taken() {
    if (this.drawn && !this.held) { this.heights = heightsOf(this.stage.genome, this.stage.limits); this.laid(); }
    if (this.scene) this.scene.stale = true;
  }

  let() {}

  shown(genome) {
    if (!this.held) { this.heights = heightsOf(genome, this.stage.limits); this.laid(); }
    return this.stage.course;
  }

  // Lay the painted heights where they are drawn.
  laid() {
    const { relief } = this, { limits } = this.stage, from = limits.first * limits.columns;
    for (let i = 0; i < this.heights.length; i += 1) relief.heights[from + i] = this.heights[i] / 1000;
    relief.picture = null;
    if (this.scene) this.scene.stale = true;
    this.bench.repaint();
  }

  said() {
    if (!this.stage.limits) return "";
    if (this.tool === "look") return this.scene ? "Drag to look around, turn the wheel or pinch to come nearer; choose a brush to paint the ground." : "This browser has no WebGL: the field is seen from above. Choose a brush to paint the ground.";
    const where = this.brush ? ` It is at ${this.brush[0].toFixed(1)} m, ${Math.abs(this.brush[1]).toFixed(1)} m ${this.brush[1] < 0 ? "right" : "left"} of the middle; the ground there is ${(heightAt(this.relief, ...this.brush) ?? 0).toFixed(2)} m high.` : "";
    return `${NAMES[this.tool]}: hold and drag over the ground; Shift swaps raising and lowering, the right button looks around. Keys: arrows move the brush, Enter paints, [ and ] change its size, 0 to 4 choose.${where}`;
  }

  take(name) {
    this.tool = name;
    for (const each of ["look", ...TOOLS]) byId(`tool-${each}`).setAttribute("aria-pressed", String(each === name));
    if (name === "look") this.brush = null;
    this.bench.canvas.style.cursor = name === "look" ? "grab" : "crosshair";
    this.bench.describe();
  }

  sized() {
    byId("brush-size").value = this.radius;
    byId("brush-strength").value = this.much / 10;
    byId("brush-said").textContent = `${(2 * this.radius).toFixed(1)} m wide, ${Math.round(this.much / 10)} cm`;
    this.bench.repaint();
  }

  height(width) { return Math.round(Math.max(Math.min(width * 0.5, 560), 280)); }

  overview() {
    const { width, height } = this.bench.canvas.getBoundingClientRect();
    this.camera.whole(this.relief, width / this.height(width) || height);
    this.far = false;
  }

  paint(context, width, height) {
    const { player } = this.bench, order = player.empty ? [] : player.order(player.at);
    if (this.far) this.overview();
    if (order.length && this.bench.follow && !this.held && this.scene) this.followed(player.middle(order.at(-1), player.at));
    const figures = order.map((agent, rank) => ({
      points: player.points(agent, player.at), lines: player.lines, alpha: rank === order.length - 1 ? 1 : Math.max(0.5 - 0.3 * Math.min(order.length / 16, 1), 0.2),
    }));
    const brush = this.brush && this.tool !== "look" ? { x: this.brush[0], y: this.brush[1], radius: this.radius } : null;
    this.surface.hidden = !this.scene;
    if (this.scene) this.paintSpace(figures, brush, width, height); else this.paintAbove(context, figures, brush, width, height);
    if (order.length) paintGauge(context, player, order.at(-1), order.length);
    const target = this.scene ? this.camera.target : [4, 0], { dataset } = this.bench.canvas;
    const middle = this.camera.place([target[0], target[1], heightAt(this.relief, target[0], target[1]) ?? 0], width, height, this.relief);
    dataset.target = JSON.stringify([middle.map(Math.round)]); // where it is to be seen, for who drives this page
  }

  // The camera glides after a robot, and looks at the ground's level rather than at its every bounce.
  followed([x, y, z]) {
    const { camera } = this, want = [x + 0.2, 0.6 * y, z], now = performance.now(), passed = Math.min((now - (this.before ?? now)) / 1000, 1);
    this.before = now;
    const glide = (value, aim, time) => aim + (value - aim) * Math.exp(-passed / time);
    camera.target = camera.target.map((value, axis) => glide(value, want[axis], 0.25));
    if (this.closing) camera.distance = glide(camera.distance, NEAR, 0.6);
  }

  get closing() { return this.bench.follow && !this.zoomed; }

  paintSpace(figures, brush, width, height) {
    const of = (name) => rgb(colour(name)), dark = document.documentElement.dataset.theme === "dark";
    this.scene.take(this.relief);
    this.scene.draw({
      camera: this.camera, figures, brush, finish: this.stage.course.finish, aside: this.stage.limits?.aside ?? ((this.relief.columns - 1) * this.relief.cell) / 2, bright: dark ? 0.74 : 1,
      colours: { accent: of("accent"), flag: of("flag"), earth: of("earth"), hull: of("hull"), leg: of("leg"), far: of("far"), outline: of("outline"), lamp: [1, 0.86, 0.42], pole: [0.93, 0.93, 0.93] },
    }, width, height);
  }

  paintAbove(context, figures, brush, width, height) {
    const { relief } = this, { scale, left, middle } = this.camera.fit(relief, width, height);
    paintBackdrop(context, width, height);
    const [u, v] = this.camera.place([relief.start[0], relief.start[1] + (relief.columns - 1) * relief.cell], width, height, relief);
    context.drawImage(mapOf(relief), u, v, (relief.rows - 1) * relief.cell * scale, (relief.columns - 1) * relief.cell * scale);
    for (const { points, lines, alpha } of figures) {
      context.globalAlpha = alpha;
      paintFigure(context, lines, (point) => [left + points[3 * point] * scale, middle - points[3 * point + 1] * scale], 2);
    }
    context.globalAlpha = 1;
    if (!brush) return;
    context.strokeStyle = colour("accent");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(left + brush.x * scale, middle - brush.y * scale, brush.radius * scale, 0, 7);
    context.stroke();
  }

  under(px, py) {
    const { width, height } = this.bench.canvas.getBoundingClientRect();
    return this.camera.under(this.relief, px, py, width, height);
  }

  down(px, py, event) {
    this.hands.set(event.pointerId, [px, py]);
    if (this.hands.size === 2) { this.finish(); this.pinch = this.spread(); return; }
    if (this.hands.size > 2) return;
    if (this.tool === "look" || event.button === 2 || event.altKey || !this.stage.limits) { this.drag = { kind: "turn", px, py }; return; }
    this.brush = this.under(px, py);
    if (this.brush) this.begin(event.shiftKey);
  }

  // A stroke begins; ground of another kind becomes painted ground, the same heights to a millimetre.
  begin(swapped) {
    this.bench.follow = false;
    this.bench.player.pause();
    const tool = (swapped && { raise: "lower", lower: "raise" }[this.tool]) || this.tool, anew = !this.drawn;
    if (anew) {
      const { limits } = this.stage, from = limits.first * limits.columns;
      this.heights = Float32Array.from(this.relief.heights.subarray(from, from + limits.rows * limits.columns), (height) => Math.round(1000 * height));
      this.bench.becomes(genomeOf(this.heights, limits, this.stage.ground.environment.genome));
    }
    clearInterval(this.drag?.timer); // of a stroke that nobody ended
    const level = 1000 * (heightAt(this.relief, ...this.brush) ?? 0);
    this.drag = { kind: "paint", tool, genome: this.stage.genome, level, anew, last: null, moved: false, timer: setInterval(() => { if (this.brush) this.touch(); }, AGAIN) };
    this.touch();
  }

  // One touch of the brush where it is.
  touch() {
    const { drag, brush } = this, { limits } = this.stage, { start } = this.relief;
    const x = brush[0] - (start[0] + limits.first * limits.cell), y = brush[1] - start[1];
    drag.last = brush;
    if (!dab(this.heights, limits, drag.tool, x, y, this.radius, this.much, drag.level)) return;
    drag.moved = true;
    this.laid();
    this.bench.describe();
  }

  move(px, py, event) {
    if (this.hands.has(event.pointerId)) this.hands.set(event.pointerId, [px, py]);
    if (this.pinch) { this.pinched(); return; }
    const { drag } = this;
    if (drag?.kind === "turn") {
      this.camera.turned((px - drag.px) * TURN, (py - drag.py) * TURN);
      Object.assign(drag, { px, py });
      this.bench.repaint();
      return;
    }
    if (this.tool === "look") return;
    this.brush = this.under(px, py);
    this.bench.repaint();
    if (drag?.kind !== "paint" || !this.brush || !drag.last) return;
    // A quick hand leaves no holes.
    const [from, to] = [drag.last, this.brush], steps = Math.floor(Math.hypot(to[0] - from[0], to[1] - from[1]) / (0.35 * this.radius));
    for (let i = 1; i <= steps; i += 1) { this.brush = from.map((value, axis) => value + ((to[axis] - value) * i) / steps); this.touch(); }
    this.brush = to;
  }

  up(event) {
    this.hands.delete(event?.pointerId);
    if (this.hands.size < 2) this.pinch = null;
    this.finish();
  }

  finish() {
    const { drag } = this;
    this.drag = null;
    if (drag?.kind !== "paint") return;
    clearInterval(drag.timer);
    if (!drag.moved && !drag.anew) return;
    this.bench.keep(drag.genome);
    this.bench.edit(genomeOf(this.heights, this.stage.limits, this.stage.ground.environment.genome), true);
  }

  spread() {
    const [a, b] = [...this.hands.values()];
    return { wide: Math.hypot(a[0] - b[0], a[1] - b[1]), x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
  }

  // Two fingers look around and come nearer, whatever the tool.
  pinched() {
    if (this.hands.size < 2) return;
    const before = this.pinch, now = (this.pinch = this.spread());
    if (before.wide > 0 && now.wide > 0) { this.camera.nearer(before.wide / now.wide); this.zoomed = true; }
    this.camera.turned((now.x - before.x) * TURN, (now.y - before.y) * TURN);
    this.bench.repaint();
  }

  wheel(event) {
    this.camera.nearer(Math.exp(event.deltaY * 0.0012));
    this.zoomed = true;
    this.bench.repaint();
    return true;
  }

  double() {}

  leave() { if (!this.drag) { this.brush = null; this.bench.repaint(); } }

  pressed(event) {
    const number = ["look", ...TOOLS][Number(event.key)];
    if (/^[0-4]$/.test(event.key) && this.stage.limits) { this.take(number); return true; }
    if (event.key === "[" || event.key === "]") {
      this.radius = Math.min(Math.max(this.radius + (event.key === "]" ? 0.1 : -0.1), Number(byId("brush-size").min)), Number(byId("brush-size").max));
      this.sized();
      return true;
    }
    if (event.key === "+" || event.key === "-") { this.camera.nearer(event.key === "+" ? 0.88 : 1.14); this.zoomed = true; this.bench.repaint(); return true; }
    if (event.key === "Home") { this.bench.follow = false; this.overview(); this.bench.repaint(); return true; }
    if (event.key === "Escape" && this.tool !== "look") { this.take("look"); return true; }
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if ((dx || dy) && this.tool === "look") { this.camera.turned(-0.12 * dx, 0.08 * dy); this.bench.repaint(); return true; }
    if (this.tool === "look") return false;
    if (dx || dy) { this.step(dx, dy, event.shiftKey ? 0.5 : 0.1); return true; }
    if (event.key === "Enter") { this.once(event.shiftKey); return true; }
    return false;
  }

  // The brush goes over the ground by the keys: along the course and across.
  step(dx, dy, by) {
    const { start, rows, columns, cell } = this.relief, [x, y] = this.brush ?? [2, 0];
    this.bench.follow = false;
    const held = (value, low, count) => Math.min(Math.max(value, low), low + (count - 1) * cell);
    this.brush = this.brush ? [held(x + dx * by, start[0], rows), held(y + dy * by, start[1], columns)] : [x, y];
    this.bench.describe();
  }

  // One touch by the keyboard is a stroke of its own.
  once(swapped) {
    if (this.held) return;
    this.brush ??= [2, 0];
    this.begin(swapped);
    this.finish();
  }
}

function rgb(text) {
  const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text.trim());
  return found ? found.slice(1).map((part) => parseInt(part, 16) / 255) : [0.5, 0.5, 0.5];
}
