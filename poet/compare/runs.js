// The runs: their colours, what each came to, and which of them are shown.

const runs = data.runs, groups = data.groups;
const TINTS = ["series-1", "series-2", "series-3", "series-5", "series-6", "series-7", "series-4"];
const DASHES = [null, [7, 3], [2, 3], [9, 3, 2, 3]];
const shown = new Set(runs.keys()); // places of the runs whose curves are drawn

// Long names are shown by what tells them apart, but where there is room.
const LONG = 20; // letters
const labels = (() => {
  const names = runs.map((run) => run.name);
  let same = 0;
  while (names.every((name) => same < name.length - 1 && name[same] === names[0][same])) same += 1;
  return names.map((name) => (name.length > LONG && same > 3 ? `…${name.slice(same)}` : name));
})();
const labelOf = (name) => labels[runs.findIndex((run) => run.name === name)];

// Runs of a group share its colour, and are told apart by dashes; so are more runs than there are colours.
const lookOf = (place) => ({ tint: TINTS[place % TINTS.length], dash: DASHES[Math.floor(place / TINTS.length) % DASHES.length] });
const groupOf = (place) => groups.findIndex((group) => group.runs.includes(runs[place].name));
const looks = runs.map((_, place) => {
  const group = groupOf(place);
  if (group < 0) return lookOf(groups.length + place);
  return { tint: lookOf(group).tint, dash: DASHES[groups[group].runs.indexOf(runs[place].name) % DASHES.length] };
});

const stroke = (look) => make("i", { class: "stroke", style: `border-color: var(--${look.tint}); border-top-style: ${look.dash ? "dashed" : "solid"}` });
const rows = (texts, tag = "td") => texts.map((text) => make(tag, {}, text));
const level = (value, word) => (value === null ? "–" : make("span", {}, number(value, 2), make("small", {}, word ? ` ${word}` : "")));

const COLUMNS = [
  ["iterations", (run) => (run.iterations < run.iterations_wanted ? make("span", {}, number(run.iterations), make("small", {}, ` of ${number(run.iterations_wanted)}`)) : number(run.iterations))],
  ["environments", (run) => number(run.niches)],
  ["solved", (run) => number(run.solved)],
  ["ANNECS", (run) => number(run.annecs)],
  ["hardest", (run) => level(run.hardest, run.hardest_level)],
  ["hardest solved", (run) => level(run.hardest_solved, run.hardest_solved_level)],
  ["best mean return", (run) => number(run.best_mean_return)],
  ["transfers", (run) => make("span", {}, number(run.transfers), make("small", {}, ` of ${number(run.transfer_attempts)}`))],
  ["steps", (run) => short(run.steps)],
  ["core-hours", (run) => short(run.core_hours)],
];

function startRuns(changed) {
  const head = make("thead", {}, make("tr", {}, ...rows(["run", ...COLUMNS.map(([name]) => name)], "th")));
  const body = runs.map((run, place) => {
    const box = make("input", { type: "checkbox", checked: "", "aria-label": `Show the curves of ${run.name}`, onchange: () => { shown[box.checked ? "add" : "delete"](place); changed(); } });
    const words = `${run.domain}, ${run.encoding}, ${run.optimiser}, seed ${run.seed}`;
    return make("tr", {}, make("th", { scope: "row" }, make("label", {}, box, stroke(looks[place]), run.name), make("br"), make("small", {}, words)), ...COLUMNS.map(([, of]) => make("td", {}, of(run))));
  });
  byId("runs").append(head, make("tbody", {}, ...body));
  byId("notes").append(...data.notes.map((note) => make("li", {}, note)));
  const plain = Object.keys(runs[0]).filter((name) => !["curves", "costs"].includes(name));
  byId("runs-save").append(saveMenu("what the runs came to", () => ({ name: "runs", table: () => [plain, ...runs.map((run) => plain.map((name) => run[name]))] }), ["csv"]));
}

function startGroups() {
  byId("groups-section").hidden = !groups.length;
  if (!groups.length) return;
  const measures = Object.entries(data.measures).filter(([name]) => groups.some((group) => group.figures[name].iqm !== null));
  const told = ({ iqm, low, high }) => make("td", {}, number(iqm, 2), make("small", {}, low === null ? "" : ` (${number(low, 2)} to ${number(high, 2)})`));
  byId("groups").append(
    make("thead", {}, make("tr", {}, make("th", {}, ""), ...groups.map((group, i) => make("th", {}, stroke(lookOf(i)), ` ${group.name}, ${group.runs.length} run${group.runs.length > 1 ? "s" : ""}`)))),
    make("tbody", {}, ...measures.map(([name, meaning]) => make("tr", {}, make("th", { scope: "row" }, meaning), ...groups.map((group) => told(group.figures[name]))))));
  const table = () => [["measure", "group", "runs", "iqm", "low", "high"], ...measures.flatMap(([name]) => groups.map((group) => [name, group.name, group.runs.length, ...["iqm", "low", "high"].map((key) => group.figures[name][key])]))];
  byId("groups-save").append(saveMenu("the groups", () => ({ name: "groups", table }), ["csv"]));
}
