// Every word the page shows, in one place. Knows nothing of the page.

/** @type {Record<string, {one: string, many: string, filter: string}>} */
export const KINDS = {
  text: { one: "Text", many: "passages", filter: "Text" },
  page: { one: "Page", many: "pages", filter: "Pages" },
  image: { one: "Picture", many: "pictures", filter: "Pictures" },
  audio: { one: "Recording", many: "places in recordings", filter: "Recordings" },
  video: { one: "Film", many: "moments in films", filter: "Films" },
  other: { one: "File", many: "other files", filter: "Other files" },
};

export const ORIGINS = {
  body: "its own words",
  ocr: "words read in it",
  speech: "words heard in it",
  pixels: "how it looks",
  sound: "how it sounds",
  name: "its name",
};

export const BY = { meaning: "meaning", words: "the words themselves" };

export const MATCH = { strong: "Strong match", likely: "Likely match", weak: "Weak match" };

export const COMPOSED = {
  single: "",
  model: "The parts were combined by the model.",
  sum: "The parts were combined by adding their vectors.",
  logic: "The parts were combined by logic.",
};

export const SHORTCUTS = [
  ["/", "Go to the words"],
  ["Enter", "Search; in the results: open"],
  ["← ↑ → ↓", "Move through the results"],
  ["Esc", "Close, or leave the words"],
  ["m", "More like this result"],
  ["l", "Less like this result"],
  ["[  ]", "Earlier or later place in the opened file"],
  ["?", "This help"],
];

const numbers = new Intl.NumberFormat("en");

/** @param {number} n */
export const count = (n) => numbers.format(n);

/** @param {number} n @param {string} one @param {string} many */
export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) {
    bytes /= 1000;
    step += 1;
  }
  return `${bytes < 10 && step ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}

/** @param {number} share in [0, 1] */
export function percent(share) {
  if (share >= 0.9995) return "more than 99.9 %";
  return `${(100 * share).toFixed(share >= 0.99 ? 1 : 0)} %`;
}
