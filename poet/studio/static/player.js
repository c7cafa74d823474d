// Episodes as they come from the server: frames of many agents on one course, played at their own pace, the best in front.

import { colour, openEpisode } from "./shared.js";
import { lines } from "./api.js";

const ANGLE = 1 / 4096, LENGTH = 1 / 256; // units of packed poses
const BODY_COLOURS = ["far", "far", "hull", "leg", "leg"], HULL = 2;
const REST = 1.6; // s at the end before it begins again

const unpacked = (text) => new Int16Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

export class Player {
  constructor(changed) {
    this.changed = changed; // called when there is something new to show
    this.clear();
  }

  clear() {
    this.stop?.abort();
    Object.assign(this, { agents: [], parts: [], frames: 0, fps: 25, course: null, shapes: [], lines: [], bodies: 0, film: null, films: [], at: 0, playing: false, whole: false, last: [], rest: 0, returns: [], distances: [], outcomes: [], lengths: [] });
  }

  get empty() { return this.frames === 0; }

  // Ask for episodes and take them in as they come; resolves when all are over.
  async play(run, body) {
    this.clear();
    const stop = (this.stop = new AbortController());
    try {
      for await (const row of lines(`/api/runs/${run}/play`, body, stop.signal)) {
        if (stop.signal.aborted) return;
        if (row.error) throw new Error(row.error);
        this.take(row);
      }
      this.whole = true;
      this.changed();
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  take(row) {
    if (row.agents) Object.assign(this, { agents: row.agents, shapes: row.shapes, lines: row.lines, bodies: row.shapes.length || 1 + Math.max(...row.lines.flat()), fps: row.fps, course: row.course });
    else if (row.film) this.takeFilm(row);
    else {
      this.parts.push({ from: this.frames, frames: row.frames, poses: unpacked(row.poses) });
      this.frames += row.frames;
      this.returns.push(...row.returns);
      this.distances.push(...row.distances);
      Object.assign(this, { outcomes: row.outcomes, lengths: row.lengths });
    }
    if (this.frames && !this.playing && this.at === 0) this.start();
    this.changed();
  }

  // A whole episode of a body that is recorded one at a time.
  takeFilm({ agent, film }) {
    const episode = openEpisode(film);
    Object.assign(this, { film: this.film ?? episode, films: [...this.films, episode], lines: film.lines ?? [], fps: film.fps, course: film.course });
    this.frames = Math.max(this.frames, film.frames);
    this.agents = [...this.agents, agent];
    this.outcomes = [...this.outcomes, film.outcome];
    this.last.push([film.score, episode.distances.at(-1)]);
  }

  start() {
    this.playing = true;
    this.before = performance.now();
    this.rest = 0;
    if (this.whole && this.at >= this.frames - 1) this.at = 0;
    requestAnimationFrame((now) => this.tick(now));
  }

  pause() { this.playing = false; this.changed(); }

  tick(now) {
    if (!this.playing) return;
    const passed = Math.max(now - this.before, 0) / 1000, last = this.frames - 1;
    this.before = now;
    this.at = Math.min(this.at + passed * this.fps * (this.speed ?? 1), last);
    if (this.at >= last && this.whole) {
      this.rest += passed;
      if (this.rest > REST) this.at = this.rest = 0;
    }
    this.changed();
    requestAnimationFrame((next) => this.tick(next));
  }

  frame(at) {
    const index = Math.min(Math.max(Math.floor(at), 0), this.frames - 1);
    let low = 0, high = this.parts.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.parts[middle].from <= index) low = middle; else high = middle - 1; }
    return [this.parts[low], index - this.parts[low].from, index];
  }

  value(part, frame, agent, body, axis) {
    return part.poses[((frame * this.agents.length + agent) * this.bodies + body) * 3 + axis];
  }

  // Agents from last to first at a moment: by return so far.
  order(at) {
    const returns = this.agents.map((_, agent) => this.gauge(agent, at).score);
    return this.agents.map((_, i) => i).sort((a, b) => returns[a] - returns[b] || b - a);
  }

  // How far along an agent was at a moment.
  gauge(agent, at = this.at) {
    const index = Math.min(Math.floor(at), this.frames - 1), film = this.films[agent], last = film ? Math.min(index, film.record.frames - 1) : index;
    const [returns, distances] = film ? [film.returns[last], film.distances[last]] : [this.returns[index]?.[agent] ?? 0, this.distances[index]?.[agent] ?? 0];
    return { time: index / this.fps, score: returns, distance: distances };
  }

  // Points of a body in space at a moment, m: x, y and z of each.
  points(agent, at) {
    const film = this.films[agent], found = new Float32Array(3 * (film ? film.record.points : this.bodies));
    if (film) {
      const last = film.record.frames - 1, early = Math.min(Math.floor(at), last), late = Math.min(early + 1, last), share = Math.min(at, last) - early, size = found.length;
      for (let i = 0; i < size; i += 1) found[i] = film.poses[early * size + i] + share * (film.poses[late * size + i] - film.poses[early * size + i]);
      return found;
    }
    const [part, frame, index] = this.frame(at), [next, later] = this.frame(Math.min(index + 1, this.frames - 1)), share = Math.min(Math.max(at - index, 0), 1);
    for (let body = 0; body < this.bodies; body += 1) {
      for (let axis = 0; axis < 3; axis += 1) {
        const a = this.value(part, frame, agent, body, axis), b = this.value(next, later, agent, body, axis);
        found[3 * body + axis] = (a + share * (b - a)) * LENGTH;
      }
    }
    return found;
  }

  // The middle of a trunk in space.
  middle(agent, at) {
    const points = this.points(agent, at), trunk = this.lines[0];
    return [0, 1, 2].map((axis) => trunk.reduce((sum, point) => sum + points[3 * point + axis], 0) / trunk.length);
  }

  // x and y of an agent's hull at a moment, m.
  hull(agent, at) {
    const [part, frame] = this.frame(at);
    return [this.value(part, frame, agent, HULL, 0) * LENGTH, this.value(part, frame, agent, HULL, 1) * LENGTH];
  }

  paint(context, place) {
    const order = this.order(this.at), [part, frame, index] = this.frame(this.at);
    const [next, later] = this.frame(Math.min(index + 1, this.frames - 1)), share = Math.min(this.at - index, 1);
    order.forEach((agent, rank) => {
      const first = rank === order.length - 1;
      context.globalAlpha = first ? 1 : Math.max(0.5 - 0.3 * Math.min(order.length / 16, 1), 0.2);
      for (let body = 0; body < this.shapes.length; body += 1) {
        const pose = [0, 1, 2].map((axis) => {
          const a = this.value(part, frame, agent, body, axis);
          let step = this.value(next, later, agent, body, axis) - a;
          if (axis === 2 && Math.abs(step) * ANGLE > Math.PI) step -= (Math.sign(step) * 2 * Math.PI) / ANGLE;
          return a + share * step;
        });
        const [x, y, angle] = [pose[0] * LENGTH, pose[1] * LENGTH, pose[2] * ANGLE], sine = Math.sin(angle), cosine = Math.cos(angle);
        context.beginPath();
        this.shapes[body].forEach(([u, v], corner) => {
          const point = place(x + cosine * u - sine * v, y + sine * u + cosine * v);
          if (corner) context.lineTo(...point); else context.moveTo(...point);
        });
        context.closePath();
        context.fillStyle = colour(BODY_COLOURS[body] ?? "leg");
        context.fill();
        if (first) { context.strokeStyle = colour("outline"); context.lineWidth = 1; context.stroke(); }
      }
    });
    context.globalAlpha = 1;
  }

  // What the episodes have come to so far, best first: {agent, score, distance, outcome}.
  results() {
    if (this.film) return this.agents.map((agent, i) => ({ agent, score: this.last[i][0], distance: this.last[i][1], outcome: this.outcomes[i] })).sort((a, b) => b.score - a.score);
    if (this.empty) return [];
    const [returns, distances] = [this.returns.at(-1), this.distances.at(-1)];
    return this.agents.map((agent, i) => ({ agent, score: returns[i], distance: distances[i], outcome: this.outcomes[i] })).sort((a, b) => b.score - a.score);
  }
}
