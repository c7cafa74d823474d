// Every niche as a card with its course; drawn when it comes into view, some at a time.

const PAGE = matchMedia("(max-width: 640px)").matches ? 24 : 48; // cards more at each wish

// Everything known of niches, a row each.
function nicheTable(shown = niches) {
  const genes = shown.map((niche) => genesOf(niche.genome)), names = [...new Set(genes.flatMap((one) => Object.keys(one)))];
  const columns = ["id", "parent", "born", "retired", "solved", "score", "best_score", "mean_return", "difficulty", "difficulty_level", "novelty", "environment", "seed", "description"];
  return [[...columns, ...names], ...shown.map((niche, i) => [...columns.map((key) => niche[key]), ...names.map((name) => genes[i][name])])];
}

function startGallery() {
  const place = byId("gallery"), more = byId("more");
  let found = [], shown = PAGE;
  const cards = new Map(); // made when first shown
  function cardOf(niche) {
    if (cards.has(niche.id)) return cards.get(niche.id);
    const swatch = drawn(make("i", { class: niche.solved === null ? "swatch hollow" : "swatch" }), function tint() { this.style.setProperty("--tint", shadeOf(niche)); });
    swatch.redraw();
    const card = make("button", { class: "niche", type: "button", "data-niche": niche.id, "aria-current": String(niche.id === selected), onclick: () => select(niche.id, true) },
      courses.length ? courseCanvas(niche.id) : null,
      make("span", { class: "name" }, swatch, `Niche ${niche.id}`, make("b", { title: "mean return" }, niche.mean_return === null ? "–" : fixed(niche.mean_return))),
      make("span", { class: "words description" }, niche.description),
      make("span", { class: "words" }, `${niche.solved === null ? "not solved" : `solved at ${number(niche.solved)}`}, ${niche.retired === null ? "active" : "retired"}`));
    cards.set(niche.id, card);
    return card;
  }

  const least = (value) => value ?? -Infinity;
  const comparisons = {
    difficulty: (a, b) => least(b.difficulty) - least(a.difficulty) || a.id - b.id,
    born: (a, b) => a.id - b.id,
    mean_return: (a, b) => least(b.mean_return) - least(a.mean_return) || a.id - b.id,
    solved: (a, b) => (a.solved ?? Infinity) - (b.solved ?? Infinity) || a.id - b.id,
  };
  const states = {
    all: () => true,
    active: (niche) => niche.retired === null,
    retired: (niche) => niche.retired !== null,
    solved: (niche) => niche.solved !== null,
    unsolved: (niche) => niche.solved === null,
  };

  function arrange() {
    const words = byId("search").value.toLowerCase();
    found = niches.filter((niche) => states[byId("state").value](niche)
      && `${niche.id} ${niche.environment} ${niche.description} ${niche.difficulty_level ?? ""}`.toLowerCase().includes(words));
    found.sort(comparisons[byId("sort").value]);
    shown = PAGE;
    show();
    byId("count").textContent = `${found.length} of ${niches.length}`;
  }

  function show() {
    place.replaceChildren(...found.slice(0, shown).map(cardOf));
    for (const part of place.querySelectorAll("[data-drawn]")) part.redraw();
    more.hidden = found.length <= shown;
    more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more of ${number(found.length)}`;
  }

  for (const [name, event] of Object.entries({ sort: "change", state: "change", search: "input" })) byId(name).addEventListener(event, arrange);
  more.addEventListener("click", () => { shown += PAGE; show(); });
  selectionListeners.push((id) => cards.forEach((card, i) => card.setAttribute("aria-current", String(i === id))));
  if (!niches.some((niche) => niche.difficulty !== null)) {
    byId("sort").querySelector('[value="difficulty"]').remove();
    byId("search").placeholder = "42, flat, relief";
  }

  // All niches that were found, as a sheet of their courses.
  const SHEET = { columns: 4, width: 220, height: 92 };
  function paintSheet(context, listed, from) {
    listed.forEach((niche, i) => {
      const left = (i % SHEET.columns) * (SHEET.width + 12), top = Math.floor(i / SHEET.columns) * (SHEET.height + 12) + from;
      context.fillStyle = colour("sky");
      context.fillRect(left, top, SHEET.width, 52);
      paintStrip(context, courseOf(niche.id), left, top, SHEET.width, 52);
      context.fillStyle = shadeOf(niche);
      context.fillRect(left, top + 52, SHEET.width, 3);
      context.textBaseline = "alphabetic";
      context.textAlign = "left";
      context.font = `600 12px ${FONT}`;
      context.fillStyle = colour("ink");
      context.fillText(`Niche ${niche.id}: ${number(niche.mean_return)}${niche.solved === null ? "" : ", solved"}`, left, top + 71);
      context.font = `11px ${FONT}`;
      context.fillStyle = colour("quiet");
      context.fillText(clipped(context, niche.description, SHEET.width), left, top + 86);
    });
  }
  const sheet = (listed) => ({
    name: "gallery", title: "Environments", legend: () => [{ measure: shading }],
    size: () => [SHEET.columns * (SHEET.width + 12) - 12, Math.ceil(listed.length / SHEET.columns) * (SHEET.height + 12)],
    paint: (context) => paintSheet(context, listed, 0), table: () => nicheTable(listed),
  });
  if (courses.length) {
    byId("gallery-save").append(saveMenu("the gallery", () => sheet(found)));
    printsAs(place, () => {
      const pieces = [], lines = 8;
      for (let i = 0; i < found.length; i += lines * SHEET.columns) pieces.push(sheet(found.slice(i, i + lines * SHEET.columns)));
      return pieces;
    });
  }
  arrange();
}

function clipped(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length;
  while (length && context.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}
