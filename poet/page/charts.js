// Line charts: axes with names, a key that tells the values under the pointer, the last ones otherwise.

const CHART = { left: 50, right: 14, top: 22, bottom: 40, height: 216, onPaper: 340 }; // pixels

// Give {x, y, xTicks, yTicks} for values over xs in a box.
function axesOf(chart, width, height) {
  const known = chart.series.flatMap((one) => [...one.values, ...(one.low ?? []), ...(one.high ?? [])]).filter((value) => value !== null);
  let low = Math.min(0, known.reduce((a, b) => Math.min(a, b), Infinity)), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low === high) high = low + 1;
  const marks = ticks(low, high, 4, chart.whole), step = marks.length > 1 ? marks[1] - marks[0] : 1;
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  const all = chart.series.map((one) => one.xs ?? chart.xs).filter((xs) => xs.length);
  const first = Math.min(...all.map((xs) => xs[0])), last = Math.max(...all.map((xs) => xs.at(-1)));
  const x = (value) => CHART.left + ((value - first) / (last - first || 1)) * (width - CHART.left - CHART.right);
  const y = (value) => height - CHART.bottom - ((value - low) / (high - low)) * (height - CHART.top - CHART.bottom);
  return { x, y, first, last, yTicks: ticks(low, high, (high - low) / step, chart.whole), xTicks: ticks(first, last, Math.max(2, Math.min(6, Math.floor(width / 62))), chart.xWhole) };
}

function paintChart(context, chart, width, height) {
  const { x, y, first, last, xTicks, yTicks } = axesOf(chart, width, height);
  context.font = `11px ${FONT}`;
  context.lineWidth = 1;
  context.fillStyle = colour("quiet");
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const value of yTicks) {
    context.strokeStyle = colour("line");
    context.beginPath();
    context.moveTo(CHART.left, y(value));
    context.lineTo(width - CHART.right, y(value));
    context.stroke();
    context.fillText(short(value), CHART.left - 7, y(value));
  }
  context.textAlign = "center";
  for (const value of xTicks) {
    context.strokeStyle = colour("quiet");
    context.beginPath();
    context.moveTo(x(value), height - CHART.bottom);
    context.lineTo(x(value), height - CHART.bottom + 4);
    context.stroke();
    context.fillText(short(value), x(value), height - CHART.bottom + 13);
  }
  context.fillText(chart.xName, (x(first) + x(last)) / 2, height - 9);
  context.textAlign = "left";
  context.fillText(chart.yName, 2, 8);
  context.lineJoin = "round";
  for (const one of chart.series) if (one.low) paintBand(context, one, one.xs ?? chart.xs, x, y);
  for (const one of chart.series) {
    const xs = one.xs ?? chart.xs;
    context.beginPath();
    let apart = true;
    one.values.forEach((value, i) => {
      if (value === null) { apart = true; return; }
      if (!apart && chart.whole) context.lineTo(x(xs[i]), y(one.values[i - 1])); // counts go up in steps
      if (apart) context.moveTo(x(xs[i]), y(value)); else context.lineTo(x(xs[i]), y(value));
      apart = false;
    });
    context.strokeStyle = colour(one.tint);
    context.lineWidth = 1.8;
    context.setLineDash(one.dash ?? []);
    context.stroke();
    context.setLineDash([]);
  }
}

// The band between what is low and high of a series; where either is unknown there is none.
function paintBand(context, one, xs, x, y) {
  const known = xs.map((_, i) => i).filter((i) => one.low[i] !== null && one.high[i] !== null);
  if (known.length < 2) return;
  context.beginPath();
  known.forEach((i, k) => (k ? context.lineTo(x(xs[i]), y(one.high[i])) : context.moveTo(x(xs[i]), y(one.high[i]))));
  for (const i of known.reverse()) context.lineTo(x(xs[i]), y(one.low[i]));
  context.closePath();
  context.globalAlpha = 0.16;
  context.fillStyle = colour(one.tint);
  context.fill();
  context.globalAlpha = 1;
}

// The place of the last value of a series at or before an x; none before its first or after its last.
function placeAt(xs, x) {
  if (!xs.length || x < xs[0] || x > xs.at(-1)) return -1;
  let low = 0, high = xs.length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (xs[middle] <= x) low = middle; else high = middle - 1; }
  return low;
}

// chart: {name, title, xs, series: [{name, tint, values, dash, xs, low, high}], yName, xName, whole, xWhole, show, showX};
// values are over the series' own xs or else the chart's, null is a gap, and low and high bound a band.
function lineChart(given) {
  const chart = { xName: "iteration", whole: false, xWhole: true, show: number, showX: number, ...given };
  const together = chart.series.every((one) => !one.xs);
  const ends = together ? chart.xs : chart.series.flatMap((one) => [one.xs[0], one.xs.at(-1)]).filter((x) => x !== undefined);
  const last = together ? chart.xs.at(-1) : Math.max(...ends);
  // As wide as they ever get, so that nothing moves when they change.
  const room = (texts) => `min-width: ${texts.reduce((most, text) => Math.max(most, text.length), 1)}ch`;
  const values = chart.series.map((one) => make("b", { style: room(one.values.map((value) => chart.show(value))) }));
  const moment = make("span", { class: "moment", style: room(ends.map((x) => `${chart.xName} ${chart.showX(x)}`)) });
  const keys = make("ul", { class: "keys" }, ...chart.series.map((one, i) => make("li", {},
    make("i", { style: `border-color: var(--${one.tint}); border-top-style: ${one.dash ? "dashed" : "solid"}` }), `${one.name} `, values[i])));
  const place = make("div", { class: "plot" });
  const known = chart.series.some((one) => one.values.some((value) => value !== null));
  const asFigure = () => ({
    ...chart, size: () => [640, 300], paint: (context, width, height) => paintChart(context, chart, width, height),
    legend: () => chart.series.map((one) => ({ name: one.name, colour: colour(one.tint) })),
    table: () => (together ? wideTable(chart) : longTable(chart)),
  });
  const figure = make("figure", { class: "chart" }, make("figcaption", {}, make("span", { class: "title" }, chart.title), known ? saveMenu(chart.title, asFigure) : null), keys, place);
  if (!known) { place.append(make("p", { class: "quiet" }, "nothing measured yet")); return figure; }

  // Of series that have places of their own each tells its last value until there; at the end, all their last.
  function tell(x, atEnd) {
    moment.textContent = `${chart.xName} ${chart.showX(x)}`;
    chart.series.forEach((one, k) => {
      const xs = one.xs ?? chart.xs, i = atEnd ? xs.length - 1 : placeAt(xs, x);
      values[k].textContent = chart.show(i < 0 ? null : one.values[i]);
    });
  }
  let cross = null, width = 0;
  function draw() {
    width = printing ? CHART.onPaper : place.clientWidth;
    if (!width) return;
    const svg = vector(width, CHART.height, (context, w, h) => paintChart(context, chart, w, h));
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${chart.title}: ${chart.yName} over ${chart.xName}`);
    cross = makeSvg("line", { stroke: colour("quiet"), y1: CHART.top, y2: CHART.height - CHART.bottom, visibility: "hidden" });
    svg.append(cross);
    place.replaceChildren(svg);
  }
  place.addEventListener("pointermove", (event) => {
    const { x, first } = axesOf(chart, width, CHART.height), box = place.getBoundingClientRect();
    const wanted = first + ((event.clientX - box.left - CHART.left) / (width - CHART.left - CHART.right)) * (last - first);
    const inside = Math.min(Math.max(wanted, first), last);
    const nearest = together ? chart.xs.find((value) => value >= inside) ?? last : inside;
    for (const end of ["x1", "x2"]) cross.setAttribute(end, x(nearest));
    cross.setAttribute("visibility", "visible");
    tell(nearest, false);
  });
  place.addEventListener("pointerleave", () => { cross?.setAttribute("visibility", "hidden"); tell(last, true); });
  keys.append(make("li", { class: "at" }, moment));
  tell(last, true);
  drawn(place, draw);
  new ResizeObserver(() => { if (!printing && place.clientWidth !== width) draw(); }).observe(place);
  return figure;
}

const wideTable = (chart) => [[chart.xName, ...chart.series.map((one) => one.name)], ...chart.xs.map((x, i) => [x, ...chart.series.map((one) => one.values[i])])];

// A row a point, of series that have places of their own.
function longTable(chart) {
  const banded = chart.series.some((one) => one.low);
  const rows = chart.series.flatMap((one) => one.xs.map((x, i) => [one.name, x, one.values[i], ...(banded ? [one.low?.[i], one.high?.[i]] : [])]));
  return [["series", chart.xName, chart.yName, ...(banded ? ["low", "high"] : [])], ...rows];
}
