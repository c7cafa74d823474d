// A matrix on a canvas: cells told of under the pointer or by the keys, enlarged, saved and printed.
//
// A grid is {box, said, zoom, save, columns, rows, across, down, gutter, labels(axis, size) -> [[place, text]],
// cells(context, at, size, dot), near(size) -> cells meant where they are too small to point at, tell(cell) -> nodes,
// open(cell, focus), figure: {name, title, table, legend}}; a cell is [column, row], and `at(place)` its pixel.

const CELL = { least: 1, most: 30 }, WHOLE = 760; // pixels of a cell, and at most of all, unless it is enlarged
const FINGER = 14; // pixels within which the nearest cell that is marked is meant

function startGrid(grid) {
  const { box, said, zoom, columns, rows, gutter } = grid, canvas = box.querySelector("canvas");
  let cell = CELL.most, cursor = null; // the cell that was pointed at last, or reached by the keys
  const sides = (size) => [columns * size + gutter + 2, rows * size + gutter + 2];
  const cellFor = (width) => Math.min(Math.max((Math.min(width, WHOLE) - gutter - 2) / Math.max(columns, rows), CELL.least), CELL.most);
  const at = (size) => (place) => gutter + place * size;

  function paint(context, size, marked) {
    const [width, height] = sides(size), dot = Math.max(size - (size > 6 ? 2 : 0), 1.5), place = at(size);
    context.lineWidth = 1;
    context.strokeStyle = colour("line");
    context.strokeRect(gutter - 0.5, gutter - 0.5, columns * size + 1, rows * size + 1);
    context.font = `11px ${FONT}`;
    context.fillStyle = colour("quiet");
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.fillText(grid.across, gutter + (width - gutter) / 2, 9);
    context.save();
    context.translate(9, gutter + (height - gutter) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(grid.down, 0, 0);
    context.restore();
    for (const [column, text] of grid.labels(0, size)) context.fillText(text, place(column) + dot / 2, gutter - 12);
    context.textAlign = "right";
    for (const [row, text] of grid.labels(1, size)) context.fillText(text, gutter - 7, place(row) + dot / 2);
    context.textAlign = "center";
    grid.cells(context, place, size, dot);
    if (!marked) return;
    context.strokeStyle = colour("ink");
    context.lineWidth = 1.5;
    context.strokeRect(place(marked[0]) - 1, place(marked[1]) - 1, dot + 2, dot + 2);
  }

  function draw() {
    cell = cellFor(box.clientWidth) * Number(zoom.value);
    const [width, height] = sides(cell);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const ratio = Math.min(window.devicePixelRatio || 1, PIXELS.most / Math.max(width, height)), context = fitCanvas(canvas, width, height, ratio);
    context.clearRect(0, 0, width, height);
    paint(context, cell, cursor);
  }

  // The cell under a pointer, or where cells are smaller than that can tell, the nearest that is marked.
  function under(event) {
    const frame = canvas.getBoundingClientRect();
    const x = (event.clientX - frame.left - gutter) / cell, y = (event.clientY - frame.top - gutter) / cell;
    if (cell >= FINGER || !grid.near) return Math.floor(x) >= 0 && Math.floor(y) >= 0 && x < columns && y < rows ? [Math.floor(x), Math.floor(y)] : null;
    let best = null, least = FINGER / cell;
    for (const [column, row] of grid.near(cell)) {
      const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y);
      if (distance < least) { least = distance; best = [column, row]; }
    }
    return best;
  }

  function tell(found) {
    cursor = found;
    draw();
    said.replaceChildren(...grid.tell(found));
  }

  canvas.addEventListener("pointermove", (event) => {
    const found = event.pointerType === "touch" ? null : under(event);
    if (found && String(found) !== String(cursor)) tell(found);
  });
  canvas.addEventListener("click", (event) => {
    const found = under(event);
    if (!found) return;
    tell(found);
    if (event.pointerType !== "touch") grid.open?.(found, false); // a finger is too broad to open what it touches
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Enter" && cursor && grid.open) { event.preventDefault(); grid.open(cursor, true); }
    if (!step) return;
    event.preventDefault();
    const inside = (value, count) => Math.min(Math.max(value, 0), count - 1);
    tell(cursor ? [inside(cursor[0] + step[0], columns), inside(cursor[1] + step[1], rows)] : [0, 0]);
  });
  zoom.addEventListener("change", draw);
  zoom.parentElement.hidden = cellFor(600) === CELL.most;
  const figure = (width) => {
    const size = cellFor(width);
    return { ...grid.figure, size: () => sides(size), paint: (context) => paint(context, size, null) };
  };
  grid.save.append(saveMenu(grid.figure.named, () => figure(1000)));
  printsAs(canvas, () => [figure(PAPER.width)]);
  drawn(canvas, draw);
  new ResizeObserver(() => { if (cellFor(box.clientWidth) * Number(zoom.value) !== cell) draw(); }).observe(box);
  return { redraw: () => { draw(); if (cursor) said.replaceChildren(...grid.tell(cursor)); } };
}
