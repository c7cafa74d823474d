// A field in space, by WebGL: ground of real heights in the sun, robots as rods with their shadow, a ring where the brush is.

const TINTS = [[52, 84, 98], [66, 112, 104], [92, 138, 96], [134, 164, 98], [178, 178, 110], [192, 156, 104], [176, 128, 98], [226, 220, 214]];
const LEAST_SPAN = 0.5; // m between the lowest and the highest tint, at least
const SHADOW = 1536; // pixels a side of the map of shadows
const SUN = [-0.52, -0.42, 0.744]; // where it stands, of unit length
const SIDES = 10, RINGS = [[0, -90], [0, -45], [0, 0], [1, 0], [1, 45], [1, 90]]; // of a rod: which end, and degrees from its side
const SKIRT = 0.35; // m from the lowest ground to the block's foot
const TRUNK_HALF = 0.05; // m, of its thickness
const ROD = 12, BOX = 16; // numbers of an instance

const head = "#version 300 es\nprecision highp float;\nprecision highp sampler2D;\nprecision highp sampler2DShadow;\n";
const GROUND_VERTEX = `${head}
layout(location = 0) in vec3 place;
uniform sampler2D heights;
uniform vec4 field; // x and y of the first height, their distance, and the block's foot
uniform mat4 view, sun;
out vec3 at, up, shade;
out float skirt;
float height(ivec2 p) { return texelFetch(heights, clamp(ivec2(p.y, p.x), ivec2(0), textureSize(heights, 0) - 1), 0).r; }
void main() {
  ivec2 p = ivec2(place.xy);
  at = vec3(field.xy + place.xy * field.z, mix(height(p), field.w, place.z));
  up = vec3(height(p - ivec2(1, 0)) - height(p + ivec2(1, 0)), height(p - ivec2(0, 1)) - height(p + ivec2(0, 1)), 2.0 * field.z);
  skirt = place.z;
  vec4 lit = sun * vec4(at, 1.0);
  shade = lit.xyz * 0.5 + 0.5;
  gl_Position = view * vec4(at, 1.0);
}`;
const GROUND_FRAGMENT = `${head}
in vec3 at, up, shade;
in float skirt;
uniform sampler2DShadow shadows;
uniform vec3 tints[8], light, accent, flag, earth;
uniform vec2 range; // lowest and highest tint, m
uniform vec4 brush; // x, y and radius in m, and whether it is there
uniform vec2 ends; // x of the finish, and how far aside a robot may go, m
uniform float bright;
out vec4 colour;
float line(float distance, float width) { float w = max(fwidth(distance), 1e-5); return 1.0 - smoothstep(width, width + w, abs(distance)); }
void main() {
  vec3 face = normalize(cross(dFdx(at), dFdy(at)));
  if (face.z < 0.0) face = -face;
  vec3 normal = normalize(mix(face, normalize(up), 0.65));
  float share = clamp((at.z - range.x) / (range.y - range.x), 0.0, 1.0) * 7.0;
  int low = int(min(share, 6.0));
  vec3 base = mix(tints[low], tints[low + 1], share - float(low));
  float shadow = 0.0;
  for (int i = 0; i < 4; i += 1) shadow += texture(shadows, shade + vec3(float(i & 1) - 0.5, float(i >> 1) - 0.5, 0.0) / ${SHADOW}.0) * 0.25;
  if (skirt > 0.001) { base = earth * (1.0 - 0.25 * skirt); normal = vec3(0.0, 0.0, 1.0); shadow = 1.0; }
  else {
    base *= mod(floor(at.x), 2.0) > 0.5 ? 0.955 : 1.0;
    float steps = at.z / 0.1, wide = fwidth(steps);
    if (wide > 1e-3 && abs(at.z) > 0.04) base *= 1.0 - 0.16 * (1.0 - smoothstep(0.0, 1.4, abs(fract(steps - 0.5) - 0.5) / wide)) * smoothstep(0.9, 0.2, wide);
    if (abs(at.y) > ends.y) base = mix(base, vec3(dot(base, vec3(0.333))), 0.45) * 0.86;
    base = mix(base, vec3(1.0), 0.35 * line(abs(at.y) - ends.y, 0.008));
    base = mix(base, vec3(1.0), 0.5 * line(at.x, 0.012) * step(abs(at.y), ends.y));
    float check = mod(floor((at.x - ends.x) / 0.1) + floor(at.y / 0.1), 2.0);
    if (abs(at.x - ends.x) < 0.1 && abs(at.y) < ends.y) base = mix(vec3(0.96), flag, check);
  }
  colour = vec4(base * (0.5 + 0.1 * normal.z + 0.62 * max(dot(normal, light), 0.0) * mix(0.35, 1.0, shadow)) * bright, 1.0);
  if (brush.w > 0.5 && skirt < 0.001) {
    float away = distance(at.xy, brush.xy);
    colour.rgb = mix(colour.rgb, accent, 0.22 * smoothstep(brush.z, 0.0, away));
    colour.rgb = mix(colour.rgb, accent, line(away - brush.z, 0.014));
    colour.rgb = mix(colour.rgb, accent, line(away, 0.022));
  }
}`;
const ROD_VERTEX = `${head}
layout(location = 0) in vec4 part; // which end, cosine and sine from the side, angle around
layout(location = 1) in vec4 from;
layout(location = 2) in vec4 to;
layout(location = 3) in vec4 tint;
uniform mat4 view;
out vec3 normal;
out vec4 paint;
void main() {
  vec3 along = to.xyz - from.xyz;
  vec3 axis = dot(along, along) > 1e-8 ? normalize(along) : vec3(0.0, 0.0, 1.0);
  vec3 side = normalize(cross(axis, abs(axis.z) < 0.9 ? vec3(0.0, 0.0, 1.0) : vec3(1.0, 0.0, 0.0))), other = cross(axis, side);
  normal = (side * cos(part.w) + other * sin(part.w)) * part.y + axis * part.z;
  paint = tint;
  gl_Position = view * vec4(mix(from.xyz, to.xyz, part.x) + normal * mix(from.w, to.w, part.x), 1.0);
}`;
const BOX_VERTEX = `${head}
layout(location = 0) in vec3 corner;
layout(location = 1) in vec3 face;
layout(location = 2) in vec4 middle;
layout(location = 3) in vec4 ahead;
layout(location = 4) in vec4 aside;
layout(location = 5) in vec4 tint;
uniform mat4 view;
out vec3 normal;
out vec4 paint;
void main() {
  vec3 top = normalize(cross(ahead.xyz, aside.xyz)) * ahead.w;
  mat3 turn = mat3(ahead.xyz, aside.xyz, top);
  normal = mat3(normalize(ahead.xyz), normalize(aside.xyz), normalize(top)) * face;
  paint = tint;
  gl_Position = view * vec4(middle.xyz + turn * corner, 1.0);
}`;
const FIGURE_FRAGMENT = `${head}
in vec3 normal;
in vec4 paint;
uniform vec3 light;
out vec4 colour;
void main() {
  vec3 n = normalize(normal);
  colour = vec4(paint.rgb * (0.52 + 0.14 * n.z + 0.5 * max(dot(n, light), 0.0)) * paint.a, paint.a);
}`;

export class Scene3D {
  // null where the browser has no WebGL.
  static on(canvas, changed) {
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: true, premultipliedAlpha: true });
    return gl && new Scene3D(canvas, gl, changed);
  }

  constructor(canvas, gl, changed) {
    Object.assign(this, { canvas, gl, relief: null, stale: true });
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.begin(); changed(); });
    this.begin();
  }

  begin() {
    const { gl } = this;
    this.relief = null;
    this.ground = program(gl, GROUND_VERTEX, GROUND_FRAGMENT);
    this.rods = program(gl, ROD_VERTEX, FIGURE_FRAGMENT);
    this.boxes = program(gl, BOX_VERTEX, FIGURE_FRAGMENT);
    this.rodMesh = instanced(gl, rodMesh(), [4], [4, 4, 4]);
    this.boxMesh = instanced(gl, boxMesh(), [3, 3], [4, 4, 4, 4]);
    this.heights = gl.createTexture();
    this.shadowMap = texture(gl, gl.DEPTH_COMPONENT24, SHADOW, SHADOW, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE);
    this.shadowFrame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.shadowFrame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, this.shadowMap, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  // Ground with heights in m; `stale` says that they have changed.
  take(relief) {
    const { gl } = this;
    if (relief !== this.relief) {
      if (!this.relief || relief.rows !== this.relief.rows || relief.columns !== this.relief.columns) this.mesh = groundMesh(gl, relief.rows, relief.columns);
      this.relief = relief;
      this.stale = true;
    }
    if (!this.stale) return;
    this.stale = false;
    gl.bindTexture(gl.TEXTURE_2D, this.heights);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, relief.columns, relief.rows, 0, gl.RED, gl.FLOAT, relief.heights);
    for (const each of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, each, gl.NEAREST);
    let low = Infinity, high = -Infinity;
    for (const height of relief.heights) { low = Math.min(low, height); high = Math.max(high, height); }
    const middle = (low + high) / 2, half = Math.max(high - low, LEAST_SPAN) / 2;
    this.range = [middle - half, middle + half];
    this.foot = low - SKIRT;
    this.sun = sunMatrix(relief, low, high);
  }

  // `figures` from back to front, the first among them last: {points, lines, alpha}.
  draw({ camera, figures, brush, finish, aside, colours, bright }, width, height) {
    const { gl, relief } = this, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== across || this.canvas.height !== down) Object.assign(this.canvas, { width: across, height: down });
    const view = camera.matrix(width / height), parts = figures.map((figure) => partsOf(figure, colours));
    const gate = gateOf(relief, finish, aside, colours), leader = parts.pop() ?? { rods: [], boxes: [] };
    gl.enable(gl.DEPTH_TEST);
    // The sun's view: what it does not see lies in shadow.
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.shadowFrame);
    gl.viewport(0, 0, SHADOW, SHADOW);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.polygonOffset(2.5, 6);
    this.paintGround(this.sun, null);
    this.paintParts(this.sun, [leader, gate]);
    gl.disable(gl.POLYGON_OFFSET_FILL);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, across, down);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.paintGround(view, { brush, ends: [finish, aside], colours, bright });
    this.paintParts(view, [gate]);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(false);
    this.paintParts(view, parts);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
    this.paintParts(view, [leader]);
  }

  paintGround(view, look) {
    const { gl, ground, relief } = this;
    gl.useProgram(ground.program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.heights);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, look ? this.shadowMap : null);
    gl.activeTexture(gl.TEXTURE0);
    gl.uniform1i(ground.at("heights"), 0);
    gl.uniform1i(ground.at("shadows"), 1);
    gl.uniform4f(ground.at("field"), relief.start[0], relief.start[1], relief.cell, this.foot);
    gl.uniformMatrix4fv(ground.at("view"), false, view);
    gl.uniformMatrix4fv(ground.at("sun"), false, this.sun);
    if (look) {
      const { brush, ends, colours, bright } = look;
      gl.uniform3fv(ground.at("tints"), TINTS.flat().map((value) => value / 255));
      gl.uniform3fv(ground.at("light"), SUN);
      for (const name of ["accent", "flag", "earth"]) gl.uniform3fv(ground.at(name), colours[name]);
      gl.uniform2fv(ground.at("range"), this.range);
      gl.uniform4fv(ground.at("brush"), brush ? [brush.x, brush.y, brush.radius, 1] : [0, 0, 0, 0]);
      gl.uniform2fv(ground.at("ends"), ends);
      gl.uniform1f(ground.at("bright"), bright);
    } else gl.colorMask(false, false, false, false);
    gl.bindVertexArray(this.mesh.array);
    gl.drawElements(gl.TRIANGLES, this.mesh.count, gl.UNSIGNED_INT, 0);
    gl.colorMask(true, true, true, true);
  }

  paintParts(view, parts) {
    const { gl } = this;
    for (const [kind, mesh, numbers, name] of [[this.boxes, this.boxMesh, BOX, "boxes"], [this.rods, this.rodMesh, ROD, "rods"]]) {
      const all = Float32Array.from(parts.flatMap((part) => part[name]));
      if (!all.length) continue;
      gl.useProgram(kind.program);
      gl.uniformMatrix4fv(kind.at("view"), false, view);
      gl.uniform3fv(kind.at("light"), SUN);
      gl.bindVertexArray(mesh.array);
      gl.bindBuffer(gl.ARRAY_BUFFER, mesh.instances);
      gl.bufferData(gl.ARRAY_BUFFER, all, gl.DYNAMIC_DRAW);
      gl.drawElementsInstanced(gl.TRIANGLES, mesh.count, gl.UNSIGNED_SHORT, 0, all.length / numbers);
    }
  }
}

// A robot as rods along its legs and a box for its trunk.
function partsOf({ points, lines, alpha }, colours) {
  const at = (number) => points.subarray(3 * number, 3 * number + 3), rods = [], boxes = [];
  const rod = (a, b, first, last, tint) => rods.push(...a, first, ...b, last, ...tint, alpha);
  lines.slice(1).forEach((line, leg) => {
    const tint = 2 * (leg + 1) > lines.length - 1 ? colours.far : colours.leg, joints = line.map(at);
    const foot = [joints.at(-1)[0], joints.at(-1)[1], joints.at(-1)[2] + 0.045];
    joints[joints.length - 1] = foot;
    for (let i = 0; i + 1 < joints.length; i += 1) rod(joints[i], joints[i + 1], [0.04, 0.034, 0.028][i] ?? 0.028, [0.036, 0.03, 0.022][i] ?? 0.022, tint);
    rod(foot, foot, 0.045, 0.045, colours.outline);
  });
  const corners = lines[0].map(at), [a, b, , d] = corners, middle = [0, 1, 2].map((axis) => corners.reduce((sum, corner) => sum + corner[axis], 0) / corners.length);
  if (corners.length === 4) {
    const half = (p, q) => [0, 1, 2].map((axis) => (p[axis] - q[axis]) / 2), ahead = half(a, d), aside = half(a, b);
    boxes.push(...middle, 0, ...ahead, TRUNK_HALF, ...aside, 0, ...colours.hull, alpha);
    // A lamp at the front says which way it goes.
    const front = middle.map((value, axis) => value + ahead[axis]);
    rod(front.map((value, axis) => value + 0.45 * aside[axis]), front.map((value, axis) => value - 0.45 * aside[axis]), 0.028, 0.028, colours.lamp);
  } else for (let i = 0; i < corners.length; i += 1) rod(corners[i], corners[(i + 1) % corners.length], 0.04, 0.04, colours.hull);
  return { rods, boxes };
}

// Two poles and a rope where the course ends.
function gateOf(relief, finish, aside, colours) {
  const row = Math.min(Math.round((finish - relief.start[0]) / relief.cell), relief.rows - 1), rods = [];
  const tops = [-aside, aside].map((y) => {
    const column = Math.round((y - relief.start[1]) / relief.cell), foot = relief.heights[row * relief.columns + column], top = [finish, y, foot + 0.75];
    rods.push(finish, y, foot - 0.1, 0.02, ...top, 0.02, ...colours.pole, 1);
    return top;
  });
  rods.push(...tops[0], 0.035, ...tops[1], 0.035, ...colours.flag, 1);
  return { rods, boxes: [] };
}

export function multiplied(a, b) {
  const found = new Float32Array(16);
  for (let column = 0; column < 4; column += 1) for (let row = 0; row < 4; row += 1) for (let k = 0; k < 4; k += 1) found[4 * column + row] += a[4 * k + row] * b[4 * column + k];
  return found;
}

export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const unit = (a) => { const size = Math.hypot(...a); return a.map((value) => value / size); };

// Turns the world so that it is seen along `ahead` from `eye`, z upwards.
export function looking(eye, ahead) {
  const right = unit(cross(ahead, [0, 0, 1])), up = cross(right, ahead);
  return new Float32Array([right[0], up[0], -ahead[0], 0, right[1], up[1], -ahead[1], 0, right[2], up[2], -ahead[2], 0, -dot(right, eye), -dot(up, eye), dot(ahead, eye), 1]);
}

function sunMatrix(relief, low, high) {
  const long = (relief.rows - 1) * relief.cell, broad = (relief.columns - 1) * relief.cell;
  const middle = [relief.start[0] + long / 2, relief.start[1] + broad / 2, (low + high) / 2], reach = Math.hypot(long, broad, high - low + 1) / 2;
  const scale = new Float32Array([1 / reach, 0, 0, 0, 0, 1 / reach, 0, 0, 0, 0, -1 / reach, 0, 0, 0, 0, 1]);
  const view = looking(middle, SUN.map((value) => -value));
  return multiplied(scale, view);
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  const places = new Map();
  return { program: made, at: (name) => { if (!places.has(name)) places.set(name, gl.getUniformLocation(made, name)); return places.get(name); } };
}

function texture(gl, format, width, height, layout, kind, filter) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, layout, kind, null);
  for (const each of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, each, filter);
  for (const each of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, each, gl.CLAMP_TO_EDGE);
  return made;
}

function attributes(gl, sizes, first, divisor) {
  const stride = 4 * sizes.reduce((sum, size) => sum + size, 0);
  let offset = 0;
  sizes.forEach((size, i) => {
    gl.enableVertexAttribArray(first + i);
    gl.vertexAttribPointer(first + i, size, gl.FLOAT, false, stride, offset);
    gl.vertexAttribDivisor(first + i, divisor);
    offset += 4 * size;
  });
}

function buffer(gl, kind, numbers) {
  const made = gl.createBuffer();
  gl.bindBuffer(kind, made);
  gl.bufferData(kind, numbers, gl.STATIC_DRAW);
  return made;
}

function instanced(gl, { vertices, corners }, own, each) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  buffer(gl, gl.ARRAY_BUFFER, Float32Array.from(vertices));
  attributes(gl, own, 0, 0);
  const instances = buffer(gl, gl.ARRAY_BUFFER, new Float32Array(0));
  attributes(gl, each, own.length, 1);
  buffer(gl, gl.ELEMENT_ARRAY_BUFFER, Uint16Array.from(corners));
  gl.bindVertexArray(null);
  return { array, instances, count: corners.length };
}

function rodMesh() {
  const vertices = [], corners = [];
  for (const [end, degrees] of RINGS) {
    const angle = (degrees * Math.PI) / 180;
    for (let side = 0; side < SIDES; side += 1) vertices.push(end, Math.cos(angle), Math.sin(angle), (2 * Math.PI * side) / SIDES);
  }
  for (let ring = 0; ring + 1 < RINGS.length; ring += 1) {
    for (let side = 0; side < SIDES; side += 1) {
      const a = ring * SIDES + side, b = ring * SIDES + ((side + 1) % SIDES);
      corners.push(a, b, a + SIDES, b, b + SIDES, a + SIDES);
    }
  }
  return { vertices, corners };
}

function boxMesh() {
  const vertices = [], corners = [];
  for (let axis = 0; axis < 3; axis += 1) {
    for (const sign of [-1, 1]) {
      const first = vertices.length / 6, [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
      for (const [a, b] of [[-1, -1], [1, -1], [1, 1], [-1, 1]]) {
        const corner = [0, 0, 0], face = [0, 0, 0];
        Object.assign(corner, { [axis]: sign, [u]: a, [v]: b });
        face[axis] = sign;
        vertices.push(...corner, ...face);
      }
      corners.push(first, first + 1, first + 2, first, first + 2, first + 3);
    }
  }
  return { vertices, corners };
}

// The field's top, cut as the engine cuts it, and its sides down to the foot.
function groundMesh(gl, rows, columns) {
  const vertices = [], corners = [];
  for (let i = 0; i < rows; i += 1) for (let j = 0; j < columns; j += 1) vertices.push(i, j, 0);
  for (let i = 0; i + 1 < rows; i += 1) {
    for (let j = 0; j + 1 < columns; j += 1) {
      const a = i * columns + j;
      corners.push(a, a + columns, a + 1, a + columns, a + columns + 1, a + 1);
    }
  }
  const wall = (places) => {
    const first = vertices.length / 3;
    for (const [i, j] of places) vertices.push(i, j, 0, i, j, 1);
    for (let k = first; k + 3 < vertices.length / 3; k += 2) corners.push(k, k + 1, k + 2, k + 2, k + 1, k + 3);
  };
  const along = Array.from({ length: rows }, (_, i) => i), across = Array.from({ length: columns }, (_, j) => j);
  for (const j of [0, columns - 1]) wall(along.map((i) => [i, j]));
  for (const i of [0, rows - 1]) wall(across.map((j) => [i, j]));
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  buffer(gl, gl.ARRAY_BUFFER, Float32Array.from(vertices));
  attributes(gl, [3], 0, 0);
  buffer(gl, gl.ELEMENT_ARRAY_BUFFER, Uint32Array.from(corners));
  gl.bindVertexArray(null);
  return { array, count: corners.length };
}
