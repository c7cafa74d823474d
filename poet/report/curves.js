// The run's curves over its iterations.

function drawCurves() {
  const curves = data.curves, xs = curves.iteration, place = byId("curves");
  const measured = data.summary.annecs !== null;
  if (!xs.length) { place.replaceWith(make("p", { class: "quiet" }, "No iteration is on disk yet.")); return; }
  place.append(
    lineChart({ name: "environments", title: measured ? "Environments and ANNECS" : "Environments", xs, yName: "environments", whole: true, series: [
      { name: "admitted", tint: "series-4", values: curves.niches },
      ...(measured ? [{ name: "challenged all agents", tint: "series-2", values: curves.created, dash: [6, 3] }] : []),
      { name: measured ? "ANNECS" : "later solved", tint: "series-1", values: measured ? curves.annecs : curves.admitted_solved },
    ] }),
    lineChart({ name: "scores", title: "Scores of active pairs", xs, yName: "score", series: [
      { name: "best", tint: "series-2", values: curves.best_score },
      { name: "mean", tint: "series-1", values: curves.mean_score },
    ] }),
    lineChart({ name: "active", title: "Active pairs", xs, yName: "pairs", whole: true, series: [{ name: "active", tint: "series-1", values: curves.active }] }),
    lineChart({ name: "throughput", title: "Throughput", xs, yName: "steps a second", series: [{ name: "steps/s", tint: "series-1", values: curves.speed }] }),
  );
  drawFigures(xs, curves.figures);
}

// What the optimiser told of its steps, whatever that is.
function drawFigures(xs, figures) {
  const show = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "−"));
  const charts = Object.entries(figures).map(([name, values]) => {
    const title = name.replaceAll("_", " ");
    return lineChart({ name, title, xs, yName: "mean of pairs", show, series: [{ name: title, tint: "series-1", values }] });
  });
  byId("figures").append(...charts);
  byId("told").hidden = !charts.length;
}
