// Everything set going.

byId("title").textContent = document.title = `POET: ${data.title}`;
byId("subtitle").textContent = runs.length < 3 || runs.length > 5 ? `${runs.length} runs compared` : runs.map((run) => run.name).join(", ");
startTheme();
startRuns(drawCurves);
startGroups();
startCurves();
startCost();
startMatrix();
startSettings();
startPrinting();
byId("footer").textContent = `Written by poet ${data.version} on ${new Date(data.written).toISOString().replace("T", " ").slice(0, 16)} UTC.`;
redrawAll();
document.body.dataset.ready = "true";
