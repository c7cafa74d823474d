// Figures as files: SVG and PNG of what is drawn, CSV of its numbers; and on paper.
//
// A figure is {name, title, size() -> [width, height], paint(context, width, height), table() -> rows, the first of
// them names, legend() -> [{name, colour}] or [{measure}]}; the legend may be missing.

const FONT = "system-ui, sans-serif";
const PAPER = { margin: 18, title: 30, legend: 24, width: 700 }; // pixels
const PIXELS = { ratio: 2, most: 16000 }; // of a PNG: to a pixel of the page, and along a side

// A figure with its title and legend, as it stands alone: [width, height, paint].
function alone(figure) {
  const [width, height] = figure.size(), keys = figure.legend?.() ?? [];
  const top = PAPER.margin + PAPER.title + (keys.length ? PAPER.legend : 0);
  return [width + 2 * PAPER.margin, height + top + PAPER.margin, (context, whole, tall) => {
    context.fillStyle = colour("card");
    context.fillRect(0, 0, whole, tall);
    context.fillStyle = colour("ink");
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.font = `600 15px ${FONT}`;
    context.fillText(figure.title, PAPER.margin, PAPER.margin + 14);
    if (keys.length) paintLegend(context, keys, PAPER.margin, PAPER.margin + PAPER.title + 6);
    context.save();
    context.translate(PAPER.margin, top);
    figure.paint(context, width, height);
    context.restore();
  }];
}

// A figure with its key above, as it is printed under a heading of the page: [width, height, paint].
function onPaper(figure) {
  const [width, height] = figure.size(), keys = figure.legend?.() ?? [], top = keys.length ? PAPER.legend : 0;
  return [width, height + top, (context) => {
    if (keys.length) paintLegend(context, keys, 0, 8);
    context.save();
    context.translate(0, top);
    figure.paint(context, width, height);
    context.restore();
  }];
}

function paintLegend(context, keys, left, middle) {
  context.font = `12px ${FONT}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const say = (text) => { context.fillStyle = colour("quiet"); context.fillText(text, left, middle); left += context.measureText(text).width; };
  for (const key of keys) {
    if (key.measure) {
      say(`colour: ${key.measure.name}, ${number(key.measure.low, 2)}`);
      left += 6;
      for (let i = 0; i < 60; i += 1) { context.fillStyle = shade(i / 59); context.fillRect(left + 2 * i, middle - 5, i < 59 ? 3 : 2, 10); } // no seams
      left += 126;
      say(number(key.measure.high, 2));
    } else {
      context.fillStyle = key.colour;
      context.fillRect(left, middle - 2, 16, 4);
      left += 22;
      say(key.name);
    }
    left += 18;
  }
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value); // a spreadsheet would compute it
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvOf = (figure) => figure.table().map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

function svgOf(figure) {
  return inLight(() => new XMLSerializer().serializeToString(vector(...alone(figure))));
}

function pngOf(figure) {
  return new Promise((resolve) => inLight(() => {
    const [width, height, paint] = alone(figure), canvas = document.createElement("canvas");
    const ratio = Math.min(PIXELS.ratio, PIXELS.most / Math.max(width, height));
    paint(fitCanvas(canvas, width, height, ratio), width, height);
    canvas.toBlob(resolve, "image/png");
  }));
}

const FILES = {
  svg: async (figure) => new Blob([svgOf(figure)], { type: "image/svg+xml" }),
  png: pngOf,
  csv: async (figure) => new Blob([csvOf(figure)], { type: "text/csv" }),
};

async function save(figure, ending) {
  const run = data.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "run";
  const address = URL.createObjectURL(await FILES[ending](figure));
  make("a", { href: address, download: `${run}-${figure.name}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// The buttons that save a figure; `of` gives it when they are pressed. One that has numbers alone is saved as CSV alone.
function saveMenu(name, of, endings = Object.keys(FILES)) {
  const button = (ending) => make("button", { type: "button", "data-save": ending, onclick: () => save(of(), ending), "aria-label": `Save ${name} as ${ending.toUpperCase()}` }, ending.toUpperCase());
  return make("span", { class: "save", role: "group", "aria-label": `Save ${name}` }, ...endings.map(button));
}

// On paper a canvas would be coarse: `pieces()` gives figures that are drawn in its place, each kept on one page.
const printed = [];
let printing = false;

function printsAs(canvas, pieces) {
  canvas.classList.add("screen");
  printed.push([canvas, pieces]);
}

function startPrinting() {
  let theme = null;
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    setTheme("light");
    printing = true;
    redrawAll();
    for (const [canvas, pieces] of printed) {
      const drawings = pieces().map((figure) => vector(...onPaper(figure)));
      canvas.after(make("div", { class: "paper" }, ...drawings));
    }
  });
  addEventListener("afterprint", () => {
    for (const paper of document.querySelectorAll(".paper")) paper.remove();
    setTheme(theme);
    printing = false;
    redrawAll();
  });
}
