// The server, as functions. Knows nothing of the page.

export class Refused extends Error {
  /** @param {string} message @param {string} mend @param {number} status */
  constructor(message, mend, status) {
    super(message);
    this.mend = mend;
    this.status = status;
  }
}

/** @param {string} address @param {RequestInit} [init] */
async function ask(address, init) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    throw new Refused("The server does not answer.", "Is `samespace serve` still running in its terminal?", 0);
  }
  if (answer.ok) return answer;
  let told = { message: `The server answered ${answer.status}.`, mend: "Try again." };
  try {
    told = (await answer.json()).error ?? told;
  } catch {
    // not JSON: the plain words stand
  }
  throw new Refused(told.message, told.mend, answer.status);
}

const once = new Map();

/** @returns {Promise<any>} */
export const status = async () => (await ask("/v1/status")).json();

/** @param {object} query @param {AbortSignal} signal @returns {Promise<any>} */
export async function search(query, signal) {
  const headers = { "content-type": "application/json" };
  return (await ask("/v1/search", { method: "POST", headers, body: JSON.stringify(query), signal })).json();
}

/** @param {File} file @returns {Promise<{id: string, name: string}>} */
export async function keep(file) {
  const headers = { "content-type": "application/octet-stream" };
  const address = `/v1/query-file?name=${encodeURIComponent(file.name)}`;
  return (await ask(address, { method: "POST", headers, body: file })).json();
}

/** One item in full; asked for once. @param {string} id @returns {Promise<any>} */
export function item(id) {
  if (!once.has(id)) {
    const asked = ask(`/v1/items/${encodeURIComponent(id)}`).then((answer) => answer.json());
    asked.catch(() => once.delete(id));
    once.set(id, asked);
  }
  return once.get(id);
}

/** How a place looks, as the address of a picture in memory. @param {string} id @param {number} pixels */
export async function look(id, pixels, signal) {
  const answer = await ask(`/v1/items/${encodeURIComponent(id)}/page?pixels=${pixels}`, { signal });
  return URL.createObjectURL(await answer.blob());
}

/** @param {string} id */
export const media = (id) => `/v1/items/${encodeURIComponent(id)}/media`;

/** @param {string} key */
export const preview = (key) => `/v1/previews/${encodeURIComponent(key)}`;

/** How a page looks, small. @param {string} id */
export const thumb = (id) => `/v1/items/${encodeURIComponent(id)}/page?pixels=400`;
