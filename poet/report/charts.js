// Line charts in SVG with a crosshair that reads values off.

const CHART = { width: 400, height: 170, left: 44, right: 8, top: 10, bottom: 22 };

function ticks(low, high, count) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(value + 0); // never -0
  return found;
}

// series: [{name, colour, values}], all over xs; a null leaves a gap.
function lineChart(title, xs, series, xName = "iteration") {
  const { width, height, left, right, top, bottom } = CHART;
  const known = series.flatMap((one) => one.values).filter((value) => value !== null);
  const legend = () => series.flatMap((one, i) => {
    const name = make("span", {}, one.name);
    if (series.length > 1) name.style.color = one.colour;
    return i ? [", ", name] : [name];
  });
  const readout = make("span", {}, ...legend());
  const figure = make("figure", { class: "chart" }, make("figcaption", {}, title, readout));
  if (!known.length) return figure;
  let low = Math.min(...known), high = Math.max(...known);
  low = Math.min(low, 0);
  if (low === high) [low, high] = [low - 1, high + 1];
  const [first, last] = [xs[0], xs[xs.length - 1]];
  const x = (value) => left + ((value - first) / (last - first || 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low)) * (height - top - bottom);
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} over ${xName}` });
  for (const value of ticks(low, high, 4)) {
    svg.append(makeSvg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(makeSvg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const value of ticks(first, last, 4)) {
    svg.append(makeSvg("text", { x: x(value), y: height - 5, "text-anchor": "middle" }, short(value)));
  }
  for (const one of series) {
    let path = "", pen = "M";
    one.values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; }
      path += `${pen}${x(xs[i]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    const line = makeSvg("path", { d: path });
    line.style.stroke = one.colour;
    svg.append(line);
  }
  const cross = makeSvg("line", { class: "grid", y1: top, y2: height - bottom, visibility: "hidden" });
  svg.append(cross);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const wanted = first + (((event.clientX - box.left) / box.width) * width - left) / (width - left - right) * (last - first);
    let i = xs.findIndex((value) => value >= wanted);
    if (i < 0) i = xs.length - 1;
    cross.setAttribute("x1", x(xs[i]));
    cross.setAttribute("x2", x(xs[i]));
    cross.setAttribute("visibility", "visible");
    readout.textContent = `${number(xs[i])}: ` + series.map((one) => `${one.name} ${number(one.values[i])}`).join(", ");
  });
  svg.addEventListener("pointerleave", () => {
    cross.setAttribute("visibility", "hidden");
    readout.replaceChildren(...legend());
  });
  figure.append(svg);
  return figure;
}

function drawCurves() {
  const curves = data.curves, xs = curves.iteration, place = byId("curves");
  const measured = data.summary.annecs !== null;
  if (!xs.length) { place.replaceWith(make("p", { class: "quiet" }, "No iteration is on disk yet.")); return; }
  place.append(
    lineChart(measured ? "ANNECS" : "Environments", xs, [
      { name: "admitted", colour: "var(--quiet)", values: curves.niches },
      ...(measured ? [{ name: "challenged all", colour: "var(--level-0)", values: curves.created }] : []),
      { name: "later solved", colour: "var(--accent)", values: measured ? curves.annecs : curves.admitted_solved },
    ]),
    lineChart("Scores of active pairs", xs, [
      { name: "best", colour: "var(--level-0)", values: curves.best_score },
      { name: "mean", colour: "var(--accent)", values: curves.mean_score },
    ]),
    lineChart("Active pairs", xs, [{ name: "pairs", colour: "var(--accent)", values: curves.active }]),
    lineChart("Throughput", xs, [{ name: "steps/s", colour: "var(--accent)", values: curves.speed }]),
  );
}
