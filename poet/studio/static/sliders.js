// Sliders for the genes of a parametric ground.

import { make } from "./shared.js";

// `genes` as the encoding describes them; `changed(genome, over)` is called as they move, `over` when one is let go.
export function sliders(place, genes, genome, changed) {
  let held = structuredClone(genome);
  const set = (name, value, over) => { held = { ...held, [name]: value }; changed(held, over); };
  place.replaceChildren(...Object.entries(genes).filter(([name]) => name in genome).map(([name, gene]) => {
    const title = name.replaceAll("_", " "), step = gene.step >= 1 ? 1 : Math.min(gene.step, 0.1) || 0.1;
    const value = genome[name];
    const knob = (label, at, apply) => {
      const bar = make("input", { type: "range", min: gene.minimum, max: gene.maximum, step, "aria-label": label });
      const box = make("input", { type: "number", min: gene.minimum, max: gene.maximum, step: "any", "aria-label": `${label}, as a number` });
      bar.value = box.value = at;
      const move = (text, over) => { const next = Math.min(Math.max(Number(text) || 0, gene.minimum), gene.maximum); bar.value = next; if (document.activeElement !== box || over) box.value = next; apply(next, over); };
      bar.addEventListener("input", () => move(bar.value, false));
      bar.addEventListener("change", () => move(bar.value, true));
      box.addEventListener("change", () => move(box.value, true));
      return { parts: [bar, box], set: (next) => { bar.value = box.value = next; } };
    };
    const legend = make("legend", {}, make("b", {}, title), gene.unit === "1" ? "" : gene.unit);
    if (!gene.range) {
      const whole = Number.isInteger(gene.initial) && gene.step === 1;
      return make("fieldset", {}, legend, ...knob(title, value, (next, over) => set(name, whole ? Math.round(next) : next, over)).parts);
    }
    const there = make("input", { type: "checkbox", "aria-label": `with ${title}` });
    there.checked = value !== null;
    let ends = value ?? gene.initial;
    const low = knob(`least ${title}`, ends[0], (next, over) => { ends = [next, Math.max(next, ends[1])]; high.set(ends[1]); push(over); });
    const high = knob(`greatest ${title}`, ends[1], (next, over) => { ends = [Math.min(ends[0], next), next]; low.set(ends[0]); push(over); });
    const knobs = [...low.parts, ...high.parts];
    const push = (over) => set(name, there.checked ? ends : null, over);
    const enable = () => { for (const each of knobs) each.disabled = !there.checked; };
    there.addEventListener("change", () => { enable(); push(true); });
    enable();
    legend.prepend(there);
    return make("fieldset", {}, legend, ...knobs);
  }));
}
