// The family tree: one row a niche, depth first; only the rows in view are drawn.

const ROW = 34, AXIS = 22;
const ROWS_ON_PAPER = 20; // to a piece
const treeBox = byId("tree"), treeCanvas = treeBox.querySelector("canvas");
const lastIteration = Math.max(data.summary.iterations, 1);

let rows = [], rowOf = new Map(); // ids from top to bottom, and back

function orderRows() {
  rows = [];
  const met = new Set();
  if (byId("tree-order").value === "family") {
    const stack = niches.filter((niche) => niche.parent === null).map((niche) => niche.id).reverse();
    while (stack.length) {
      const id = stack.pop();
      if (met.has(id)) continue;
      met.add(id);
      rows.push(id);
      stack.push(...children[id].slice().reverse());
    }
  }
  rows.push(...niches.map((niche) => niche.id).filter((id) => !met.has(id)));
  rowOf = new Map(rows.map((id, row) => [id, row]));
}

// The iterations that the time axis spans.
function timeSpan(first, last) {
  if (byId("tree-time").value === "all") return [0, lastIteration];
  const shown = rows.slice(first, last).map((id) => niches[id]);
  return [Math.min(...shown.map((niche) => niche.born)), Math.max(...shown.map((niche) => niche.retired ?? lastIteration))];
}

// Rows from `first` up to `last`, the first of all at AXIS - `top` pixels.
function paintTree(context, width, height, first, last, top, span) {
  const strip = courses.length ? Math.min(150, width * 0.26) : 0, label = strip + 12;
  const left = label + 44, right = width - 14, [from, to] = span;
  const x = (iteration) => left + Math.min(Math.max((iteration - from) / (to - from || 1), -0.02), 1.02) * (right - left);
  const y = (row) => AXIS + row * ROW + ROW / 2 - top;
  const ink = colour("ink"), quiet = colour("quiet");
  const marks = ticks(from, to, width > 700 ? 6 : 3, true);
  context.font = `12px ${FONT}`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillStyle = colour("line");
  for (const value of marks) context.fillRect(x(value), AXIS, 1, height - AXIS);
  if (selected !== null && rowOf.get(selected) >= first && rowOf.get(selected) < last) {
    context.fillStyle = colour("chosen");
    context.fillRect(0, y(rowOf.get(selected)) - ROW / 2, width, ROW);
  }
  context.strokeStyle = quiet;
  context.globalAlpha = 0.55;
  context.lineWidth = 1;
  rows.forEach((id, row) => {
    const niche = niches[id];
    if (niche.parent === null || niche.born < from || niche.born > to) return;
    const above = rowOf.get(niche.parent);
    if (Math.max(above, row) < first || Math.min(above, row) >= last) return;
    context.beginPath();
    context.moveTo(x(niche.born), y(Math.max(above, first - 1)) + 5);
    context.lineTo(x(niche.born), y(Math.min(row, last)));
    context.stroke();
  });
  context.globalAlpha = 1;
  for (let row = first; row < last; row += 1) {
    const niche = niches[rows[row]], centre = y(row), tint = shadeOf(niche);
    if (strip) paintStrip(context, courseOf(niche.id), 6, centre - 13, strip, 26);
    context.fillStyle = niche.id === selected ? colour("accent") : ink;
    context.fillText(String(niche.id), label, centre);
    const start = x(niche.born), end = x(niche.retired ?? lastIteration);
    context.fillStyle = tint;
    context.fillRect(start, centre - 4, Math.max(end - start, 3), 8);
    if (niche.solved !== null) {
      context.beginPath();
      context.arc(Math.max(x(niche.solved), start), centre, 4.5, 0, 7);
      context.fillStyle = colour("card");
      context.fill();
      context.strokeStyle = tint;
      context.lineWidth = 2;
      context.stroke();
    }
  }
  context.fillStyle = colour("card");
  context.fillRect(0, 0, width, AXIS);
  context.fillStyle = colour("line");
  context.fillRect(0, AXIS, width, 1);
  context.fillStyle = quiet;
  context.textAlign = "center";
  for (const value of marks) {
    if (x(value) < right - 10 && x(value) > left + 10) context.fillText(short(value), x(value), AXIS / 2);
  }
  context.textAlign = "left";
  context.fillText("niche, iteration", 8, AXIS / 2);
}

function drawTree() {
  const content = rows.length * ROW + AXIS + 8;
  treeBox.style.height = `${content + 2}px`;
  const width = treeBox.clientWidth, height = treeBox.clientHeight, top = treeBox.scrollTop;
  treeCanvas.style.width = `${width}px`;
  treeCanvas.style.height = `${height}px`;
  treeBox.querySelector(".spacer").style.height = `${content - height}px`;
  const context = fitCanvas(treeCanvas, width, height);
  context.clearRect(0, 0, width, height);
  const first = Math.max(Math.floor((top - AXIS) / ROW), 0), last = Math.min(first + Math.ceil(height / ROW) + 1, rows.length);
  paintTree(context, width, height, first, last, top, timeSpan(first, last));
}

// Some rows as a figure; the whole run is its time.
function treeFigure(first, last, width = 900) {
  const height = (last - first) * ROW + AXIS + 8;
  return {
    name: "family-tree", title: "Family tree of environments", size: () => [width, height], legend: () => [{ measure: shading }],
    paint: (context, w, h) => {
      context.save();
      clipTo(context, 0, 0, w, h);
      paintTree(context, w, h, first, last, first * ROW, [0, lastIteration]);
      context.restore();
    },
    table: nicheTable,
  };
}

function showRow(id) {
  const place = rowOf.get(id) * ROW;
  if (place < treeBox.scrollTop) treeBox.scrollTop = place;
  if (place + ROW + AXIS > treeBox.scrollTop + treeBox.clientHeight) treeBox.scrollTop = place + ROW + AXIS + 8 - treeBox.clientHeight;
}

let treeDue = false;
function drawTreeSoon() {
  if (treeDue) return;
  treeDue = true;
  requestAnimationFrame(() => { treeDue = false; drawTree(); });
}

function startTree() {
  if (niches.length > 60) byId("tree-time").value = "view";
  orderRows();
  for (const name of ["tree-order", "tree-time"]) {
    byId(name).addEventListener("change", () => { orderRows(); if (selected !== null) showRow(selected); drawTree(); });
  }
  treeBox.addEventListener("scroll", drawTreeSoon);
  treeCanvas.addEventListener("click", (event) => {
    const row = Math.floor((event.clientY - treeCanvas.getBoundingClientRect().top + treeBox.scrollTop - AXIS) / ROW);
    if (row >= 0 && row < rows.length) select(rows[row]);
  });
  treeBox.addEventListener("keydown", (event) => {
    const row = selected === null ? -1 : rowOf.get(selected);
    const next = {
      ArrowDown: () => rows[Math.min(row + 1, rows.length - 1)],
      ArrowUp: () => rows[Math.max(row - 1, 0)],
      Home: () => rows[0],
      End: () => rows[rows.length - 1],
      ArrowLeft: () => (selected === null ? rows[0] : niches[selected].parent ?? selected),
      ArrowRight: () => (selected === null ? rows[0] : children[selected][0] ?? selected),
    }[event.key];
    if (event.key === "Enter" && selected !== null) { event.preventDefault(); select(selected, true); return; }
    if (!next) return;
    event.preventDefault();
    select(next());
  });
  selectionListeners.push((id) => {
    if (id !== null) {
      showRow(id);
      byId("tree-said").textContent = `Niche ${id}: ${niches[id].description}`;
    }
    drawTreeSoon();
  });
  byId("tree-shade").append(shadeControl());
  byId("tree-save").append(saveMenu("the family tree", () => treeFigure(0, rows.length)));
  printsAs(treeBox, () => {
    const starts = Array.from({ length: Math.ceil(rows.length / ROWS_ON_PAPER) }, (_, i) => i * ROWS_ON_PAPER);
    return starts.map((start) => treeFigure(start, Math.min(start + ROWS_ON_PAPER, rows.length), PAPER.width));
  });
  drawn(treeBox, drawTree);
  new ResizeObserver(drawTreeSoon).observe(treeBox);
  drawTree();
}
