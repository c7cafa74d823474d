// All of one niche, beside the page or, on a small screen, over its lower part.

const panel = byId("detail");

function chips(ids) {
  return make("div", { class: "chips" }, ...ids.map(([id, text]) => make("button", { type: "button", onclick: () => select(id, true) }, text ?? String(id))));
}

function fact(name, value) {
  return make("tr", {}, make("td", {}, name), make("td", {}, value));
}

function geneText(value) {
  if (Array.isArray(value) && (!value.length || Array.isArray(value[0]))) return String(value.length);
  if (Array.isArray(value)) return value.map((one) => number(one, 3)).join(value.length === 2 ? " – " : ", ");
  return typeof value === "number" ? number(value, 3) : value === null ? "–" : String(value);
}

// Genes as rows, those within a part of the genome too; networks have a table of their own.
function geneFacts(genome) {
  return Object.entries(genome).flatMap(([gene, value]) => {
    if (isNetwork(value)) return [];
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return geneFacts(value);
    return [fact(gene.replaceAll("_", " "), geneText(value))];
  });
}

// A row a node, such as "height = identity(0.5 × (1.2 × x) − 0.1)".
function networkTable(network) {
  const name = (node) => (node < 0 ? "xyz"[-1 - node] : node === 0 ? "height" : `node ${node}`);
  const rows = network.nodes.map((node) => {
    const sources = network.connections.filter((one) => one.enabled && one.to === node.id);
    const sum = sources.map((one) => `${number(one.weight, 3)} × ${name(one.from)}`).join(" + ") || "0";
    const scaled = node.response === 1 ? sum : `${number(node.response, 3)} × (${sum})`;
    const text = `${node.activation}(${scaled} + ${number(node.bias, 3)})`;
    return fact(name(node.id), text.replaceAll("+ -", "− "));
  });
  return make("table", {}, ...rows);
}

function ancestorsOf(id) {
  const found = [];
  for (let above = niches[id].parent; above !== null && !found.includes(above); above = niches[above].parent) found.push(above);
  return found;
}

function merged(moves, end) {
  return moves.sort((a, b) => b[2] - a[2]).map((move) => [move[end], `${move[end]} (${move[2]} of ${move[3]})`]);
}

function step(id, by, name, text) {
  const next = id + by, there = next >= 0 && next < niches.length;
  return make("button", { type: "button", "aria-label": name, disabled: there ? null : "", onclick: () => select(next, true) }, text);
}

function section(title, content) {
  return [make("h3", {}, title), content];
}

function worth(niche) {
  const between = niche.return_interval === null ? "" : ` (95 %: ${niche.return_interval.map((end) => number(end)).join(" to ")})`;
  return `${number(niche.mean_return)}${between}`;
}

function describeNiche(id) {
  const niche = niches[id];
  const moved = data.moves.filter((move) => move[2] > 0);
  const into = moved.filter((move) => move[1] === id), out = moved.filter((move) => move[0] === id);
  const accepted = into.reduce((sum, move) => sum + move[2], 0);
  const facts = make("table", {},
    fact("born", `iteration ${number(niche.born)}`),
    niche.born === 0 ? null : fact("admitted", `the agent of niche ${niche.first_agent} scored ${number(niche.first_score)} in it, within the minimal criterion; novelty ${number(niche.novelty, 3)}`),
    fact("retired", niche.retired === null ? "active" : `iteration ${number(niche.retired)}`),
    fact("solved", niche.solved === null ? "not yet" : `iteration ${number(niche.solved)}`),
    fact("mean return", `${worth(niche)} in ${niche.fresh_episodes} fresh episodes, ${niche.fresh_finished} to the end`),
    fact("score", `${number(niche.score)} in the run's latest episodes, luckiest ${number(niche.best_score)}`),
    niche.difficulty === null ? null : fact("difficulty", `${niche.difficulty_level} (${number(niche.difficulty, 2)})`),
    ...geneFacts(niche.genome),
    fact("terrain seed", String(niche.seed)),
    fact("environment", niche.environment),
  );
  const networks = Object.values(niche.genome).filter(isNetwork);
  const ancestors = ancestorsOf(id);
  const parts = [
    make("div", { class: "top" }, make("h2", {}, `Niche ${id}`), make("span", { class: "steps" }, step(id, -1, "Previous niche", "‹"), step(id, 1, "Next niche", "›"),
      make("button", { type: "button", "aria-label": "Close", onclick: () => select(null) }, "✕"))),
    make("p", {}, niche.description),
    courses.length ? courseCanvas(id) : null,
    courses.length ? make("p", { class: "tools" }, saveMenu(`the course of niche ${id}`, () => courseFigure(id))) : null,
    data.films[id] ? make("button", { type: "button", onclick: () => showFilm(id, true) }, "▶ Watch its agent") : null,
    facts,
  ];
  if (niche.scores.length > 1) {
    parts.push(...section("Scores", lineChart({ name: `niche-${id}-scores`, title: "In its own environment", yName: "score", xs: niche.scores.map((p) => p[0]), series: [{ name: "score", tint: "series-1", values: niche.scores.map((p) => p[1]) }] })));
  }
  parts.push(...section(`Ancestors (${ancestors.length})`, ancestors.length ? chips(ancestors.map((one) => [one])) : make("p", { class: "quiet" }, niche.born === 0 ? "none: the run began with it" : `none: ${niche.encoding === "drawn" ? "drawn" : "put in"} by hand`)));
  parts.push(...section(`Children (${children[id].length})`, children[id].length ? chips(children[id].map((one) => [one])) : make("p", { class: "quiet" }, "none admitted")));
  parts.push(...section(`Agents from (${accepted} of ${niche.tried} tournaments)`, into.length ? chips(merged(into, 0)) : make("p", { class: "quiet" }, "none moved in")));
  parts.push(...section("Agents to", out.length ? chips(merged(out, 1)) : make("p", { class: "quiet" }, "none moved out")));
  for (const network of networks) parts.push(...section(`Network (${network.nodes.length} node${network.nodes.length > 1 ? "s" : ""})`, networkTable(network)));
  return parts.filter((part) => part !== null);
}

function startDetail() {
  let openedBy = null;
  selectionListeners.push((id, focus) => {
    const wasOpen = !panel.hidden;
    panel.hidden = id === null;
    byId("layout").classList.toggle("open", id !== null);
    if (id === null) {
      if (wasOpen) (openedBy ?? treeBox).focus({ preventScroll: true });
      openedBy = null;
      return;
    }
    if (!panel.contains(document.activeElement) && document.activeElement !== document.body) openedBy = document.activeElement;
    panel.replaceChildren(...describeNiche(id));
    panel.scrollTop = 0;
    if (focus) panel.focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && selected !== null) select(null); });
}
