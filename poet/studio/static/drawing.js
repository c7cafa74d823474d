// A drawn course as this page edits it: its points and boxes, what is under the pointer, what moves where.

export const MARGIN = { box: 7, point: 10 }; // pixels around an edge or a point that still count as it

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = (value) => Math.round(value * 1000) / 1000;

// Heights of the ground of a genome at x, over the start pad.
export function heightAt(genome, limits, x) {
  const points = genome.ground;
  if (!points.length || x < limits.start) return 0;
  let before = [limits.start, 0];
  for (const point of points) {
    if (x <= point[0]) return point[0] === before[0] ? point[1] : before[1] + ((x - before[0]) / (point[0] - before[0])) * (point[1] - before[1]);
    before = point;
  }
  return before[1];
}

// What the report's scripts draw of it.
export function courseOf(genome, limits, finish) {
  const points = genome.ground.length && genome.ground[0][0] - limits.start < 1e-6 ? [[0, 0], [limits.start - 0.001, 0], ...genome.ground] : [[0, 0], [limits.start, 0], ...genome.ground];
  points.push([limits.end, points.at(-1)[1]]);
  const ground = Float32Array.from(points.flatMap(([x, y]) => [x, y + limits.level]));
  const boxes = Float32Array.from(genome.boxes.flatMap(([x, y, w, h]) => [x, y, x + w, y, x + w, y + h, x, y + h].map((value, i) => (i % 2 ? value + limits.level : value))));
  return { ground, boxes, relief: null, finish };
}

// The element at a place in pixels: {kind, number, part}; `place` goes from metres to pixels.
export function under(genome, limits, place, px, py) {
  const at = (x, y) => place(x, y + limits.level);
  for (let i = genome.boxes.length - 1; i >= 0; i -= 1) {
    const [x, y, w, h] = genome.boxes[i], [left, bottom] = at(x, y), [right, top] = at(x + w, y + h), m = MARGIN.box;
    if (px < left - m || px > right + m || py < top - m || py > bottom + m) continue;
    const small = right - left < 3 * m, low = bottom - top < 3 * m;
    const side = Math.abs(px - right) <= m && (!small || px > right) ? "right" : Math.abs(px - left) <= m && (!small || px < left) ? "left" : "";
    const upper = Math.abs(py - top) <= m && (!low || py < top) ? "top" : "";
    return { kind: "box", number: i, part: `${upper}${side}` || "all" };
  }
  let best = null, least = MARGIN.point;
  genome.ground.forEach(([x, y], i) => {
    const [u, v] = at(x, y), distance = Math.hypot(u - px, v - py);
    if (distance <= least) { least = distance; best = { kind: "point", number: i, part: "all" }; }
  });
  return best;
}

// The genome with one element moved or stretched by so many metres, from how it was at first.
export function moved(genome, limits, what, dx, dy) {
  const next = structuredClone(genome);
  if (what.kind === "point") {
    const points = genome.ground, [x, y] = points[what.number];
    const low = what.number ? points[what.number - 1][0] + limits.gap : limits.start;
    const high = what.number + 1 < points.length ? points[what.number + 1][0] - limits.gap : limits.end;
    next.ground[what.number] = [rounded(clamp(x + dx, low, high)), rounded(clamp(y + dy, -limits.highest, limits.highest))];
    return next;
  }
  let [x, y, w, h] = genome.boxes[what.number];
  const [thin, wide] = limits.side;
  if (what.part === "all") { x = clamp(x + dx, limits.start, limits.end - w); y = clamp(y + dy, -limits.highest, limits.highest); }
  if (what.part.includes("right")) w = clamp(w + dx, thin, Math.min(wide, limits.end - x));
  if (what.part.includes("left")) { const edge = clamp(x + dx, Math.max(limits.start, x + w - wide), x + w - thin); w += x - edge; x = edge; }
  if (what.part.includes("top")) h = clamp(h + dy, thin, wide);
  next.boxes[what.number] = [x, y, w, h].map(rounded);
  return next;
}

// The genome with an element of a kind added around x; gives [genome, what is selected].
export function added(genome, limits, kind, x) {
  const next = structuredClone(genome), at = (u) => rounded(heightAt(genome, limits, u));
  if (kind === "box") {
    if (next.boxes.length >= limits.boxes) return [genome, null];
    const left = rounded(clamp(x, limits.start, limits.end - 0.6));
    next.boxes.push([left, Math.min(at(left), at(left + 0.5)), 0.5, 0.5]);
    return [next, { kind: "box", number: next.boxes.length - 1, part: "all" }];
  }
  const shapes = { point: [[0, 0]], pit: [[0, 0], [0.05, -1.8], [1.25, -1.8], [1.3, 0]], hill: [[0, 0], [1.5, 0.7], [3, 0]] };
  const wanted = shapes[kind], wide = wanted.at(-1)[0];
  const from = clamp(x, limits.start + limits.gap, limits.end - wide - limits.gap);
  const level = at(from), end = at(from + wide);
  const fresh = wanted.map(([u, v], i) => [rounded(from + u), rounded((i === wanted.length - 1 && i > 0 ? end : level) + v)]);
  // What lies within gives way.
  next.ground = genome.ground.filter(([u]) => u < from - limits.gap || u > from + wide + limits.gap);
  // Before the first point the ground is level; it stays so.
  next.ground = [...next.ground, ...fresh].sort((a, b) => a[0] - b[0]);
  if (next.ground.length > limits.points) return [genome, null];
  const middle = fresh[Math.floor(fresh.length / 2)];
  return [next, { kind: "point", number: next.ground.findIndex((point) => point[0] === middle[0]), part: "all" }];
}

export function removed(genome, what) {
  const next = structuredClone(genome);
  (what.kind === "box" ? next.boxes : next.ground).splice(what.number, 1);
  return next;
}

// All elements from left to right, for the keyboard.
export function elements(genome) {
  const found = [...genome.boxes.map(([x], number) => ({ kind: "box", number, part: "all", x })), ...genome.ground.map(([x], number) => ({ kind: "point", number, part: "all", x }))];
  return found.sort((a, b) => a.x - b.x);
}

export function said(genome, what) {
  if (!what) return "";
  if (what.kind === "point") { const [x, y] = genome.ground[what.number]; return `point at ${x.toFixed(1)} m, ${y.toFixed(1)} m high`; }
  const [x, y, w, h] = genome.boxes[what.number];
  return `box at ${x.toFixed(1)} m, ${w.toFixed(1)} m wide and ${h.toFixed(1)} m high${Math.abs(y) > 0.05 ? `, its foot at ${y.toFixed(1)} m` : ""}`;
}
