// Colour and symbol of a method, the same everywhere.

const SHAPES = {
  circle: "M6 1.5a4.5 4.5 0 1 0 .001 0z",
  square: "M2 2h8v8H2z",
  "triangle-up": "M6 1l5 9.5H1z",
  "triangle-down": "M6 11L1 1.5h10z",
  "triangle-left": "M1 6l9.5-5v10z",
  "triangle-right": "M11 6L1.5 1v10z",
  diamond: "M6 .5L11.5 6 6 11.5.5 6z",
  cross: "M4 1h4v3h3v4H8v3H4V8H1V4h3z",
  x: "M3 1l3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3-3-3z",
};

const lookOf = (method) => dataOf("curves").looks[method];

const colourOf = (look) => (isDark() ? look.dark : look.colour);

/** A small picture of the method's marker. */
function swatch(method) {
  const look = lookOf(method);
  if (!look) return element("span", { class: "swatch" });
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("class", "swatch");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[look.symbol]);
  path.style.setProperty("--light", look.colour);
  path.style.setProperty("--dark", look.dark);
  if (look.outlined) path.setAttribute("class", "outlined");
  picture.append(path);
  return picture;
}
