// Transfers between niches as a matrix on a canvas: columns are sources, rows targets.

const GUTTER = 34;

function startMatrix() {
  const canvas = byId("matrix").querySelector("canvas"), said = byId("matrix-said");
  const count = niches.length;
  const cell = Math.max(Math.min(Math.floor(760 / count), 30), 1);
  const moves = new Map(data.moves.map((move) => [move[0] + move[1] * count, move]));
  const side = count * cell + GUTTER + 2;
  if (!data.moves.length) said.textContent = "No transfer has been accepted yet.";

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
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const at = (value) => Math.floor((value - GUTTER) / cell);
    const source = at(event.clientX - box.left), target = at(event.clientY - box.top);
    return source >= 0 && target >= 0 && source < count && target < count ? [source, target] : null;
  }

  canvas.addEventListener("pointermove", (event) => {
    const found = under(event);
    if (!found) return;
    const move = moves.get(found[0] + found[1] * count);
    said.textContent = move
      ? `From niche ${found[0]} to ${found[1]}: ${move[2]} of ${move[3]} attempts accepted (${Math.round((100 * move[2]) / Math.max(move[3], 1))} %)`
      : `From niche ${found[0]} to ${found[1]}: no agent moved`;
  });
  canvas.addEventListener("click", (event) => {
    const found = under(event);
    if (found) select(found[1]);
  });
  themeListeners.push(draw);
  draw();
}
