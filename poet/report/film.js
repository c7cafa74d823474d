// A recorded episode, drawn between its frames; the camera follows the walker.

const filmCanvas = byId("film-canvas"), filmTime = byId("film-time");
const film = { id: null, poses: null, at: 0, playing: false, before: 0 };
const BODY_COLOURS = ["far", "far", "hull", "leg", "leg"];

function drawFilm() {
  if (film.id === null) return;
  const record = data.films[film.id], course = courseOf(film.id);
  const width = filmCanvas.clientWidth, height = Math.max(Math.min(width * 0.42, 420), 190);
  filmCanvas.style.height = `${height}px`;
  const context = fitCanvas(filmCanvas, width, height);
  if (record.lines) { drawSticks(context, record, course, width, height); return; }
  const bodies = record.shapes.length, last = record.frames - 1;
  const early = Math.min(Math.floor(film.at), last), late = Math.min(early + 1, last), share = film.at - early;
  const pose = (body) => [0, 1, 2].map((axis) => {
    const a = film.poses[(early * bodies + body) * 3 + axis];
    let step = film.poses[(late * bodies + body) * 3 + axis] - a;
    if (axis === 2 && Math.abs(step) > Math.PI) step -= Math.sign(step) * 2 * Math.PI; // past half a turn
    return a + share * step;
  });
  const scale = Math.max(width / 26, 22);
  const [followedX, followedY] = pose(Math.min(2, bodies - 1));
  const place = (x, y) => [width * 0.28 + (x - followedX) * scale, height * 0.48 - (y - followedY) * scale];
  paintCourse(context, course, place, height, 3);
  for (let body = 0; body < bodies; body += 1) {
    const [x, y, angle] = pose(body), sine = Math.sin(angle), cosine = Math.cos(angle);
    context.beginPath();
    for (const [u, v] of record.shapes[body]) context.lineTo(...place(x + cosine * u - sine * v, y + sine * u + cosine * v));
    context.closePath();
    context.fillStyle = colour(BODY_COLOURS[body] ?? "leg");
    context.fill();
  }
}

function tick(now) {
  if (!film.playing) return;
  const record = data.films[film.id];
  film.at += ((now - film.before) / 1000) * record.fps * Number(byId("film-speed").value);
  film.before = now;
  if (film.at >= record.frames - 1) { film.at = record.frames - 1; setPlaying(false); }
  filmTime.value = Math.round(film.at);
  drawFilm();
  requestAnimationFrame(tick);
}

function setPlaying(playing) {
  film.playing = playing;
  byId("film-play").textContent = playing ? "❚❚" : "▶";
  byId("film-play").setAttribute("aria-label", playing ? "Pause" : "Play");
  if (!playing) return;
  if (film.at >= data.films[film.id].frames - 1) film.at = 0;
  film.before = performance.now();
  requestAnimationFrame(tick);
}

function showFilm(id, play = false) {
  const record = data.films[id], raw = unpack(record.poses, 1);
  film.poses = raw.map((value, i) => value * (!record.lines && i % 3 === 2 ? data.units.angle : data.units.length));
  film.id = id;
  film.at = 0;
  filmTime.max = record.frames - 1;
  filmTime.value = 0;
  byId("film-niche").value = String(id);
  byId("film-said").textContent = `Best agent of niche ${id} (${niches[id].description}), median of ${record.episodes} fresh episodes (seed ${record.seed}): ${record.outcome} after ${number(record.frames / record.fps)} s, return ${number(record.score)}.`;
  drawFilm();
  if (play && getComputedStyle(panel).position === "fixed") select(null); // it would cover the picture
  if (play) { byId("film-section").scrollIntoView(); setPlaying(true); } else setPlaying(false);
}

function startFilm() {
  const ids = Object.keys(data.films).map(Number);
  // The most telling first: solved, hard, well walked.
  const hard = (id) => niches[id].difficulty ?? 0, unsolved = (id) => Number(niches[id].solved === null);
  ids.sort((a, b) => unsolved(a) - unsolved(b) || hard(b) - hard(a) || niches[b].mean_return - niches[a].mean_return);
  byId("film-none").hidden = ids.length > 0;
  byId("film").hidden = ids.length === 0;
  if (!ids.length) return;
  byId("film-niche").append(...ids.map((id) => make("option", { value: id }, `niche ${id}: ${niches[id].description}`)));
  byId("film-niche").addEventListener("change", (event) => showFilm(Number(event.target.value)));
  byId("film-play").addEventListener("click", () => setPlaying(!film.playing));
  filmTime.addEventListener("input", () => { setPlaying(false); film.at = Number(filmTime.value); drawFilm(); });
  themeListeners.push(drawFilm);
  new ResizeObserver(() => requestAnimationFrame(drawFilm)).observe(filmCanvas.parentElement);
  showFilm(ids[0]);
}
