// Where a field is looked at from: a point on the ground, a direction, a distance; and what lies under a pixel.

import { cross, looking, multiplied, unit } from "./scene3d.js";

const LENS = 30, NEAR = 0.1, FAR = 60; // degrees from the picture's lower to its upper edge, m, m
const TILTS = [0.12, 1.5], DISTANCES = [1.5, 24]; // rad over the horizon, m
const STRIDE = 0.03; // m between two places where a ray is compared with the ground

const within = (value, [low, high]) => Math.min(Math.max(value, low), high);

export class Camera {
  constructor() { Object.assign(this, { target: [2, 0, 0], turn: 0.5, tilt: 0.5, distance: 6 }); }

  turned(by, up) { this.turn += by; this.tilt = within(this.tilt + up, TILTS); }

  nearer(factor) { this.distance = within(this.distance * factor, DISTANCES); }

  // All of a field in a picture of this shape.
  whole(relief, aspect) {
    const long = (relief.rows - 1) * relief.cell, high = Math.tan((LENS * Math.PI) / 360);
    this.target = [relief.start[0] + long / 2, relief.start[1] + ((relief.columns - 1) * relief.cell) / 2, 0];
    Object.assign(this, { turn: 0.3, tilt: 0.62, distance: within(Math.max((0.53 * long) / (high * aspect), 5.4) + 2, DISTANCES) });
  }

  get ahead() {
    const flat = Math.cos(this.tilt);
    return [Math.sin(this.turn) * flat, Math.cos(this.turn) * flat, -Math.sin(this.tilt)];
  }

  get eye() { return this.target.map((value, axis) => value - this.distance * this.ahead[axis]); }

  matrix(aspect) {
    const high = 1 / Math.tan((LENS * Math.PI) / 360), span = NEAR - FAR;
    const lens = new Float32Array([high / aspect, 0, 0, 0, 0, high, 0, 0, 0, 0, (FAR + NEAR) / span, -1, 0, 0, (2 * FAR * NEAR) / span, 0]);
    return multiplied(lens, looking(this.eye, this.ahead));
  }

  // A place in space as pixels.
  place(point, width, height) {
    const m = this.matrix(width / height), [x, y, w] = [0, 1, 3].map((row) => m[row] * point[0] + m[4 + row] * point[1] + m[8 + row] * point[2] + m[12 + row]);
    return [(x / w + 1) * 0.5 * width, (1 - y / w) * 0.5 * height];
  }

  // x and y of the ground under a pixel; null where there is none.
  under(relief, px, py, width, height) {
    const { eye, ahead } = this, right = unit(cross(ahead, [0, 0, 1])), up = cross(right, ahead), high = Math.tan((LENS * Math.PI) / 360);
    const [u, v] = [((2 * px) / width - 1) * high * (width / height), (1 - (2 * py) / height) * high];
    const ray = unit(ahead.map((value, axis) => value + u * right[axis] + v * up[axis]));
    for (let along = NEAR; along < 2.5 * DISTANCES[1]; along += STRIDE) {
      const [x, y, z] = eye.map((value, axis) => value + along * ray[axis]), ground = heightAt(relief, x, y);
      if (ground !== null && z <= ground) return [x, y];
      if (ray[2] >= 0 && z > 8) return null;
    }
    return null;
  }
}

// The ground's height at a place; null beyond its edge.
export function heightAt({ heights, rows, columns, start, cell }, x, y) {
  const row = (x - start[0]) / cell, column = (y - start[1]) / cell;
  if (row < 0 || column < 0 || row > rows - 1 || column > columns - 1) return null;
  const i = Math.min(Math.floor(row), rows - 2), j = Math.min(Math.floor(column), columns - 2), [u, v] = [row - i, column - j];
  const at = (k, l) => heights[(i + k) * columns + j + l];
  return (at(0, 0) * (1 - v) + at(0, 1) * v) * (1 - u) + (at(1, 0) * (1 - v) + at(1, 1) * v) * u;
}

// The same field straight from above, for browsers that cannot draw it in space.
export class Above {
  whole() {}

  turned() {}

  nearer() {}

  fit(relief, width, height) {
    const long = (relief.rows - 1) * relief.cell, broad = (relief.columns - 1) * relief.cell, scale = Math.min(width / long, height / broad);
    return { scale, left: (width - long * scale) / 2 - relief.start[0] * scale, middle: height / 2 };
  }

  place([x, y], width, height, relief) {
    const { scale, left, middle } = this.fit(relief, width, height);
    return [left + x * scale, middle - y * scale];
  }

  under(relief, px, py, width, height) {
    const { scale, left, middle } = this.fit(relief, width, height), found = [(px - left) / scale, (middle - py) / scale];
    return heightAt(relief, ...found) === null ? null : found;
  }
}
