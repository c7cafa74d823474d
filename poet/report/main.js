// Headline figures, theme, and everything set going.

function headline() {
  const figures = data.summary, transfers = figures.transfers;
  const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  const later = `${number(data.curves.admitted_solved?.at(-1) ?? 0)} after they were admitted`;
  const solved = figures.annecs === null ? later : `ANNECS ${number(figures.annecs.created_and_solved)}, ${later}`;
  const best = niches.reduce((found, niche) => Math.max(found, niche.mean_return), -Infinity);
  const entries = [
    ["Environments", number(figures.niches), `${figures.active} active, ${figures.retired} retired`],
    ["Solved", number(figures.solved), solved],
    ["Iterations", number(figures.iterations), `of ${number(figures.iterations_wanted)}`],
    ["Best mean return", number(best), `of an agent in ${niches[0].fresh_episodes} fresh episodes`],
    ["Transfers", number(transfers.accepted), transfers.attempts ? `${Math.round((100 * transfers.accepted) / transfers.attempts)} % of ${number(transfers.attempts)} accepted` : "none tried yet"],
    ["Simulation", `${short(total(figures.steps))}`, `steps in ${short(total(figures.episodes))} episodes`],
  ];
  byId("headline").append(...entries.map(([name, value, note]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, note)))));
}

function subtitle({ domain, encoding, seed, source }) {
  const steps = source?.steps ? `, into which ${short(source.steps)} steps had gone` : "";
  const began = source ? `; began with ${source.pairs} pairs of ${source.name}${steps}` : "";
  return `${domain}, ${encoding} encoding, seed ${seed}${began}`;
}

byId("title").textContent = document.title = `POET: ${data.title}`;
byId("subtitle").textContent = subtitle(data.summary);
startTheme();
headline();
drawCurves();
startDetail();
startTree();
startFilm();
startMap();
startMatrix();
startGallery();
startAbout();
startPrinting();
startAddress();
redrawAll();
document.body.dataset.ready = "true";
