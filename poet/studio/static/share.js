// A ground in an address, and as a file.

import { make } from "./shared.js";

const LONG = 600; // bytes from which on a text is packed
const PACKED = "~"; // what a packed text begins with

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export async function toText(environment) {
  let bytes = new TextEncoder().encode(JSON.stringify(environment));
  const long = bytes.length > LONG;
  if (long) bytes = await through(new CompressionStream("deflate-raw"), bytes);
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return (long ? PACKED : "") + btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export async function fromText(text) {
  try {
    const packed = text.startsWith(PACKED), letters = atob(text.slice(packed ? 1 : 0).replaceAll("-", "+").replaceAll("_", "/"));
    let bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    if (packed) bytes = await through(new DecompressionStream("deflate-raw"), bytes);
    return JSON.parse(new TextDecoder().decode(bytes));
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
