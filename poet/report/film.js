// Recorded episodes as films: they begin when they come into view and go round, unless motion is not wanted.

const filmCanvas = byId("film-canvas"), filmTime = byId("film-time");
const film = { id: null, episode: null, at: 0, playing: false, before: 0, rest: 0, held: false, visible: false };
const REST = 1.5; // s at the end before it begins again
const STILLS = 4, STILL_WIDTH = 470; // on paper, pixels
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function drawFilm() {
  if (film.id === null) return;
  const width = filmCanvas.clientWidth, height = sceneHeight(film.episode.record, width);
  filmCanvas.style.height = `${height}px`;
  paintScene(fitCanvas(filmCanvas, width, height), film.episode, courseOf(film.id), film.at, width, height);
}

function tick(now) {
  if (!film.playing) return;
  const record = film.episode.record, last = record.frames - 1, passed = (now - film.before) / 1000;
  film.before = now;
  if (film.at >= last) {
    film.rest += passed;
    if (film.rest > REST) film.at = film.rest = 0;
  } else film.at = Math.min(film.at + passed * record.fps * Number(byId("film-speed").value), last);
  filmTime.value = Math.round(film.at);
  drawFilm();
  requestAnimationFrame(tick);
}

function setPlaying(playing) {
  if (playing === film.playing) return;
  film.playing = playing;
  byId("film-play").textContent = playing ? "❚❚" : "▶";
  byId("film-play").setAttribute("aria-label", playing ? "Pause" : "Play");
  if (!playing) return;
  film.rest = 0;
  if (film.at >= film.episode.record.frames - 1) film.at = 0;
  film.before = performance.now();
  requestAnimationFrame(tick);
}

// Play by itself while it can be seen and nobody has stopped it.
function playIfWanted() {
  setPlaying(film.visible && !film.held && !document.hidden);
}

function hold(held) {
  film.held = held;
  playIfWanted();
}

function showFilm(id, play = false) {
  const record = data.films[id];
  setPlaying(false);
  Object.assign(film, { id, episode: openEpisode(record), at: 0 });
  filmTime.max = record.frames - 1;
  filmTime.value = 0;
  byId("film-niche").value = String(id);
  const seed = record.seed === undefined ? "" : `, median of ${record.episodes} fresh episodes (seed ${record.seed})`;
  byId("film-said").replaceChildren(make("a", { href: `#niche-${id}` }, `Best agent of niche ${id}`),
    ` (${niches[id].description})${seed}: ${record.outcome} after ${number((record.frames - 1) / record.fps)} s, return ${number(record.score)}.`);
  drawFilm();
  if (play && getComputedStyle(panel).position === "fixed") select(null); // it would cover the picture
  if (play) { byId("film-section").scrollIntoView(); film.visible = true; hold(false); } else playIfWanted();
}

function filmFigure(at = film.at, width = 900) {
  const { episode, id } = film, { record } = episode;
  return {
    name: `niche-${id}-film`, title: `Niche ${id}: ${niches[id].description}`, size: () => [width, sceneHeight(record, width)],
    paint: (context, across, height) => {
      context.save();
      clipTo(context, 0, 0, across, height);
      paintScene(context, episode, courseOf(id), at, across, height);
      context.restore();
    },
    table: () => [["time", "distance", "return"], ...Array.from({ length: record.frames }, (_, i) => [i / record.fps, episode.distances[i], episode.returns[i]])],
  };
}

function startFilm() {
  const ids = Object.keys(data.films).map(Number);
  // The most telling first: solved, hard (or late, where that is not measured), well walked.
  const hard = (id) => niches[id].difficulty ?? niches[id].born, unsolved = (id) => Number(niches[id].solved === null);
  ids.sort((a, b) => unsolved(a) - unsolved(b) || hard(b) - hard(a) || niches[b].mean_return - niches[a].mean_return);
  byId("film-none").hidden = ids.length > 0;
  byId("film").hidden = ids.length === 0;
  if (!ids.length) return;
  film.held = calm.matches;
  byId("film-niche").append(...ids.map((id) => make("option", { value: id }, `niche ${id}: ${niches[id].description}`)));
  byId("film-niche").addEventListener("change", (event) => showFilm(Number(event.target.value)));
  byId("film-play").addEventListener("click", () => { film.visible = true; hold(film.playing); });
  byId("film-save").append(saveMenu("this picture of the film", filmFigure));
  filmTime.addEventListener("input", () => { hold(true); film.at = Number(filmTime.value); drawFilm(); });
  drawn(filmCanvas, drawFilm);
  printsAs(filmCanvas, () => Array.from({ length: STILLS }, (_, i) => filmFigure((i / (STILLS - 1)) * (film.episode.record.frames - 1), STILL_WIDTH)));
  new ResizeObserver(() => requestAnimationFrame(drawFilm)).observe(filmCanvas.parentElement);
  new IntersectionObserver(([entry]) => { film.visible = entry.isIntersecting; playIfWanted(); }, { threshold: 0.4 }).observe(filmCanvas);
  document.addEventListener("visibilitychange", playIfWanted);
  showFilm(ids[0]);
}
