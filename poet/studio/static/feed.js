// The runs as this page knows them: read once, then kept up to date by what the server pushes, in bounded memory.

import { get } from "./api.js";
import { thinned } from "./curve.js";

const EVENTS = 60, MOVES = 240;

export const byHand = (encoding) => encoding === "drawn" ? "drawn by hand" : "put in by hand"; // as `poet inspect` says
export const runs = [];
export let editable = false;
export const link = { lost: null }; // when the server was heard of last, ms, where it is not there now
const listeners = new Set();

// `listener(number, news)` is called when a run has changed; news is null where all of it may have.
export function onNews(listener) { listeners.add(listener); }

function tell(number, news) { for (const listener of listeners) listener(number, news); }

// Take news in and tell everyone.
export function take(news) {
  apply(news);
  tell(news.run, news);
}

function apply(news) {
  const run = runs[news.run];
  if (!run) return;
  run.pulse = news.pulse;
  run.niches.push(...(news.niches ?? []));
  for (const row of news.changed ?? []) run.niches[row.id] = row;
  if (news.moves) run.moves = [...run.moves, ...news.moves].slice(-MOVES);
  if (news.events) run.events = [...run.events, ...news.events].slice(-EVENTS);
  if (news.curve?.length) run.curve = thinned([...run.curve, ...news.curve]);
}

async function readAll() {
  const { runs: listed, edit } = await get("/api/runs");
  editable = edit;
  let version = null;
  const found = await Promise.all(listed.map((_, number) => get(`/api/runs/${number}`)));
  for (const each of found) {
    // What came between two of these answers comes again: of all versions the first counts.
    version = version === null || Number(each.version.split(".")[1]) < Number(version.split(".")[1]) ? each.version : version;
  }
  return [found, version];
}

let source = null;

export async function connect(said) {
  source?.close();
  const [found, version] = await readAll();
  const known = found.map((each) => each.version);
  runs.splice(0, runs.length, ...found);
  runs.forEach((_, number) => tell(number, null));
  const number = (text) => Number(text.split(".")[1]);
  source = new EventSource(`/api/events?since=${version}`);
  const stand = (lost, text) => {
    if (!lost || link.lost === null) link.lost = lost ? Date.now() : null;
    said(text, lost);
    runs.forEach((_, run) => tell(run, {}));
  };
  source.addEventListener("open", () => stand(false, "connected"));
  source.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    if (news.anew) { connect(said); return; }
    if (number(event.lastEventId) <= number(known[news.run])) return;
    take(news);
  });
  source.addEventListener("error", () => {
    const over = source.readyState === EventSource.CLOSED;
    stand(true, over ? "the studio has ended: start it again and open the address that it prints" : "connection lost, trying again");
  });
}
