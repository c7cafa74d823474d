// Courses as drawings: a strip of ground with its obstacles, the whole course or a window of it.

const courses = data.courses.map((course) => ({ packed: course, ground: null, boxes: null }));

function courseOf(id) {
  const course = courses[id];
  if (!course) return null;
  if (!course.ground) {
    course.ground = unpack(course.packed.ground, data.units.length);
    course.boxes = unpack(course.packed.boxes, data.units.length);
    course.relief = course.packed.relief && readRelief(course.packed.relief);
  }
  return course;
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

// The whole course in a box; heights are stretched so that small obstacles can be seen.
function paintStrip(context, id, left, top, width, height) {
  const course = courseOf(id);
  if (!course) return;
  if (course.relief) { paintMap(context, course.relief, left, top, width, height); return; }
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
}

function paintThumbnail(canvas, id) {
  const box = canvas.getBoundingClientRect();
  const context = fitCanvas(canvas, box.width, box.height);
  paintStrip(context, id, 0, 0, box.width, box.height);
}
