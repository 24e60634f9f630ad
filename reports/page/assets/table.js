// Tables whose headers sort them.

/**
 * A table head of buttons that says how it is sorted.
 *
 * A column has `title`, `value(row)` to sort by (null comes last either way), `cell(row)` to show, and may be `minor`
 * (left out on a narrow screen), `text` (aligned to the left) or `main` (bold in the best row).
 */
class Sorting {
  constructor(table, columns, changed) {
    this.columns = columns;
    this.column = null;
    this.descending = false;
    this.heads = columns.map((column) => this.head(column, changed));
    table.replaceChildren(element("thead", {}, element("tr", {}, this.heads)));
  }

  head(column, changed) {
    const button = element("button", { type: "button", title: column.hint, onclick: () => this.turn(column, changed) });
    button.append(column.title, element("span", { class: "arrow", "aria-hidden": "true" }));
    return element("th", { scope: "col", class: classOf(column), "aria-sort": "none" }, button);
  }

  turn(column, changed) {
    this.by(column, this.column === column && !this.descending);
    changed();
  }

  by(column, descending) {
    this.column = column;
    this.descending = descending;
    this.columns.forEach((other, place) => {
      const sort = other !== column ? "none" : descending ? "descending" : "ascending";
      this.heads[place].setAttribute("aria-sort", sort);
    });
  }

  /** The rows in order; equal ones stay as they were. */
  sorted(rows) {
    if (!this.column) return rows;
    const sign = this.descending ? -1 : 1;
    const pairs = rows.map((row) => [this.column.value(row), row]);
    const empty = (value) => value === null || value === undefined || value === "";
    pairs.sort(([a], [b]) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b);
      return a < b ? -sign : a > b ? sign : 0;
    });
    return pairs.map(([, row]) => row);
  }

  cells(row) {
    return this.columns.map((column) => element("td", { class: classOf(column) }, column.cell(row)));
  }
}

const classOf = (column) => [column.minor && "minor", column.text && "text", column.main && "main"].filter(Boolean).join(" ") || null;

/** A value with its interval, or a name, in small print. */
const withSmall = (text, small, kind = "beside") => [text, " ", element("small", { class: kind }, small)];

/** A method's marker beside the button that opens it, and remarks beneath. */
const namedButton = (method, attributes, ...remarks) =>
  element("div", { class: "named" }, swatch(method), element("div", {}, element("button", { type: "button", class: "link", "aria-haspopup": "dialog", ...attributes }, breakable(method)), remarks));

/** Two columns of names and values, unknown ones left out. */
function listOf(entries) {
  const shown = entries.filter(([, value]) => known(value) && value !== "" && value !== DASH);
  return element("dl", {}, shown.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** A plain table: the first entry of each row names it, and the first `texts` columns are aligned to the left. */
function plainTable(caption, titles, rows, texts = 1) {
  const side = (place) => (place < texts ? "text" : null);
  const head = element("tr", {}, titles.map((title, place) => element("th", { scope: "col", class: side(place) }, title)));
  const body = rows.map(([name, ...rest]) =>
    element("tr", {}, element("th", { scope: "row", class: "text" }, name), rest.map((value, place) => element("td", { class: side(place + 1) }, value))),
  );
  const table = element("table", {}, caption && element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, body));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption || titles.join(", ") }, table);
}
