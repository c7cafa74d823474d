// A painted field as this page edits it: heights in mm, row after row along x, and the brush that changes them.

export const TOOLS = ["raise", "lower", "smooth", "flatten"];

// Heights of a genome, behind the start pad.
export function heightsOf(genome, limits) {
  const heights = new Float32Array(limits.rows * limits.columns);
  genome.heights.forEach((row, i) => { if (row.length) heights.set(row, i * limits.columns); });
  return heights;
}

// The shortest genome of heights: level rows are empty, the last ones left out. A hidden body stays that of the ground before.
export function genomeOf(heights, limits, { physics }) {
  const rows = [];
  for (let i = 0; i < limits.rows; i += 1) {
    const row = Array.from(heights.subarray(i * limits.columns, (i + 1) * limits.columns), (height) => Math.round(height) + 0);
    rows.push(row.some((height) => height !== 0) ? row : []);
  }
  while (rows.length && !rows.at(-1).length) rows.pop();
  return physics ? { heights: rows, physics } : { heights: rows };
}

// Touch the field once around (x, y) in m from its first height; `much` in mm is the brush's strength and `level` what flattening
// goes to. Gives whether anything lay under the brush.
export function dab(heights, limits, tool, x, y, radius, much, level) {
  const { rows, columns, cell } = limits, most = 1000 * limits.highest, touched = [];
  const span = (middle, count) => [Math.max(Math.ceil((middle - radius) / cell), 0), Math.min(Math.floor((middle + radius) / cell), count - 1)];
  const [top, bottom] = span(x, rows), [left, right] = span(y, columns);
  for (let i = top; i <= bottom; i += 1) {
    for (let j = left; j <= right; j += 1) {
      const away = ((i * cell - x) ** 2 + (j * cell - y) ** 2) / (radius * radius);
      if (away >= 1) continue;
      const share = (1 - away) ** 2, at = i * columns + j;
      let next = heights[at];
      if (tool === "raise") next += much * share;
      else if (tool === "lower") next -= much * share;
      else next += Math.min(much / 50, 1) * share * ((tool === "smooth" ? around(heights, rows, columns, i, j) : level) - next);
      touched.push([at, Math.min(Math.max(next, -most), most)]);
    }
  }
  for (const [at, height] of touched) heights[at] = height;
  return touched.length > 0;
}

// The mean of a height and its neighbours; ahead of the first row lies the level start pad.
function around(heights, rows, columns, row, column) {
  let sum = 0, count = 0;
  for (let i = row - 1; i <= Math.min(row + 1, rows - 1); i += 1) {
    for (let j = Math.max(column - 1, 0); j <= Math.min(column + 1, columns - 1); j += 1) { sum += i < 0 ? 0 : heights[i * columns + j]; count += 1; }
  }
  return sum / count;
}
