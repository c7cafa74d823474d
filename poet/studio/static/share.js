// A ground in an address, and as a file.

import { make } from "./shared.js";

export function toText(environment) {
  const bytes = new TextEncoder().encode(JSON.stringify(environment));
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function fromText(text) {
  try {
    const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(letters, (letter) => letter.charCodeAt(0))));
  } catch { throw new Error("The link holds no ground that can be read; it may have been cut short."); }
}

export function saveFile(environment, id) {
  const address = URL.createObjectURL(new Blob([`${JSON.stringify(environment, null, 1)}\n`], { type: "application/json" }));
  make("a", { href: address, download: `environment-${id}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// Copy a text; where the browser does not let us, say so.
export async function copied(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { return false; }
}
