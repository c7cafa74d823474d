// The page around the views: which run, which view, light or dark, and whether the server is there.

import { byId, make, redrawAll, setTheme } from "./shared.js";
import { connect, onNews, runs } from "./feed.js";
import { showLive, startLive } from "./live.js";
import { showTry, startTry } from "./try.js";

const VIEWS = ["live", "try", "explore", "compare"];
let current = 0;

// The address: #/VIEW?run=0&...
export function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: VIEWS.includes(path) ? path : "live", query: new URLSearchParams(query ?? "") };
}

function startTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (theme) => { setTheme(theme); redrawAll(); };
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => set(dark.matches ? "dark" : "light"));
  byId("theme").addEventListener("click", () => {
    set(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    for (const frame of document.querySelectorAll("iframe[src]")) follow(frame);
  });
}

function said(text, lost) {
  const chip = byId("link");
  chip.textContent = text;
  chip.classList.toggle("lost", lost);
}

function show() {
  const { view, query } = address();
  const wanted = Number(query.get("run") ?? current);
  current = runs[wanted] ? wanted : 0;
  byId("run").value = String(current);
  const run = runs[current];
  document.title = `${run.name} · POET studio`;
  byId("title").textContent = runs.length > 1 ? "POET studio" : run.name;
  for (const link of document.querySelectorAll("nav a")) {
    link.href = `#/${link.dataset.view}?run=${current}`;
    if (link.dataset.view === view) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  for (const name of VIEWS) byId(name).hidden = name !== view;
  if (view === "live") showLive(current);
  showTry(view === "try" ? current : null, query);
  if (view === "explore") explore();
  else byId("explore-frame").removeAttribute("src");
  if (view === "compare") compare(false);
  else byId("compare-frame").removeAttribute("src");
  redrawAll();
}

// The report of the run as it stands: made anew when it is opened or asked for, so that what is being read stays.
function explore() {
  const { pulse, name } = runs[current], frame = byId("explore-frame");
  frame.onload = () => follow(frame);
  frame.src = `/report/${current}`;
  const again = make("button", { type: "button", onclick: explore }, "Make it anew");
  byId("explore-said").replaceChildren(`The report of ${name} as of iteration ${pulse.iteration}. `, again);
}

// A page of ours within this one follows this one's light or dark.
function follow(frame) {
  const inner = frame.contentDocument;
  if (inner?.documentElement.dataset.theme && inner.documentElement.dataset.theme !== document.documentElement.dataset.theme) inner.getElementById("theme").click();
}

// All runs of the studio beside each other; the matrix takes a while, so it is asked for.
function compare(matrix) {
  const frame = byId("compare-frame"), said = byId("compare-said"), names = (some) => some.map((run) => run.name).join(", ");
  const there = runs.filter((run) => run.pulse.standing !== "unreadable"), gone = runs.filter((run) => run.pulse.standing === "unreadable");
  const without = gone.length ? ` Left out: ${names(gone)}, which cannot be read.` : "";
  frame.hidden = there.length < 2;
  if (frame.hidden) {
    frame.removeAttribute("src");
    said.textContent = `There is one run here${without ? " to compare." : "; start the studio with several to compare them: poet studio RUN RUN"}${without}`;
    return;
  }
  const play = make("button", { type: "button", onclick: () => compare(true) }, "Play every agent in every niche of the others");
  said.replaceChildren(...(matrix ? ["The agents play in each other's niches, which can take minutes…"] : [`${names(there)} as they stand.${without} `, play]));
  frame.onload = () => { follow(frame); if (matrix) said.textContent = `${names(there)} as they stood when the agents began to play.${without}`; };
  frame.src = matrix ? "/compare?matrix=yes" : "/compare";
}

function begin() {
  const choice = byId("run");
  choice.hidden = runs.length < 2;
  choice.replaceChildren(...runs.map((run, number) => make("option", { value: number }, run.name)));
  show();
  document.body.dataset.ready = "true";
}

startTheme();
startLive();
startTry();
byId("run").addEventListener("change", () => { location.hash = `#/${address().view}?run=${byId("run").value}`; });
addEventListener("hashchange", show);
onNews((number, news) => { if (news === null && number === runs.length - 1) begin(); });
connect(said).catch((error) => {
  said("not connected", true);
  byId("trouble").hidden = false;
  byId("trouble").textContent = `The studio does not answer: ${error.message}`;
});
