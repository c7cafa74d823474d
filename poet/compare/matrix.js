// Every agent in every niche, run by run: rows are agents, columns niches.

const GUTTER = 66; // pixels for the runs' names, numbers and the axes' names

function startMatrix() {
  const { matrix } = data;
  if (matrix === null) {
    const why = data.notes.find((note) => note.startsWith("no matrix")) ?? "The matrix was not asked for.";
    for (const part of byId("matrix-section").querySelectorAll(":scope > :not(h2, #matrix-none)")) part.remove();
    byId("matrix-none").textContent = why.charAt(0).toUpperCase() + why.slice(1) + (why.endsWith(".") ? "" : ".");
    byId("matrix-none").hidden = false;
    return;
  }
  const homes = matrix.niches, count = homes.length, of = byId("matrix-of"), order = byId("matrix-order");
  const episodes = `${matrix.episodes} episode${matrix.episodes > 1 ? "s" : ""}`;
  byId("matrix-about").textContent = `Columns are niches, rows the agents that stand for them, run by run. In a niche all agents met the same ${episodes}. Point at a cell, or use the arrow keys.`;
  const blocks = []; // {name, start, count, look}
  homes.forEach((home, i) => {
    if (blocks.at(-1)?.name !== home.run) blocks.push({ name: home.run, start: i, count: 0, look: looks[runs.findIndex((run) => run.name === home.run)] });
    blocks.at(-1).count += 1;
  });
  if (!homes.some((home) => home.difficulty !== null)) order.parentElement.remove();
  let places = []; // what stands where
  const arrange = () => {
    places = blocks.flatMap((block) => {
      const inside = Array.from({ length: block.count }, (_, i) => block.start + i);
      return order.value === "difficulty" ? inside.sort((a, b) => (homes[a].difficulty ?? 0) - (homes[b].difficulty ?? 0) || a - b) : inside;
    });
  };
  arrange();
  const known = matrix.returns.flat(), returns = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  const range = () => (of.value === "returns" ? returns : [0, 1]);
  const valueAt = ([column, row]) => matrix[of.value][places[row]][places[column]];
  const words = () => of.options[of.selectedIndex].text;

  function cells(context, at, size, dot) {
    const [low, high] = range();
    context.font = `9.5px ${FONT}`;
    for (let row = 0; row < count; row += 1) {
      for (let column = 0; column < count; column += 1) {
        const value = valueAt([column, row]), share = (value - low) / (high - low || 1);
        context.fillStyle = shade(share);
        context.fillRect(at(column), at(row), dot, dot);
        if (size >= 26) {
          const light = document.documentElement.dataset.theme === "light" ? share > 0.72 : share > 0.55;
          context.fillStyle = light ? "#14171b" : "#ffffff";
          context.fillText(of.value === "returns" ? Math.round(value).toString().replace("-", "−") : Math.round(100 * value), at(column) + dot / 2, at(row) + dot / 2 + 1);
        }
      }
    }
    context.font = `600 11px ${FONT}`;
    for (const block of blocks) {
      const [from, to] = [at(block.start), at(block.start + block.count)], room = to - from - 6;
      context.fillStyle = colour(block.look.tint);
      context.fillRect(from, GUTTER - 30, to - from - 2, 3);
      context.fillRect(GUTTER - 30, from, 3, to - from - 2);
      context.fillStyle = colour("ink");
      context.textAlign = "center";
      context.fillText(cut(context, labelOf(block.name), room), (from + to) / 2, GUTTER - 40);
      context.save();
      context.translate(GUTTER - 40, (from + to) / 2);
      context.rotate(-Math.PI / 2);
      context.fillText(cut(context, labelOf(block.name), room), 0, 0);
      context.restore();
      if (block.start) {
        context.fillStyle = colour("ink");
        context.fillRect(from - 1.5, GUTTER - 30, 1, at(count) - GUTTER + 30);
        context.fillRect(GUTTER - 30, from - 1.5, at(count) - GUTTER + 30, 1);
      }
    }
  }

  // As many niches' numbers as have room, the same in every block.
  const labels = (axis, size) => {
    const every = Math.max(1, Math.ceil((axis ? 15 : 26) / size));
    return blocks.flatMap((block) => Array.from({ length: Math.max(Math.floor(block.count / every), 1) }, (_, k) => block.start + k * every).map((place) => [place, homes[places[place]].niche]));
  };

  function tell([column, row]) {
    const agent = homes[places[row]], niche = homes[places[column]];
    const score = number(matrix.returns[places[row]][places[column]]), solved = Math.round(100 * matrix.solved[places[row]][places[column]]);
    return [make("b", {}, `Agent of niche ${agent.niche} of ${agent.run}`), " in ", make("b", {}, `niche ${niche.niche} of ${niche.run}`), ` (${niche.description}): mean return ${score}, solved in ${solved} % of ${episodes}`];
  }

  const measure = () => ({ name: words(), low: range()[0], high: range()[1] });
  const grid = startGrid({
    box: byId("matrix"), said: byId("matrix-said"), zoom: byId("matrix-zoom"), save: byId("matrix-save"), columns: count, rows: count, gutter: GUTTER,
    across: "niche of", down: "agent of", labels, cells, tell,
    figure: {
      name: "matrix", named: "the matrix", title: "Agents in each other's niches", legend: () => [{ measure: measure() }],
      table: () => [["agents_of", "agent", "niches_of", "niche", "environment", "mean_return", "solved"], ...homes.flatMap((agent, i) => homes.map((niche, j) => [agent.run, agent.niche, niche.run, niche.niche, niche.environment, matrix.returns[i][j], matrix.solved[i][j]]))],
    },
  });
  const [low, bar, high] = [make("span"), make("span", { class: "scale" }), make("span")];
  byId("matrix-range").append(low, bar, high);
  drawn(byId("matrix-range"), () => {
    bar.style.background = `linear-gradient(to right, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map(shade).join(", ")})`;
    [low.textContent, high.textContent] = range().map((value) => number(value, 2));
  });
  of.addEventListener("change", () => { grid.redraw(); byId("matrix-range").redraw(); });
  order.addEventListener("change", () => { arrange(); grid.redraw(); });
  drawBlocks(matrix, blocks);
}

function drawBlocks(matrix, blocks) {
  const names = blocks.map((block) => block.name), found = (agents, niches) => matrix.blocks.find((block) => block.agents_of === agents && block.niches_of === niches);
  const told = (block) => make("td", { class: block.agents_of === block.niches_of ? "own" : null }, number(block.mean_return), make("small", {}, `solve ${block.niches_solved_by_any} of ${block.niches}`));
  byId("blocks").querySelector("table").append(
    make("thead", {}, make("tr", {}, make("th", {}, "agents of \\ in niches of"), ...rows(names.map(labelOf), "th"))),
    make("tbody", {}, ...names.map((agents, i) => make("tr", {}, make("th", { scope: "row" }, stroke(blocks[i].look), ` ${labelOf(agents)}`), ...names.map((niches) => told(found(agents, niches)))))));
  byId("blocks").querySelector("p").textContent = "Mean return of all agents in all niches; and how many of the niches at least one of the agents solves, in half of its episodes or more.";
}
