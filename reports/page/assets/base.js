// Data, elements and numbers that every section uses. Text becomes text nodes, never markup.

const byId = (id) => document.getElementById(id);

const parsed = new Map();

/** The data of a section, parsed when it is first asked for. */
function dataOf(name) {
  if (!parsed.has(name)) parsed.set(name, JSON.parse(byId(`data-${name}`).textContent));
  return parsed.get(name);
}

/** An element; attributes that are false or null are left out, "on..." ones are listeners. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** A name that may break after its underscores and nowhere else. */
const breakable = (name) => name.split("_").flatMap((part, place) => (place ? ["_", element("wbr"), part] : [part]));

const textAt = (coded, row) => coded.levels[coded.codes[row]];

const DASH = "–";

const known = (value) => value !== null && value !== undefined;

function fixed(value, decimals) {
  const shown = value.toFixed(decimals);
  return Number(shown) === 0 ? shown.replace("-", "") : shown.replace("-", "−");
}

/** A rate in ten thousandths as percent. */
const percent = (rate) => (known(rate) ? fixed(rate / 100, 1) : DASH);

const bracket = (low, high) => (known(low) && known(high) ? `[${percent(low)}, ${percent(high)}]` : "");

const range = (low, high) => `${percent(low)} to ${percent(high)} %`;

const number = (value) => (known(value) ? Number(value).toLocaleString("en-GB", { maximumSignificantDigits: 6 }) : DASH);

function duration(seconds) {
  if (!known(seconds)) return DASH;
  if (seconds < 100) return `${fixed(seconds, 1)} s`;
  return seconds < 6000 ? `${fixed(seconds / 60, 0)} min` : `${fixed(seconds / 3600, 1)} h`;
}

const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
