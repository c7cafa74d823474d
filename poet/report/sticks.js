// A recorded episode of a body in space, as a stick figure: from the side, and on the map from above.

const SIDE_SHARE = 0.5; // of the picture's height
const STICK_SPAN = 5.5; // m that the picture is wide

function drawSticks(context, episode, course, at, width, height) {
  const { record, poses } = episode, [early, late, share] = between(record, at);
  const coordinate = (point, axis) => {
    const a = poses[(early * record.points + point) * 3 + axis], b = poses[(late * record.points + point) * 3 + axis];
    return a + share * (b - a);
  };
  const trunk = record.lines[0];
  const [x, y, z] = [0, 1, 2].map((axis) => trunk.reduce((sum, point) => sum + coordinate(point, axis), 0) / trunk.length);
  const scale = width / STICK_SPAN, edge = height * SIDE_SHARE;
  const placeX = (u) => width * 0.35 + (u - x) * scale;

  context.save();
  clipTo(context, 0, 0, width, edge);
  const side = (u, w) => [placeX(u), edge * 0.6 - (w - z) * scale];
  const ground = course.relief ? profileOf(course.relief, y) : course.ground;
  paintCourse(context, { ground, boxes: course.boxes }, side, edge, 2);
  paintFigure(context, record.lines, (point) => side(coordinate(point, 0), coordinate(point, 2)));
  context.restore();

  context.save();
  clipTo(context, 0, edge, width, height - edge);
  const breadth = course.relief ? course.relief.columns * course.relief.cell : STICK_SPAN;
  const small = (height - edge) / breadth; // the whole breadth of the field
  const above = (u, v) => [width * 0.35 + (u - x) * small, (edge + height) / 2 - v * small];
  if (course.relief) {
    const { start, cell, rows, columns } = course.relief;
    const [left, top] = above(start[0], start[1] + columns * cell);
    context.imageSmoothingEnabled = true;
    context.drawImage(mapOf(course.relief), left, top, rows * cell * small, columns * cell * small);
  }
  paintFigure(context, record.lines, (point) => above(coordinate(point, 0), coordinate(point, 1)), 2);
  context.restore();
}

function paintFigure(context, lines, place, stroke = 4) {
  context.lineCap = context.lineJoin = "round";
  lines.forEach((line, number) => {
    context.beginPath();
    for (const point of line) context.lineTo(...place(point));
    if (number > 0) {
      context.strokeStyle = colour(2 * number > lines.length ? "far" : "leg");
      context.lineWidth = stroke;
      context.stroke();
    }
  });
  context.beginPath();
  for (const point of lines[0]) context.lineTo(...place(point));
  context.closePath();
  context.fillStyle = colour("hull");
  context.strokeStyle = colour("hull");
  context.lineWidth = stroke;
  context.fill();
  context.stroke();
}
