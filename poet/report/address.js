// The niche that is open stands in the page's address, so that a link can lead to it: report.html#niche-12.

function addressed() {
  const found = location.hash.match(/^#niche-(\d+)$/);
  return found && Number(found[1]) < niches.length ? Number(found[1]) : null;
}

function startAddress() {
  selectionListeners.push((id) => {
    const wanted = id === null ? (location.hash.startsWith("#niche-") ? "#" : location.hash) : `#niche-${id}`;
    if (wanted !== location.hash) history.replaceState(null, "", wanted || "#");
  });
  addEventListener("hashchange", () => { if (addressed() !== null) select(addressed(), true); });
  if (addressed() !== null) select(addressed());
}
