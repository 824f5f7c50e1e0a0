// Elements without markup: text only ever becomes text. Knows nothing of searching.

/**
 * Make an element. Strings become text nodes; null and false are left out.
 * @param {string} tag "div.card.wide"
 * @param {Record<string, any>} [facts] attributes; "on…" are listeners, "data" is a dataset
 * @param {...(Node | string | null | false | undefined)} children
 */
export function make(tag, facts = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(facts)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

/** @param {Element} element @param {...(Node | string | null | false | undefined)} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

// What changes the order of letters, or cannot be seen. Joiners (200C, 200D) are part of many scripts.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;
const TURNING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

const code = (/** @type {string} */ c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

/** A name as it really is: what would be unseen or turn the order of letters is shown by its code. @param {string} name */
export const visible = (name) => name.replace(HIDDEN, code);

/** A text with its lines, and without what would turn the order of letters around it. @param {string} text */
export const readable = (text) => text.replace(TURNING, "");

/**
 * A text with the words of a query marked.
 * @param {string} text
 * @param {RegExp | null} wanted from `marker`
 */
export function marked(text, wanted) {
  const made = document.createDocumentFragment();
  let from = 0;
  for (const found of wanted ? readable(text).matchAll(wanted) : []) {
    made.append(readable(text).slice(from, found.index), make("mark", {}, found[0]));
    from = found.index + found[0].length;
  }
  made.append(readable(text).slice(from));
  return made;
}

/** What to mark for some words: whole words, or runs of scripts without spaces. @param {string[]} texts */
export function marker(texts) {
  const words = texts.join(" ").match(/[\p{L}\p{N}]+/gu) ?? [];
  const dense = /[\u0e00-\u0fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7ff]/u;
  const wanted = words.filter((w) => dense.test(w) || w.length > 1 || /\p{N}/u.test(w)).slice(0, 40);
  if (!wanted.length) return null;
  const spoken = wanted.map((w) => (dense.test(w) ? w : `(?<![\\p{L}\\p{N}])${w}(?![\\p{L}\\p{N}])`));
  return new RegExp(spoken.join("|"), "giu");
}

const SHAPES = {
  text: "M5 5h14M5 10h14M5 15h14M5 20h8",
  page: "M6 3h8l4 4v14H6zM14 3v4h4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  audio: "M4 10v4M8 6v12M12 3v18M16 7v10M20 10v4",
  video: "M4 5h16v14H4zM10 9l5 3-5 3z",
  other: "M6 3h8l4 4v14H6z",
};

/** @param {string} kind */
export function icon(kind) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[kind] ?? SHAPES.other);
  svg.append(path);
  return svg;
}
