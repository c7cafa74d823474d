// The niches, which of them is selected, and what they are shaded by.

const niches = data.niches;
const children = niches.map(() => []);
for (const niche of niches) if (niche.parent !== null) children[niche.parent].push(niche.id);

let selected = null;
const selectionListeners = [];
function select(id, focus = false) {
  selected = id;
  for (const listener of selectionListeners) listener(id, focus);
}

function measure(key, name, of = (niche) => niche[key]) {
  const known = niches.map(of).filter((value) => Number.isFinite(value));
  const low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  return { key, name, of, low, high, known: known.length };
}

const measures = [measure("difficulty", "difficulty"), measure("mean_return", "mean return"), measure("born", "iteration of birth")]
  .filter((one) => one.known);
let shading = measures[0];

function shadeOf(niche) {
  const value = shading.of(niche);
  return Number.isFinite(value) ? shade((value - shading.low) / (shading.high - shading.low || 1)) : colour("quiet");
}

// A choice of what niches are shaded by, and its key; all on the page agree.
function shadeControl() {
  const choice = make("select", {}, ...measures.map((one) => make("option", { value: one.key }, one.name)));
  const bar = make("span", { class: "scale" }), [low, high] = [make("span"), make("span")];
  choice.addEventListener("change", () => { shading = measures.find((one) => one.key === choice.value); redrawAll(); });
  return drawn(make("span", { class: "shading" }, make("label", {}, "Colour by ", choice), make("span", { class: "range" }, low, bar, high)), function update() {
    choice.value = shading.key;
    bar.style.background = `linear-gradient(to right, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map(shade).join(", ")})`;
    low.textContent = number(shading.low, 2);
    high.textContent = number(shading.high, 2);
  });
}
