// Transfers between niches as a matrix: columns are sources, rows targets.

const GUTTER = 44; // pixels for numbers and the axes' names
const ROUTES = 12; // listed
const MARKED = 6; // pixels of a cell from which on refusals are marked: in smaller ones they would look accepted

function startMatrix() {
  const said = byId("matrix-said"), count = niches.length;
  const moves = new Map(data.moves.map((move) => [move[0] + move[1] * count, move]));
  if (!data.moves.some((move) => move[2])) said.textContent = "No transfer has been accepted yet.";
  if (count < 2) {
    for (const part of byId("matrix-section").querySelectorAll(".controls, .beside, p:not(#matrix-said)")) part.remove();
    return;
  }

  function cells(context, at, size, dot) {
    const accent = colour("accent"), ink = colour("ink");
    for (const [source, target, accepted, attempts] of data.moves) {
      const rate = accepted / Math.max(attempts, accepted);
      if (!accepted) {
        if (size < MARKED) continue;
        context.fillStyle = colour("quiet");
        context.fillRect(at(source) + dot / 2 - 1.5, at(target) + dot / 2 - 1.5, 3, 3);
        continue;
      }
      context.globalAlpha = size > 4 ? 0.25 + 0.75 * rate : 0.5 + 0.5 * rate;
      context.fillStyle = accent;
      context.fillRect(at(source), at(target), dot, dot);
      context.globalAlpha = 1;
      if (size >= 22) {
        context.fillStyle = rate > 0.5 ? colour("card") : ink;
        context.fillText(accepted, at(source) + dot / 2, at(target) + dot / 2 + 1);
      }
    }
    context.fillStyle = colour("line");
    for (let id = 0; id < count; id += 1) context.fillRect(at(id), at(id), dot, dot);
  }

  const link = (id) => make("a", { href: `#niche-${id}` }, String(id));

  function tell([source, target]) {
    const move = moves.get(source + target * count);
    return ["From niche ", link(source), " to ", link(target), move
      ? `: ${move[2]} of ${move[3]} attempts accepted (${Math.round((100 * move[2]) / Math.max(move[3], 1))} %)`
      : ": never tried"];
  }

  const routes = data.moves.filter((move) => move[2]).sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]).slice(0, ROUTES);
  byId("routes").hidden = !routes.length;
  byId("routes").querySelector("ol").append(...routes.map((move) => make("li", {}, link(move[0]), " to ", link(move[1]), make("span", { class: "quiet" }, ` ${move[2]} of ${move[3]}`))));
  startGrid({
    box: byId("matrix"), said, zoom: byId("matrix-zoom"), save: byId("matrix-save"), columns: count, rows: count, gutter: GUTTER,
    across: "from niche", down: "to niche",
    labels: (axis, size) => ticks(0, count - 1, Math.min(count, Math.max((count * size + 2) / (size >= 16 ? size : 60), 2)), true).map((id) => [id, id]),
    cells, tell, open: (found, focus) => select(found[1], focus),
    near: (size) => data.moves.filter((move) => move[2] || size >= MARKED),
    figure: {
      name: "transfers", named: "the matrix of transfers", title: "Transfers between niches",
      table: () => [["from", "to", "accepted", "attempts"], ...data.moves],
    },
  });
}
