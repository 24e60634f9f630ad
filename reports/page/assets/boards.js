// Boards: one group of rows per model, data set and knowledge; sorting never mixes groups.

const ROWS_AT_START = 120;
const OPEN_NOTES = 8; // with more boards than this their notes start folded
const boards = dataOf("boards");
const boardForm = formOf("boards");

const boardColumns = [
  { title: "Rank", main: true, text: true, value: (row) => row("rank"), cell: rankCell },
  { title: "Defense", main: true, text: true, value: (row) => row("method"), cell: methodCell },
  {
    title: "Success (%)",
    main: true,
    hint: "Attack success at the blind pick, mean over attacks",
    value: (row) => row("success"),
    cell: (row) => withSmall(percent(row("success")), bracket(row("success_low"), row("success_high"))),
  },
  ...side("Dev (%)", "dev_success", "Mean over the attacks that defenses may be tuned on"),
  ...side("Held out (%)", "held_out_success", "Mean over the attacks that only score"),
  {
    title: "Worst attack (%)",
    hint: "The attack that succeeds most, mean over seeds",
    value: (row) => row("worst_success"),
    cell: (row) => withSmall(percent(row("worst_success")), breakable(row("worst_attack") ?? ""), "beside name"),
    minor: true,
  },
  {
    title: "Clean accuracy (%)",
    value: (row) => row("clean_accuracy"),
    cell: (row) => withSmall(percent(row("clean_accuracy")), bracket(row("clean_accuracy_low"), row("clean_accuracy_high"))),
  },
  {
    title: "Loss",
    hint: "Test accuracy lost to the victim, in points; ! exceeds the budget",
    value: (row) => row("test_loss"),
    cell: (row) => percent(row("test_loss")) + (row("overshoot") ? " !" : ""),
    minor: true,
  },
  {
    title: "Harm",
    hint: "Accuracy lost on a victim without backdoor, in points",
    value: (row) => row("harm"),
    cell: (row) => percent(row("harm")),
    minor: true,
  },
  {
    title: "Rank range",
    hint: "Ranks when one attack is left out",
    value: (row) => row("rank_worst"),
    cell: (row) => rankRange(row),
    minor: true,
  },
  {
    title: "n (cells)",
    hint: "Cells with a number of all that count: one per attack and seed",
    value: (row) => row("cells_ok"),
    cell: (row) => `${row("cells_ok")}/${row("cells")}`,
    minor: true,
  },
];

/** A column of success over some of the attacks, where the matrix tells them apart. */
function side(title, name, hint) {
  if (!boards.some((board) => board.held_out)) return [];
  return [{ title, hint, value: (row) => row(name), cell: (row) => percent(row(name)), minor: true }];
}

function rankRange(row, kind = "rank") {
  const [best, worst] = [row(`${kind}_best`), row(`${kind}_worst`)];
  if (!known(best)) return DASH;
  return best === worst ? `${best}` : `${best} to ${worst}`;
}

function rankCell(row) {
  if (!known(row("rank"))) return DASH;
  const tied = row("tied");
  return element("span", { class: "rank" }, `${row("rank")}`, tied > 1 ? element("small", {}, `tie of ${tied}`) : null);
}

function methodCell(row) {
  const unranked = row("unranked");
  return namedButton(row("method"), { onclick: () => openBoardRow(row) }, unranked ? element("small", {}, `not ranked: ${unranked}`) : null);
}

/** A function from a column's name to its value in one row of a board. */
function boardRow(board, place, columns = board.rows) {
  const row = (name) => (name in columns ? columns[name][place] : null);
  row.board = board;
  return row;
}

const rowsOfBoard = (board) => board.rows.method.map((_, place) => boardRow(board, place));

function explainBoardRow(row) {
  const n = `n = ${counted(row("cells"), "victim")}, ${number(row("images"))} triggered images each, ${counted(row("seeds"), "seed")}`;
  return [
    row("method"),
    known(row("success")) && `Success ${percent(row("success"))} %, 95 % interval ${range(row("success_low"), row("success_high"))} (${row("success_interval")})`,
    known(row("worst_success")) && `Worst attack: ${row("worst_attack")}, ${percent(row("worst_success"))} %`,
    known(row("clean_accuracy")) && `Clean accuracy ${percent(row("clean_accuracy"))} %, 95 % interval ${range(row("clean_accuracy_low"), row("clean_accuracy_high"))} (${row("clean_accuracy_interval")})`,
    row("unranked") ? `Not ranked: ${row("unranked")}` : n,
  ];
}

const boardSorting = new Sorting(byId("boards-table"), boardColumns, drawBoards);
boardSorting.by(boardColumns[0], false);

function boardGroup(board, alone, open) {
  const title = alone ? `The defender knows: ${board.knowledge}` : `${board.model} on ${board.dataset}, the defender knows: ${board.knowledge}`;
  const heading = element("tr", { class: "group" }, element("th", { colspan: boardColumns.length, scope: "rowgroup" }, title));
  const rows = boardSorting.sorted(rowsOfBoard(board)).map((row) => {
    const made = element("tr", { class: row("rank") === 1 ? "best" : null }, boardSorting.cells(row));
    explain(made, () => explainBoardRow(row));
    return made;
  });
  return element("tbody", {}, heading, rows, referenceRows(board), noteRow(board, open));
}

function referenceRows(board) {
  return board.references.method.map((name, place) => {
    const row = boardRow(board, place, board.references);
    const shown = boardColumns.map((column) => {
      const cell = column.title === "Rank" ? "ref" : column.title === "Defense" ? name : column.title === "n (cells)" ? DASH : column.cell(row);
      return element("td", { class: classOf(column) }, cell);
    });
    return element("tr", { class: "reference" }, shown);
  });
}

function noteRow(board, open) {
  const notes = element("details", { open }, element("summary", {}, counted(board.notes.length, "note")), element("ul", {}, board.notes.map((note) => element("li", {}, note))));
  return element("tr", { class: "notes" }, element("td", { colspan: boardColumns.length, class: "text" }, notes));
}

/** What is said of victims, once per model and data set. */
function drawVictims(found, alone) {
  const lines = found.flatMap((board) => board.victims.map((note) => (alone ? note : `${board.model} on ${board.dataset}: ${note}`)));
  byId("boards-victims").replaceChildren(...unique(lines).map((line) => element("p", {}, line)));
}

function drawBoards() {
  const wanted = ["model", "dataset", "knowledge"].map((name) => [name, chosen(boardForm, name)]);
  const found = boards.filter((board) => wanted.every(([name, value]) => value === null || board[name] === value));
  const alone = unique(found.map((board) => `${board.model}\n${board.dataset}`)).length === 1;
  const table = byId("boards-table");
  table.querySelectorAll("tbody").forEach((body) => body.remove());
  drawVictims(found, alone);
  table.append(...found.map((board) => boardGroup(board, alone, found.length <= OPEN_NOTES)));
  if (!found.length) table.append(element("tbody", {}, element("tr", {}, element("td", { colspan: boardColumns.length, class: "text" }, "No board matches."))));
}

fill(boardForm.elements.model, unique(boards.map((board) => board.model)), "all");
fill(boardForm.elements.dataset, unique(boards.map((board) => board.dataset)), "all");
fill(boardForm.elements.knowledge, dataOf("cells").knowledge.levels, "all");
if (boards.reduce((sum, board) => sum + board.rows.method.length, 0) > ROWS_AT_START) {
  boardForm.elements.model.value = boards[0].model;
  boardForm.elements.dataset.value = boards[0].dataset;
}
onChange(boardForm, drawBoards);
drawBoards();
