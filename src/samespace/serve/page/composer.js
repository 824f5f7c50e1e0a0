// The query as a person makes it: words, and chips for everything else. Knows nothing of results.
import { keep, item, preview, Refused } from "./api.js";
import { fill, icon, make, visible } from "./dom.js";

const MOST_BYTES = 64 * 1024 * 1024;
const MOST_PARTS = 15;
const pictures = new Map(); // file id → address of the dropped picture, for its chip

const words = /** @type {HTMLInputElement} */ (document.getElementById("words"));
const chips = /** @type {HTMLElement} */ (document.getElementById("chips"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));

/** @type {import("./state.js").Part[]} */
let parts = [];
/** @type {() => void} */
let changed = () => {};

/** @param {() => void} listener called when a part was added, changed or removed by hand */
export function onChange(listener) {
  changed = listener;
}

/** @returns {{words: string, parts: import("./state.js").Part[]}} */
export const current = () => ({ words: words.value, parts: parts.filter((p) => p.value.trim()).map((p) => ({ ...p })) });

/** @param {import("./state.js").State} state */
export function show(state) {
  if (words.value.trim() !== state.words) words.value = state.words;
  parts = state.parts.map((p) => ({ ...p }));
  draw();
}

/** Add words of their own, as a chip to type in. @param {number} weight */
export function addWords(weight) {
  if (full()) return;
  parts.push({ type: "text", value: "", name: "", weight });
  draw();
  /** @type {HTMLInputElement | null} */ (chips.querySelector("li:last-child input.text"))?.focus();
}

/** Add a found item. @param {{id: string, name: string}} found @param {number} weight */
export function addItem(found, weight) {
  parts = parts.filter((p) => p.value !== found.id);
  if (full()) return;
  parts.push({ type: "item", value: found.id, name: found.name, weight });
  draw();
  changed();
}

/** Send files to the server and add them. @param {Iterable<File>} files */
export async function addFiles(files) {
  let any = false;
  try {
    for (const file of files) {
      if (full()) break;
      if (file.size > MOST_BYTES) throw new Refused(`${visible(file.name)} is larger than 64 MB.`, "Use a smaller file.", 413);
      said.textContent = `Taking in ${visible(file.name)} …`;
      const kept = await keep(file);
      if (file.type.startsWith("image/")) pictures.set(kept.id, URL.createObjectURL(file));
      parts = parts.filter((p) => p.value !== kept.id);
      parts.push({ type: "file", value: kept.id, name: file.name || "pasted picture", weight: 1 });
      any = true;
    }
  } finally {
    draw();
    if (any) changed();
  }
}

const full = () => parts.length >= MOST_PARTS;

function draw() {
  fill(chips, ...parts.map(chip));
  tell();
}

/** @param {import("./state.js").Part} part */
function chip(part) {
  const minus = part.weight < 0;
  const label = visible(part.name || part.value) || "words";
  const sign = make("button.sign", {
    type: "button",
    title: minus ? "Less like this. Press for more." : "More like this. Press for less.",
    "aria-label": `${minus ? "Less" : "More"} like ${label}: turn round`,
    onclick: () => turn(part),
  }, minus ? "−" : "+");
  const weight = make("input.weight", {
    type: "number", min: "0.1", max: "5", step: "0.1", value: Math.abs(part.weight), title: "How much it counts",
    "aria-label": `How much ${label} counts`,
    onchange: (/** @type {Event} */ e) => weigh(part, /** @type {HTMLInputElement} */ (e.target)),
  });
  const gone = make("button.gone", { type: "button", "aria-label": `Remove ${label}`, title: "Remove", onclick: () => remove(part) }, "×");
  return make("li.chip", { class: minus ? "chip minus" : "chip" }, sign, body(part), make("span.times", { "aria-hidden": "true" }, "×"), weight, gone);
}

/** @param {import("./state.js").Part} part */
function body(part) {
  if (part.type === "text") {
    const input = make("input.text", {
      type: "text", value: part.value, maxlength: "10000", size: Math.max(8, Math.min(28, part.value.length + 1)),
      placeholder: part.weight < 0 ? "less like …" : "more like …", "aria-label": part.weight < 0 ? "Less like these words" : "More like these words",
      oninput: (/** @type {Event} */ e) => {
        part.value = /** @type {HTMLInputElement} */ (e.target).value;
        tell();
      },
    });
    return input;
  }
  const name = make("bdi.name", { title: visible(part.name || part.value) }, visible(part.name || part.value));
  const thumb = make("span.thumb", {}, icon("other"));
  if (pictures.has(part.value)) fill(thumb, make("img", { src: pictures.get(part.value), alt: "" }));
  if (part.type === "item") {
    item(part.value).then((found) => {
      if (found.preview) fill(thumb, make("img", { src: preview(found.preview), alt: "" }));
      else fill(thumb, icon(found.kind));
      if (!part.name) fill(name, visible(found.name));
    }, () => {});
  }
  return make("span.thing", {}, thumb, name);
}

/** @param {import("./state.js").Part} part */
function turn(part) {
  part.weight = -part.weight;
  const at = parts.indexOf(part);
  draw();
  /** @type {HTMLElement | undefined} */ (chips.querySelectorAll(".sign")[at])?.focus();
  if (part.value.trim()) changed();
}

/** @param {import("./state.js").Part} part @param {HTMLInputElement} input */
function weigh(part, input) {
  const asked = Number(input.value);
  const size = Number.isFinite(asked) && asked > 0 ? Math.min(5, Math.max(0.1, asked)) : 1;
  input.value = String(size);
  part.weight = Math.sign(part.weight) * size;
  tell();
  if (part.value.trim()) changed();
}

/** @param {import("./state.js").Part} part */
function remove(part) {
  parts = parts.filter((p) => p !== part);
  draw();
  words.focus();
  changed();
}

/** Say in plain words what will be looked for. */
export function tell() {
  const named = (/** @type {import("./state.js").Part} */ p) => [make("b", {}, make("bdi", {}, p.type === "text" ? `“${p.value.trim()}”` : visible(p.name || "a result")))];
  const list = (/** @type {import("./state.js").Part[]} */ of) => of.flatMap((p, i) => [...(i ? [" and "] : []), ...named(p)]);
  const filled = parts.filter((p) => p.value.trim());
  if (!filled.length) return void fill(said);
  const plus = filled.filter((p) => p.weight > 0);
  if (words.value.trim()) plus.unshift({ type: "text", value: words.value, name: "", weight: 1 });
  const minus = filled.filter((p) => p.weight < 0);
  fill(said, "Find what is ", ...(plus.length ? ["like ", ...list(plus)] : []), ...(minus.length ? [plus.length ? ", and less like " : "unlike ", ...list(minus)] : []), ".");
}

words.addEventListener("input", tell);
