// One moment of a recorded episode: bodies on their ground, the whole course below, and how far along it is.

const BODY_COLOURS = ["far", "far", "hull", "leg", "leg"];
const VIEW = { metres: 24, least: 22, at: 0.3, level: 0.43 }; // m across a wide picture, pixels a metre at least, the hull's place across and down
const OVERVIEW = 34; // pixels of the whole course, at the lower edge

// Recorded numbers as they are drawn from: {record, poses, returns, distances, heights of the camera}.
function openEpisode(record) {
  const lengths = data.units.length, raw = unpack(record.poses, 1);
  const poses = raw.map((value, i) => value * (!record.lines && i % 3 === 2 ? data.units.angle : lengths));
  return {
    record, poses, camera: record.lines ? null : smoothed(heightsOf(record, poses), Math.round(record.fps)),
    returns: unpack(record.returns, record.return_unit), distances: unpack(record.distances, lengths),
  };
}

const followed = (record) => Math.min(2, record.shapes.length - 1); // the hull

function heightsOf(record, poses) {
  const bodies = record.shapes.length;
  return Float32Array.from({ length: record.frames }, (_, frame) => poses[(frame * bodies + followed(record)) * 3 + 1]);
}

// Means over so many values to either side: the camera glides where the hull bounces.
function smoothed(values, reach) {
  const sums = new Float64Array(values.length + 1);
  values.forEach((value, i) => { sums[i + 1] = sums[i] + value; });
  return Float32Array.from(values, (_, i) => {
    const low = Math.max(i - reach, 0), high = Math.min(i + reach + 1, values.length);
    return (sums[high] - sums[low]) / (high - low);
  });
}

// Two frames and how far between them a moment lies.
function between(record, at) {
  const last = record.frames - 1, early = Math.min(Math.floor(at), last);
  return [early, Math.min(early + 1, last), Math.min(at, last) - early];
}

const mixed = (values, [early, late, share]) => values[early] + share * (values[late] - values[early]);

function sceneHeight(record, width) {
  if (record.lines) return Math.round(Math.max(Math.min(width * 0.42, 440), 260));
  return Math.round(Math.max(Math.min(width * 0.24, 320), 145)) + OVERVIEW;
}

function paintScene(context, episode, course, at, width, height) {
  paintBackdrop(context, width, height);
  if (episode.record.lines) drawSticks(context, episode, course, at, width, height);
  else drawBodies(context, episode, course, at, width, height);
  paintGauge(context, episode, at, width);
}

function drawBodies(context, episode, course, at, width, height) {
  const { record, poses } = episode, frames = between(record, at), [early, late, share] = frames;
  const bodies = record.shapes.length;
  const pose = (body) => [0, 1, 2].map((axis) => {
    const a = poses[(early * bodies + body) * 3 + axis];
    let step = poses[(late * bodies + body) * 3 + axis] - a;
    if (axis === 2 && Math.abs(step) > Math.PI) step -= Math.sign(step) * 2 * Math.PI; // past half a turn
    return a + share * step;
  });
  const floor = height - OVERVIEW, scale = Math.max(width / VIEW.metres, VIEW.least), [x] = pose(followed(record));
  const middle = mixed(episode.camera, frames);
  const place = (u, v) => [width * VIEW.at + (u - x) * scale, floor * VIEW.level - (v - middle) * scale];
  context.save();
  clipTo(context, 0, 0, width, floor);
  paintCourse(context, course, place, floor, 3);
  paintFinish(context, course, place);
  for (let body = 0; body < bodies; body += 1) {
    const [px, py, angle] = pose(body), sine = Math.sin(angle), cosine = Math.cos(angle);
    context.beginPath();
    record.shapes[body].forEach(([u, v], corner) => {
      const point = place(px + cosine * u - sine * v, py + sine * u + cosine * v);
      if (corner) context.lineTo(...point); else context.moveTo(...point);
    });
    context.closePath();
    context.fillStyle = colour(BODY_COLOURS[body] ?? "leg");
    context.fill();
    context.strokeStyle = colour("outline");
    context.lineWidth = 1;
    context.stroke();
  }
  context.restore();
  context.fillStyle = colour("card");
  context.fillRect(0, floor, width, OVERVIEW);
  const along = paintStrip(context, course, 0, floor + 1, width, OVERVIEW - 1);
  context.fillStyle = colour("accent");
  context.fillRect(along(x) - 1, floor, 2, OVERVIEW);
  context.beginPath();
  context.moveTo(along(x) - 6, floor);
  context.lineTo(along(x) + 6, floor);
  context.lineTo(along(x), floor + 8);
  context.closePath();
  context.fill();
}

// Time, distance and return, on the sky.
function paintGauge(context, episode, at, width) {
  const { record } = episode, frames = between(record, at), over = at >= record.frames - 1;
  const entries = [
    ["time", `${fixed(Math.min(at, record.frames - 1) / record.fps)} s`],
    ["distance", `${fixed(mixed(episode.distances, frames))} of ${fixed(record.course)} m`],
    ["return", fixed(mixed(episode.returns, frames))],
    ...(over ? [["end", record.outcome]] : []),
  ];
  const narrow = width < 480, columns = narrow ? [0, 62, 172, 240] : [0, 84, 226, 320];
  context.globalAlpha = 0.86;
  context.fillStyle = colour("card");
  context.fillRect(0, 0, columns[entries.length - 1] + (narrow ? 92 : 112), narrow ? 36 : 42);
  context.globalAlpha = 1;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  entries.forEach(([name, value], i) => {
    const x = 12 + columns[i];
    context.font = `${narrow ? 10 : 11}px ${FONT}`;
    context.fillStyle = colour("quiet");
    context.fillText(name, x, narrow ? 14 : 16);
    context.font = `600 ${narrow ? 12 : 15}px ${FONT}`;
    context.fillStyle = colour("ink");
    context.fillText(value, x, narrow ? 29 : 34);
  });
}

function clipTo(context, left, top, width, height) {
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
}
