// What made the run and this page: versions, times and settings.

function startAbout() {
  const { about } = data, day = (text) => (text ? new Date(text).toISOString().replace("T", " ").slice(0, 16) + " UTC" : "–");
  const hours = about.seconds / 3600;
  const facts = [
    ["page written", day(about.written)],
    ["by", `poet ${about.version}`],
    ["run with", about.run_versions.length ? `poet ${about.run_versions.join(", ")}` : "–"],
    ["begun", day(about.started)],
    ["last iteration on disk", day(about.last_commit)],
    ["time of its iterations", hours >= 1 ? `${number(hours)} h` : `${number(about.seconds / 60)} min`],
    ["sessions", number(about.sessions)],
  ];
  byId("facts").append(...facts.map(([name, value]) => fact(name, value)));
  byId("settings").append(...about.settings.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  byId("footer").textContent = `Written by poet ${about.version} on ${day(about.written)}.`;
}
