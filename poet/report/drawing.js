// Courses as drawings: a strip of ground with its obstacles, the whole course or a window of it.

const courses = data.courses.map((course) => ({ packed: course, ground: null, boxes: null }));

function courseOf(id) {
  const course = courses[id];
  if (!course) return null;
  if (!course.ground) Object.assign(course, openCourse(course.packed));
  return course;
}

// A course as Python packed it.
function openCourse(packed) {
  const [ground, boxes] = [packed.ground, packed.boxes].map((text) => unpack(text, data.units.length));
  return { packed, ground, boxes, relief: packed.relief && readRelief(packed.relief), finish: packed.finish };
}

const MARGIN = 15; // m of ground drawn beyond either end

// Draw with `place` from metres to pixels; `floor` is the picture's lower edge in pixels.
function paintCourse(context, course, place, floor, line) {
  const { ground, boxes } = course;
  context.beginPath();
  const start = ground[0] - MARGIN, end = ground[ground.length - 2] + MARGIN;
  context.moveTo(place(start, 0)[0], floor);
  context.lineTo(...place(start, ground[1]));
  for (let i = 0; i < ground.length; i += 2) context.lineTo(...place(ground[i], ground[i + 1]));
  context.lineTo(...place(end, ground[ground.length - 1]));
  context.lineTo(place(end, 0)[0], floor);
  context.fillStyle = colour("earth");
  context.fill();
  context.beginPath();
  context.moveTo(...place(start, ground[1]));
  for (let i = 0; i < ground.length; i += 2) context.lineTo(...place(ground[i], ground[i + 1]));
  context.lineTo(...place(end, ground[ground.length - 1]));
  context.strokeStyle = colour("grass");
  context.lineWidth = line;
  context.stroke();
  context.fillStyle = colour("stone");
  for (let i = 0; i < boxes.length; i += 8) {
    context.beginPath();
    for (let corner = 0; corner < 8; corner += 2) context.lineTo(...place(boxes[i + corner], boxes[i + corner + 1]));
    context.fill();
  }
}

// Where the course ends.
function paintFinish(context, course, place) {
  if (course.finish === null || course.relief) return;
  const { ground, finish } = course;
  let i = 0;
  while (i + 3 < ground.length && ground[i + 2] < finish) i += 2;
  const [x, foot] = place(finish, ground[i + 1]), [, top] = place(finish, ground[i + 1] + 1.7);
  context.strokeStyle = colour("ink");
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, foot);
  context.lineTo(x, top);
  context.stroke();
  context.fillStyle = colour("flag");
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x + (foot - top) * 0.5, top + (foot - top) * 0.14);
  context.lineTo(x, top + (foot - top) * 0.28);
  context.fill();
}

// The whole course in a box; heights are stretched so that small obstacles can be seen. Gives x in pixels of x in metres.
function paintStrip(context, course, left, top, width, height) {
  if (course.relief) { paintMap(context, course.relief, left, top, width, height); return null; }
  const { ground, boxes } = course;
  let low = Infinity, high = -Infinity;
  for (let i = 1; i < ground.length; i += 2) { low = Math.min(low, ground[i]); high = Math.max(high, ground[i]); }
  for (let i = 1; i < boxes.length; i += 2) high = Math.max(high, boxes[i]);
  const span = Math.max(high - low, 4), middle = (high + low) / 2;
  const end = ground[ground.length - 2];
  const place = (x, y) => [left + (x / end) * width, top + height * (0.5 - ((y - middle) / span) * 0.7)];
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  paintCourse(context, course, place, top + height, 1);
  context.restore();
  return (x) => place(x, 0)[0];
}

// A canvas that shows a niche's course; it is drawn when it has come into view.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    entry.target.paint();
  }
}, { rootMargin: "300px" });

function courseCanvas(id) {
  const canvas = make("canvas", { "aria-hidden": "true" });
  canvas.paint = () => {
    const { width, height } = canvas.getBoundingClientRect(), context = fitCanvas(canvas, width, height);
    paintBackdrop(context, width, height);
    paintStrip(context, courseOf(id), 0, 0, width, height);
  };
  const wait = () => { seen.unobserve(canvas); seen.observe(canvas); };
  wait();
  return drawn(canvas, wait);
}

function paintBackdrop(context, width, height) {
  context.fillStyle = colour("sky");
  context.fillRect(0, 0, width, height);
}

// The course of a niche as a figure to save.
function courseFigure(id) {
  const course = courseOf(id), map = course.relief;
  return {
    name: `niche-${id}-course`, title: `Niche ${id}: ${niches[id].description}`, size: () => [800, map ? 240 : 120],
    paint: (context, width, height) => { paintBackdrop(context, width, height); paintStrip(context, course, 0, 0, width, height); },
    table: () => {
      if (map) return [["x", "y", "height"], ...Array.from(map.heights, (height, i) => [map.start[0] + Math.floor(i / map.columns) * map.cell, map.start[1] + (i % map.columns) * map.cell, height])];
      const pairs = (points, kind) => Array.from({ length: points.length / 2 }, (_, i) => [kind(i), points[2 * i], points[2 * i + 1]]);
      return [["part", "x", "y"], ...pairs(course.ground, () => "ground"), ...pairs(course.boxes, (i) => `obstacle ${Math.floor(i / 4)}`)];
    },
  };
}
