// Talking with the studio's server.

async function told(response) {
  if (response.ok) return response;
  let sentence = `${response.status}`;
  try { sentence = (await response.json()).error ?? sentence; } catch { /* it was no JSON */ }
  throw new Error(sentence);
}

export const get = async (path) => (await told(await fetch(path))).json();

const sent = (path, body, signal) => fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

export const post = async (path, body) => (await told(await sent(path, body))).json();

// Lines of JSON as they come.
export async function* lines(path, body, signal) {
  const response = await told(await sent(path, body, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) yield JSON.parse(part);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
