// The page: what is asked, what was found, what is open; and the keys. State lives in the address (state.js).
import * as api from "./api.js";
import * as composer from "./composer.js";
import * as detail from "./detail.js";
import { fill, make, marker, visible } from "./dom.js";
import * as results from "./results.js";
import * as states from "./state.js";
import { count, KINDS, plural, SHORTCUTS } from "./words.js";

const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const words = /** @type {HTMLInputElement} */ (at("words"));
const narrow = matchMedia("(max-width: 999px)");

let state = states.read(location.search);
/** @type {AbortController | null} */
let searching = null;
/** @type {any} */
let held = null; // what the index holds
/** @type {RegExp | null} */
let wanted = null;
let opener = ""; // the result whose card gets the focus back

const asks = (/** @type {states.State} */ s) => states.query(s).parts.length > 0;

/** Go to another state: into the address, then onto the page. @param {Partial<states.State>} change @param {boolean} [instead] */
function go(change, instead = false) {
  const next = { ...state, ...change };
  if (states.write(next) !== location.pathname + location.search) {
    history[instead ? "replaceState" : "pushState"](null, "", states.write(next));
  }
  return turn(next);
}

/** Make the page show a state. @param {states.State} next */
async function turn(next, force = false) {
  const again = force || !states.same(state, next);
  state = next;
  drawKinds();
  document.title = [state.words, "samespace"].filter(Boolean).join(" · ");
  if (again) await search();
  await showOpen();
}

async function search() {
  searching?.abort();
  fill(at("notice"));
  if (!asks(state)) {
    results.waiting(false);
    return held ? results.welcome(held) : results.clear();
  }
  const mine = (searching = new AbortController());
  results.waiting(true);
  try {
    const answer = await api.search(states.query(state), mine.signal);
    if (mine.signal.aborted) return;
    wanted = marker(answer.words);
    results.show(answer, state, wanted, { open, more: (h) => like(h, 1), less: (h) => like(h, -0.5), everywhere: () => go({ kinds: [] }) });
    at("live").textContent = results.summary(answer);
  } catch (error) {
    if (mine.signal.aborted) return;
    results.clear();
    complain(error);
  } finally {
    if (searching === mine) results.waiting(false);
  }
}

/** @param {any} error */
function complain(error) {
  if (error.status === 401) error.mend = "Open the whole address that `samespace serve` printed.";
  fill(at("notice"), make("div.notice", {}, make("p", {}, make("b", {}, error.message)), error.mend && make("p", {}, error.mend)));
}

/** Search for what stands in the composer. */
function submit() {
  const { words: text, parts } = composer.current();
  const next = { words: text.trim(), parts, open: null };
  if (states.same(state, { ...state, ...next }) && asks(state)) return turn({ ...state, open: null }, true);
  return go(next);
}

/** @param {any} hit @param {number} weight */
function like(hit, weight) {
  composer.addItem({ id: hit.id, name: hit.place ? `${hit.name} · ${hit.place}` : hit.name }, weight);
}

/** @param {string} id */
function open(id) {
  if (results.hit(id)) opener = id;
  return go({ open: id }, Boolean(state.open));
}

function close() {
  go({ open: null });
}

async function showOpen() {
  results.mark(state.open);
  at("desk").toggleAttribute("data-open", Boolean(state.open));
  cover();
  if (!state.open) {
    const was = detail.open();
    detail.close();
    if (was && !results.focus(opener)) at("results").focus();
    return;
  }
  const inside = at("detail").contains(document.activeElement);
  await detail.show(state.open, results.hit(state.open), wanted, { close, open, more: (h) => like(h, 1), less: (h) => like(h, -0.5) });
  if (!inside || !at("detail").contains(document.activeElement)) at("detail").focus();
}

/** On a narrow screen the opened result covers the page, so what is under it must not take the focus. */
function cover() {
  const covered = narrow.matches && Boolean(state.open);
  for (const element of [at("results"), document.querySelector(".top"), document.querySelector(".ask")]) element?.toggleAttribute("inert", covered);
}

function drawKinds() {
  const counts = held?.kinds ?? {};
  const names = Object.keys(KINDS).filter((k) => counts[k] || state.kinds.includes(k));
  const pill = (/** @type {string} */ label, /** @type {number | null} */ n, /** @type {boolean} */ on, /** @type {() => void} */ press) =>
    make("button.pill", { type: "button", "aria-pressed": String(on), onclick: press }, label, n !== null && make("span.n", {}, count(n)));
  const toggle = (/** @type {string} */ k) => go({ kinds: state.kinds.includes(k) ? state.kinds.filter((x) => x !== k) : [...state.kinds, k], open: null });
  const focused = [...at("kinds").children].indexOf(/** @type {Element} */ (document.activeElement));
  fill(at("kinds"), ...(names.length > 1 || state.kinds.length
    ? [pill("Everything", null, !state.kinds.length, () => go({ kinds: [], open: null })), ...names.map((k) => pill(KINDS[k].filter, counts[k] ?? 0, state.kinds.includes(k), () => toggle(k)))]
    : []));
  if (focused >= 0) /** @type {HTMLElement | undefined} */ (at("kinds").children[focused])?.focus();
}

function drawStatus() {
  const failed = held.files.failed ?? 0;
  fill(at("status"),
    make("span", { title: held.roots.map(visible).join("\n") }, plural(held.items, "item", "items")),
    failed > 0 && make("span.failed", { title: "See which: samespace status --failed" }, `${count(failed)} unread`),
    make("span.model", { title: held.space }, held.model));
}

function drawHelp() {
  const dialog = /** @type {HTMLDialogElement} */ (at("help"));
  fill(dialog,
    make("h2", { id: "help-title" }, "Keys"),
    make("dl", {}, ...SHORTCUTS.flatMap(([k, what]) => [make("dt", {}, make("kbd", {}, k)), make("dd", {}, what)])),
    make("p", {}, "A match is called strong, likely or weak by how rarely two unrelated things are that close in this model's space. Raw similarities differ from model to model and are not shown."),
    make("form", { method: "dialog" }, make("button.main", {}, "Close")));
  dialog.showModal();
}

/** @param {Iterable<File>} files */
async function take(files) {
  try {
    fill(at("notice"));
    await composer.addFiles(files);
  } catch (error) {
    complain(error);
  }
}

const typing = (/** @type {EventTarget | null} */ t) => t instanceof Element && t.closest("input, textarea, select, [contenteditable]") !== null;

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || /** @type {HTMLDialogElement} */ (at("help")).open) return;
  const { key, target } = event;
  if (key === "Escape") return escape();
  if (typing(target)) {
    if (key === "ArrowDown" && target === words && results.move(key)) event.preventDefault();
    return;
  }
  if (/** @type {Element} */ (target).closest("audio, video, summary")) return;
  if (press(key)) event.preventDefault();
}

/** @param {string} key @returns {boolean} whether it means something */
function press(key) {
  const hit = results.focused() ?? (detail.open() ? detail.current() : undefined);
  const inPanel = at("detail").contains(document.activeElement);
  if (key === "/") return words.focus(), words.select(), true;
  if (key === "?") return drawHelp(), true;
  if (key === "m" && hit) return like(inPanel ? detail.current() : hit, 1), true;
  if (key === "l" && hit) return like(inPanel ? detail.current() : hit, -0.5), true;
  if ((key === "[" || key === "]") && detail.open()) {
    const to = detail.neighbour(key === "[" ? -1 : 1);
    return to && open(to), true;
  }
  if (!key.startsWith("Arrow") || inPanel) return false;
  if (results.move(key)) return true;
  if (key === "ArrowUp" && results.focused()) return words.focus(), true;
  return false;
}

function escape() {
  if (state.open) close();
  else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
at("add-file").addEventListener("click", () => at("file").click());
at("add-more").addEventListener("click", () => composer.addWords(1));
at("add-less").addEventListener("click", () => composer.addWords(-1));
at("help-open").addEventListener("click", drawHelp);
at("file").addEventListener("change", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  const files = [...(input.files ?? [])];
  input.value = "";
  take(files);
});
document.querySelector(".mark")?.addEventListener("click", (event) => {
  event.preventDefault();
  const empty = states.read("");
  composer.show(empty);
  go(empty);
  words.focus();
});
document.addEventListener("keydown", onKey);
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length) return;
  event.preventDefault();
  take(files);
});
const carries = (/** @type {DragEvent} */ e) => e.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (e) => { if (carries(e)) at("drop").hidden = false; });
addEventListener("dragover", (e) => { if (carries(e)) e.preventDefault(); });
addEventListener("dragleave", (e) => { if (!e.relatedTarget) at("drop").hidden = true; });
addEventListener("drop", (event) => {
  at("drop").hidden = true;
  if (!carries(event)) return;
  event.preventDefault();
  take([...(event.dataTransfer?.files ?? [])]);
});
addEventListener("popstate", () => {
  const next = states.read(location.search);
  composer.show(next);
  turn(next);
});
narrow.addEventListener("change", cover);
composer.onChange(submit);

async function start() {
  composer.show(state);
  try {
    held = await api.status();
    drawStatus();
    drawKinds();
  } catch (error) {
    return complain(error);
  }
  if (asks(state)) words.blur();
  await turn(state, true);
}

start();
