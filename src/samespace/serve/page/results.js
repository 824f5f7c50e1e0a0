// The answer as cards, and moving among them. Knows nothing of the query.
import { preview, thumb } from "./api.js";
import { fill, icon, make, marked, visible } from "./dom.js";
import { BY, COMPOSED, count, KINDS, MATCH, ORIGINS, plural } from "./words.js";

const root = /** @type {HTMLElement} */ (document.getElementById("results"));

/**
 * @typedef {{open: (id: string) => void, more: (hit: any) => void, less: (hit: any) => void, everywhere: () => void}} Doings
 */

/** Weak matches that stay in sight when nothing is sure: a right one may be among them. */
const IN_SIGHT = 3;

/** The hits on the page, in order. @type {any[]} */
let hits = [];

/** @param {string} id */
export const hit = (id) => hits.find((h) => h.id === id);

/** @param {any} answer @param {import("./state.js").State} state @param {RegExp | null} wanted @param {Doings} doings */
export function show(answer, state, wanted, doings) {
  const good = answer.hits.filter((/** @type {any} */ h) => h.confident);
  const weak = answer.hits.filter((/** @type {any} */ h) => !h.confident);
  hits = [...good, ...weak];
  const shown = good.length ? 0 : Math.min(IN_SIGHT, weak.length);
  const draw = (/** @type {any} */ h) => card(h, wanted, doings);
  fill(
    root,
    heading(answer, good, weak),
    good.length > 0 && make("ol.cards", {}, ...good.map(draw)),
    !good.length && none(answer, state, weak, doings),
    shown > 0 && make("ol.cards", {}, ...weak.slice(0, shown).map(draw)),
    weak.length > shown && fold(weak.slice(shown), draw),
  );
  const first = root.querySelector(".open");
  if (first) rove(/** @type {HTMLElement} */ (first));
}

/** @param {any} status what the index holds */
export function welcome(status) {
  hits = [];
  if (!status.items) {
    return void fill(root, make("div.blank", {},
      make("h2", {}, "Nothing is indexed yet"),
      make("p", {}, "In a terminal, point samespace at a folder; then come back and reload:"),
      make("pre", {}, `samespace index FOLDER --index ${status.index}`)));
  }
  const kinds = Object.entries(status.kinds).filter(([, n]) => n);
  const key = (/** @type {string} */ k) => make("kbd", {}, k);
  fill(root, make("div.blank", {},
    make("h2.hidden", {}, "What is here"),
    make("ul.counts", {}, ...kinds.map(([kind, n]) => make("li", {}, make("b", {}, count(n)), " ", KINDS[kind]?.many ?? kind))),
    make("p", {}, "Say what you look for in your own words, in any language the model knows; or give a file and find what is like it."),
    make("p.keys", {}, key("/"), " words  ", key("← ↑ → ↓"), " move  ", key("Enter"), " open  ", key("m"), " more like this  ", key("l"), " less like this  ", key("?"), " help")));
}

export const clear = () => {
  hits = [];
  fill(root);
};

/** @param {boolean} busy */
export function waiting(busy) {
  root.setAttribute("aria-busy", String(busy));
}

/** Say it in a line, for the live region. @param {any} answer */
export function summary(answer) {
  const sure = answer.hits.filter((/** @type {any} */ h) => h.confident).length;
  if (!answer.hits.length) return "No results.";
  if (!sure) return `No confident match. ${plural(answer.hits.length, "weak result", "weak results")}.`;
  return `${plural(answer.hits.length, "result", "results")}, ${count(sure)} confident.`;
}

/** @param {any} answer @param {any[]} good @param {any[]} weak */
function heading(answer, good, weak) {
  const found = good.length ? plural(good.length, "match", "matches") : weak.length ? "No confident match" : "No results";
  const among = `among ${plural(answer.searched, "item", "items")}, ${answer.seconds < 0.1 ? "at once" : `${answer.seconds.toFixed(1)} s`}`;
  const notes = [COMPOSED[answer.composed], ...answer.notes].filter((n) => n && n !== "no confident match"); // the heading says it
  return make("header.found", {}, make("h2", {}, found), make("p", {}, among), ...notes.map((n) => make("p.note", {}, n)));
}

/** @param {any} answer @param {import("./state.js").State} state @param {any[]} weak @param {Doings} doings */
function none(answer, state, weak, doings) {
  const filtered = state.kinds.length > 0;
  const kinds = state.kinds.map((k) => KINDS[k]?.filter.toLowerCase() ?? k).join(" and ");
  return make("div.none", {},
    make("p", {}, weak.length
      ? `Nothing ${filtered ? `among ${kinds}` : "in this collection"} clearly fits. The nearest, which may be unrelated:`
      : answer.searched ? "Nothing was found for this." : filtered ? `There are no ${kinds} here to look in.` : "There is nothing to look in."),
    filtered && make("button.quiet", { type: "button", onclick: doings.everywhere }, "Look in all kinds"));
}

/** Weak results are there, but folded, behind a plain line. @param {any[]} weak @param {(h: any) => Node} draw */
function fold(weak, draw) {
  const label = `Below here: ${plural(weak.length, "weak match", "weak matches")}, no closer than an unrelated question would come`;
  return make("details.weak", {}, make("summary", {}, label), make("ol.cards", {}, ...weak.map(draw)));
}

/** @param {any} h @param {RegExp | null} wanted @param {Doings} doings */
function card(h, wanted, doings) {
  const name = visible(h.name);
  const kind = KINDS[h.kind]?.one ?? h.kind;
  const said = [name, kind, h.place, MATCH[h.match]].filter(Boolean).join(", ");
  const open = make("button.open", { type: "button", tabindex: "-1", "aria-label": said, title: visible(h.path), onclick: () => doings.open(h.id) }, make("bdi", {}, name));
  const does = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {() => void} */ go) =>
    make("button.act", { type: "button", tabindex: "-1", title: label, "aria-label": `${label}: ${name}`, onclick: go }, sign);
  return make("li.card", { data: { id: h.id, kind: h.kind } },
    look(h, wanted),
    make("h3", {}, open),
    make("p.where", {}, make("span.kind", {}, icon(h.kind), kind), h.place && make("span.place", {}, h.place), make("bdi.folder", { title: visible(h.path) }, lastOf(h.folder))),
    make("div.foot", {},
      strength(h),
      make("span.acts", {},
        also(h),
        does("More like this", "+", () => doings.more(h)),
        does("Less like this", "−", () => doings.less(h)))));
}

/** A picture, words, or both: a page beside its words, a film or picture above what is said or written in it.
 * @param {any} h @param {RegExp | null} wanted */
function look(h, wanted) {
  const words = h.snippet && make("p.snippet", { dir: "auto" }, make("span", {}, marked(h.snippet, wanted)));
  if (!h.preview) return make("div.look.read", {}, words || make("span.big", {}, icon(h.kind)));
  const picture = make("img", { src: h.kind === "page" ? thumb(h.id) : preview(h.preview), alt: "", loading: "lazy", decoding: "async" });
  // The page itself if it can be drawn, else what was kept of its file.
  picture.addEventListener("error", () => { picture.setAttribute("src", preview(h.preview)); }, { once: true });
  if (h.kind === "page" && words) return make("div.look.beside", {}, picture, words);
  return make("div.look", {}, picture, (h.origin === "speech" || h.origin === "ocr") && words);
}

/** @param {any} h */
export function strength(h) {
  const steps = { strong: 5, likely: 3, weak: 1 }[/** @type {"weak"} */ (h.match)] ?? 1;
  return make("span.match", { data: { match: h.match } },
    make("span.bar", { "aria-hidden": "true" }, ...Array.from({ length: 5 }, (_, i) => make(i < steps ? "i.on" : "i"))),
    MATCH[h.match] ?? h.match);
}

/** @param {any} h */
function also(h) {
  const n = h.others.length;
  const twins = h.duplicates.length;
  const told = [n && `${plural(n, "more place", "more places")}`, twins && plural(twins, "copy", "copies")].filter(Boolean).join(", ");
  return told && make("span.also", {}, told);
}

/** @param {any} h how a hit came about, in words */
export function why(h) {
  const by = h.by.map((/** @type {string} */ b) => BY[b] ?? b).join(" and ");
  return [by && `Found by ${by}`, ORIGINS[h.origin] && `in ${ORIGINS[h.origin]}`].filter(Boolean).join(", ");
}

/** @param {string} folder */
function lastOf(folder) {
  const parts = folder.split("/").filter(Boolean);
  return visible(parts.length > 2 ? `…/${parts.slice(-2).join("/")}` : folder);
}

const opens = () => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".open")].filter((o) => o.getClientRects().length));

/** One stop of the Tab key among all cards: the one that was last in focus. @param {HTMLElement} to */
function rove(to) {
  for (const button of root.querySelectorAll("[tabindex='0']")) button.setAttribute("tabindex", "-1");
  for (const button of to.closest(".card")?.querySelectorAll("button") ?? []) button.setAttribute("tabindex", "0");
}

root.addEventListener("focusin", (event) => {
  const open = /** @type {HTMLElement} */ (event.target).closest(".card")?.querySelector(".open");
  if (open) rove(/** @type {HTMLElement} */ (open));
});

/** The result in focus. */
export const focused = () => hit(/** @type {HTMLElement | null} */ (document.activeElement?.closest(".card"))?.dataset.id ?? "");

/** @param {string | null} id of the opened result */
export function mark(id) {
  for (const element of root.querySelectorAll(".card")) element.toggleAttribute("data-open", /** @type {HTMLElement} */ (element).dataset.id === id);
}

/** @param {string} [id] the card of this id, or the first */
export function focus(id) {
  const all = opens();
  const wanted = all.find((o) => /** @type {HTMLElement} */ (o.closest(".card")).dataset.id === id) ?? (id ? undefined : all[0]);
  wanted?.focus();
  return Boolean(wanted);
}

/** Move the focus by an arrow key; false if there is nowhere to go. @param {string} key */
export function move(key) {
  const all = opens();
  const at = all.findIndex((o) => o.closest(".card") === document.activeElement?.closest(".card"));
  if (at < 0) return key === "ArrowDown" || key === "ArrowRight" ? focus() : false;
  if (key === "ArrowLeft" || key === "ArrowRight") return step(all[at + (key === "ArrowRight" ? 1 : -1)]);
  const here = all[at].closest(".card")?.getBoundingClientRect();
  const down = key === "ArrowDown";
  const rows = all.map((o) => ({ o, box: /** @type {Element} */ (o.closest(".card")).getBoundingClientRect() }))
    .filter(({ box }) => here && (down ? box.top > here.top + 4 : box.top < here.top - 4))
    .sort((a, b) => (down ? a.box.top - b.box.top : b.box.top - a.box.top) || Math.abs(a.box.left - here.left) - Math.abs(b.box.left - here.left));
  return step(rows[0]?.o);
}

/** @param {HTMLElement | undefined} to */
function step(to) {
  to?.focus();
  to?.closest(".card")?.scrollIntoView({ block: "nearest" });
  return Boolean(to);
}
