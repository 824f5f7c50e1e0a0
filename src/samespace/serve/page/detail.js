// One result, opened in place: the page, the picture, the second, the passage with what stands around it.
import * as api from "./api.js";
import { fill, icon, make, marked, readable, visible } from "./dom.js";
import { strength, why } from "./results.js";
import { KINDS, percent, size } from "./words.js";

const root = /** @type {HTMLElement} */ (document.getElementById("detail"));

/**
 * @typedef {{close: () => void, open: (id: string) => void, more: (hit: any) => void, less: (hit: any) => void}} Doings
 */

/** @type {AbortController | null} */
let running = null;
/** @type {string[]} */
let borrowed = []; // addresses of pictures in memory, to give back
/** @type {any} */
let shown = null;

export const open = () => !root.hidden;
export const current = () => shown;

/** Other places of the opened file. @param {number} step -1 earlier, 1 later */
export const neighbour = (step) => (step < 0 ? shown?.before.at(-1)?.id : shown?.after[0]?.id) ?? null;

export function close() {
  stop();
  root.hidden = true;
  shown = null;
  fill(root);
}

function stop() {
  running?.abort();
  running = null;
  for (const player of root.querySelectorAll("audio, video")) {
    const media = /** @type {HTMLMediaElement} */ (player);
    media.pause();
    media.removeAttribute("src");
    media.load();
  }
  borrowed.forEach((address) => URL.revokeObjectURL(address));
  borrowed = [];
}

/** @param {string} id @param {any} hit as the results know it, if they do @param {RegExp | null} wanted @param {Doings} doings */
export async function show(id, hit, wanted, doings) {
  stop();
  const mine = (running = new AbortController());
  root.hidden = false;
  const closing = make("button.quiet.round", { type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: doings.close }, "×");
  if (!shown) fill(root, make("header", {}, make("h2", {}, "Opening …"), closing));
  try {
    const item = await api.item(id);
    if (mine.signal.aborted) return;
    shown = item;
    fill(root, ...panel(item, hit, wanted, doings, closing, mine.signal));
    root.scrollTop = 0;
  } catch (error) {
    if (mine.signal.aborted) return;
    fill(root, make("header", {}, make("h2", {}, "Not to be opened"), closing), trouble(error));
  }
}

/** @param {any} error */
const trouble = (error) => make("div.notice", {}, make("p", {}, make("b", {}, error.message)), error.mend && make("p", {}, error.mend));

/** @param {any} item @param {any} hit @param {RegExp | null} wanted @param {Doings} doings @param {Node} closing @param {AbortSignal} signal */
function panel(item, hit, wanted, doings, closing, signal) {
  const kind = KINDS[item.kind]?.one ?? item.kind;
  const act = (/** @type {string} */ label, /** @type {string} */ keys, /** @type {() => void} */ go) =>
    make("button.quiet", { type: "button", title: keys ? `${label} (${keys})` : label, onclick: go }, label);
  const before = neighbour(-1);
  const after = neighbour(1);
  return [
    make("header", {},
      make("div", {},
        make("h2", {}, make("bdi", {}, visible(item.name))),
        make("p.where", {}, make("span.kind", {}, icon(item.kind), kind), item.place && make("span.place", {}, item.place), item.title && item.title !== item.name && make("bdi.folder", {}, visible(item.title)))),
      closing),
    make("div.acts", {},
      act("More like this", "m", () => doings.more(item)),
      act("Less like this", "l", () => doings.less(item)),
      before && act("Earlier", "[", () => doings.open(before)),
      after && act("Later", "]", () => doings.open(after))),
    !item.there && make("div.notice", {}, make("p", {}, make("b", {}, "The file is no longer where it was.")), make("p", {}, "Index its folder again; what was read is below.")),
    item.there && item.player ? player(item) : item.page && item.there ? picture(item, signal) : null,
    words(item, wanted, doings),
    hit && reasons(hit, doings),
    facts(item),
  ];
}

/** @param {any} item */
function player(item) {
  const start = item.locator.seconds?.[0] ?? 0;
  const media = /** @type {HTMLMediaElement} */ (make(item.player, { controls: true, preload: "metadata", src: api.media(item.id), "aria-label": `${visible(item.name)}, from ${item.place || "the start"}` }));
  media.addEventListener("loadedmetadata", () => { media.currentTime = start; }, { once: true });
  const failed = make("p.note", { hidden: true }, "This browser cannot play the file; open it with a program of your own.");
  media.addEventListener("error", () => { if (media.getAttribute("src")) failed.hidden = false; });
  return make("div.player", {}, media, failed);
}

/** @param {any} item @param {AbortSignal} signal */
function picture(item, signal) {
  const holder = make("div.sheet", { data: { kind: item.kind } });
  if (item.preview) holder.append(make("img.rough", { src: api.preview(item.preview), alt: "" }));
  holder.append(make("p.note", {}, "Rendering …"));
  const pixels = Math.round(Math.min(2000, Math.max(900, innerWidth * Math.min(2, devicePixelRatio))));
  api.look(item.id, pixels, signal).then((address) => {
    borrowed.push(address);
    const image = make("img", { src: address, alt: `${KINDS[item.kind]?.one ?? "Picture"} ${item.place} of ${visible(item.name)}` });
    const frame = make("div.frame", {}, image, box(item.locator.box));
    fill(holder, make("a", { href: address, target: "_blank", rel: "noopener", title: "Open the picture alone" }, frame));
  }, (error) => {
    if (!signal.aborted) fill(holder, trouble(error));
  });
  return holder;
}

/** Where on the picture the words stand. @param {number[] | undefined} place */
function box(place) {
  if (!place) return null;
  const element = make("span.spot", { "aria-hidden": "true" });
  const [left, top, right, bottom] = place.map((x) => 100 * x);
  Object.assign(element.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  return element;
}

const HEADINGS = { ocr: "Words in it", speech: "What is said", body: "" };

/** @param {any} item @param {RegExp | null} wanted @param {Doings} doings */
function words(item, wanted, doings) {
  if (!item.text.trim() || item.origin === "name" || item.origin === "pixels" || item.origin === "sound") return null;
  const spoken = item.origin === "speech";
  const around = (/** @type {any[]} */ list) => list.filter((n) => n.origin === item.origin && n.kind === item.kind);
  const line = (/** @type {any} */ n, /** @type {boolean} */ here, /** @type {string} */ text) =>
    make(here ? "p.here" : "p", { dir: "auto" },
      spoken && make("button.time", { type: "button", onclick: () => doings.open(n.id), "aria-label": `Go to ${n.place}` }, n.place),
      here ? marked(text, wanted) : readable(text));
  const heading = HEADINGS[item.origin] ?? "";
  if (item.kind === "page" || item.kind === "image") {
    return make("section.passage", {}, make("h3", {}, item.kind === "page" ? "Words on this page" : "Words in it"), line(item, true, item.text));
  }
  const all = [...around(item.before), item, ...around(item.after)];
  return make("section.passage", {}, heading && make("h3", {}, heading), ...all.map((n, i) => line(n, n === item, i ? fresh(all[i - 1].text, n.text) : n.text)));
}

/** What a passage adds to the one before it: their ends overlap. @param {string} before @param {string} text */
function fresh(before, text) {
  for (let n = Math.min(before.length, text.length - 1, 600); n > 8; n -= 1) {
    if (before.endsWith(text.slice(0, n))) return text.slice(n).trimStart();
  }
  return text;
}

/** @param {any} hit @param {Doings} doings */
function reasons(hit, doings) {
  const told = why(hit);
  const chance = Number.isFinite(hit.percentile) && hit.by.includes("meaning") ? `Closer than ${percent(hit.percentile)} of random pairs of this sort.` : "";
  return make("section.why", {},
    make("h3", {}, "Why it is here"),
    make("p", {}, strength(hit)),
    make("p", {}, [told && `${told}.`, chance].filter(Boolean).join(" ")),
    hit.others.length > 0 && make("div", {}, make("h3", {}, "Also in this file"), make("ul.places", {}, ...hit.others.map((/** @type {any} */ o) =>
      make("li", {}, make("button.quiet", { type: "button", onclick: () => doings.open(o.id) }, o.place || KINDS[o.kind]?.one || "place"), " ", make("span", { dir: "auto" }, readable(o.snippet)))))),
    hit.duplicates.length > 0 && make("div", {}, make("h3", {}, "The same elsewhere"), make("ul.places", {}, ...hit.duplicates.map((/** @type {string} */ path) => make("li", {}, make("bdi", {}, visible(path)))))));
}

/** @param {any} item */
function facts(item) {
  const rows = [["Folder", visible(item.folder)], ["Type", item.mime], ["Size", item.size ? size(item.size) : ""], ["Changed", item.modified ? new Date(1000 * item.modified).toLocaleString() : ""], ["Language", item.language], ...Object.entries(item.meta).map(([k, v]) => [k[0].toUpperCase() + k.slice(1).replaceAll("_", " "), typeof v === "number" ? String(Math.round(v * 100) / 100) : visible(String(v))])];
  const copy = make("button.quiet", { type: "button" }, "Copy the path");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(item.path);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed by the browser";
    }
  });
  return make("section.facts", {}, make("h3", {}, "The file"), make("dl", {}, ...rows.filter(([, v]) => v).flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, make("bdi", {}, v))])), copy);
}
