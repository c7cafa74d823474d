// The settings that are not the same in all runs.

function startSettings() {
  const said = (value) => (value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value));
  const equal = `${data.equal_settings} settings are the same in all runs.`;
  byId("settings-equal").textContent = data.settings.length ? equal : `All ${equal}`;
  if (!data.settings.length) { byId("differing").parentElement.remove(); return; }
  byId("differing").append(
    make("thead", {}, make("tr", {}, make("th", {}, "setting"), ...runs.map((run, place) => make("th", {}, stroke(looks[place]), ` ${labels[place]}`)))),
    make("tbody", {}, ...data.settings.map((row) => make("tr", {}, make("th", { scope: "row" }, row.setting), ...rows(row.values.map(said))))));
  const table = () => [["setting", ...runs.map((run) => run.name)], ...data.settings.map((row) => [row.setting, ...row.values.map(said)])];
  byId("settings-save").append(saveMenu("the settings that differ", () => ({ name: "settings", table }), ["csv"]));
}
