// Transfers between niches as a matrix on a canvas: columns are sources, rows targets.

const GUTTER = 44; // pixels for numbers and the axes' names
const CELL = { least: 1, most: 30 }, WHOLE = 760; // pixels of a cell, and at most of all, unless it is enlarged
const ROUTES = 12; // listed
const FINGER = 14; // pixels within which the nearest cell that is marked is meant
const MARKED = 6; // pixels of a cell from which on refusals are marked: in smaller ones they would look accepted

function startMatrix() {
  const box = byId("matrix"), canvas = box.querySelector("canvas"), said = byId("matrix-said"), zoom = byId("matrix-zoom");
  const count = niches.length;
  const moves = new Map(data.moves.map((move) => [move[0] + move[1] * count, move]));
  let cell = CELL.most, cursor = null; // the cell that was pointed at last, or reached by the keys
  if (!data.moves.some((move) => move[2])) said.textContent = "No transfer has been accepted yet.";
  if (count < 2) {
    for (const part of byId("matrix-section").querySelectorAll(".controls, .beside, p:not(#matrix-said)")) part.remove();
    return;
  }
  const sideOf = (size) => count * size + GUTTER + 2;
  const cellFor = (width) => Math.min(Math.max((Math.min(width, WHOLE) - GUTTER - 2) / count, CELL.least), CELL.most);

  function paint(context, size, marked) {
    const side = sideOf(size), accent = colour("accent"), ink = colour("ink"), dot = Math.max(size - (size > 6 ? 2 : 0), 1.5);
    context.lineWidth = 1;
    context.strokeStyle = colour("line");
    context.strokeRect(GUTTER - 0.5, GUTTER - 0.5, count * size + 1, count * size + 1);
    context.font = `11px ${FONT}`;
    context.fillStyle = colour("quiet");
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.fillText("from niche", GUTTER + (side - GUTTER) / 2, 9);
    context.save();
    context.translate(9, GUTTER + (side - GUTTER) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText("to niche", 0, 0);
    context.restore();
    for (const id of ticks(0, count - 1, Math.min(count, Math.max((side - GUTTER) / (size >= 16 ? size : 60), 2)), true)) {
      context.textAlign = "center";
      context.fillText(id, GUTTER + id * size + dot / 2, GUTTER - 12);
      context.textAlign = "right";
      context.fillText(id, GUTTER - 7, GUTTER + id * size + dot / 2);
    }
    context.textAlign = "center";
    for (const [source, target, accepted, attempts] of data.moves) {
      const rate = accepted / Math.max(attempts, accepted);
      if (!accepted) {
        if (size < MARKED) continue;
        context.fillStyle = colour("quiet");
        context.fillRect(GUTTER + source * size + dot / 2 - 1.5, GUTTER + target * size + dot / 2 - 1.5, 3, 3);
        continue;
      }
      context.globalAlpha = size > 4 ? 0.25 + 0.75 * rate : 0.5 + 0.5 * rate;
      context.fillStyle = accent;
      context.fillRect(GUTTER + source * size, GUTTER + target * size, dot, dot);
      context.globalAlpha = 1;
      if (size >= 22) {
        context.fillStyle = rate > 0.5 ? colour("card") : ink;
        context.fillText(accepted, GUTTER + source * size + dot / 2, GUTTER + target * size + dot / 2 + 1);
      }
    }
    context.fillStyle = colour("line");
    for (let id = 0; id < count; id += 1) context.fillRect(GUTTER + id * size, GUTTER + id * size, dot, dot);
    if (!marked) return;
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.strokeRect(GUTTER + marked[0] * size - 1, GUTTER + marked[1] * size - 1, dot + 2, dot + 2);
  }

  function draw() {
    cell = cellFor(box.clientWidth) * Number(zoom.value);
    const side = sideOf(cell);
    canvas.style.width = canvas.style.height = `${side}px`;
    const ratio = Math.min(window.devicePixelRatio || 1, PIXELS.most / side), context = fitCanvas(canvas, side, side, ratio);
    context.clearRect(0, 0, side, side);
    paint(context, cell, cursor);
  }

  // The cell under a pointer, or where cells are smaller than that can tell, the nearest that is marked.
  function under(event) {
    const frame = canvas.getBoundingClientRect();
    const x = (event.clientX - frame.left - GUTTER) / cell, y = (event.clientY - frame.top - GUTTER) / cell;
    if (cell >= FINGER) return Math.floor(x) >= 0 && Math.floor(y) >= 0 && x < count && y < count ? [Math.floor(x), Math.floor(y)] : null;
    let best = null, least = FINGER / cell;
    for (const [source, target, accepted] of data.moves) {
      if (!accepted && cell < MARKED) continue;
      const distance = Math.hypot(source + 0.5 - x, target + 0.5 - y);
      if (distance < least) { least = distance; best = [source, target]; }
    }
    return best;
  }

  const link = (id) => make("a", { href: `#niche-${id}` }, String(id));

  function tell(found) {
    const [source, target] = found, move = moves.get(source + target * count);
    cursor = found;
    draw();
    said.replaceChildren("From niche ", link(source), " to ", link(target), move
      ? `: ${move[2]} of ${move[3]} attempts accepted (${Math.round((100 * move[2]) / Math.max(move[3], 1))} %)`
      : ": never tried");
  }

  canvas.addEventListener("pointermove", (event) => {
    const found = event.pointerType === "touch" ? null : under(event);
    if (found && String(found) !== String(cursor)) tell(found);
  });
  canvas.addEventListener("click", (event) => {
    const found = under(event);
    if (!found) return;
    tell(found);
    if (event.pointerType !== "touch") select(found[1]); // a finger is too broad to open a niche: the text has links
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Enter" && cursor) { event.preventDefault(); select(cursor[1], true); }
    if (!step) return;
    event.preventDefault();
    const inside = (value) => Math.min(Math.max(value, 0), count - 1);
    tell(cursor ? [inside(cursor[0] + step[0]), inside(cursor[1] + step[1])] : [0, 0]);
  });
  zoom.addEventListener("change", draw);
  zoom.parentElement.hidden = cellFor(600) === CELL.most;
  const routes = data.moves.filter((move) => move[2]).sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]).slice(0, ROUTES);
  byId("routes").hidden = !routes.length;
  byId("routes").querySelector("ol").append(...routes.map((move) => make("li", {}, link(move[0]), " to ", link(move[1]), make("span", { class: "quiet" }, ` ${move[2]} of ${move[3]}`))));
  const figure = (width) => {
    const size = cellFor(width);
    return {
      name: "transfers", title: "Transfers between niches", size: () => [sideOf(size), sideOf(size)], paint: (context) => paint(context, size, null),
      table: () => [["from", "to", "accepted", "attempts"], ...data.moves],
    };
  };
  byId("matrix-save").append(saveMenu("the matrix of transfers", () => figure(1000)));
  printsAs(canvas, () => [figure(PAPER.width)]);
  drawn(canvas, draw);
  new ResizeObserver(() => { if (cellFor(box.clientWidth) * Number(zoom.value) !== cell) draw(); }).observe(box);
}
