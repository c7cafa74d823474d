// Colours: those of the theme, and a scale that stays apart for the colour-blind, by which niches are shaded.

const THEME = new Map(); // looking a style up takes long, so each is looked up once

function colour(name) {
  if (!THEME.has(name)) THEME.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return THEME.get(name);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  THEME.clear();
}

// What is saved or printed goes on white paper.
function inLight(draw) {
  const theme = document.documentElement.dataset.theme;
  setTheme("light");
  try { return draw(); } finally { setTheme(theme); }
}

// Viridis, from little to much.
const SCALE = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
const SHOWN = { light: [0, 0.84], dark: [0.22, 1] }; // the part of it that stands out from the page

function shade(share) {
  const [low, high] = SHOWN[document.documentElement.dataset.theme];
  const at = (low + Math.min(Math.max(share, 0), 1) * (high - low)) * (SCALE.length - 1);
  const below = Math.min(Math.floor(at), SCALE.length - 2), part = at - below;
  return `rgb(${SCALE[below].map((value, i) => Math.round(value + part * (SCALE[below + 1][i] - value))).join(" ")})`;
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
