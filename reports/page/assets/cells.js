// Every planned cell, holes included: filtered, sorted, and shown a page at a time.

const ROWS_PER_PAGE = 50;
const cells = dataOf("cells");
const cellForm = formOf("cells");
const cellFilters = ["attack", "model", "dataset", "knowledge", "victim", "state"];
const cellCount = cells.seed.length;

/** A column of repeated texts: sorted by the levels, which are in order. */
const coded = (title, name, more = {}) => ({
  title,
  text: true,
  value: (row) => cells[name].codes[row],
  cell: (row) => textAt(cells[name], row),
  ...more,
});

const measured = (title, name, more = {}) => ({
  title,
  value: (row) => cells[name][row],
  cell: (row) => percent(cells[name][row]),
  ...more,
});

const cellColumns = [
  coded("Attack", "attack", { cell: (row) => breakable(textAt(cells.attack, row)) }),
  coded("Defense", "method", { cell: cellButton }),
  ...["model", "dataset"].filter((name) => cells[name].levels.length > 1).map((name) => coded(name === "model" ? "Model" : "Data set", name, { minor: true })),
  coded("Knowledge", "knowledge", { minor: true }),
  coded("Victim", "victim", { minor: true }),
  { title: "Seed", value: (row) => cells.seed[row], cell: (row) => `${cells.seed[row]}`, minor: true },
  coded("State", "state", { cell: (row) => badge(textAt(cells.state, row)), minor: true }),
  measured("Success (%)", "success", { cell: successCell, hint: "Attack success at the blind pick" }),
  measured("Clean accuracy (%)", "clean", {
    cell: (row) => withSmall(percent(cells.clean[row]), bracket(cells.clean_low[row], cells.clean_high[row])),
  }),
  measured("Loss", "loss", { minor: true, hint: "Test accuracy lost to the victim, in points" }),
  measured("Robust (%)", "robust", { minor: true, hint: "Triggered images that keep their class" }),
  { title: "Time", value: (row) => cells.seconds[row], cell: (row) => duration(cells.seconds[row]), minor: true },
];

const badge = (state) => (state === "ok" ? "ok" : element("span", { class: `badge ${state.split(" ")[0]}` }, state));

function cellButton(row) {
  const method = textAt(cells.method, row);
  const attributes = { "aria-label": `${method}: details of ${cellName(row)}`, onclick: () => openCell(row) };
  return namedButton(method, attributes, element("small", { class: "narrow" }, `seed ${cells.seed[row]}${victimWord(row)}${weakWord(row)}`));
}

const weakWord = (row) => (textAt(cells.state, row) === "weak victim" ? ", weak" : "");

const victimWord = (row) => (textAt(cells.victim, row) === "poisoned" ? "" : `, ${textAt(cells.victim, row)}`);

function cellName(row) {
  const parts = ["model", "dataset", "attack", "method"].map((name) => textAt(cells[name], row));
  return `${parts.join(" / ")} / seed ${cells.seed[row]}${victimWord(row)}`;
}

function successCell(row) {
  const state = textAt(cells.state, row);
  if (!known(cells.success[row])) return state === "ok" ? DASH : [element("span", { class: "wide" }, DASH), element("span", { class: `narrow badge ${state}` }, state)];
  const shown = percent(cells.success[row]);
  return withSmall(state === "ok" ? shown : `(${shown})`, bracket(cells.success_low[row], cells.success_high[row]));
}

function explainCell(row) {
  const state = textAt(cells.state, row);
  const rate = (name, words) =>
    known(cells[name][row]) &&
    `${words} ${percent(cells[name][row])} %, 95 % interval ${range(cells[`${name}_low`][row], cells[`${name}_high`][row])}, n = ${number(cells[`${name}_images`][row])} images`;
  return [
    cellName(row),
    state !== "ok" && `State: ${state}`,
    rate("success", "Success"),
    rate("clean", "Clean accuracy"),
    known(cells.success[row]) && "One victim; intervals over test images only (Wilson)",
  ];
}

const haystacks = Array.from({ length: cellCount }, (_, row) =>
  [cellName(row), textAt(cells.knowledge, row), textAt(cells.victim, row), textAt(cells.state, row)].join(" ").toLowerCase(),
);

function matchingCells() {
  const words = cellForm.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = cellFilters
    .map((name) => [cells[name].codes, chosen(cellForm, name) === null ? -1 : cells[name].levels.indexOf(chosen(cellForm, name))])
    .filter(([, code]) => code >= 0);
  const rows = [];
  for (let row = 0; row < cellCount; row += 1) {
    if (wanted.every(([codes, code]) => codes[row] === code) && words.every((word) => haystacks[row].includes(word))) rows.push(row);
  }
  return rows;
}

const cellSorting = new Sorting(byId("cells-table"), cellColumns, () => showPage(0));
const cellBody = element("tbody");
byId("cells-table").append(cellBody);
let cellPage = 0;

function showPage(page) {
  const rows = cellSorting.sorted(matchingCells());
  const pages = Math.max(1, Math.ceil(rows.length / ROWS_PER_PAGE));
  cellPage = Math.max(0, Math.min(page, pages - 1));
  const start = cellPage * ROWS_PER_PAGE;
  const shown = rows.slice(start, start + ROWS_PER_PAGE);
  cellBody.replaceChildren(...shown.map(cellRow));
  if (!shown.length) cellBody.append(element("tr", {}, element("td", { colspan: cellColumns.length, class: "text" }, "No cell matches.")));
  const total = rows.length === cellCount ? "" : ` (of ${number(cellCount)})`;
  byId("cells-shown").textContent = shown.length ? `${number(start + 1)} to ${number(start + shown.length)} of ${counted(rows.length, "cell")}${total}` : `0 cells${total}`;
  byId("cells-page").textContent = `Page ${cellPage + 1} of ${pages}`;
  byId("cells-pages").hidden = pages === 1;
  for (const [id, off] of [["cells-previous", cellPage === 0], ["cells-next", cellPage === pages - 1]]) byId(id).setAttribute("aria-disabled", String(off));
}

function cellRow(row) {
  const made = element("tr", { class: textAt(cells.state, row).split(" ")[0] }, cellSorting.cells(row));
  explain(made, () => explainCell(row));
  return made;
}

for (const name of cellFilters) fill(cellForm.elements[name], cells[name].levels, "all");
onChange(cellForm, () => showPage(0));
byId("cells-previous").addEventListener("click", () => showPage(cellPage - 1));
byId("cells-next").addEventListener("click", () => showPage(cellPage + 1));
showPage(0);
