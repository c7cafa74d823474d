// What every part of a page needs: its data, making elements, numbers, canvases.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// Strings of an archive are foreign text: they enter the page as text nodes and attributes alone.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function number(value, digits = 1) {
  if (value === null || value === undefined) return "–";
  const shown = value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) >= 1000 ? 0 : digits });
  return shown === "-0" ? "0" : shown.replace("-", "−");
}

const fixed = (value) => (Math.abs(value) < 0.05 ? 0 : value).toFixed(1).replace("-", "−"); // does not change its length much

function short(value) {
  for (const [size, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= size) return `${number(value / (letter === "k" ? 1e3 : size))} ${letter}`;
  }
  return number(value, Math.abs(value) < 1 ? 3 : 2);
}

// 16-bit integers as Python packed them, times their unit.
function unpack(text, unit) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (value) => value * unit);
}

function fitCanvas(canvas, width, height, ratio = window.devicePixelRatio || 1) {
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// Round marks from `low` to `high`, about `count` of them.
function ticks(low, high, count, whole = false) {
  const rough = Math.max((high - low || 1) / count, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i += 1) found.push(Number((i * step).toPrecision(12)) + 0);
  return found;
}

// Whatever is drawn has the attribute data-drawn and a function `redraw`, for other colours or another width.
function drawn(element, redraw) {
  element.dataset.drawn = "";
  element.redraw = redraw;
  return element;
}

function redrawAll() {
  for (const element of document.querySelectorAll("[data-drawn]")) element.redraw();
}
