// Transfers between niches as a matrix on a canvas: columns are sources, rows targets.

const GUTTER = 34;

function startMatrix() {
  const canvas = byId("matrix").querySelector("canvas"), said = byId("matrix-said");
  const count = niches.length;
  const cell = Math.max(Math.min(Math.floor(760 / count), 30), 1);
  const moves = new Map(data.moves.map((move) => [move[0] + move[1] * count, move]));
  const side = count * cell + GUTTER + 2;
  let cursor = null; // the cell that was pointed at last, or reached by the keys
  if (!data.moves.some((move) => move[2])) said.textContent = "No transfer has been accepted yet.";

  function draw() {
    canvas.style.width = canvas.style.height = `${side}px`;
    const context = fitCanvas(canvas, side, side);
    context.strokeStyle = colour("line");
    context.strokeRect(GUTTER - 0.5, GUTTER - 0.5, count * cell + 1, count * cell + 1);
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = colour("quiet");
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const id of ticks(0, count - 1, cell >= 16 ? count : 8).filter(Number.isInteger)) {
      context.fillText(id, GUTTER + (id + 0.5) * cell, GUTTER / 2 + 6);
      context.fillText(id, GUTTER / 2, GUTTER + (id + 0.5) * cell);
    }
    const dot = Math.max(cell - (cell > 6 ? 2 : 0), 2), accent = colour("accent"), ink = colour("ink");
    for (const [source, target, accepted, attempts] of data.moves) {
      const rate = accepted / Math.max(attempts, accepted);
      if (!accepted) {
        if (cell < 6) continue; // too small to tell from an accepted one
        context.fillStyle = colour("quiet");
        context.fillRect(GUTTER + source * cell + dot / 2 - 1.5, GUTTER + target * cell + dot / 2 - 1.5, 3, 3);
        continue;
      }
      context.globalAlpha = cell > 4 ? 0.25 + 0.75 * rate : 0.5 + 0.5 * rate;
      context.fillStyle = accent;
      context.fillRect(GUTTER + source * cell, GUTTER + target * cell, dot, dot);
      context.globalAlpha = 1;
      if (cell >= 22) {
        context.fillStyle = rate > 0.5 ? colour("page") : ink;
        context.fillText(accepted, GUTTER + source * cell + dot / 2, GUTTER + target * cell + dot / 2 + 1);
      }
    }
    context.fillStyle = colour("line");
    for (let id = 0; id < count; id += 1) context.fillRect(GUTTER + id * cell, GUTTER + id * cell, dot, dot);
    if (!cursor) return;
    context.strokeStyle = ink;
    context.strokeRect(GUTTER + cursor[0] * cell - 0.5, GUTTER + cursor[1] * cell - 0.5, dot + 1, dot + 1);
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const at = (value) => Math.floor((value - GUTTER) / cell);
    const source = at(event.clientX - box.left), target = at(event.clientY - box.top);
    return source >= 0 && target >= 0 && source < count && target < count ? [source, target] : null;
  }

  function tell(found) {
    const [source, target] = found, move = moves.get(source + target * count);
    cursor = found;
    draw();
    said.textContent = move
      ? `From niche ${source} to ${target}: ${move[2]} of ${move[3]} attempts accepted (${Math.round((100 * move[2]) / Math.max(move[3], 1))} %)`
      : `From niche ${source} to ${target}: never tried`;
  }

  canvas.addEventListener("pointermove", (event) => {
    const found = under(event);
    if (found && String(found) !== String(cursor)) tell(found);
  });
  canvas.addEventListener("click", (event) => {
    const found = under(event);
    if (!found) return;
    tell(found);
    select(found[1]);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Enter" && cursor) { event.preventDefault(); select(cursor[1], true); }
    if (!step) return;
    event.preventDefault();
    const inside = (value) => Math.min(Math.max(value, 0), count - 1);
    tell(cursor ? [inside(cursor[0] + step[0]), inside(cursor[1] + step[1])] : [0, 0]);
  });
  themeListeners.push(draw);
  draw();
}
