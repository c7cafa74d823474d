// What each run spent on which phase, as bars.

const BAR = { left: 130, right: 70, height: 22, gap: 12, bottom: 26 }; // pixels

function startCost() {
  const phases = Object.keys(runs[0].costs), place = make("div", { class: "plot" }), keys = make("ul", { class: "keys" });
  const spent = (run, phase) => run.costs[phase]?.[byId("cost-of").value] ?? 0;
  const total = (run) => phases.reduce((sum, phase) => sum + spent(run, phase), 0);
  const shares = () => byId("cost-as").value === "share";
  const tint = (i) => shade(phases.length > 1 ? i / (phases.length - 1) : 0.4);
  const tall = () => runs.length * (BAR.height + BAR.gap) + BAR.bottom;
  let width = 0;

  function paint(context, wide) {
    const left = Math.min(BAR.left, wide * 0.3), most = shares() ? 1 : Math.max(...runs.map(total), 1), scale = (wide - left - BAR.right) / most;
    context.font = `12px ${FONT}`;
    context.textBaseline = "middle";
    runs.forEach((run, row) => {
      const top = row * (BAR.height + BAR.gap), all = total(run);
      context.fillStyle = colour("ink");
      context.textAlign = "right";
      context.fillText(cut(context, labels[row], left - 10), left - 10, top + BAR.height / 2);
      let x = left;
      phases.forEach((phase, i) => {
        const size = scale * (shares() ? spent(run, phase) / (all || 1) : spent(run, phase));
        context.fillStyle = tint(i);
        if (size > 0) context.fillRect(x, top, Math.max(size - 1, 0.5), BAR.height);
        x += size;
      });
      context.fillStyle = colour("quiet");
      context.textAlign = "left";
      context.fillText(short(all), x + 7, top + BAR.height / 2);
    });
    context.fillStyle = context.strokeStyle = colour("quiet");
    context.textAlign = "center";
    context.font = `11px ${FONT}`;
    for (const value of ticks(0, most, Math.max(2, Math.min(6, Math.floor(wide / 120))))) {
      context.fillText(shares() ? `${Math.round(100 * value)} %` : short(value), left + scale * value, tall() - 10);
    }
  }

  function draw() {
    width = printing ? PAPER.width : place.clientWidth;
    if (!width) return;
    const svg = vector(width, tall(), paint);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `Cost by phase: ${runs.map((run) => `${run.name} ${short(total(run))}`).join(", ")}`);
    place.replaceChildren(svg);
    keys.replaceChildren(...phases.map((phase, i) => make("li", {}, make("i", { style: `background: ${tint(i)}` }), phase)));
  }

  for (const id of ["cost-of", "cost-as"]) byId(id).addEventListener("change", draw);
  if (!phases.length) { byId("cost").replaceWith(make("p", { class: "quiet" }, "No iteration is on disk yet.")); return; }
  byId("cost").append(keys, place);
  byId("cost-save").append(saveMenu("cost by phase", () => ({
    name: "cost", title: `Cost by phase, ${byId("cost-of").value}`, size: () => [680, tall()], paint,
    legend: () => phases.map((phase, i) => ({ name: phase, colour: tint(i) })),
    table: () => [["run", "phase", "episodes", "steps"], ...runs.flatMap((run) => phases.map((phase) => [run.name, phase, run.costs[phase]?.episodes ?? 0, run.costs[phase]?.steps ?? 0]))],
  })));
  drawn(place, draw);
  new ResizeObserver(() => { if (!printing && place.clientWidth !== width) draw(); }).observe(place);
}

// A text as far as it fits.
function cut(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length;
  while (length && context.measureText(`…${text.slice(-length)}`).width > width) length -= 1;
  return `…${text.slice(-length)}`; // what tells runs apart stands at the end
}
