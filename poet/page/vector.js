// A canvas context that writes SVG, with as much of the canvas's methods as the page draws with: one code for both.

const SVG = "http://www.w3.org/2000/svg";

function makeSvg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  return element;
}

const rounded = (value) => Math.round(value * 100) / 100;
const STATE = { fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, font: "12px sans-serif", textAlign: "left", textBaseline: "alphabetic", lineJoin: "miter", lineCap: "butt", dash: [] };
const ANCHORS = { left: null, center: "middle", right: "end" };
const DROPS = { alphabetic: null, middle: "0.35em", top: "0.8em" };
let clips = 0; // so that each has a name of its own

class Vector {
  constructor(width, height) {
    this.root = makeSvg("svg", { xmlns: SVG, viewBox: `0 0 ${rounded(width)} ${rounded(height)}`, width: rounded(width), height: rounded(height) });
    this.group = this.root;
    this.saved = [];
    this.path = "";
    Object.assign(this, STATE);
  }

  save() {
    this.saved.push([this.group, Object.fromEntries(Object.keys(STATE).map((name) => [name, this[name]]))]);
  }

  restore() {
    const [group, state] = this.saved.pop();
    this.group = group;
    Object.assign(this, state);
  }

  add(tag, attributes) {
    const element = makeSvg(tag, { ...attributes, opacity: this.globalAlpha === 1 ? null : rounded(this.globalAlpha) });
    this.group.append(element);
    return element;
  }

  enter(attributes) {
    const group = makeSvg("g", attributes);
    this.group.append(group);
    this.group = group;
  }

  translate(x, y) { this.enter({ transform: `translate(${rounded(x)} ${rounded(y)})` }); }
  rotate(angle) { this.enter({ transform: `rotate(${rounded((angle * 180) / Math.PI)})` }); }
  setLineDash(dash) { this.dash = dash; }
  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${rounded(x)} ${rounded(y)}`; }
  lineTo(x, y) { this.path += `${this.path ? "L" : "M"}${rounded(x)} ${rounded(y)}`; }
  closePath() { this.path += "Z"; }
  rect(x, y, width, height) { this.path += `M${rounded(x)} ${rounded(y)}h${rounded(width)}v${rounded(height)}h${rounded(-width)}Z`; }

  // Whole circles only.
  arc(x, y, radius) {
    const r = rounded(radius);
    this.path += `M${rounded(x - radius)} ${rounded(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  }

  clip() {
    clips += 1;
    const clip = makeSvg("clipPath", { id: `clip-${clips}` });
    clip.append(makeSvg("path", { d: this.path }));
    this.group.append(clip);
    this.enter({ "clip-path": `url(#clip-${clips})` });
  }

  fill() { if (this.path) this.add("path", { d: this.path, fill: this.fillStyle }); }

  stroke() {
    const round = this.lineJoin === "round" ? "round" : null;
    const dash = this.dash.length ? this.dash.join(" ") : null;
    if (this.path) this.add("path", { d: this.path, fill: "none", stroke: this.strokeStyle, "stroke-width": rounded(this.lineWidth), "stroke-linejoin": round, "stroke-linecap": this.lineCap === "round" ? "round" : null, "stroke-dasharray": dash });
  }

  fillRect(x, y, width, height) { this.add("rect", { x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height), fill: this.fillStyle }); }
  strokeRect(x, y, width, height) { this.add("rect", { x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height), fill: "none", stroke: this.strokeStyle, "stroke-width": rounded(this.lineWidth) }); }

  fillText(text, x, y) {
    const [, weight, size, family] = this.font.match(/^(?:(\d+) )?([\d.]+)px (.*)$/);
    const element = this.add("text", { x: rounded(x), y: rounded(y), dy: DROPS[this.textBaseline], fill: this.fillStyle, "text-anchor": ANCHORS[this.textAlign], "font-size": size, "font-family": family, "font-weight": weight ?? null });
    element.textContent = String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ""); // no XML may hold them
  }

  measureText(text) {
    const context = (Vector.ruler ??= document.createElement("canvas").getContext("2d"));
    context.font = this.font;
    return context.measureText(text);
  }

  drawImage(picture, x, y, width, height) {
    this.add("image", { href: picture.toDataURL(), x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height), preserveAspectRatio: "none" });
  }
}

// `paint(context, width, height)` as an SVG element.
function vector(width, height, paint) {
  const context = new Vector(width, height);
  paint(context, width, height);
  return context.root;
}
