// A run's curve in bounded memory; merges as `poet/studio/curve.py` does.

const MOST = 800;
const SUMS = ["iterations", "steps", "seconds"], MEANS = ["mean_score", "best_score"];

function merged(first, second) {
  const point = { ...first, ...second };
  for (const name of SUMS) point[name] = first[name] + second[name];
  for (const name of MEANS) {
    const parts = [first, second].filter((each) => each[name] !== null);
    const weight = parts.reduce((sum, each) => sum + each.iterations, 0);
    point[name] = weight ? parts.reduce((sum, each) => sum + each[name] * each.iterations, 0) / weight : null;
  }
  return point;
}

export function thinned(points, most = MOST) {
  while (points.length > most) {
    const fewer = [];
    for (let i = 0; i < points.length; i += 2) fewer.push(i + 1 < points.length ? merged(points[i], points[i + 1]) : points[i]);
    points = fewer;
  }
  return points;
}
