// Colours: those of the theme, and a scale that stays apart for the colour-blind.

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

function startTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (theme) => { setTheme(theme); redrawAll(); };
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => set(dark.matches ? "dark" : "light"));
  byId("theme").addEventListener("click", () => set(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}
