// What every part needs: the data, making elements, colours, numbers, and the selected niche.

const data = JSON.parse(document.getElementById("data").textContent);
const niches = data.niches;
const LEVELS = ["easy", "challenging", "very challenging", "extremely challenging"];
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function makeSvg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const levelOf = (niche) => (niche.difficulty_level === null ? "none" : LEVELS.indexOf(niche.difficulty_level));
const levelColour = (niche) => `var(--level-${levelOf(niche)})`;

function number(value, digits = 1) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) >= 1000 ? 0 : digits });
}

function short(value) {
  for (const [size, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= size) return `${number(value / (letter === "k" ? 1e3 : size))} ${letter}`;
  }
  return number(value);
}

// 16-bit integers as Python packed them, times their unit.
function unpack(text, unit) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (value) => value * unit);
}

function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

const children = niches.map(() => []);
for (const niche of niches) if (niche.parent !== null) children[niche.parent].push(niche.id);

let selected = null;
const selectionListeners = [];
function select(id, focus = false) {
  selected = id;
  for (const listener of selectionListeners) listener(id, focus);
}

const themeListeners = [];
function redrawAll() {
  for (const listener of themeListeners) listener();
}
