// The archive as a map: one gene against another, a dot a niche, lines from parent to child.

const PLOT = { left: 52, right: 16, top: 24, bottom: 42, dot: 5.5, reach: 18 }; // pixels
const isNetwork = (value) => Boolean(value?.nodes && value?.connections);

// Numbers of a genome by name; of a range its upper end, of more numbers each, of a network its size, of a gene that is not there zero.
function genesOf(genome, into = {}) {
  for (const [gene, value] of Object.entries(genome)) {
    const name = gene.replaceAll("_", " ");
    if (typeof value === "number") into[name] = value;
    else if (value === null) into[name] = 0;
    else if (isNetwork(value)) {
      into[`${name} nodes`] = value.nodes.length;
      into[`${name} connections`] = value.connections.filter((one) => one.enabled).length;
    } else if (Array.isArray(value) && Array.isArray(value[0])) into[name] = value.length; // parts that somebody drew
    else if (Array.isArray(value) && value.length > 2 && value.every((one) => typeof one === "number")) value.forEach((one, i) => { into[`${name} ${i + 1}`] = one; });
    else if (Array.isArray(value) && value.every((one) => typeof one === "number")) into[name] = value.length ? value.at(-1) : 0;
    else if (typeof value === "object" && !Array.isArray(value)) genesOf(value, into);
  }
  return into;
}

function reliefOf(id) {
  const course = courseOf(id);
  if (!course) return null;
  let low = Infinity, high = -Infinity;
  const heights = course.relief?.heights ?? course.ground.filter((_, i) => i % 2);
  for (const height of heights) { low = Math.min(low, height); high = Math.max(high, height); }
  return high - low;
}

// What may be an axis: whatever differs between niches. The larger `gene`, the more it is what evolves.
function mapAxes() {
  const genes = niches.map((niche) => genesOf(niche.genome));
  const names = [...new Set(genes.flatMap((one) => Object.keys(one)))];
  const axes = names.map((name) => ({ name, of: (niche) => genes[niche.id][name] ?? 0, gene: 2 }));
  if (courses.length) axes.push({ name: "height of the ground, m", of: (niche) => reliefOf(niche.id), gene: niches.some((niche) => Object.values(niche.genome).some(isNetwork)) ? 3 : 1 });
  for (const one of [...measures, measure("novelty", "novelty when admitted")]) axes.push({ name: one.name, of: one.of, gene: 0 });
  for (const axis of axes) axis.values = niches.map(axis.of);
  return axes.filter((axis) => new Set(axis.values.filter(Number.isFinite)).size > 1);
}

function startMap() {
  const axes = mapAxes(), section = byId("map-section");
  if (axes.length < 2 || niches.length < 2) { section.remove(); document.querySelector('nav a[href="#map-section"]').remove(); return; }
  const canvas = byId("map").querySelector("canvas"), said = byId("map-said");
  const kinds = (axis) => new Set(axis.values).size, genes = axes.filter((axis) => axis.gene).sort((a, b) => b.gene - a.gene || kinds(b) - kinds(a));
  const first = [...genes, ...axes.filter((axis) => !axis.gene)];
  const choices = ["map-x", "map-y"].map((id, i) => {
    const choice = byId(id);
    choice.append(...axes.map((axis, k) => make("option", { value: k }, axis.name)));
    choice.value = axes.indexOf(first[i]);
    choice.addEventListener("change", () => draw());
    return choice;
  });
  byId("map-shade").append(shadeControl());
  let cursor = null, places = [];

  // Equal places fan out like the seeds of a sunflower, so that each can be seen and pointed at.
  function layOut(x, y) {
    const met = new Map();
    return niches.map((niche, i) => {
      const [u, v] = [x.values[i], y.values[i]];
      if (!Number.isFinite(u) || !Number.isFinite(v)) return null;
      const key = `${u} ${v}`, count = met.get(key) ?? 0;
      met.set(key, count + 1);
      const distance = PLOT.dot * 1.7 * Math.sqrt(count), angle = 2.39996 * count;
      return [u, v, distance * Math.cos(angle), distance * Math.sin(angle)];
    });
  }

  function range(axis) {
    const known = axis.values.filter(Number.isFinite);
    const low = known.reduce((a, b) => Math.min(a, b)), high = known.reduce((a, b) => Math.max(a, b)), spare = (high - low) * 0.05;
    return [low - spare, high + spare];
  }

  function paint(context, width, height, marked = null) {
    const [x, y] = choices.map((choice) => axes[Number(choice.value)]), [left, right] = range(x), [low, high] = range(y);
    const px = (value) => PLOT.left + ((value - left) / (right - left)) * (width - PLOT.left - PLOT.right);
    const py = (value) => height - PLOT.bottom - ((value - low) / (high - low)) * (height - PLOT.top - PLOT.bottom);
    context.font = `11px ${FONT}`;
    context.textBaseline = "middle";
    context.lineWidth = 1;
    context.strokeStyle = colour("line");
    context.fillStyle = colour("quiet");
    context.textAlign = "right";
    for (const value of ticks(low, high, 6)) {
      context.beginPath();
      context.moveTo(PLOT.left, py(value));
      context.lineTo(width - PLOT.right, py(value));
      context.stroke();
      context.fillText(short(value), PLOT.left - 7, py(value));
    }
    context.textAlign = "center";
    for (const value of ticks(left, right, Math.max(3, Math.floor(width / 110)))) {
      context.beginPath();
      context.moveTo(px(value), PLOT.top);
      context.lineTo(px(value), height - PLOT.bottom);
      context.stroke();
      context.fillText(short(value), px(value), height - PLOT.bottom + 13);
    }
    context.font = `12px ${FONT}`;
    context.fillStyle = colour("ink");
    context.fillText(x.name, (PLOT.left + width - PLOT.right) / 2, height - 9);
    context.textAlign = "left";
    context.fillText(y.name, 2, 9);
    const found = layOut(x, y).map((place) => place && [px(place[0]) + place[2], py(place[1]) + place[3]]);
    context.strokeStyle = colour("quiet");
    context.globalAlpha = niches.length > 150 ? 0.16 : 0.35;
    context.beginPath();
    for (const niche of niches) {
      const [from, to] = [found[niche.parent], found[niche.id]];
      if (niche.parent === null || !from || !to) continue;
      context.moveTo(...from);
      context.lineTo(...to);
    }
    context.stroke();
    context.globalAlpha = 1;
    const size = niches.length > 150 ? PLOT.dot * 0.75 : PLOT.dot;
    niches.forEach((niche, i) => {
      if (!found[i]) return;
      context.beginPath();
      context.arc(...found[i], size, 0, 7);
      context.fillStyle = niche.solved === null ? colour("card") : shadeOf(niche);
      context.fill();
      context.strokeStyle = shadeOf(niche);
      context.lineWidth = 2;
      context.stroke();
    });
    if (marked !== null && found[marked]) {
      context.beginPath();
      context.arc(...found[marked], size + 4, 0, 7);
      context.strokeStyle = colour("ink");
      context.lineWidth = 2;
      context.stroke();
    }
    return found;
  }

  function draw() {
    const width = canvas.parentElement.clientWidth, height = Math.round(Math.min(Math.max(width * 0.5, 300), 460));
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = fitCanvas(canvas, width, height);
    context.clearRect(0, 0, width, height);
    places = paint(context, width, height, cursor ?? selected);
  }

  function tell(id) {
    const niche = niches[id], [x, y] = choices.map((choice) => axes[Number(choice.value)]);
    cursor = id;
    draw();
    said.replaceChildren(make("a", { href: `#niche-${id}` }, `Niche ${id}`),
      `: ${x.name} ${number(x.values[id], 2)}, ${y.name} ${number(y.values[id], 2)}; mean return ${number(niche.mean_return)}, ${niche.solved === null ? "not solved" : "solved"}`);
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    let best = null, least = PLOT.reach;
    places.forEach((place, id) => {
      const distance = place ? Math.hypot(place[0] - event.clientX + box.left, place[1] - event.clientY + box.top) : Infinity;
      if (distance < least) { least = distance; best = id; }
    });
    return best;
  }

  canvas.addEventListener("pointermove", (event) => { const id = under(event); if (id !== null && id !== cursor) tell(id); });
  canvas.addEventListener("click", (event) => { const id = under(event); if (id !== null) { tell(id); select(id); } });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && cursor !== null) { event.preventDefault(); select(cursor, true); }
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const axis = event.key === "ArrowLeft" || event.key === "ArrowRight" ? 0 : 1, sign = axis ? -1 : 1;
    const shown = niches.map((niche) => niche.id).filter((id) => places[id]).sort((a, b) => sign * (places[a][axis] - places[b][axis]) || a - b);
    const at = cursor === null ? 0 : shown.indexOf(cursor) + step;
    tell(shown[Math.min(Math.max(at, 0), shown.length - 1)]);
  });
  const figure = () => ({
    name: "map", title: "Map of the archive", size: () => [760, 460], paint: (context, width, height) => { paint(context, width, height); },
    legend: () => [{ measure: shading }],
    table: () => [["niche", "parent", ...axes.map((axis) => axis.name), "mean return", "solved"], ...niches.map((niche, i) => [niche.id, niche.parent, ...axes.map((axis) => axis.values[i]), niche.mean_return, niche.solved])],
  });
  byId("map-save").append(saveMenu("the map", figure));
  printsAs(canvas, () => [{ ...figure(), size: () => [PAPER.width, 420] }]);
  selectionListeners.push(() => { cursor = null; draw(); });
  drawn(canvas, draw);
  new ResizeObserver(draw).observe(canvas.parentElement);
}
