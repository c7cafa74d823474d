// Every niche as a card with its course; drawn when it comes into view.

function startGallery() {
  const place = byId("gallery");
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      paintThumbnail(entry.target, Number(entry.target.dataset.niche));
      seen.unobserve(entry.target);
    }
  }, { rootMargin: "300px" });
  const cards = niches.map((niche) => {
    const canvas = courses.length ? make("canvas", { "data-niche": niche.id, "aria-hidden": "true" }) : null;
    const title = make("span", {}, make("i", { class: "swatch", style: `background: ${levelColour(niche)}` }),
      `Niche ${niche.id}, return ${number(niche.mean_return)}${niche.solved === null ? "" : ", solved"}`);
    return make("button", { class: "niche", type: "button", "data-niche": niche.id, onclick: () => select(niche.id, true) },
      canvas, title, make("span", {}, niche.description));
  });

  const comparisons = {
    difficulty: (a, b) => levelOf(b) - levelOf(a) || b.difficulty - a.difficulty,
    born: (a, b) => a.id - b.id,
    mean_return: (a, b) => b.mean_return - a.mean_return,
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
    const found = niches.filter((niche) => states[byId("state").value](niche)
      && `${niche.id} ${niche.environment} ${niche.description} ${niche.difficulty_level ?? ""}`.toLowerCase().includes(words));
    found.sort(comparisons[byId("sort").value]);
    place.replaceChildren(...found.map((niche) => cards[niche.id]));
    byId("count").textContent = `${found.length} of ${niches.length}`;
  }

  function redraw() {
    seen.disconnect();
    for (const canvas of place.querySelectorAll("canvas")) seen.observe(canvas);
  }

  const events = { sort: "change", state: "change", search: "input" };
  for (const [name, event] of Object.entries(events)) byId(name).addEventListener(event, () => { arrange(); redraw(); });
  selectionListeners.push((id) => cards.forEach((card, i) => card.setAttribute("aria-current", String(i === id))));
  themeListeners.push(redraw);
  if (!niches.some((niche) => niche.difficulty_level !== null)) {
    byId("sort").querySelector('[value="difficulty"]').remove();
    byId("search").placeholder = "42, flat, relief";
  }
  arrange();
  redraw();
}
