// Line charts: axes with names, a key that tells the values under the pointer, the last ones otherwise.

const CHART = { left: 50, right: 14, top: 22, bottom: 40, height: 216, onPaper: 340 }; // pixels

// Give {x, y, xTicks, yTicks} for values over xs in a box.
function axesOf(chart, width, height) {
  const known = chart.series.flatMap((one) => one.values).filter((value) => value !== null);
  let low = Math.min(0, known.reduce((a, b) => Math.min(a, b), Infinity)), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low === high) high = low + 1;
  const marks = ticks(low, high, 4, chart.whole), step = marks.length > 1 ? marks[1] - marks[0] : 1;
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  const first = chart.xs[0], last = chart.xs.at(-1);
  const x = (value) => CHART.left + ((value - first) / (last - first || 1)) * (width - CHART.left - CHART.right);
  const y = (value) => height - CHART.bottom - ((value - low) / (high - low)) * (height - CHART.top - CHART.bottom);
  return { x, y, first, last, yTicks: ticks(low, high, (high - low) / step, chart.whole), xTicks: ticks(first, last, Math.max(2, Math.min(6, Math.floor(width / 90))), true) };
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
  for (const one of chart.series) {
    context.beginPath();
    let apart = true;
    one.values.forEach((value, i) => {
      if (value === null) { apart = true; return; }
      if (!apart && chart.whole) context.lineTo(x(chart.xs[i]), y(one.values[i - 1])); // counts go up in steps
      if (apart) context.moveTo(x(chart.xs[i]), y(value)); else context.lineTo(x(chart.xs[i]), y(value));
      apart = false;
    });
    context.strokeStyle = colour(one.tint);
    context.lineWidth = 1.8;
    context.setLineDash(one.dash ?? []);
    context.stroke();
    context.setLineDash([]);
  }
}

// chart: {name, title, xs, series: [{name, tint, values, dash}], yName, xName, whole, show}; all values over xs, null a gap.
function lineChart(given) {
  const chart = { xName: "iteration", whole: false, show: number, ...given };
  // As wide as they ever get, so that nothing moves when they change.
  const room = (texts) => `min-width: ${texts.reduce((most, text) => Math.max(most, text.length), 1)}ch`;
  const values = chart.series.map((one) => make("b", { style: room(one.values.map((value) => chart.show(value))) }));
  const moment = make("span", { class: "moment", style: room(chart.xs.map((x) => `${chart.xName} ${number(x)}`)) });
  const keys = make("ul", { class: "keys" }, ...chart.series.map((one, i) => make("li", {},
    make("i", { style: `border-color: var(--${one.tint}); border-top-style: ${one.dash ? "dashed" : "solid"}` }), `${one.name} `, values[i])));
  const place = make("div", { class: "plot" });
  const known = chart.series.some((one) => one.values.some((value) => value !== null));
  const asFigure = () => ({
    ...chart, size: () => [640, 300], paint: (context, width, height) => paintChart(context, chart, width, height),
    legend: () => chart.series.map((one) => ({ name: one.name, colour: colour(one.tint) })),
    table: () => [[chart.xName, ...chart.series.map((one) => one.name)], ...chart.xs.map((x, i) => [x, ...chart.series.map((one) => one.values[i])])],
  });
  const figure = make("figure", { class: "chart" }, make("figcaption", {}, make("span", { class: "title" }, chart.title), known ? saveMenu(chart.title, asFigure) : null), keys, place);
  if (!known) { place.append(make("p", { class: "quiet" }, "nothing measured yet")); return figure; }

  function tell(i) {
    moment.textContent = `${chart.xName} ${number(chart.xs[i])}`;
    chart.series.forEach((one, k) => { values[k].textContent = chart.show(one.values[i]); });
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
    const { x, first, last } = axesOf(chart, width, CHART.height), box = place.getBoundingClientRect();
    const wanted = first + ((event.clientX - box.left - CHART.left) / (width - CHART.left - CHART.right)) * (last - first);
    let i = chart.xs.findIndex((value) => value >= wanted);
    if (i < 0) i = chart.xs.length - 1;
    for (const end of ["x1", "x2"]) cross.setAttribute(end, x(chart.xs[i]));
    cross.setAttribute("visibility", "visible");
    tell(i);
  });
  place.addEventListener("pointerleave", () => { cross?.setAttribute("visibility", "hidden"); tell(chart.xs.length - 1); });
  keys.append(make("li", { class: "at" }, moment));
  tell(chart.xs.length - 1);
  drawn(place, draw);
  new ResizeObserver(() => { if (!printing && place.clientWidth !== width) draw(); }).observe(place);
  return figure;
}
