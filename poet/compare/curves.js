// Curves of all runs on one chart a measure, over what is chosen; of groups, interquartile means and their intervals.

const CHARTS = [
  ["annecs", "ANNECS", "environments", true],
  ["niches", "Admitted", "environments", true],
  ["solved", "Solved", "environments", true],
  ["hardest", "Difficulty reached", "hardest admitted", false],
  ["hardest_solved", "Difficulty mastered", "hardest solved", false],
  ["best_score", "Best score", "of active pairs", false],
  ["mean_score", "Mean score", "of active pairs", false],
  ["transfers", "Transfers accepted", "transfers", true],
];
const AXES = { iteration: ["iteration", number, true], steps: ["steps", short, true], core_hours: ["core-hours", short, false] };

function seriesOf(measure, axis, grouped) {
  if (grouped) return groups.map((group, i) => ({ name: group.name, ...lookOf(i), xs: group.curves[axis].x, values: group.curves[axis][measure].iqm, low: group.curves[axis][measure].low, high: group.curves[axis][measure].high }));
  return [...shown].sort((a, b) => a - b).map((place) => ({ name: labels[place], ...looks[place], xs: runs[place].curves[axis], values: runs[place].curves[measure] }));
}

function drawCurves() {
  const axis = byId("axis").value, grouped = groups.length > 0 && byId("as").value === "groups", [xName, showX, xWhole] = AXES[axis];
  const digits = (value) => number(value, 2);
  const charts = CHARTS.map(([measure, title, yName, whole]) => [title, yName, whole, measure, seriesOf(measure, axis, grouped).filter((one) => one.values.some((value) => value !== null))])
    .filter(([,,,, series]) => series.length)
    .map(([title, yName, whole, measure, series]) => lineChart({ name: measure.replaceAll("_", "-"), title, yName, xName, xWhole, showX, whole: whole && !grouped, show: digits, series }));
  byId("curves").replaceChildren(...(charts.length ? charts : [make("p", { class: "quiet" }, "No iteration of these is on disk yet, or no run is chosen.")]));
  redrawAll();
}

function startCurves() {
  byId("axis").append(...Object.entries(data.axes).map(([value, name]) => make("option", { value }, name)));
  byId("as-label").hidden = !groups.length;
  for (const id of ["axis", "as"]) byId(id).addEventListener("change", drawCurves);
  drawCurves();
}
