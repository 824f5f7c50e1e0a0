// What is asked and what is open, as the address of the page: Back works, and a search can be kept as a bookmark.

/**
 * @typedef {{type: "text" | "item" | "file", value: string, name: string, weight: number}} Part
 * @typedef {{words: string, parts: Part[], kinds: string[], open: string | null}} State
 */

const TYPES = ["text", "item", "file"];

/** @param {string} query "?q=…" @returns {State} */
export function read(query) {
  const found = new URLSearchParams(query);
  return {
    words: found.get("q") ?? "",
    parts: found.getAll("p").map(part).filter((p) => p !== null),
    kinds: found.getAll("kind"),
    open: found.get("open"),
  };
}

/** @param {State} state */
export function write(state) {
  const made = new URLSearchParams();
  if (state.words.trim()) made.set("q", state.words.trim());
  for (const p of state.parts) {
    if (p.value.trim()) made.append("p", [p.weight, p.type, encodeURIComponent(p.value), p.name].join(":"));
  }
  for (const kind of state.kinds) made.append("kind", kind);
  if (state.open) made.set("open", state.open);
  const text = made.toString();
  return text ? `/?${text}` : "/";
}

/** "1:item:ab12:name" → a part, or null if it is none. @param {string} text @returns {Part | null} */
function part(text) {
  const [weight, type, value, ...name] = text.split(":");
  const number = Number(weight);
  if (!TYPES.includes(type) || !value || !Number.isFinite(number) || !number) return null;
  try {
    return { type: /** @type {any} */ (type), value: decodeURIComponent(value), name: name.join(":"), weight: number };
  } catch {
    return null;
  }
}

/** The parts as the server wants them; the words are the first. @param {State} state */
export function query(state) {
  const parts = state.parts.filter((p) => p.value.trim()).map((p) => ({ [p.type]: p.value, weight: p.weight }));
  if (state.words.trim()) parts.unshift({ text: state.words.trim(), weight: 1 });
  return { parts, kinds: state.kinds, k: 48 };
}

/** Whether two states ask the same; what is open does not matter. @param {State} a @param {State} b */
export const same = (a, b) => write({ ...a, open: null }) === write({ ...b, open: null });
